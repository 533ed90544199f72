"""notify.sh and its program: each call acted on once, in the order in which they were made."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import settings as tandem
from controller import rendering
from tests.support import fakes, programs

entries = programs.load("notify.entries")
earlier_calls = programs.load("notify.earlier_calls")

COMMANDS = {
    "logger": 'shift 2; echo "$*" >>"$LOG"',
    "curl": 'while [ $# -gt 1 ]; do shift; done; sed -n "s/^Subject: /mail: /p" >>"$LOG"',
    "service": 'echo "service $1" >>"$LOG"; [ "$1" != is-active ]',
}


class Machine:
    """A machine's /run/keepalived in a directory, with its log, and what notify.sh runs there."""

    def __init__(self, directory: Path, hooks: Any = (), **settings: Any) -> None:
        self.directory, self.log = directory, directory / "log"
        (bin_ := directory / "bin").mkdir()
        for name, does in COMMANDS.items():
            (bin_ / name).write_text(f"#!/bin/sh\n{does}\n")
            (bin_ / name).chmod(0o755)
        self.environment = os.environ | {
            "LOG": str(self.log),
            "PATH": f"{bin_}:{os.environ['PATH']}",
        }
        node = tandem.load(fakes.inventory(**settings))[0].preferred
        text = rendering.render("keepalived/notify.sh.j2", node=node, hooks=hooks)
        text = text.replace(
            "/usr/lib/tandem/notify", str(programs.placed("keepalived/notify", bin_))
        )
        text = text.replace("/run/tandem/holder", str(directory / "holder"))
        text = text.replace("/usr/lib/tandem/service", str(bin_ / "service"))
        self.run = directory / "run"
        self.run.mkdir()
        self.script = directory / "notify.sh"
        self.script.write_text(text.replace("/run/keepalived", str(self.run)))
        self.script.chmod(0o755)

    def call(self, *calls: str) -> None:
        """Make calls one right after the other, and wait for all of them."""
        started = "".join(f"{self.script} {call} & " for call in calls)
        self.shell(f"{started} wait")

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command], env=self.environment, text=True, capture_output=True
        )

    @property
    def state(self) -> str:
        """What is remembered."""
        return (self.run / "state").read_text().strip()

    def said(self, pattern: str, number: int) -> list[str]:
        """Lines of the log that match, when there are so many; at least those after a while."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            lines = self.log.read_text().splitlines() if self.log.exists() else []
            found = [line for line in lines if re.search(pattern, line)]
            if len(found) >= number:
                break
            time.sleep(0.02)
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    "calls", [("backup", "master"), ("master", "backup"), ("fault", "backup", "master")]
)
def test_calls_at_once_are_acted_on_in_their_order(
    calls: tuple[str, ...], machine: Machine
) -> None:
    """Twelve times; each begins with the state that the calls before have left."""
    for _ in range(12):
        machine.call(*calls)
        assert machine.state == calls[-1]
    expected = [*calls * 12]
    changes = machine.said(" -> ", len(expected))
    assert [line.split()[-1] for line in changes] == expected
    before = ["start", *expected[:-1]]
    assert [line.split()[-3] for line in changes] == before
    mails = machine.said("^mail: ", len(expected))
    assert [line.split()[-1] for line in mails] == expected
    assert len(machine.said("^service start", 12)) == 12


def test_the_same_state_again_is_no_change(machine: Machine) -> None:
    machine.call("master")
    machine.call("master", "master")
    assert machine.said(" -> ", 1) == ["172.16.12.254 on @fake/host1: start -> master"]


def test_each_vip_has_a_state_of_its_own(machine: Machine) -> None:
    machine.call("master", "backup 172.16.12.253", "fault fd61:1::254")
    states = {path.name: path.read_text() for path in machine.run.glob("state*")}
    assert states == {
        "state": "master\n",
        "state.172.16.12.253": "backup\n",
        "state.fd61:1::254": "fault\n",
    }
    assert len(machine.said("172.16.12.253 on @fake/host1: start -> backup", 1)) == 1


def test_where_the_vip_stays_a_file_says_who_holds_it(tmp_path: Path) -> None:
    """Also where nothing has changed: keepalived may have begun anew."""
    machine = Machine(tmp_path, preempt=False)
    holder = tmp_path / "holder"
    machine.call("backup", "master")
    assert holder.read_text() == "1\n"
    holder.write_text("0\n")
    machine.call("master")
    assert holder.read_text() == "1\n"
    machine.call("master 172.16.12.253", "fault")
    assert holder.read_text() == "0\n"
    assert (tmp_path / "holder.172.16.12.253").read_text() == "1\n"


@pytest.mark.parametrize("words", ["", "stop", "master ../../etc/x", "master a,b"])
def test_a_call_that_says_nothing_is_refused(words: str, machine: Machine) -> None:
    done = machine.shell(f"{machine.script} {words}")
    assert done.returncode == 2
    assert done.stderr == "usage: notify.sh master|backup|fault|contested [VIP]\n"
    assert not list(machine.run.iterdir())


def test_one_that_was_killed_is_worked_off_by_the_next_and_blocks_nobody(machine: Machine) -> None:
    """Killed after it was entered, at whatever moment."""
    for wait_s in (0.01, 0.04, 0.06, 0.08, 0.12):
        states = itertools.cycle(["backup", "master"])
        first = subprocess.Popen([machine.script, next(states)], env=machine.environment)
        time.sleep(wait_s)
        first.send_signal(signal.SIGKILL)
        first.wait()
        machine.call(next(states))
        assert machine.state == "master"
        assert not list((machine.run / "notify" / "calls").iterdir())
    changes = [(line.split()[-3], line.split()[-1]) for line in machine.said(" -> ", 1)]
    assert len(changes) > 1 and changes[0][0] == "start"
    # (It may be killed between the line in the log and its memory: then it is told twice.)
    once = [change for change, _ in itertools.groupby(changes)]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(once))


def test_an_earlier_call_that_is_not_entered_yet_is_waited_for(machine: Machine) -> None:
    """Its shell is stopped before it has come so far."""
    slow = machine.directory / "slow" / "notify.sh"
    slow.parent.mkdir()
    began = machine.directory / "began"
    slow.write_text(
        machine.script.read_text().replace("set -u\n", f"set -u\n: >{began}\nsleep 0.4\n", 1)
    )
    slow.chmod(0o755)
    until = f"until [ -e {began} ]; do sleep 0.01; done"
    machine.shell(f"{slow} backup & {until}; {machine.script} master & wait")
    assert machine.state == "master"
    changes = [line.split()[-1] for line in machine.said(" -> ", 2)]
    assert changes == ["backup", "master"]


def test_one_that_comes_too_late_is_told_and_not_remembered(machine: Machine) -> None:
    slow = machine.directory / "slow" / "notify.sh"
    slow.parent.mkdir()
    slow.write_text(machine.script.read_text().replace("set -u\n", "set -u\nsleep 1.6\n", 1))
    slow.chmod(0o755)
    machine.shell(f"{slow} backup & {machine.script} master & wait")
    assert machine.state == "master"
    assert machine.said("too late", 1) == [
        "172.16.12.254 on @fake/host1: backup was told too late: it is master since"
    ]


def test_a_mail_server_that_does_not_answer_holds_nobody_up(machine: Machine) -> None:
    """The caller, and whoever waits for what it has opened, are back at once."""
    (machine.directory / "bin" / "curl").write_text("#!/bin/sh\nsleep 8\nexit 7\n")
    began = time.monotonic()
    machine.call("backup", "master")
    assert time.monotonic() - began < 5
    assert machine.state == "master"


def test_without_room_for_the_entry_it_is_acted_on_all_the_same(machine: Machine) -> None:
    """A file where the queues' directory is to be."""
    (machine.run / "notify").write_text("")
    machine.call("master")
    assert machine.state == "master"
    assert machine.said(" -> master", 1)


def test_with_keepaliveds_umask_it_may_enter_what_it_has_made(machine: Machine) -> None:
    """keepalived sets 0177; and behind its walls root may not enter what no x is set for."""
    machine.shell(f"umask 0177; {machine.script} backup")
    machine.said("^mail: ", 1)
    directories = [machine.run / "notify", *(machine.run / "notify").glob("[a-z]*")]
    assert {path.stat().st_mode & 0o777 for path in directories if path.is_dir()} == {0o700}


def test_without_recipients_there_is_no_mail(tmp_path: Path) -> None:
    machine = Machine(tmp_path, notification_email=[])
    machine.call("backup", "master")
    time.sleep(0.2)
    assert machine.state == "master" and machine.said("^mail: ", 0) == []


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("fd00::25", "smtp://[fd00::25]"),
        ("::1", "smtp://[::1]"),
        ("172.16.0.25", "smtp://172.16.0.25"),
        ("mail.example.net:587", "smtp://mail.example.net:587"),
    ],
)
def test_the_mail_server_as_curl_is_given_it(server: str, url: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path, smtp_server=server)
    (tmp_path / "bin" / "curl").write_text('#!/bin/sh\necho "curl $*" >>"$LOG"\n')
    machine.call("backup")
    (said,) = machine.said("^curl ", 1)
    assert f"--url {url} --mail-from" in said


def test_numbers_of_processes_that_begin_anew() -> None:
    """Within one tick; the highest number and the lowest are neighbours."""
    calls = [(7, 3), (7, 32766), (7, 32767), (6, 9), (8, 2)]
    assert entries.in_order(calls, 32768) == [(6, 9), (7, 32766), (7, 32767), (7, 3), (8, 2)]
    assert entries.in_order([(7, 4), (7, 3), (7, 900)], 32768) == [(7, 3), (7, 4), (7, 900)]


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (("/bin/sh", "/etc/keepalived/notify.sh", "master", "172.16.12.253"), True),
        (("/bin/sh", "/etc/keepalived/notify.sh", "usage"), False),
        (("less", "/etc/keepalived/notify.sh"), False),
        (("/usr/bin/python3", "/usr/lib/tandem/notify", "--host", "host1"), False),
        ((), False),
    ],
)
def test_what_counts_as_a_call(words: tuple[str, ...], right: bool) -> None:
    assert earlier_calls.is_call("\0".join(words).encode()) == right
