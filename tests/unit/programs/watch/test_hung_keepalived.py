"""A keepalived whose process that speaks VRRP does nothing any more is ended."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs

stuck_keepalived = programs.load("watch.stuck_keepalived")
timing = programs.load("common.timing")
linux_processes = programs.load("common.linux_processes")


def looks(states: list[tuple[float, Any]]) -> list[bool]:
    watched = stuck_keepalived.HungKeepalived()
    return [watched.is_hung(now_s, {7: seen} if seen else {}) for now_s, seen in states]


@pytest.mark.parametrize(
    ("state", "step_s", "hangs"),
    [("S", 0.5, True), ("D", 0.5, True), ("R", 0.5, False), ("S", 2.5, False)],
    ids=["asleep", "in the kernel", "wants a CPU", "the watch stood still as well"],
)
def test_one_that_has_not_run_for_three_seconds_hangs(
    state: str, step_s: float, hangs: bool
) -> None:
    found = looks([(look * step_s, (state, 5, 9)) for look in range(8)])
    assert found[:6] == [False] * 6
    assert found[6:] == [hangs] * 2


def test_one_that_wakes_or_is_another_does_not() -> None:
    assert not any(looks([(look / 2, ("S", 5, look // 4)) for look in range(20)]))
    assert not any(looks([(look / 2, None) for look in range(20)]))


def test_it_is_killed_with_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stuck_keepalived, "HUNG_S", 0.3)
    keepalived, pid_file = tmp_path / "keepalived", tmp_path / "pid"
    shutil.copy(str(shutil.which("sh")), keepalived)
    with subprocess.Popen([str(keepalived), "-c", "sleep 60 & wait"]) as parent:
        pid_file.write_text(f"{parent.pid}\n")
        assert timing.wait_for(lambda: linux_processes.children(parent.pid), 5)
        (child,) = linux_processes.children(parent.pid)
        watched = stuck_keepalived.HungKeepalived(str(pid_file))

        def ended() -> bool:
            watched.end_if(time.monotonic())
            return parent.poll() is not None

        assert timing.wait_for(ended, 5, 0.05)
    assert linux_processes.stat(child).state in ("", "Z")
