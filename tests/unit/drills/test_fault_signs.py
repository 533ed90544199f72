"""How machines show that a fault has bitten: the shell is run here, on this machine's processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from drills.control import fault_signs, faults, self_undo
from drills.control.fault_signs import Sign
from drills.control.faults import Fault
from drills.results import Sight

ON_MACHINES = [value for value in vars(faults).values() if isinstance(value, Fault)]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as started:
        try:
            yield started
        finally:
            started.kill()


def seen(sign: Sign, fault: str) -> Sight:
    """What the machine says after a fault that needs no undoing."""
    script = fault_signs.around(sign, self_undo.inject("key", fault, ""))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert len(self_undo.times(done.stdout)) == 2, done.stdout
    (found,) = fault_signs.sights("host1", done.stdout)
    return found


@pytest.mark.parametrize(
    ("make", "number", "word"),
    [(fault_signs.ended, signal.SIGKILL, "gone"), (fault_signs.stopped, signal.SIGSTOP, "stopped")],
)
def test_a_process_shows_what_has_become_of_it(
    process: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    make: type[Sign],
    number: signal.Signals,
    word: str,
) -> None:
    monkeypatch.setattr(fault_signs, "LOOKS", 3)
    sign = make("the sleeper", str(process.pid))
    spared = seen(sign, "true")
    assert not spared.bit and f"the sleeper ({process.pid})" in spared.text
    hit = seen(sign, f"kill -{number.value} {process.pid}")
    assert hit.bit and f"the sleeper ({process.pid}) is {word}" in hit.text
    none = seen(make("the sleeper", ""), "true")
    assert none == Sight("host1", False, "there was no process of the sleeper")


def test_what_is_stopped_is_not_gone_and_what_is_gone_is_not_stopped(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault_signs, "LOOKS", 2)
    which = str(process.pid)
    assert not seen(fault_signs.ended("it", which), f"kill -STOP {which}").bit
    assert not seen(fault_signs.stopped("it", which), f"kill -KILL {which}").bit


def test_a_process_counts_with_its_children() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True) as parent:
        sign = fault_signs.stopped("all", fault_signs.with_children(f"$(echo {parent.pid})"))
        try:
            found = seen(sign, f"sleep 0.2; kill -STOP -{parent.pid}")
        finally:
            os.killpg(parent.pid, signal.SIGKILL)
    # The child may have been there already when they were counted.
    assert found.bit and str(parent.pid) in found.text


def test_the_clock_shows_how_far_it_is_ahead() -> None:
    assert seen(fault_signs.CLOCK_AHEAD, "true") == Sight("host1", False, "its clock is 0 s ahead")
    ahead = Sign(fault_signs.CLOCK_AHEAD.after, before="was=$(($(date +%s) - 60))")
    assert seen(ahead, "true").bit


def test_a_disk_is_full_only_where_nothing_can_be_added_and_nginx_writes_there(
    process: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault_signs, "LOOKS", 2)
    with (tmp_path / "log").open("w") as log, subprocess.Popen(["sleep", "9"], stdout=log) as one:
        try:
            room = fault_signs.disk_full(str(one.pid), "env", str(tmp_path))
            assert seen(room, "true") == Sight("host1", False, f"there is room in {tmp_path}")
            (tmp_path / "fill").unlink()
            (tmp_path / "fill").symlink_to("/dev/full")
            assert seen(room, "true") == Sight("host1", True, "No space left on device")
        finally:
            one.kill()
    elsewhere = fault_signs.disk_full(str(process.pid), "env", "/proc")
    assert seen(elsewhere, "true") == Sight("host1", False, "nginx has no file open there")


def test_busy_processes_show_how_much_cpu_they_have_used(tmp_path: Path) -> None:
    hogs = tmp_path / "hogs"
    hogs.write_text("")
    script = f"nproc() {{ echo 1; }}; {fault_signs.busy(str(hogs))}"

    def look() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True)

    idle = look()
    assert idle.returncode and idle.stdout == "0 busy processes on 1 CPUs have used 0 ms\n"
    started = [
        subprocess.Popen(["timeout", "9", "sh", "-c", f"echo $$ >>{hogs}; while :; do :; done"])
        for _ in range(2)
    ]
    try:
        subprocess.run(["sleep", "0.6"], check=True)
        busy = look()
    finally:
        for hog in started:
            hog.terminate()
            hog.wait()
    assert busy.returncode == 0, busy.stdout
    assert busy.stdout.startswith("2 busy processes on 1 CPUs have used")


def test_packets_are_summed_over_all_rules() -> None:
    listing = "meta l4proto 112 counter packets 7 bytes 280 drop\n counter packets 5 bytes 1 drop"
    assert fault_signs.packets(listing) == 12
    assert fault_signs.packets("") == 0
    rules = faults.adverts_dropped("lost", output=True, percent=30).do
    assert rules.count("counter drop") == 2
    strangers = faults.strangers_counted([IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")])
    assert "ip saddr != { 10.0.0.1, 10.0.0.2 } counter'" in strangers.do


def test_a_machine_that_says_nothing_has_shown_nothing() -> None:
    assert fault_signs.sights("host1", "at=1.5\nat=2.5") == []
    assert fault_signs.sights("host1", "bit=no ") == [
        Sight("host1", False, "nothing is to be seen of it")
    ]


def test_a_fault_that_fails_is_not_looked_for() -> None:
    script = fault_signs.around(Sign("echo seen"), self_undo.inject("key", "false", ""))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.returncode and "bit=" not in done.stdout


@pytest.mark.parametrize("fault", ON_MACHINES, ids=lambda fault: fault.label)
def test_every_fault_of_a_machine_has_a_sign(fault: Fault) -> None:
    """But for what is seen otherwise: another boot, a stranger's adverts, the machine as it was."""
    otherwise = (faults.REBOOTED, faults.ROGUE, faults.CHANGED)
    assert (fault.sign is None) == (fault in otherwise)
