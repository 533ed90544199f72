"""Stops a run at the first machine that fails, and says where and what that means.

pyinfra by itself goes on with the other machines, or asks a person whether it should, with one
machine's turn half done.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import IO, Any

import click
import gevent
from pyinfra import config
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra_cli import cli as pyinfra_cli
from pyinfra_cli.exceptions import CliError

from controller.output import console
from controller.ssh.machine_connector import is_lost
from controller.ssh.obstacles import LAST_SAID, remedy
from settings import Refused

REMEDY = "Mend it and run this again: what is done is not done twice."


class Stopped(PyinfraError, CliError):  # type: ignore[misc]
    """The run has ended at machines that failed: the last line that a person reads."""

    def show(self, file: IO[Any] | None = None) -> None:
        console.flush()
        click.echo(f"--> {click.style('Stopped', 'red', bold=True)}: {self}", err=True)


def stop_at_first_failure(state: State) -> None:
    """Have this run stop as soon as one machine has failed.

    What it leaves drained is lifted with its lock, which each machine gives free by itself.
    """
    config.FAIL_PERCENT = 0  # whatever fails, the machines that still serve are left alone
    # Would ask whether to go on, in the middle of a turn.
    pyinfra_cli._set_fail_prompts = lambda state, config: None
    steps = _FailedSteps()
    fail_hosts, run_operations = state.fail_hosts, pyinfra_cli.run_ops

    def fail(hosts: set[Host], activated_count: int | None = None) -> None:
        if not hosts and not state.failed_hosts:
            return
        # Also where a fact has failed a machine while it was another one's turn.
        try:
            fail_hosts(hosts or state.failed_hosts, activated_count)  # type: ignore[no-untyped-call]
        except PyinfraError:
            raise Stopped(steps.explain(state)) from None

    def run(state: State, **options: Any) -> None:
        state.add_callback_handler(steps)  # type: ignore[no-untyped-call]
        try:
            run_operations(state, **options)
        except PyinfraError as error:
            # Another machine's loss may be why this one has failed.
            lost = sorted(host.name for host in state.active_hosts if is_lost(host))
            if lost and isinstance(error, Stopped):
                raise Stopped(f"{error} Nor does {', '.join(lost)} answer any more.") from None
            raise

    end_at_signals(state, steps)
    # No traceback of the greenlet that they end.
    gevent.get_hub().NOT_ERROR += (Stopped, Refused)
    state.fail_hosts = fail  # type: ignore[method-assign]
    pyinfra_cli.run_ops = run


def end_at_signals(state: State, steps: _FailedSteps | None = None) -> None:
    """Have Ctrl-C and `kill` end this process with 128 + the signal, and say what that means.

    pyinfra itself ends with 0, as if all were done.
    """
    known = steps or _FailedSteps()

    def interrupted(number: int, frame: FrameType | None) -> None:
        Stopped(known.explain_signal(state, signal.Signals(number).name)).show()
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)


class _FailedSteps(BaseStateCallback):
    """What each machine was doing when it failed."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._step_now = ""

    def operation_start(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        self._step_now = ", ".join(sorted(state.get_op_meta(op_hash).names))

    def operation_host_error(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, *retries: int
    ) -> None:
        self._names.setdefault(host.name, ", ".join(sorted(state.get_op_meta(op_hash).names)))

    def explain(self, state: State) -> str:
        """What the failed machines mean, where pyinfra only says "Over 0% of hosts failed"."""
        failed = sorted(state.failed_hosts, key=lambda host: host.name)
        names = ", ".join(host.name for host in failed)
        if state.current_stage == StateStage.Connect:
            what = f"{names} cannot be reached. No machine was changed."
        elif state.current_stage == StateStage.Prepare:
            what = f"{names} failed while it was asked what it has. No machine was changed."
        else:
            where = "".join(f" {host.name} in {self._step(state, host)!r}." for host in failed)
            what = (
                f"{names} failed.{where} "
                "The run stops here, so that the other machines serve as before."
            )
        for host in failed:
            if hint := remedy(host.connector_data.get(LAST_SAID, "")):
                what += f" {host.name}: {hint}."
        # A machine that waits in vain for one that has gone is not away itself.
        away = [host.name for host in failed if is_lost(host)] or [host.name for host in failed]
        if len(away) == len(state.activated_hosts):
            return f"{what} {REMEDY}"
        return f"{what} {REMEDY} While it is away: --exclude {' --exclude '.join(away)}."

    def explain_signal(self, state: State, name: str) -> str:
        """What it means that somebody has ended this run."""
        if not self._step_now:
            return f"{name}. No machine was changed."
        return (
            f"{name}, in {self._step_now!r}. A machine finishes the command that it has begun, or "
            "goes back; none stays drained. Run this again: what is done is not done twice."
        )

    def _step(self, state: State, host: Host) -> str:
        doing = host.executing_op_hash
        if host.name not in self._names and doing:  # a fact that an operation asks for
            return ", ".join(sorted(state.get_op_meta(doing).names))
        return self._names.get(host.name, "a question that another machine's turn needed")
