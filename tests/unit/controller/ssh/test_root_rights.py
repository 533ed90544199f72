"""Who is not root on a machine, nor becomes it, is told what to set, before anything is asked."""

from __future__ import annotations

import getpass
import io
import sys
from typing import Any

import pyinfra_cli.cli as pyinfra_cli
import pytest
from pyinfra.api import Config, State
from pyinfra.connectors import ssh, util
from pyinfra.connectors.util import CommandOutput, OutputLine

from controller.ssh import machine_connector, root_rights, sudo_password
from settings import Refused
from tests.support.fakes import inventory

HOSTS = {
    "host1": {"ssh_hostname": "172.16.12.61", "priority": 101, "page": "one"},
    "host2": {"ssh_hostname": "172.16.12.62", "priority": 100, "page": "two"},
}
# What machines say, what is set, and what is to be done.
SAID: list[tuple[str, dict[str, Any], str]] = [
    ("ann is not root there", {}, "Set _sudo = True (or _doas = True) beside ssh_user"),
    ("sh: 1: cannot create /run/tandem.lock: Permission denied", {}, "Set _sudo = True"),
    ("ann is not root there", {"_sudo": True}, "Does what is set make the login user root"),
    ("www is not root there", {"_sudo": True, "_sudo_user": "www"}, "_sudo_user = 'www' is who"),
    ("sudo: unknown user wwww", {"_sudo": True, "_sudo_user": "wwww"}, "_sudo_user = 'wwww' is"),
    ("sudo: a password is required", {"_sudo": True}, "Set _sudo_password, begin at a terminal"),
    ("sudo-rs: interactive authentication is required", {"_sudo": True}, "Set _sudo_password"),
    ("sudo: 3 incorrect password attempts", {"_sudo": True}, "Is _sudo_password right?"),
    ("sudo: sorry, you must have a tty to run sudo", {"_sudo": True}, "!requiretty"),
    ("ann is not in the sudoers file.", {"_sudo": True}, "everything (ALL)"),
    ("Sorry, user ann may not run sudo on host1.", {"_sudo": True}, "everything (ALL)"),
    ("user ann is not allowed to execute '/bin/sh' as root", {"_sudo": True}, "as root"),
    ("sh: 1: exec: sudo: not found", {"_sudo": True}, "install it, or set the one that is"),
    ("sh: line 1: exec: doas: not found", {"_doas": True}, "install it, or set the one that is"),
    ("bash: doas: command not found", {"_doas": True}, "install it, or set the one that is"),
    ("doas: Operation not permitted", {"_doas": True}, "permit nopass USER as root"),
    ("doas: Authorization required", {"_doas": True}, "permit nopass USER as root"),
    ("doas: doas is not enabled, /etc/doas.conf", {"_doas": True}, "permit nopass USER as root"),
    ("su: must be run from a terminal", {"_su_user": "root"}, "instead of _su_user"),
]


@pytest.mark.parametrize(("said", "arguments", "what"), SAID)
def test_each_obstacle_has_its_remedy(said: str, arguments: dict[str, Any], what: str) -> None:
    assert what in root_rights.remedy(said, arguments)


@pytest.mark.parametrize("said", ["no answer", "Read-only file system", "No space left on device"])
def test_what_is_about_something_else_has_none(said: str) -> None:
    assert root_rights.remedy(said, {}) == ""


def test_machines_that_say_the_same_are_told_in_one_line() -> None:
    problem = ("sudo: a password is required", "Set _sudo_password.")
    told = root_rights.refusal({"a": problem, "b": problem, "c": ("x", "y")})
    assert "a, b: sudo: a password is required. Set _sudo_password.\n    c: x. y.\n" in told
    assert told.endswith("No machine was touched.")


class Run:
    """A run whose machines answer `WHO` with what is given by name: an output, or an exception."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], **data: Any):
        config: Any = Config
        self.state = State(inventory(HOSTS, **data), config())
        self.asked: list[str] = []

        def connect_all(state: State) -> None:
            for host in state.inventory:
                host.connected = True
                state.activate_host(host)

        self._connect_all = connect_all
        monkeypatch.setattr(pyinfra_cli, "connect_all", connect_all)
        for host in self.state.inventory:
            run = self._answering(host.name, answers.get(host.name, "0 root"))
            monkeypatch.setattr(host, "run_shell_command", run)

    def _answering(self, name: str, answer: Any) -> Any:
        def run_shell_command(command: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
            self.asked.append(name)
            if isinstance(answer, Exception):
                raise answer
            stream = "stdout" if answer[0].isdigit() else "stderr"
            lines = [OutputLine(stream, line) for line in answer.splitlines()]
            return stream == "stdout", CommandOutput(lines)

        return run_shell_command

    def connect(self, *, spares: bool) -> str:
        pyinfra_cli.connect_all = self._connect_all
        root_rights.ask_when_connected(spares=spares)
        try:
            pyinfra_cli.connect_all(self.state)
        except Refused as refused:
            return str(refused)
        return ""


ANN: dict[str, Any] = {"ssh_user": "ann"}


def test_a_login_user_without_sudo_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, {"host1": "1000 ann", "host2": "1000 ann"}, **ANN)
    for spares in (False, True):
        told = run.connect(spares=spares)
        assert "host1, host2: ann is not root there. Set _sudo = True" in told


def test_sudo_that_wants_a_password_and_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, {"host1": EOFError(), "host2": "sudo: a password is required"})
    told = run.connect(spares=False)
    assert "host1: sudo: a password is required, and nobody is here to type it. Set" in told
    assert "host2: sudo: a password is required. Set _sudo_password" in told


def test_what_is_not_understood_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, {"host2": "something odd\nand more"})
    assert "host2: something odd; and more. See what it says there." in run.connect(spares=False)


def test_one_machine_of_several_is_a_finding_where_nothing_is_changed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(monkeypatch, {"host1": "1000 ann"})
    assert "host1: ann is not root there" in run.connect(spares=False)
    assert run.connect(spares=True) == ""
    connected = {host.name: host.connected for host in run.state.inventory}
    assert connected == {"host1": False, "host2": True}
    assert "it is reached, and Tandem is not root: ann is not root there" in caplog.text


def test_who_logs_in_as_root_is_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_rights, "_logs_in_as_root", lambda host: True)
    run = Run(monkeypatch, {})
    assert run.connect(spares=False) == "" and run.asked == []
    run = Run(monkeypatch, {}, _sudo=True)
    assert run.connect(spares=False) == "" and run.asked == ["host1", "host2"]


@pytest.mark.parametrize(
    ("typed", "terminal", "password"),
    [
        ("secret\n", False, "secret"),
        ("", False, None),
        ("at the terminal", True, "at the terminal"),
    ],
)
def test_a_password_is_asked_for_once_for_all_machines(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    typed: str,
    terminal: bool,
    password: str | None,
) -> None:
    """Where nobody is there, nothing is printed for nobody."""
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    monkeypatch.setattr(sudo_password, "_at_terminal", lambda: terminal)

    def at_terminal(prompt: str) -> str:
        asked.append(prompt)
        return typed

    monkeypatch.setattr(getpass, "getpass", at_terminal)
    sudo_password._typed.cache_clear()
    for prompt in ("[host1] sudo password: ", "[host2] sudo password: "):
        if password is None:
            with pytest.raises(EOFError):
                sudo_password.ask_once(prompt)
        else:
            assert sudo_password.ask_once(prompt) == password
    sudo_password._typed.cache_clear()
    assert len(asked) == terminal and capfd.readouterr() == ("", "")


def test_pyinfra_asks_in_that_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "getpass", None)
    monkeypatch.setattr(ssh, "SSHConnector", ssh.SSHConnector)
    machine_connector.install()
    assert vars(util)["getpass"] is sudo_password.ask_once
