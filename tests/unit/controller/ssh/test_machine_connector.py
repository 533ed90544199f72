"""Commands and files over a connection that is not there: a shell of this machine, behind noise.

What a login prints comes before each command, on both streams, as ~/.bashrc would have it.
"""

from __future__ import annotations

import io
import os
import pkgutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, FactBase, HiddenValue, Host, State, StringCommand
from pyinfra.api.facts import get_fact
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_state

import tasks
import verify
from controller.ssh import machine_connector, standard_input
from controller.ssh.answer_marks import MARK, MarkedAnswer, marked
from controller.ssh.obstacles import LAST_SAID
from tests.support import fakes

# What a wrapper prints when the command has ended, whose exit status it hides.
BYE = "printf 'bye\nholds 172.16.12.254\n\351'; echo bye >&2; exit $((7 * $?))"
NOISE = (
    "printf 'Willkommen \\351\\n\\nholds 172.16.12.254\\ndrained\\nexit=0\\nno newline'; "
    "printf 'waiting for nobody\\nunset: BASHRC' >&2; "
)


class LocalChannel:
    """A channel whose other side is a shell here."""

    def __init__(self, noise: str, after: str) -> None:
        self._noise = noise
        self._after = after
        self._process: subprocess.Popen[bytes] | None = None

    def exec_command(self, command: bytes) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [b"sh", b"-c", self._noise.encode() + command + self._after.encode()],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process
        return self._process

    def sendall(self, data: bytes) -> None:
        self.process.stdin.write(data)  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]

    def shutdown_write(self) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]

    def makefile(self, mode: str) -> Any:
        return self.process.stdout

    def makefile_stderr(self, mode: str) -> Any:
        return self.process.stderr

    def recv_exit_status(self) -> int:
        status = self.process.wait()
        return -1 if status < 0 else status

    def close(self) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


class LocalConnector(machine_connector.MachineConnector):
    noise = NOISE
    after = f"; {BYE}"

    def _open_channel(self) -> Any:
        return LocalChannel(self.noise, self.after)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    machines = fakes.inventory()
    state = State(check_for_changes=False)
    state.init(machines, Config())  # type: ignore[no-untyped-call]
    host: Host = machines.get_host("@fake/host1")
    monkeypatch.setattr(host, "connector", LocalConnector(state, host))
    host.connected = True
    with ctx_state.use(state), ctx_host.use(host):
        yield host


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalConnector, "noise", "")
    monkeypatch.setattr(LocalConnector, "after", "")


def all_facts(fact: type[FactBase[Any]] = FactBase) -> Iterator[type[FactBase[Any]]]:
    for each in fact.__subclasses__():
        yield from all_facts(each)
        if each.__module__.split(".")[0] in ("controller", "tasks", "verify", "drills"):
            yield each


def _import_all() -> None:
    for package in (tasks, verify, import_module("drills"), import_module("controller")):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)


_import_all()
FACTS = sorted(all_facts(), key=lambda fact: fact.name)


def test_there_are_facts_of_every_room() -> None:
    assert {fact.__module__.split(".")[0] for fact in FACTS} == {
        *("controller", "tasks", "verify", "drills"),
    }
    assert len(FACTS) > 30


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_noise_is_told_from_the_answer_of(
    fact: type[FactBase[Any]], host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[list[str]] = []
    monkeypatch.setattr(
        fact, "command", raising=False, value=lambda self: "echo one; echo; echo two; echo no >&2"
    )
    monkeypatch.setattr(fact, "process", lambda self, output: answers.append(output))
    get_fact(host.state, host, fact)
    assert answers == [["one", "", "two"]]


def run(host: Any, command: str | StringCommand, **arguments: Any) -> tuple[bool, list[str]]:
    done, output = host.run_shell_command(command, **arguments)
    return done, [f"{line.buffer_name} {line.line}" for line in output]


@pytest.mark.parametrize(
    ("command", "done", "said"),
    [
        ("echo yes", True, ["stdout yes"]),
        ("true", True, []),
        ("false", False, []),
        ("echo why >&2; exit 3", False, ["stderr why"]),
        ("true && false", False, []),
        ("cat <<END\nhere\nEND", True, ["stdout here"]),
        ("cat; echo end", True, ["stdout end"]),
        ("printf 'no newline'", True, ["stdout no newline"]),
        ("printf '\\351\\n'", True, ["stdout \N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_a_command_is_what_it_was_without_noise(
    host: Any, command: str, done: bool, said: list[str]
) -> None:
    assert run(host, command) == (done, said)


def test_what_comes_instead_of_a_command_is_shown(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalConnector, "noise", "echo 'sudo: no tty' >&2; exit 1; ")
    assert run(host, "echo yes") == (False, ["stderr sudo: no tty"])


def test_what_was_not_carried_out_has_failed_whatever_the_login_says(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalConnector, "noise", "echo 'no commands here'; exit 0; ")
    done, (said,) = run(host, "echo yes")
    assert not done and "was not carried out (no commands here): a ForceCommand" in said


def test_the_exit_status_is_the_commands_own(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (0, 1):
        monkeypatch.setattr(LocalConnector, "after", f"; echo bye; exit {status}")
        assert run(host, "echo yes") == (True, ["stdout yes"])
        assert run(host, "echo no; exit 3") == (False, ["stdout no"])


def test_surroundings_that_fail_keep_a_command_from_running(host: Any, quiet: None) -> None:
    done, said = run(host, "echo yes", _chdir="/no/such/place")
    assert not done and "stdout yes" not in said


def answer(*lines: bytes) -> tuple[list[bytes], int | None]:
    found = MarkedAnswer()
    return list(found.before_end(found.after_begin(iter(lines)))), found.status


def test_an_answer_stands_between_the_marks_which_may_come_in_it() -> None:
    begins, ends = MARK.encode() + b"\r\n", MARK.encode() + b" 3\n"
    assert answer(b"noise\n", begins, b"a\n", begins, b"b") == ([b"a\n", begins, b"b"], None)
    assert answer(b"a\n", b"b") == ([b"a\n", b"b"], None)
    assert answer(ends, begins, b"a\n", b"\n", ends, b"bye\n", ends) == ([b"a\n"], 3)
    assert answer(begins, b"a\n", ends, b"bye") == ([b"a"], 3)
    assert answer(begins, b"\n", ends) == ([], 3)


def test_secrets_stay_masked() -> None:
    assert "hush" not in str(marked(StringCommand("echo", HiddenValue("hush"))))  # type: ignore[no-untyped-call]


# --- files ---------------------------------------------------------------------------------------

EVERY_BYTE = bytes(range(256)) * 700 + b"\r\n\nno newline"


@pytest.mark.parametrize("content", [b"", b"\n", EVERY_BYTE], ids=["empty", "newline", "bytes"])
def test_a_file_goes_and_comes_as_it_is(host: Any, tmp_path: Path, content: bytes) -> None:
    there, back = tmp_path / "it's there", tmp_path / "back"
    assert host.put_file(io.BytesIO(content), str(there))
    assert there.read_bytes() == content
    assert host.get_file(str(there), str(back))
    assert back.read_bytes() == content


def test_a_file_keeps_its_mode(host: Any, tmp_path: Path) -> None:
    there = tmp_path / "secret"
    there.touch(0o600)
    assert host.put_file(io.BytesIO(b"new"), str(there))
    assert there.stat().st_mode & 0o777 == 0o600


def test_a_file_that_arrives_damaged_does_not_stay(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "half"
    # As when the connection ends half way: cat takes that for the end of the file.
    monkeypatch.setattr(standard_input, "chunks", lambda data: iter([b"ha"]))
    assert not host.put_file(io.BytesIO(b"half"), str(there))
    assert not there.exists()


def test_a_file_without_a_place_is_a_failure(host: Any, tmp_path: Path) -> None:
    assert not host.put_file(io.BytesIO(EVERY_BYTE * 9), str(tmp_path / "no" / "place"))
    assert not host.get_file(str(tmp_path / "none"), str(tmp_path / "back"))
    assert "No such file" in host.connector_data[LAST_SAID]  # for whoever tells why it failed


def test_a_download_for_which_there_is_no_room_here_is_told_as_such(
    host: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At once: a machine that nobody listens to would wait until it is given up."""
    there, full = tmp_path / "there", tmp_path / "full"
    there.write_bytes(EVERY_BYTE * 20)
    full.symlink_to("/dev/full")
    began = time.monotonic()
    assert not host.get_file(str(there), str(full))
    assert time.monotonic() - began < 20
    assert "on this controller: No space left on device. Make room there" in caplog.text


@pytest.mark.parametrize(
    "become", [{"_sudo": True}, {"_sudo": True, "_sudo_user": "root"}, {"_doas": True}]
)
def test_a_file_is_written_by_who_the_command_is_run_as(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, become: dict[str, Any]
) -> None:
    """Not by the login user, whose temporary files nobody else may be able to read."""
    words = []

    def exchange(self: Any, command: str, *rest: Any) -> Any:
        words.append(command)
        return 0, CommandOutput([])

    monkeypatch.setattr(LocalConnector, "_exchange", exchange)
    assert host.put_file(io.BytesIO(b"x"), "/etc/x", "/tmp/passing", **become)
    assert host.get_file("/etc/x", io.BytesIO(), "/tmp/passing", **become)
    assert len(words) == 2
    assert all("; exec sudo -H -n " in line or "; exec doas -n " in line for line in words)
    assert not any("/tmp/passing" in command for command in words)


# --- time ----------------------------------------------------------------------------------------


def test_a_silent_command_is_given_up_and_says_so(host: Any) -> None:
    began = time.monotonic()
    done, said = run(host, "echo begun; exec sleep 60", _timeout=0.5)
    assert not done
    assert time.monotonic() - began < 10
    assert "host1: the command has said nothing for 0.5 s, and is given up" in said[-1]
    assert "run this again" in said[-1]


def test_a_command_that_says_something_has_all_the_time_it_needs(host: Any) -> None:
    slow = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done"
    assert run(host, slow, _timeout=0.7)[0]


def test_whoever_waits_is_heard_at_once_and_it_is_no_answer(
    host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="pyinfra"):
        done, said = run(host, "echo 'waiting: 3 connections\nprogress: 1 of 2\nother' >&2")
    assert (done, said) == (True, ["stderr other"])
    assert any("waiting: 3 connections" in record.getMessage() for record in caplog.records)


def test_a_command_that_is_killed_has_failed(host: Any) -> None:
    done, said = run(host, "kill -9 0")
    assert not done and "without an exit status" in said[-1]
