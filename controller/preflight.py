"""What is refused before pyinfra connects to any machine.

pyinfra by itself answers a mistyped inventory with "no hosts" and exit 0, and reads settings only
when it is connected. `config.py` is its hook that runs before both.
"""

from __future__ import annotations

import inspect
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn

import click
from pyinfra import config, state
from pyinfra.api import Inventory, State, connectors, util
from pyinfra.api import arguments as op_arguments
from pyinfra.api import inventory as api_inventory
from pyinfra.api.state import StateStage
from pyinfra.connectors import base as connector
from pyinfra_cli import cli as pyinfra_cli
from pyinfra_cli.inventory import make_inventory
from pyinfra_cli.util import parse_cli_arg

import settings

# Deploy files that change nothing on any machine: no confirmation, and no stop at a dead host.
READ_ONLY = {"verify.py"}
DRILL = "drill.py"
SWITCHOVER = "switchover.py"
TEARDOWN = "teardown.py"


def spare_pyinfra_repetition() -> None:
    """Let pyinfra do once what it does for each operation and each machine, or leave it out.

    It orders operations by line numbers; Python's `inspect.stack` looks up the source of every
    frame, too, unless it is told not to. It evaluates the type hints of its own arguments each
    time; the two are a fifth of a deploy that changes nothing. And for each machine it reads the
    metadata of every package that is installed here, to find its connectors.
    """
    connectors.get_all_connectors = cache(connectors.get_all_connectors)
    api_inventory.get_all_connectors = connectors.get_all_connectors
    util.stack = partial(inspect.stack, 0)
    util.getframeinfo = partial(inspect.getframeinfo, context=0)
    for module in (op_arguments, connector):
        module.get_type_hints = cache(module.get_type_hints)  # type: ignore[attr-defined]


def refuse_what_cannot_work() -> None:
    """Exit 1, with the remedy, for an inventory that is missing, empty or wrong."""
    arguments: dict[str, Any] = click.get_current_context().params
    operations = {Path(operation).name for operation in arguments["operations"]}
    inventory_name: str = arguments["inventory"]
    if inventory_name.endswith(".py") and not Path(inventory_name).exists():
        _refuse(f"There is no inventory {inventory_name}. Is its name right?")
    if not any(name.endswith(".py") for name in operations):
        return  # `debug-inventory`, `exec`, `fact`: pyinfra's own
    if arguments["no_wait"] or arguments["serial"]:
        # --no-wait exits 0 although an operation failed; --serial takes hosts in random order.
        _refuse("Leave out --no-wait and --serial: Tandem orders its own steps.")
    inventory = make_inventory(
        inventory_name,
        override_data=_override_data(arguments["data"]),
        cwd=state.cwd,
        group_data_directories=arguments["group_data"],
    )
    mistakes: list[settings.Mistake] = []
    try:
        settings.clusters(inventory)
    except settings.SettingsError as error:
        mistakes += error.mistakes
    if DRILL in operations:
        from drills import drill_run as drilling

        if operations != {DRILL}:
            _refuse("Run drill.py by itself: it has to know what it breaks.")
        mistakes += drilling.mistakes(inventory.override_data)
    if TEARDOWN in operations and operations != {TEARDOWN}:
        _refuse("Run teardown.py by itself: nothing is left for another to work on.")
    if SWITCHOVER in operations and not mistakes:
        from tasks.change import vip_move

        options = settings.options(inventory)
        mistakes += vip_move.mistakes(options, settings.clusters(inventory))
    if mistakes:
        _refuse(str(settings.SettingsError(mistakes)))
    for pattern in arguments["limit"]:
        if not pyinfra_cli._get_inventory_pattern_matches(inventory, [pattern], "--limit"):
            _refuse(f"--limit {pattern} names no machine of {inventory_name}.")
    if operations == {DRILL}:
        _ask_nothing()
        if refusal := drilling.arrange(click.get_current_context(), inventory):
            _refuse(refusal)
    elif operations == READ_ONLY:
        _ask_nothing()
        # Loaded here, so that a deploy need not wait for it.
        from verify import verify_run

        try:
            verify_run.prepare(click.get_current_context(), inventory)
        except settings.SettingsError as error:
            _refuse(str(error))
    elif config.FAIL_PERCENT is None:
        if operations == {TEARDOWN} and not arguments["dry"]:
            _have_agreed(inventory, unattended=arguments["yes"])
        config.FAIL_PERCENT = 0  # whatever fails, the machines that still serve are left alone
        state.should_raise_failed_hosts = _explain_failure


def _have_agreed(inventory: Inventory, *, unattended: bool) -> None:
    """Have somebody say so before anything is taken away.

    -y is what one types for each deploy: it is not enough here, but on a lab's machines.
    """
    agreed = settings.options(inventory).yes
    if unattended and not (agreed or settings.IN_LAB):
        _refuse(
            "teardown.py takes everything away that deploys have brought, and -y is typed easily. "
            "If you mean it: -y --data yes=1. No machine was touched."
        )
    # In place of pyinfra's "press enter", after the plan has been shown.
    pyinfra_cli._do_confirm = lambda message: agreed or _says_yes()


def _says_yes() -> bool:
    if not sys.stdin.isatty():
        _refuse("Nobody is here to be asked. If you mean it: -y --data yes=1")
    click.echo("\n    All this goes away. Type yes to begin: ", err=True, nl=False)
    if sys.stdin.readline().strip().lower() != "yes":
        _refuse("Not confirmed. No machine was touched.")
    return True


def _explain_failure(state: State) -> bool:
    """Say what a failed machine means, where pyinfra only says "Over 0% of hosts failed"."""
    failed = ", ".join(sorted(host.name for host in state.failed_hosts))
    if state.current_stage == StateStage.Connect:
        what = f"{failed} cannot be reached. No machine was changed."
    else:
        what = f"{failed} failed. The run stops here, so that the other machines serve as before."
    remedy = "Mend it and run this again: what is done is not done twice."
    click.echo(f"--> {click.style('Stopped', 'red', bold=True)}: {what} {remedy}", err=True)
    return True


def _refuse(message: str) -> NoReturn:
    # An exception would be shown with the line of this file in front, as if the fault were here.
    click.echo(f"--> {click.style('Refused', 'red', bold=True)}: {message}", err=True)
    sys.exit(1)


def _override_data(pairs: tuple[str, ...]) -> dict[str, Any]:
    for pair in pairs:
        if "=" not in pair:
            _refuse(f"--data {pair}: give NAME=VALUE.")
    return {key: parse_cli_arg(value) for key, value in (pair.split("=", 1) for pair in pairs)}


def _ask_nothing() -> None:
    """Let a read-only run go through without -y.

    pyinfra prompts even when there is nothing to change, and again when a machine is down; the
    verifier changes nothing, and a machine that is down is one of its findings. There is no
    option for this, so the function that asks is replaced.
    """
    pyinfra_cli._do_confirm = lambda message: True
