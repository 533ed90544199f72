"""A run that stops at the first machine that fails: what is said last, and what is tidied up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from pyinfra import host as this_host
from pyinfra.api import Config, FactBase, State
from pyinfra.api.connect import connect_all
from pyinfra.api.operation import add_op
from pyinfra.api.state import StateStage
from pyinfra.connectors.fake import FakeConnector
from pyinfra.context import ctx_config, ctx_state
from pyinfra.operations import python, server
from pyinfra_cli import cli

from controller import stopping
from controller.ssh.obstacles import LAST_SAID
from tests.support import fakes


class Broken(FactBase[str]):
    def command(self) -> str:
        return "broken"


def ran(state: State) -> list[str]:
    connectors: list[Any] = [host.connector for host in state.inventory]
    return [command for each in connectors for command in each.executed_commands]


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """Two machines; whatever runs `broken` fails."""
    monkeypatch.setattr(cli, "run_ops", cli.run_ops)
    monkeypatch.setattr(cli, "_set_fail_prompts", cli._set_fail_prompts)
    monkeypatch.setattr(gevent.get_hub(), "NOT_ERROR", gevent.get_hub().NOT_ERROR)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    lookup = FakeConnector._lookup_response

    def answer(self: Any, command: str) -> Any:
        done, output = lookup(self, command)
        return done and "broken" not in command, output

    monkeypatch.setattr(FakeConnector, "_lookup_response", answer)
    machines = fakes.inventory()
    config = Config(FAIL_PERCENT=100)  # type: ignore[no-untyped-call]
    state = State(check_for_changes=False)
    with ctx_state.use(state), ctx_config.use(config):
        stopping.stop_at_first_failure(state)
        state.init(machines, config)
        connect_all(state)
        state.set_stage(StateStage.Execute)
        yield state
    for number, handler in before.items():
        signal.signal(number, handler)


def test_it_names_the_machine_the_step_and_the_remedy(state: State) -> None:
    on_one = {"_if": lambda: _host_name() == "@fake/host1"}
    add_op(state, server.shell, name="Before", commands=["true"])
    add_op(state, server.shell, name="The step", commands=["broken"], **on_one)
    add_op(state, server.shell, name="After", commands=["never"])
    with pytest.raises(stopping.Stopped) as stopped:
        cli.run_ops(state, serial=False, no_wait=False)
    said = str(stopped.value)
    assert "@fake/host1 failed. @fake/host1 in 'The step'." in said
    assert "the other machines serve as before" in said
    assert "run this again" in said and "--exclude @fake/host1" in said
    assert "never" not in ran(state)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("sh: 1: cannot create /etc/x.new: Read-only file system", "(dmesg), and remount it"),
        ("sysctl: write error: No space left on device", "df -h and df -i show where"),
        ("sh: 1: echo: echo: I/O error", "its disk is full (df -h, df -i) or fails (dmesg)"),
        ("cp: failed to close: Disk quota exceeded", "raise the quota there, or make room"),
        ("No space left on device. Make room there, and deploy again.", ""),
        ("unknown directive", ""),
    ],
)
def test_what_a_disk_says_no_to_is_told_with_a_remedy_whichever_step_it_was(
    state: State, said: str, remedy: str
) -> None:
    host = state.inventory.get_host("@fake/host1")
    host.connector_data[LAST_SAID] = said
    add_op(state, server.shell, name="The step", commands=["broken"])
    with pytest.raises(stopping.Stopped) as stopped:
        cli.run_ops(state, serial=False, no_wait=False)
    told = [part for part in str(stopped.value).split(". ") if part.startswith("@fake/host1: ")]
    assert bool(told) is bool(remedy)
    assert remedy in str(stopped.value)


def test_a_machine_that_fails_in_anothers_turn_stops_the_run_before_the_next_step(
    state: State,
) -> None:
    """Whoever asks it may go on with what it was doing."""
    host = state.inventory.get_host("@fake/host2")

    def ask() -> None:
        with pytest.raises(stopping.Stopped):
            host.get_fact(Broken)

    add_op(state, python.call, name="Asks the other", function=ask, _run_once=True)
    add_op(state, server.shell, name="After", commands=["never"])
    with pytest.raises(stopping.Stopped, match="@fake/host2 failed"):
        cli.run_ops(state, serial=False, no_wait=False)
    assert "never" not in ran(state)


def test_the_last_machine_that_fails_is_explained_as_well(state: State) -> None:
    add_op(state, server.shell, name="The step", commands=["broken"])
    with pytest.raises(stopping.Stopped, match="'The step'") as stopped:
        cli.run_ops(state, serial=False, no_wait=False)
    assert "--exclude" not in str(stopped.value), "nobody would be left"


def test_who_waits_in_vain_for_a_machine_that_has_gone_is_not_away(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "is_lost", lambda host: host.name == "@fake/host2")
    add_op(state, server.shell, name="The step", commands=["broken"])
    with pytest.raises(stopping.Stopped) as stopped:
        cli.run_ops(state, serial=False, no_wait=False)
    assert str(stopped.value).endswith("While it is away: --exclude @fake/host2.")


def test_a_run_that_succeeds_goes_to_its_end(state: State) -> None:
    add_op(state, server.shell, name="The step", commands=["true"])
    cli.run_ops(state, serial=False, no_wait=False)
    assert len([command for command in ran(state) if "true" in command]) == 2


def test_nobody_is_asked_whether_to_go_on(state: State) -> None:
    cli._set_fail_prompts(state, state.config)
    assert state.should_raise_failed_hosts is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_has_not_succeeded_and_says_where_it_was(
    state: State, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    handle: Any = signal.getsignal(number)
    with pytest.raises(SystemExit) as end:
        handle(number, None)
    assert end.value.code == 128 + number
    assert f"Stopped: {number.name}. No machine was changed." in capsys.readouterr().err
    add_op(state, server.shell, name="The step", commands=["true"])
    cli.run_ops(state, serial=False, no_wait=False)
    with pytest.raises(SystemExit):
        handle(number, None)
    said = capsys.readouterr().err
    assert f"Stopped: {number.name}, in 'The step'." in said and "Run this again" in said


def _host_name() -> str:
    return str(this_host.name)
