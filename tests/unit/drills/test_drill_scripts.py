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
from drills.control.holder_monitor import HolderMonitor
from drills.control.lab_injection import LabInjection


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
    done, took_s = stopped(tmp_path, lines, held)
    assert done.startswith(f"{lines}monitor: alive=1 now=1")
    assert took_s > 0.5 or not waits
    wrong = "what it recorded is not what the machine says itself"
    assert holder_monitor.trouble(done) == (wrong if waits else "")


def stopped(directory: Path, lines: str, held: bool, alive: bool = True) -> tuple[str, float]:
    """What the script that ends a monitor prints, and how long it took.

    The monitor has written `lines`; the machine holds the address.
    """
    (directory / "watch").write_text(lines)
    (directory / "watch.err").write_text("" if alive else "Cannot open netlink socket\n")
    node: Any = SimpleNamespace(interface="eth0", vip=SimpleNamespace(ip="10.0.0.9"))
    address = "ip() { echo '2: eth0    inet 10.0.0.9/16 scope global'; }; "
    began = time.monotonic()
    with subprocess.Popen(["sleep", "60" if alive else "0"]) as monitor:
        if not alive:
            monitor.wait()
        (directory / "watch.pid").write_text(str(monitor.pid))
        try:
            done = subprocess.run(
                ["sh", "-c", address + holder_monitor.stop_script(node, held)],
                capture_output=True,
                text=True,
            )
        finally:
            monitor.kill()
    return done.stdout, time.monotonic() - began


def test_a_monitor_that_has_died_is_no_witness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder_monitor, "DIRECTORY", str(tmp_path))
    said, _ = stopped(tmp_path, "", held=True, alive=False)
    assert holder_monitor.trouble(said) == (
        "it ended before the repeat did: Cannot open netlink socket"
    )
    assert holder_monitor.trouble("") == "it was not heard to its end"


def test_every_node_has_to_have_been_watched_to_the_end() -> None:
    """host1's monitor lives, host2's has died, and host3's was never started."""
    ends = {"host1": "monitor: alive=1 now=1 last=1", "host2": "monitor: alive=0 now=0 last=0"}
    nodes = [
        SimpleNamespace(name=name, interface="eth0", vip=SimpleNamespace(ip="10.0.0.9"))
        for name in ("host1", "host2", "host3")
    ]

    def run(name: str, script: str) -> str:
        return ends[name] if "kill" in script else "1.5\n2: eth0    inet 10.0.0.9/16"

    machines: Any = SimpleNamespace(
        cluster=SimpleNamespace(nodes=nodes, vip=SimpleNamespace(ip="10.0.0.9")),
        names=tuple(node.name for node in nodes),
        run=run,
    )
    watched = HolderMonitor(machines, same_clock=True)
    watched.start(("host1", "host2"))
    assert "host1: it never ran, or was never stopped" in watched.void()
    watched.stop(0.0)
    assert watched.void() == (
        "the monitor of the address on host2: it ended before the repeat did; "
        "the monitor of the address on host3: it never ran, or was never stopped"
    )


@pytest.mark.parametrize("orderly", [False, True], ids=["power-off", "reboot"])
@pytest.mark.parametrize("died", ["", "host1", "host2"])
def test_a_monitor_is_heard_before_its_machine_goes_down(died: str, orderly: bool) -> None:
    """Afterwards nobody knows whether it had died: its machine boots, and has a new one."""
    names, boots, dead = ("host1", "host2"), iter(range(99)), {died}
    cut: list[str] = []
    nodes = [
        SimpleNamespace(name=name, interface="eth0", vip=SimpleNamespace(ip="10.0.0.9"))
        for name in names
    ]

    def run(name: str, script: str, timeout_s: float = 10.0) -> str:
        if "boot_id" in script:
            return str(next(boots))
        if "watch.pid" not in script:
            return ""
        if "kill $(cat" in script:
            assert name not in cut, "its machine is down"
            return f"{holder_monitor.END} alive={int(name not in dead)} now=0 last=0"
        return "1.5\n2: eth0"

    machines: Any = SimpleNamespace(
        cluster=SimpleNamespace(nodes=nodes, vip=SimpleNamespace(ip="10.0.0.9")),
        names=names,
        run=run,
        everywhere=lambda script, of: {name: run(name, script) for name in of},
        forget=lambda name: None,
        reconnect=lambda name, timeout_s: None,
        wait_for=lambda name, timeout_s: None,
    )
    watched = HolderMonitor(machines, same_clock=True)
    lab: Any = SimpleNamespace(power_off=cut.append, switch=lambda verb, name: cut.remove(name))
    control: Any = LabInjection.__new__(LabInjection)
    applied = SimpleNamespace(from_at=0.0, to_at=0.0)
    vars(control).update(
        machines=machines,
        monitor=watched,
        lab_here=lab,
        sights=[],
        reference_at=None,
        _boots={},
        _events=[],
        _note=lambda *given: applied,
        _by_lab=lambda *given: applied,
    )
    watched.start()
    if orderly:
        for node in nodes:
            control.reboot(node)
    else:
        control.power_off(*nodes)
        for node in nodes:
            control._power_on(node)
    dead.clear()  # the new monitors live
    watched.stop(0.0)
    reason = f"the monitor of the address on {died}: it ended before the repeat did"
    assert watched.void() == (reason if died else "")


def test_a_drill_touches_the_machines_own_processes_and_no_containers() -> None:
    known = [fault for fault in vars(faults).values() if isinstance(fault, faults.Fault)]
    scripts = [text for fault in known for text in (fault.do, fault.undo)]
    looks = [look for text in scripts for look in re.findall(r"p(?:grep|kill) [^|;]*", text)]
    assert len(looks) >= 10
    # The children of one that was found here are here, too.
    assert [look for look in looks if faults.OURS not in look] == []
