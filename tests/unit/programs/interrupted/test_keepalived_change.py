"""apply-keepalived as a process: signals, callers that have gone, clocks that were set."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from controller.rendering import FILES
from tests.support import programs

HERE = Path(__file__).parent
timing = programs.load("common.timing")

# Before each command that the program runs, the one numbered AT sends it the signals.
COMMAND = """#!/bin/sh
echo x >>{home}/calls
if [ "$(wc -l <{home}/calls)" = "$AT" ]; then
    for number in $SIGNALS; do kill -s $number $PPID; done
    sleep 0.05
fi
pid=$(cat {home}/keepalived.pid 2>/dev/null)
"""
SERVICE = """
start() {{ {home}/bin/run-keepalived; }}
case "$1" in
show) echo ActiveState=active ;;
is-active) kill -0 "$pid" 2>/dev/null ;;
reload) kill -HUP "$pid" ;;
restart) kill "$pid"; rm -f {home}/keepalived.pid; start ;;
start) start ;;
log) echo "what the journal says" ;;
esac
"""
RUN = """#!/bin/sh
TMPDIR={home} setsid {home}/keepalived -S {here}/fake_keepalived.py {home} "${{AHEAD_S:-0}}" \
    >/dev/null 2>&1 </dev/null &
for try in 1 2 3 4 5 6 7 8 9 10; do [ -s {home}/read ] && exit 0; sleep 0.05; done
"""
STATE = """
if cmp -s {home}/read {home}/installed; then echo Configuration=same
else echo Configuration=different; fi
"""
PROGRAM = """
import sys
sys.path[:0] = [{files!r}, {files!r} + "/keepalived"]
from apply_keepalived import keepalived_change as program, vrrp_election
from common import keepalived_state
home = {home!r}
keepalived_state.running_pid.__defaults__ = (home + "/keepalived.pid",)
vrrp_election.signal_number = lambda: keepalived_state.signal.SIGRTMIN + 2
program.HOME, program.STAGED, program.BEFORE = home, home + "/staged", home + "/before"
program.TOOK_PART = home + "/took-part"
program.INSTALLED = home + "/installed"
program.SERVICE, program.RUNNING_STATE = home + "/bin/service", home + "/bin/running-state"
program.PROOF_TIMEOUT_S, program.LOOK_S, program.SETTLED_S = 0.4, 0.02, 0.03
sys.exit(program.main())
"""
ENDING = "HUP INT QUIT TERM PIPE USR1 USR2 ALRM"


class Machine:
    """keepalived runs with `backup`, installed and read."""

    def __init__(self, home: Path, ahead_s: float = 0) -> None:
        self.home, self.ahead_s = home, ahead_s
        (home / "bin").mkdir()
        shutil.copy(os.path.realpath(sys.executable), home / "keepalived")
        words = {"home": home, "here": HERE, "files": str(FILES)}
        commands = {"service": SERVICE, "running-state": STATE, "ip": "", "keepalived": ""}
        for name, text in commands.items():
            self._place(name, (COMMAND + text).format(**words))
        self._place("run-keepalived", RUN.format(**words))
        (home / "program.py").write_text(PROGRAM.format(files=str(FILES), home=str(home)))
        self.write("installed", "backup")
        self.start()

    def _place(self, name: str, text: str) -> None:
        path = self.home / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def write(self, name: str, word: str) -> None:
        (self.home / name).write_text(f"{word}\n")

    def text(self, name: str) -> str:
        path = self.home / name
        return path.read_text().strip() if path.exists() else ""

    def start(self) -> None:
        (self.home / "read").unlink(missing_ok=True)
        environment = os.environ | {"AHEAD_S": str(self.ahead_s)}
        subprocess.run([self.home / "bin" / "run-keepalived"], env=environment, check=True)
        assert timing.wait_for(lambda: self.text("read") == self.text("installed"), 5)

    def end(self) -> None:
        pid = self.text("keepalived.pid")
        if pid.isdigit():
            os.kill(int(pid), signal.SIGKILL)
        shutil.rmtree(self.home)

    def apply(
        self, verb: str = "reload", *, at: int = 0, signals: str = "", shell: str = '"$@"'
    ) -> tuple[int, str]:
        """The exit code and stderr."""
        (self.home / "calls").write_text("")
        path = f"{self.home}/bin:{os.environ['PATH']}"
        more = {"PATH": path, "AT": str(at), "SIGNALS": signals, "AHEAD_S": str(self.ahead_s)}
        words = [sys.executable, str(self.home / "program.py"), verb, "eth0", "192.0.2.9"]
        done = subprocess.run(
            ["sh", "-c", shell, "sh", *words],
            env=os.environ | more,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stderr

    @property
    def calls(self) -> int:
        return len(self.text("calls").splitlines())

    def is_back(self) -> bool:
        """The old configuration is installed, and keepalived works with it."""
        time.sleep(0.1)
        return self.text("installed") == self.text("read") == "backup"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "machine").mkdir()
    found = Machine(tmp_path / "machine")
    yield found
    found.end()


# --- clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [-86400, -60, -1, 1, 60, 86400])
def test_a_clock_that_was_set_since_keepalived_started_is_no_reason_to_go_back(
    tmp_path: Path, ahead_s: float
) -> None:
    (tmp_path / "machine").mkdir()
    machine = Machine(tmp_path / "machine", ahead_s)
    try:
        machine.write("staged", "backup # new")
        assert machine.apply() == (0, "")
        assert machine.text("read") == "backup # new" and not machine.text("before")
        machine.write("staged", "fault")
        code, said = machine.apply()
        assert code == 1 and "after: reload, and has left the election (fault)" in said
        assert machine.text("read") == machine.text("installed") == "backup # new"
    finally:
        machine.end()


# --- signals, and callers that have gone -----------------------------------------------------


@pytest.mark.parametrize(("staged", "code"), [("backup # new", 0), ("fault", 1)])
def test_no_signal_at_any_step_leaves_a_change_half_done(
    machine: Machine, staged: str, code: int
) -> None:
    for at in count(1):
        machine.write("staged", staged)
        found, said = machine.apply(at=at, signals=ENDING)
        assert found == code, (at, said)
        if code:
            assert machine.is_back(), at
            assert "The old configuration is back, and keepalived works with it." in said
        else:
            assert machine.text("installed") == machine.text("read") == staged
            machine.write("staged", "backup")
            assert machine.apply()[0] == 0
        if machine.calls < at:
            assert at > 5
            return


@pytest.mark.parametrize("shell", ['"$@" >&- 2>&-', '"$@" 2>&1 | true', '"$@" <&- 2>/dev/full'])
def test_a_caller_that_has_gone_does_not_keep_the_old_one_from_coming_back(
    machine: Machine, shell: str
) -> None:
    machine.write("staged", "fault")
    machine.apply(shell=shell)
    assert timing.wait_for(machine.is_back, 5)
    assert not machine.text("before")


def test_a_run_that_was_killed_at_any_step_leaves_a_whole_file_and_the_next_one_finishes(
    machine: Machine,
) -> None:
    for at in count(1):
        machine.write("staged", "fault")
        machine.apply(at=at, signals="KILL")
        reached = machine.calls >= at
        assert machine.text("installed") in ("backup", "fault"), at
        code, said = machine.apply()
        assert code == 1 and machine.is_back(), (at, said)
        if not reached:
            assert at > 5
            return


def test_one_that_ends_over_its_configuration_is_started_again_with_the_old_one(
    machine: Machine,
) -> None:
    machine.write("staged", "dies")
    code, said = machine.apply()
    assert code == 1 and "and does not answer" in said and "what the journal says" in said
    assert machine.is_back()


def test_a_full_disk_changes_nothing(machine: Machine) -> None:
    machine.write("staged", "backup # new")
    program = machine.home / "program.py"
    fails = "def fails(*_): raise OSError(28, 'No space left on device', home)\n"
    kept = program.read_text()
    for name in ("keep_before", "write"):
        broken = f"{fails}program.{name} = fails\nsys.exit(program.main"
        program.write_text(kept.replace("sys.exit(program.main", broken))
        code, said = machine.apply()
        assert code == 1 and "No space left on device: make room there (df -h, df -i)" in said
        assert machine.is_back()


# --- the process that a pid file names -------------------------------------------------------


def test_a_number_that_another_process_has_gets_no_signal(machine: Machine) -> None:
    kept = machine.text("keepalived.pid")
    with subprocess.Popen(["sleep", "60"]) as sleep:
        machine.write("keepalived.pid", str(sleep.pid))
        machine.write("staged", "backup # new")
        code, said = machine.apply()
        assert code == 1 and "and does not answer" in said
        # The reload is the service manager's, which knows its process.
        assert sleep.poll() in (None, -signal.SIGHUP)
        sleep.kill()
    machine.write("keepalived.pid", kept)
