"""What is said between a run's preparation and its first step, and at its very end.

pyinfra shows a table of operations, each of which may or may not do something, asks, and shows
another table. Here a person reads what each machine gets (run_changes.py), and last what was done
and what to type next. With --json pyinfra's own tables are printed as they are.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import gevent.select
from pyinfra.api import FunctionCommand, Host, State
from pyinfra.context import ctx_host
from pyinfra_cli import cli as pyinfra_cli

from controller import run_changes
from controller.output import console, summary
from controller.run_changes import MachineChanges
from settings import Refused

# What has to be looked at after each.
THEN_VERIFY = ("deploy.py", "rollback.py", "switchover.py")
NO_CHANGE = "No machine was changed."


class RunWords(NamedTuple):
    """What a run is called when it is told of.

    + commands: the deploy files; inventory: as it was typed.
    + plans: whether the plan is shown; dry: whether that is all.
    + confirm: asks whether to go on, and raises `Refused` if not; None where nobody is asked. (Nor
      is anybody where nothing would change.)
    + verbose: whether pyinfra's own table is shown as well.
    """

    commands: tuple[str, ...]
    inventory: str
    plans: bool
    dry: bool
    confirm: Callable[[], None] | None
    verbose: bool = False

    @property
    def name(self) -> str:
        return " ".join(self.commands)


def install(words: RunWords) -> None:
    """Have the rest of this pyinfra's run told in our words."""
    prepare, table = pyinfra_cli._handle_commands, pyinfra_cli.print_results

    def prepared(state: State, *given: Any, json_output: bool = False) -> Any:
        shows, *same = prepare(state, *given, json_output=json_output)
        if json_output or not shows:
            return shows, *same
        if words.plans:
            changes = tell_plan(state, words)
            if changes and words.confirm and not words.dry:
                words.confirm()
        return False, *same  # pyinfra shows, and asks, nothing more

    def conclude(state: State) -> None:
        if words.verbose:
            table(state)
        tell_end(state, words)

    pyinfra_cli._handle_commands = prepared
    pyinfra_cli.print_results = conclude


def tell_plan(state: State, words: RunWords) -> bool:
    """Say what this run would do, and return whether that is anything.

    Raises `Refused` where it is known that it would fail.
    """
    hosts = sorted(state.active_hosts, key=lambda host: host.name)
    plans = {host.name: run_changes.plan_of(host) for host in hosts}
    for host in hosts:
        plans[host.name].changes.steps.extend(_others(state, host, planned=True))
    console.flush()
    if faults := summary.faults(plans):
        raise Refused("\n    ".join(("the run would fail:", *faults, NO_CHANGE)))
    for title, told in summary.differences(plans):
        click.echo(f"\n    {click.style(title, bold=True)}", err=True)
        for line in told:
            click.echo(f"      {line}", err=True)
    changes = {name: plan.changes for name, plan in plans.items()}
    moves, drains = run_changes.moves(state, changes), run_changes.drains(state, changes)
    would = summary.sentence(changes, moves, drains)
    if would:
        click.echo("\n--> The plan:", err=True)
        for line in summary.lines(plans):
            click.echo(f"    {line}", err=True)
    end = f" {NO_CHANGE} To do it, leave out --dry." if words.dry and would else ""
    said = would or f"change nothing on {', '.join(plans)}"
    click.echo(f"\n--> {words.name} would {said}.{end}", err=True)
    return bool(would)


def tell_end(state: State, words: RunWords) -> None:
    """The last line of a run that has come to its end."""
    hosts = sorted(state.activated_hosts, key=lambda host: host.name)
    names = ", ".join(host.name for host in hosts)
    changes = {host.name: _done_on(state, host) for host in hosts}
    moves, drains = run_changes.moves(state, changes), run_changes.drains(state, changes)
    done = summary.sentence(changes, moves, drains, done=True)
    if done:
        said = f"done: {done}."
    elif any(_carried_out(state, host) for host in hosts):
        said = f"done: nothing has changed but Tandem's own records on {names}."
    else:
        said = f"nothing to do on {names}."
    following = ""
    if done and words.commands[-1] in THEN_VERIFY:
        following = f" Next: {_as_called()} {shlex.quote(words.inventory)} verify.py"
    console.flush()
    good = click.style(words.name, "green", bold=True)
    click.echo(f"\n--> {good}: {said}{following}", err=True)


def _as_called() -> str:
    """pyinfra as it was called, and is found again."""
    called = sys.argv[0]
    here = str(Path.cwd())
    if not called.endswith("/pyinfra"):
        return "pyinfra"
    return shlex.quote(os.path.relpath(called) if called.startswith(f"{here}/") else called)


def _done_on(state: State, host: Host) -> MachineChanges:
    changes = run_changes.of(host)
    return changes._replace(steps=[*changes.steps, *_others(state, host, planned=False)])


def _others(state: State, host: Host, *, planned: bool) -> list[str]:
    """The names of operations that tell nothing by themselves (pyinfra's own), and change
    something."""
    found = []
    for operation, data in state.ops[host].items():
        if run_changes.tells(host, operation):
            continue
        meta = data.operation_meta
        if planned and meta._maybe_is_change:
            with ctx_host.use(host):
                first = next(iter(data.command_generator()), None)
            changes = not isinstance(first, FunctionCommand)
        else:
            changes = meta.is_complete() and bool(_commands(meta))
        if changes:
            found.append(", ".join(sorted(state.op_meta[operation].names)))
    return found


def _commands(meta: Any) -> list[Any]:
    """What was carried out there; what only calls a function here changes no machine."""
    return [each for each in meta._commands or () if not isinstance(each, FunctionCommand)]


def _carried_out(state: State, host: Host) -> bool:
    metas = [data.operation_meta for data in state.ops[host].values()]
    return any(meta.is_complete() and _commands(meta) for meta in metas)


# --- a person is asked ---------------------------------------------------------------------------


def confirm() -> None:
    """Ask whether to go on. Raises `Refused` if not, or where nobody is there to be asked."""
    console.flush()
    click.echo("    Press enter to do this, or type n to leave it: ", err=True, nl=False)
    typed = typed_line()
    if not typed:
        click.echo(err=True)
        raise Refused(
            f"Nobody is here to press enter. {NO_CHANGE} -y goes on without asking, and --dry only "
            "shows the plan."
        )
    if typed.strip().lower() not in ("", "y", "yes"):
        raise Refused(f"{typed.strip()!r} was typed, and not enter. {NO_CHANGE}")


def typed_line() -> str:
    """The line that a person types; "" where there is nobody any more.

    The lock is kept meanwhile: `input` would stop every greenlet of this process.
    """
    gevent.select.select([sys.stdin], [], [])
    return sys.stdin.readline()
