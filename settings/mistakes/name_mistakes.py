"""Names that nobody knows, and names where nobody looks for them: none is dropped in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, get_type_hints

from pyinfra.api.arguments import all_global_arguments
from pyinfra.connectors.ssh import ConnectorData

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.run_options import COMMANDS, RunOptions, commands_of
from settings.values import alike

# Fields of `Node` that nobody sets: they are said otherwise.
OWN_FIELDS = frozenset({"name", "cluster", "lab"})
SETTINGS = frozenset(Node.model_fields) - OWN_FIELDS
OPTIONS = frozenset(RunOptions.model_fields)
# Where all of them are told.
SEE_SETTINGS = "see group_data/all.py for what there is"


@cache
def of_pyinfra() -> frozenset[str]:
    """The names of pyinfra's own settings for a machine: ssh_user, _sudo, and their like."""
    arguments = {name for name, _ in all_global_arguments() if name.startswith("_")}
    return frozenset(get_type_hints(ConnectorData)) | arguments


def nearest(name: str, known: Iterable[str], otherwise: str, cutoff: float = 0.6) -> str:
    """What somebody may have meant by `name`, as a remedy; `otherwise` where nothing is near.

    cutoff: from 0 to 1, how much alike two names have to be (difflib's ratio).
    """
    near = alike(name, known, cutoff)
    return f"there is no such setting; {f'did you mean {near}?' if near else otherwise}"


def of_data(
    host_name: str, data: Mapping[str, Any], override: Collection[str]
) -> Iterator[Mistake]:
    """What `data`, all that is set for a machine, has beside settings; without `override`, which
    `--data` says. Other names than settings' own are `Node`'s to refuse."""
    for name, value in data.items():
        if name in override:
            continue
        if name in OPTIONS:
            commands = ", ".join(commands_of(name))
            remedy = f"this is an option of one run: leave it out, and give it to {commands}"
            yield Mistake(host_name, name, value, f"{remedy} as --data {name}=…")
        elif name in OWN_FIELDS:
            yield Mistake(host_name, name, value, nearest(name, SETTINGS, SEE_SETTINGS))
        elif name.startswith("ssh_") and name not in of_pyinfra():
            otherwise = f"there are {', '.join(sorted(get_type_hints(ConnectorData)))}"
            remedy = nearest(name, of_pyinfra(), otherwise)
            yield Mistake(host_name, name, value, remedy)
        elif name.startswith("_") and name not in of_pyinfra():
            # Any other may be a name of the inventory's own, as Python has them.
            remedy = nearest(name, of_pyinfra(), "", cutoff=0.8)
            if "did you mean" in remedy:
                yield Mistake(host_name, name, value, remedy)


def of_override(override: Mapping[str, Any]) -> Iterator[Mistake]:
    """What `--data` names and nobody knows."""
    known = SETTINGS | OPTIONS | of_pyinfra()
    for name in unknown(override):
        otherwise = (
            "group_data/all.py has the settings, the first lines of each deploy file its options"
        )
        yield Mistake("--data", name, override[name], nearest(name, known, otherwise))


def unknown(override: Mapping[str, Any]) -> list[str]:
    """The names in it that are neither settings nor options."""
    known = SETTINGS | OPTIONS | of_pyinfra()
    return [name for name in override if name not in known and not name.startswith("fake_")]


def of_commands(override: Mapping[str, Any], operations: Collection[str]) -> Iterator[Mistake]:
    """Options that none of these deploy files knows: they would be dropped."""
    if not set(operations) <= COMMANDS.keys():
        return  # what a person's own deploy file knows is not known here
    for name in override:
        commands = commands_of(name)
        if commands and not set(commands) & set(operations):
            which = " and ".join(sorted(operations))
            remedy = f"{which} has no such option; {', '.join(commands)} has it"
            yield Mistake("--data", name, override[name], remedy)


def of_groups(
    group_data: Mapping[str, Mapping[str, Any]], members: Collection[str]
) -> Iterator[Mistake]:
    """Data of groups in which no machine is, and whose name may be misspelt: another's belongs to
    another inventory (`unused`).

    + members: the names of groups in which one is.
    """
    for name in unused(group_data, members):
        if near := alike(name, members):
            remedy = f"no machine is in a group of this name; did you mean {near}?"
            yield Mistake(f"group_data/{name}.py, or the inventory", "group", name, remedy)


def unused(group_data: Mapping[str, Mapping[str, Any]], members: Collection[str]) -> list[str]:
    """The names of groups that have data, and no machine."""
    return [name for name, data in group_data.items() if data and name not in {*members, "all"}]
