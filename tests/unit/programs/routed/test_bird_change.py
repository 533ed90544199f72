"""apply-bird as a process, with a BIRD that is not there: the staged one works, or the old one."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from controller.rendering import FILES
from tests.support import programs
from tests.unit.programs.routed.fake_bird import FakeBird
from tests.unit.programs.routed.test_bird_routes import CONFIGURATION

bird_sessions = programs.load("apply_bird.bird_sessions")

# Before each command that the program runs, the one numbered AT kills it.
COMMAND = """#!/bin/sh
echo "$0 $*" >>{home}/calls
if [ "$(wc -l <{home}/calls)" = "$AT" ]; then kill -s KILL $PPID; sleep 0.05; fi
"""
SERVICE = """
case "$1" in
show) echo ActiveState=active ;;
is-active) [ ! -e {home}/stopped ] ;;
start | restart) rm -f {home}/stopped; exec {python} {home}/start.py ;;
log) echo "what the journal says" ;;
esac
"""
START = """
import sys
sys.path.insert(0, {files!r})
from common.bird_control import ask
ask('configure "{home}/etc/bird.conf"', 5, "{home}/ctl")
"""
PROGRAM = """
import sys
sys.path[:0] = [{files!r}, {files!r} + "/bird"]
from apply_bird import bird_change as program
from common import bird_control
home = {home!r}
bird_control.ask.__defaults__ = (home + "/ctl",)
program.HOME, program.STAGED, program.BEFORE = home, home + "/staged", home + "/before"
program.WERE_UP, program.TRIED = home + "/sessions", home + "/tried"
program.INSTALLED, program.READ_NOW = home + "/etc/bird.conf", home + "/etc/.bird.conf.now"
program.SERVICE, program.RUNNING_STATE = home + "/bin/service", home + "/bin/running-state"
program.PROOF_TIMEOUT_S, program.LOOK_S, program.SETTLED_S = 0.4, 0.02, 0.03
sys.exit(program.main())
"""
NEW = CONFIGURATION.replace("64512", "64513")
BROKEN = {"# no session\n": "no session with 10.1.0.1 any more", "# no bird\n": "syntax error"}


class Machine:
    """BIRD runs with CONFIGURATION, announces the address, and has a session."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for name in ("bin", "etc"):
            (home / name).mkdir()
        words = {"home": home, "files": str(FILES), "python": sys.executable}
        for name, text in {"service": SERVICE, "running-state": ""}.items():
            path = home / "bin" / name
            path.write_text((COMMAND + text).format(**words))
            path.chmod(0o755)
        (home / "start.py").write_text(START.format(**words))
        (home / "program.py").write_text(PROGRAM.format(files=str(FILES), home=str(home)))
        (home / "etc/bird.conf").write_text(CONFIGURATION)
        self.bird = FakeBird(home / "ctl", CONFIGURATION)
        self.bird.protocols |= {"vip_serves4": "up", "vip_serves6": "up"}

    def apply(self, staged: str, verb: str = "reload", at: int = 0) -> tuple[int, str]:
        """The exit code and stderr."""
        (self.home / "staged").write_text(staged)
        (self.home / "calls").write_text("")
        done = subprocess.run(
            [sys.executable, str(self.home / "program.py"), verb],
            env=os.environ | {"AT": str(at)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stderr

    @property
    def calls(self) -> str:
        return (self.home / "calls").read_text()

    @property
    def installed(self) -> str:
        return (self.home / "etc/bird.conf").read_text()

    def left(self) -> set[str]:
        """What there is only while a change is under way."""
        every = {path.name for path in (*self.home.iterdir(), *(self.home / "etc").iterdir())}
        return {name for name in every if name in ("before", "sessions", "tried") or name[0] == "."}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "machine").mkdir()
    found = Machine(tmp_path / "machine")
    yield found
    found.bird.stop()


def test_a_new_configuration_is_read_and_the_address_stays_announced(machine: Machine) -> None:
    assert machine.apply(NEW) == (0, "")
    assert machine.installed == NEW and not machine.left()
    assert machine.bird.up() == ["vip_serves4", "vip_serves6"]
    # What lies on the disk announces nothing when BIRD starts.
    assert machine.installed.count("disabled yes;") == 4
    assert "running-state reloaded bird" in machine.calls


@pytest.mark.parametrize(("broken", "why"), BROKEN.items())
def test_one_that_does_not_do_is_replaced_by_the_old_one(
    machine: Machine, broken: str, why: str
) -> None:
    code, said = machine.apply(NEW + broken)
    assert code == 1 and why in said and "what the journal says" in said
    assert "The old configuration is back, and BIRD works with it." in said
    assert machine.installed == CONFIGURATION and not machine.left()
    assert machine.bird.up() == ["vip_serves4", "vip_serves6"]
    assert machine.bird.protocols["router_1"] == "Established"


def test_a_session_that_was_not_there_before_need_not_come(machine: Machine) -> None:
    machine.bird.protocols["router_1"] = "start"
    assert machine.apply(NEW + "# no session\n") == (0, "")


def test_a_router_that_is_no_more_need_not_be_there(machine: Machine) -> None:
    other = NEW.replace("10.1.0.1", "10.1.0.2") + "# no session\n"
    assert machine.apply(other) == (0, "")


def test_a_bird_that_does_not_run_is_started(machine: Machine) -> None:
    (machine.home / "stopped").write_text("")
    assert machine.apply(NEW) == (0, "")
    assert "service start bird" in machine.calls and machine.bird.up() == []


@pytest.mark.parametrize("broken", ["", "# no session\n"])
def test_a_run_that_was_killed_at_any_step_is_finished_by_the_next(
    machine: Machine, broken: str
) -> None:
    for at in count(1):
        machine.apply(NEW + broken, at=at)
        reached = len(machine.calls.splitlines()) >= at
        assert machine.installed in (CONFIGURATION, NEW + broken), at
        code, said = machine.apply(NEW + broken)
        assert code == bool(broken), (at, said)
        assert machine.installed == (CONFIGURATION if broken else NEW), at
        assert not machine.left() and machine.bird.up() == ["vip_serves4", "vip_serves6"], at
        assert machine.apply(CONFIGURATION)[0] == 0
        if not reached:
            assert at > 4
            return


def test_it_is_read_again_as_it_is_by_a_reload_of_the_service(machine: Machine) -> None:
    assert machine.apply("never looked at", "reread") == (0, "")
    assert machine.bird.up() == ["vip_serves4", "vip_serves6"] and not machine.left()


@pytest.mark.parametrize("staged", [NEW, CONFIGURATION])
def test_its_passwords_are_nobody_elses(machine: Machine, staged: str) -> None:
    """Whatever somebody has made of that, also where the file is as it should be otherwise."""
    place = machine.home / "etc/bird.conf"
    place.chmod(0o644)
    machine.apply(staged)
    assert place.stat().st_mode & 0o777 == 0o640


def killed_before_its_proof(machine: Machine, staged: str) -> None:
    """A run that has put this into service, and no more."""
    for at in count(1):
        machine.apply(staged, at=at)
        if machine.installed == staged:
            return


def test_what_a_killed_run_has_kept_is_no_groups(machine: Machine) -> None:
    killed_before_its_proof(machine, NEW + "# no session\n")
    for name in machine.left():
        found = machine.home / name
        assert found.stat().st_mode & 0o077 == 0, name
    assert {"before", "sessions"} <= machine.left()


@pytest.mark.parametrize("killed", [1, 2])
def test_what_has_worked_is_kept_until_something_else_does(machine: Machine, killed: int) -> None:
    """However many runs are killed meanwhile, each with another configuration."""
    for number in range(killed):
        killed_before_its_proof(machine, NEW + f"# no session\n# {number}\n")
    code, said = machine.apply(NEW + "# no session\n# last\n")
    assert code == 1 and "BIRD works with it." in said
    assert machine.installed == CONFIGURATION and not machine.left()


def test_what_a_person_has_put_into_service_is_gone_back_to(machine: Machine) -> None:
    killed_before_its_proof(machine, NEW + "# no session\n")
    own = CONFIGURATION + "# a person's\n"
    (machine.home / "etc/bird.conf").write_text(own)
    machine.bird.read(own)
    assert machine.apply(NEW + "# no session\n# last\n")[0] == 1
    assert machine.installed == own and not machine.left()


def test_a_reload_of_the_service_keeps_out_of_a_change(machine: Machine) -> None:
    """Both would read, and remove, one file."""
    with (machine.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, said = machine.apply("never looked at", "reread")
    assert code == 1 and "a change is under way" in said
    assert not [each for each in machine.bird.commands if each.startswith("configure")]


def test_sessions_are_known_by_their_routers() -> None:
    assert bird_sessions.neighbours(CONFIGURATION) == {"router_1": "10.1.0.1"}
    now = {"router_1": "Established", "vip_serves4": "up", "vip_yields4": "down"}
    assert bird_sessions.established(now, CONFIGURATION) == {"10.1.0.1"}
    assert bird_sessions.established(now | {"router_1": "start"}, CONFIGURATION) == set()
    assert bird_sessions.announced(now) == ["vip_serves4"]
