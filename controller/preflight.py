"""What is refused, and what is arranged, before pyinfra connects to any machine.

pyinfra by itself answers a mistyped inventory with "no hosts" and exit 0, and reads settings only
when it is connected. `config.py` is its hook that runs before both. It also says, as a `DeployFile`
each, what is particular to some of the deploy files: nothing here knows them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from pyinfra import config, state
from pyinfra.api import Inventory, State
from pyinfra.context import ctx_state
from pyinfra_cli import cli as pyinfra_cli

import settings
from controller import stopping, typed_data
from controller.given import inventory_file, typed_options
from controller.output import console, conversation
from controller.ssh import root_rights, surroundings
from settings import Mistake, Refused, SettingsError, release_lock
from settings.mistakes import name_mistakes
from settings.values import NotRead, judged

# With these pyinfra ends before it changes anything.
SHOW_ONLY = ("dry", "debug_facts", "debug_operations")


class DeployFile(NamedTuple):
    """What is particular to one deploy file.

    alone: why it has to be the only one of a run; empty if it need not be.
    mistakes: what is wrong beside the settings with what it is given, such as what `--data` says
        to it; called when the inventory is read, as far as it can be.
    start: called last before pyinfra connects, if it is the only one. It may raise `Refused`, or
        end the process. pyinfra then asks nothing, and goes on without machines that are down.
    takes_away: what it does that nobody should start by typing -y out of habit.
    changes: whether this run changes anything, so that it has to have the machines' lock, and a
        person is asked.
    deploys: whether it brings machines what the settings say, and is refused by what bars deploys.
    """

    alone: str = ""
    mistakes: Callable[[Inventory], Iterable[Mistake]] | None = None
    start: Callable[[click.Context, Inventory], None] | None = None
    takes_away: str = ""
    changes: Callable[[Inventory], bool] = lambda inventory: True
    deploys: bool = False


def check(deploy_files: Mapping[str, DeployFile]) -> None:
    """Refuse an inventory that is missing, empty or wrong; set pyinfra up for the deploy files.

    `deploy_files`, by their file names. Raises `Refused`, with the remedy.
    """
    context = click.get_current_context()
    arguments = context.params
    inventory_name: str = arguments["inventory"]
    if wrong := inventory_file.misnamed(inventory_name, deploy_files):
        raise Refused(wrong)
    operations = {Path(operation).name for operation in arguments["operations"]}
    if not any(name.endswith(".py") for name in operations):
        # `debug-inventory`, `exec`, `fact`: pyinfra's own, which read the inventory as well.
        _, of_text = inventory_file.read(inventory_name, {}, arguments["group_data"])
        if of_text:
            raise SettingsError(of_text)
        return
    chosen = {name: deploy_file for name, deploy_file in deploy_files.items() if name in operations}
    for name, deploy_file in chosen.items():
        if deploy_file.alone and len(operations) > 1:
            raise Refused(f"Run {name} by itself: {deploy_file.alone}.")
    console.no_spinner()
    config.SHELL = surroundings.SHELL
    typed_data.install()
    # What bars deploys alone, such as a file that is gone, the others only tell: they may be needed
    # at night. A file that is not known here may do anything that deploy.py does.
    deploying = bool(operations - chosen.keys()) or any(each.deploys for each in chosen.values())
    inventory = _inventory(arguments, operations, chosen.values(), deploying=deploying)
    changing = [name for name in operations if chosen.get(name, DeployFile()).changes(inventory)]
    only = next(iter(chosen.values())) if len(operations) == len(chosen) == 1 else None
    if not (only and only.start):
        stopping.end_at_signals(state)
    shows = any(arguments[name] for name in SHOW_ONLY)
    if changing and not shows:
        from controller import lock

        lock.hold(sorted(changing))
    else:
        root_rights.ask_when_connected(spares=list(chosen) == ["verify.py"])
    if only and only.start:
        # pyinfra prompts even where nothing changes, and again for each machine that is down. It
        # has no option for this, so the function that asks is replaced.
        pyinfra_cli._do_confirm = lambda message: True
        only.start(context, inventory)
        return
    ask: Callable[[], None] | None = conversation.confirm
    for name, deploy_file in chosen.items():
        if deploy_file.takes_away and not arguments["dry"]:
            agreed = settings.options(inventory).yes
            _refuse_habit(name, deploy_file.takes_away, agreed, unattended=arguments["yes"])
            ask = None if agreed else _says_yes
    asked = changing and not arguments["yes"] and not shows
    words = conversation.RunWords(
        commands=tuple(Path(operation).name for operation in arguments["operations"]),
        inventory=inventory_name,
        plans=bool(asked or (changing and arguments["dry"])),
        dry=arguments["dry"],
        confirm=ask if asked else None,
        verbose=bool(arguments["verbosity"] or arguments["debug"]),
    )
    run: State = ctx_state.get()  # type: ignore[no-untyped-call]
    run.check_for_changes |= words.plans  # pyinfra itself makes no plan with -y --dry
    conversation.install(words)
    if not words.verbose:
        console.install()
    stopping.stop_at_first_failure(state)
    if deploying:
        _pin_releases(inventory)


def _inventory(
    arguments: Mapping[str, Any],
    operations: set[str],
    deploy_files: Iterable[DeployFile],
    *,
    deploying: bool,
) -> Inventory:
    """The inventory. Raises `SettingsError` with every mistake of it and of the command line."""
    mistakes: list[Mistake] = list(typed_options.of_options(arguments))
    pairs = [pair for pair in arguments["data"] if "=" in pair]
    override = typed_data.typed(pairs)
    mistakes += name_mistakes.of_commands(override, operations)
    inventory, of_text = inventory_file.read(
        arguments["inventory"], override, arguments["group_data"]
    )
    mistakes += of_text
    if inventory is None or of_text:
        raise SettingsError(mistakes)
    mistakes += typed_options.of_patterns(arguments, inventory)
    try:
        _refuse_mistakes(inventory, deploy_files, mistakes, deploying=deploying)
    finally:
        _tell_doubts(inventory, deploying=deploying)
    for name in settings.unused_groups(inventory):
        said = f"What is set for the group {name} is left aside: no machine of"
        click.echo(f"--> {said} {arguments['inventory']} is in it.", err=True)
    return inventory


def _refuse_mistakes(
    inventory: Inventory,
    deploy_files: Iterable[DeployFile],
    besides: Iterable[Mistake] = (),
    *,
    deploying: bool,
) -> None:
    """Raise `SettingsError` with every mistake of the inventory, of `--data`, and `besides`."""
    mistakes = list(besides)
    checks = [deploy_file.mistakes for deploy_file in deploy_files if deploy_file.mistakes]
    for find in (settings.load if deploying else settings.clusters, *checks):
        mistakes += _found(find, inventory)
    if mistakes:
        raise SettingsError(mistakes)


def _found(find: Callable[[Inventory], Iterable[Any]], inventory: Inventory) -> Iterable[Mistake]:
    """What `find` raises or tells, without what depends on other mistakes."""
    try:
        return [each for each in judged(find(inventory)) if isinstance(each, Mistake)]
    except SettingsError as error:
        return error.mistakes
    except NotRead:
        return ()


def _pin_releases(inventory: Inventory) -> None:
    """Trust releases that are new here by their signature, and from now on by their checksum too.

    Before pyinfra reads the settings, which then have it. Raises `SourceError`.
    """
    nodes = [node for cluster in settings.clusters(inventory) for node in cluster.nodes]
    for node in {node.nginx_version: node for node in nodes if not node.sha256}.values():
        from controller import source  # here, because hardly any run needs it

        lock = release_lock.path()
        signer = source.pin(node, lock)
        click.echo(
            f"--> nginx {node.nginx_version} is new here, and signed by {signer}, one of nginx's "
            f"release managers. Its sha256 is pinned in {lock} from now on: keep that file with "
            "the inventory.",
            err=True,
        )


def _tell_doubts(inventory: Inventory, *, deploying: bool = False) -> None:
    """Each thing that bars deploys, once, on stderr; a run that deploys has only those of time:
    the others refuse it."""
    for doubt in settings.doubts(inventory):
        if deploying and doubt.bars >= settings.Bars.DEPLOY:
            continue
        newly = "deploys that put it newly into service are"
        barred = newly if doubt.bars is settings.Bars.NEW_SERVICE else "deploys are"
        warning = click.style("Warning", "yellow", bold=True)
        click.echo(f"--> {warning}: {doubt}. Until then {barred} refused.", err=True)


def _refuse_habit(name: str, takes_away: str, agreed: bool, *, unattended: bool) -> None:
    """Raise `Refused` where -y, which one types for each deploy, is all that agrees to a removal;
    on a lab's machines it is enough."""
    if unattended and not (agreed or settings.IN_LAB):
        raise Refused(
            f"{name} {takes_away}, and -y is typed easily. "
            "If you mean it: -y --data yes=1. No machine was touched."
        )


def _says_yes() -> None:
    """Have a person say yes before anything is taken away."""
    if not sys.stdin.isatty():
        raise Refused("Nobody is here to be asked. If you mean it: -y --data yes=1")
    click.echo("\n    All this goes away. Type yes to begin: ", err=True, nl=False)
    if conversation.typed_line().strip().lower() != "yes":
        raise Refused("Not confirmed. No machine was touched.")
