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
from pyinfra_cli.inventory import make_inventory

import settings
from controller import stopping, typed_data
from controller.output import console, conversation
from controller.ssh import surroundings
from settings import Mistake, Refused, release_lock

# With these pyinfra ends before it changes anything.
SHOW_ONLY = ("dry", "debug_facts", "debug_operations")


class DeployFile(NamedTuple):
    """What is particular to one deploy file.

    alone: why it has to be the only one of a run; empty if it need not be.
    mistakes: what is wrong with what `--data` says to it; called when the inventory is read.
    start: called last before pyinfra connects, if it is the only one. It may raise `Refused`, or
        end the process. pyinfra then asks nothing, and goes on without machines that are down.
    takes_away: what it does that nobody should start by typing -y out of habit.
    changes: whether this run changes anything, so that it has to have the machines' lock, and a
        person is asked.
    """

    alone: str = ""
    mistakes: Callable[[Inventory], Iterable[Mistake]] | None = None
    start: Callable[[click.Context, Inventory], None] | None = None
    takes_away: str = ""
    changes: Callable[[Inventory], bool] = lambda inventory: True


class RefusedOption(NamedTuple):
    """An option of pyinfra's command line that would undo, unseen, what Tandem promises.

    name: as pyinfra's code names it. flag: as a person types it.
    harmless: the values with which it does nothing.
    """

    name: str
    flag: str
    why: str
    harmless: tuple[object, ...] = (None, False)


REFUSED_OPTIONS = (
    # --no-wait exits 0 although an operation failed; --serial takes hosts in random order.
    RefusedOption("no_wait", "--no-wait and --serial", "Tandem orders its own steps."),
    RefusedOption("serial", "--no-wait and --serial", "Tandem orders its own steps."),
    RefusedOption(
        "fail_percent",
        "--fail-percent",
        "a run stops at the first machine that fails, so that the others go on serving. "
        "A machine that is off is left out by --exclude MACHINE.",
        harmless=(None,),  # not False, which 0 is equal to
    ),
    RefusedOption(
        "retry",
        "--retry",
        "a step that has failed has put back what was there before, and said why. "
        "Mend that, and run this again: what is done is not done twice.",
        harmless=(None, 0),
    ),
    RefusedOption(
        "shell_executable",
        "--shell-executable",
        "what is run on the machines is written for sh, whatever shell people have there.",
        harmless=(None, "sh"),
    ),
)


def check(deploy_files: Mapping[str, DeployFile]) -> None:
    """Refuse an inventory that is missing, empty or wrong; set pyinfra up for the deploy files.

    `deploy_files`, by their file names. Raises `Refused`, with the remedy.
    """
    context = click.get_current_context()
    arguments = context.params
    inventory_name: str = arguments["inventory"]
    if inventory_name.endswith(".py") and not Path(inventory_name).exists():
        raise Refused(f"There is no inventory {inventory_name}. Is its name right?")
    operations = {Path(operation).name for operation in arguments["operations"]}
    if not any(name.endswith(".py") for name in operations):
        return  # `debug-inventory`, `exec`, `fact`: pyinfra's own
    _refuse_options(arguments)
    chosen = {name: deploy_file for name, deploy_file in deploy_files.items() if name in operations}
    for name, deploy_file in chosen.items():
        if deploy_file.alone and len(operations) > 1:
            raise Refused(f"Run {name} by itself: {deploy_file.alone}.")
    config.SHELL = surroundings.SHELL
    typed_data.install()
    inventory = make_inventory(
        inventory_name,
        override_data=_override_data(arguments["data"]),
        cwd=state.cwd,
        group_data_directories=arguments["group_data"],
    )
    # What bars deploys alone, such as a file that is gone, the others only tell: they may be needed
    # at night. A file that is not known here may do anything that deploy.py does.
    deploying = bool(operations - chosen.keys())
    _refuse_mistakes(inventory, chosen.values(), deploying=deploying)
    _tell_doubts(inventory)
    for option in ("limit", "exclude"):
        for pattern in arguments[option]:
            if not pyinfra_cli._get_inventory_pattern_matches(inventory, [pattern], f"--{option}"):
                raise Refused(f"--{option} {pattern} names no machine of {inventory_name}.")
    changing = [name for name in operations if chosen.get(name, DeployFile()).changes(inventory)]
    only = next(iter(chosen.values())) if len(operations) == len(chosen) == 1 else None
    if not (only and only.start):
        stopping.end_at_signals(state)
    shows = any(arguments[name] for name in SHOW_ONLY)
    if changing and not shows:
        from controller import lock

        lock.hold(sorted(changing))
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


def _refuse_options(arguments: Mapping[str, Any]) -> None:
    """Raise `Refused` with every option that would undo a promise."""
    reasons = {
        option.flag: option.why
        for option in REFUSED_OPTIONS
        if arguments[option.name] not in option.harmless
    }
    if reasons:
        raise Refused("\n    ".join(f"Leave out {flag}: {why}" for flag, why in reasons.items()))


def _refuse_mistakes(
    inventory: Inventory, deploy_files: Iterable[DeployFile], *, deploying: bool
) -> None:
    """Raise `SettingsError` with every mistake of the inventory and of `--data`."""
    mistakes: list[Mistake] = []
    checks = [deploy_file.mistakes for deploy_file in deploy_files if deploy_file.mistakes]
    for find in (_in_what_is_deployed if deploying else _in_settings, *checks):
        try:
            mistakes += find(inventory)
        except settings.SettingsError as error:
            mistakes += error.mistakes
    if mistakes:
        raise settings.SettingsError(mistakes)


def _in_settings(inventory: Inventory) -> Iterable[Mistake]:
    settings.clusters(inventory)
    return ()


def _in_what_is_deployed(inventory: Inventory) -> Iterable[Mistake]:
    settings.load(inventory)
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


def _tell_doubts(inventory: Inventory) -> None:
    """Each thing that bars deploys, once, on stderr; a run that deploys has only those of time."""
    for doubt in settings.doubts(inventory):
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


def _override_data(pairs: tuple[str, ...]) -> dict[str, Any]:
    for pair in pairs:
        if "=" not in pair:
            raise Refused(f"--data {pair}: give NAME=VALUE.")
    return typed_data.typed(pairs)
