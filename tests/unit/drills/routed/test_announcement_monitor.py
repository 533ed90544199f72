"""Who announces the address when: a program on each node that asks BIRD, and its lines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills.control import holder_monitor
from drills.control.routed import announcement_monitor, announcement_watch, routed_faults
from drills.control.routed.announcement_monitor import AnnouncementMonitor
from tests.unit.programs.routed.fake_bird import FakeBird

CONFIGURATION = """
protocol static vip_serves4 {
}
protocol static vip_yields4 {
    disabled yes;
}
protocol bgp router_1 {
}
"""
SHOWN = """\
2002-Name       Proto      Table      State  Since         Info
1002-vip_serves4 Static     master4    {serves}     23:57:29.455
 vip_yields4 Static     master4    {yields}   23:57:29.436
 router_1   BGP        ---        {session}
0000 """
UP, DOWN = "up     23:57:30.369  Established", "start  23:57:30.369  Active        Socket: refused"


@pytest.fixture
def bird(tmp_path: Path) -> Iterator[FakeBird]:
    found = FakeBird(tmp_path / "bird.ctl", CONFIGURATION)
    yield found
    found.stop()


@pytest.mark.parametrize(
    ("serves", "yields", "session", "announces"),
    [
        ("up", "down", UP, True),
        ("down", "up", UP, False),
        ("up", "down", DOWN, False),
        ("down", "down", UP, False),
    ],
)
def test_a_node_announces_where_it_serves_and_a_router_hears_it(
    serves: str, yields: str, session: str, announces: bool, tmp_path: Path
) -> None:
    shown = SHOWN.format(serves=serves, yields=yields, session=session)
    assert announcement_watch.announces(shown.split("\n")) is announces
    # The same by a machine's shell, of what birdcl prints: without the codes.
    plain = "\n".join(line[5:] if line[:4].isdigit() else line[1:] for line in shown.splitlines())
    birdcl = tmp_path / "birdcl"
    birdcl.write_text(f"#!/bin/sh\ncat <<'END'\nBIRD 2.0.12 ready.\n{plain}\nEND\n")
    birdcl.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", routed_faults.SERVES], env={"PATH": path})
    assert (done.returncode == 0) is announces


def test_each_change_is_written_down_also_that_bird_is_gone(bird: FakeBird, tmp_path: Path) -> None:
    command = [sys.executable, announcement_watch.__file__, str(bird.path), "0.01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        began = time.time()
        try:
            assert watch.stdout.readline().split()[1] == "1"
            bird.protocols["vip_serves4"] = "down"
            assert watch.stdout.readline().split()[1] == "0"
            bird.protocols["vip_serves4"] = "up"
            at, announces = watch.stdout.readline().split()
            assert announces == "1" and began < float(at) < time.time()
            bird.stop()
            bird.drop()
            assert watch.stdout.readline().split()[1] == "0"
        finally:
            watch.kill()


def test_the_watch_starts_on_a_machine_and_is_ended_with_its_lines(
    bird: FakeBird, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As shell runs it there; `birdcl` is not needed while the watch is right."""
    monkeypatch.setattr(announcement_monitor, "DIRECTORY", str(tmp_path / "drill"))
    monkeypatch.setattr(announcement_monitor, "SOCKET", str(bird.path))
    monkeypatch.setattr(announcement_monitor, "SERVES", "true")
    node: Any = SimpleNamespace(name="host1", vip=SimpleNamespace(ip="198.51.100.80"))

    def run(name: str, script: str) -> str:
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout

    machines: Any = SimpleNamespace(
        cluster=SimpleNamespace(nodes=[node], vip=node.vip), names=("host1",), run=run
    )
    watched = AnnouncementMonitor(machines, same_clock=True)
    watched.start()
    t0 = time.monotonic()
    bird.protocols["vip_serves4"] = "down"
    time.sleep(0.3)
    bird.protocols["vip_serves4"] = "up"
    time.sleep(0.3)
    samples = watched.stop(t0)
    assert watched.void() == ""
    assert [sample.holders for sample in samples] == [("host1",), (), ("host1",)]
    assert samples[0].at_s == 0.0
    assert 0.0 < samples[1].at_s < 0.3 < samples[2].at_s < 0.6


def test_a_watch_that_does_not_say_what_bird_does_is_no_witness(
    bird: FakeBird, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcement_monitor, "DIRECTORY", str(tmp_path))
    monkeypatch.setattr(announcement_monitor, "SERVES", "false")
    monkeypatch.setattr(announcement_monitor, "CATCH_UP_STEPS", 2)
    (tmp_path / "watch").write_text("1.5 1\n")
    (tmp_path / "watch.err").write_text("")
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        (tmp_path / "watch.pid").write_text(str(sleeping.pid))
        script = ["sh", "-c", announcement_monitor.stop_script(True)]
        said = subprocess.run(script, capture_output=True, text=True).stdout
        sleeping.kill()
    assert holder_monitor.trouble(said) == "what it recorded is not what the machine says itself"
