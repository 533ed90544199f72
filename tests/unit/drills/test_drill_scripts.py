"""The scripts that drills run on machines, and how their output is read, without any machine."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills.control import faults, holder_monitor, self_undo


def test_a_machine_is_steady_only_with_everything_ready() -> None:
    ready = "nginx\nkeepalived\nhttp=200\n"
    states = {"host1": f"holds\n{ready}", "host2": ready}
    assert faults.unsteady(states, "host1") == ""
    assert "host1 does not hold" in faults.unsteady({**states, "host1": ready}, "host1")
    assert "host2 still holds" in faults.unsteady({**states, "host2": f"holds\n{ready}"}, "host1")
    assert "host2: not ready: nginx" in faults.unsteady(
        {**states, "host2": "keepalived http=200"}, "host1"
    )


def test_a_fault_that_outlives_us_is_armed_to_undo_itself() -> None:
    script = self_undo.inject("nginx", "break it", "mend 'it'", outlives_s=60)
    assert script.index("setsid --fork") < script.index("break it")
    assert "sleep 60" in script
    assert self_undo.times("at=1.5\nnoise\nat=2.5") == [1.5, 2.5]
    assert "setsid" not in self_undo.inject("worker", "kill", "")


@pytest.mark.parametrize(
    ("lines", "held", "waits"),
    [
        ("", True, False),
        ("[..] 2: eth0    inet 10.0.0.9/16\n", False, False),
        (
            "[..] 2: eth0    inet 10.0.0.9/16\n[..] Deleted 2: eth0    inet 10.0.0.9/16\n",
            True,
            True,
        ),
        ("[..] 2: eth0    inet 10.0.0.99/16\n", False, True),
    ],
)
def test_a_monitor_ends_when_its_lines_are_what_the_machine_says(
    lines: str, held: bool, waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine holds the address; `held`: whether it did at the start."""
    monkeypatch.setattr(holder_monitor, "DIRECTORY", str(tmp_path))
    monkeypatch.setattr(holder_monitor, "CATCH_UP_STEPS", 5)
    (tmp_path / "watch").write_text(lines)
    (tmp_path / "watch.pid").write_text("")
    node: Any = SimpleNamespace(interface="eth0", vip=SimpleNamespace(ip="10.0.0.9"))
    address = "ip() { echo '2: eth0    inet 10.0.0.9/16 scope global'; }; "
    began = time.monotonic()
    done = subprocess.run(
        ["sh", "-c", address + holder_monitor.stop_script(node, held)],
        capture_output=True,
        text=True,
    )
    assert done.stdout == lines
    assert (time.monotonic() - began > 0.5) is waits


def test_a_drill_touches_the_machines_own_processes_and_no_containers() -> None:
    known = [fault for fault in vars(faults).values() if isinstance(fault, faults.Fault)]
    scripts = [text for fault in known for text in (fault.do, fault.undo)]
    looks = [look for text in scripts for look in re.findall(r"p(?:grep|kill) [^|;]*", text)]
    assert len(looks) >= 10
    # The children of one that was found here are here, too.
    assert [look for look in looks if faults.OURS not in look] == []
