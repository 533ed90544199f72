"""Reads the inventory and group_data/, which are programs: what is wrong with their text is said by
file and line, and what pyinfra would pass over in silence is a mistake.
"""

from __future__ import annotations

import re
import traceback
import warnings
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pyinfra_cli.inventory as pyinfra_inventory
from pyinfra import state
from pyinfra.api import Inventory
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli.exceptions import CliError, UnexpectedExternalError

from settings import TypedMistake
from settings.mistakes import name_mistakes

MACHINE = '"NAME" or ("NAME", {settings})'
GROUP = (
    f"A group is [machines] or ([machines], {{settings}}), a machine is {MACHINE}; any other name "
    "begins with _"
)
# What inventories of others are written in, and pyinfra would take for the name of a machine.
_OTHER_FORMATS = frozenset({".cfg", ".ini", ".json", ".toml", ".txt", ".yaml", ".yml"})
# In a line that is not shown.
_SECRET = re.compile("pass|secret|token|key", re.IGNORECASE)
# What Python says where two entries stand side by side without a comma.
_NO_COMMA = ("object is not callable", "indices must be", "is not subscriptable")


def misnamed(name: str, commands: Container[str]) -> str:
    """Why a name cannot be an inventory's, with the remedy; "" if it can be.

    `commands`: the names of the deploy files.
    """
    path = Path(name)
    if path.name in commands:
        right = f"pyinfra inventory.py {path.name}"
        return f"{name} is a command, and the inventory comes before it: {right}"
    if path.suffix in _OTHER_FORMATS:
        return f"{name} is no inventory: that is a Python file, such as inventory.py"
    if path.suffix == ".py" and not path.exists():
        return f"There is no inventory {name}. Is its name right?"
    return ""


def read(
    name: str, override: Mapping[str, Any], group_data: Sequence[str]
) -> tuple[Inventory | None, list[TypedMistake]]:
    """The inventory, and every mistake of the text; None where it cannot be made."""
    found: list[TypedMistake] = []
    execute = pyinfra_inventory.exec_file

    def execute_and_judge(filename: str, **how: Any) -> dict[str, Any]:
        try:
            with warnings.catch_warnings():
                # Of what is an error a moment later, and told then.
                warnings.simplefilter("ignore", SyntaxWarning)
                attributes: dict[str, Any] = execute(filename, **how)
        except (Exception, SystemExit) as error:
            found.append(TypedMistake.saying(_told(filename, error)))
            # As an empty file: the others are read, too.
            return {"__file__": filename, "__all__": []}
        if Path(filename) == Path(name):
            found.extend(map(TypedMistake.saying, _in_groups(name, attributes)))
        return attributes

    pyinfra_inventory.exec_file = execute_and_judge
    try:
        inventory = pyinfra_inventory.make_inventory(
            name, override_data=dict(override), cwd=state.cwd, group_data_directories=group_data
        )
    except Exception as error:
        # What is malformed, and was found, pyinfra may stumble over.
        if not found:
            found.append(TypedMistake.saying(f"{name} cannot be read: {_what(error)}"))
        return None, found
    finally:
        pyinfra_inventory.exec_file = execute
    return inventory, found


def _told(filename: str, error: BaseException) -> str:
    """Where in a file, and what, in the words of Python."""
    shown = _short(filename)
    if isinstance(error, UnexpectedExternalError):
        error = error.exception
    if isinstance(error, SyntaxError):
        text = _harmless(error.text)
        where = _short(error.filename or filename)
        last = error.end_lineno or 0
        several = f"lines {error.lineno} to {last}" if last > (error.lineno or 0) else ""
        return f"{where}, {several or f'line {error.lineno}'}: {error.msg}{text}"
    if isinstance(error, SystemExit):
        return f"{shown} ends Python (exit): leave that out"
    lines = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename
    ]
    where = f"{shown}, line {lines[-1].lineno}" if lines else shown
    what = _what(error)
    if isinstance(error, TypeError) and any(sign in what for sign in _NO_COMMA):
        what += ". Is a comma missing at the end of that entry?"
    text = _harmless(lines[-1].line if lines else "")
    return f"{where}: {what}{text}"


def _harmless(line: str | None) -> str:
    """A line of the file, to be shown; none that may have a secret."""
    text = (line or "").strip()
    return f": {text}" if text and not _SECRET.search(text) else ""


def _what(error: BaseException) -> str:
    if isinstance(error, (PyinfraError, CliError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _short(filename: str) -> str:
    path = Path(filename)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else filename


def _in_groups(filename: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    """What pyinfra would make of an inventory's names that nobody means, or pass over."""
    for name, value in attributes.items():
        if name.startswith("__") or isinstance(value, (ModuleType, FunctionType, type)):
            continue
        where = f"{_short(filename)}: {name}"
        settings = name_mistakes.SETTINGS | name_mistakes.OPTIONS | name_mistakes.of_pyinfra()
        faults = list(_in_group(value)) if isinstance(value, (list, tuple)) else None
        if name in settings and faults != []:
            yield (
                f"{where} is set for nobody here: put it into the {{settings}} of a group or of a "
                "machine, or into group_data/"
            )
        elif not name.startswith("_") and faults:
            for fault in faults:
                yield f"{where}{fault}"


def _in_group(value: Sequence[Any]) -> Iterator[str]:
    """What is wrong with a group, and where in it."""
    machines: Any = value
    if isinstance(value, tuple):
        if not (len(value) == 2 and isinstance(value[0], (list, tuple))):
            yield f" = {_shown(value)}. {GROUP}"
            return
        machines = value[0]
        if isinstance(value[1], dict):
            yield from _in_data(f"{_place(1)} has", value[1])
        else:
            yield f"{_place(1)} = {_shown(value[1])}. {GROUP}"
            return
    names = []
    for number, machine in enumerate(machines):
        place = _place(number) if machines is value else f"{_place(0)}{_place(number)}"
        match machine:
            case str(name) if name.strip():
                names.append(name)
            case (str(name), dict(data)) if name.strip():
                names.append(name)
                yield from _in_data(f", machine {name}, has", data)
            case _:
                yield f"{place} = {_shown(machine)}. {GROUP}"
    for name, count in Counter(names).items():
        if count > 1:
            yield f" names the machine {name} {count} times: name it once"


def _in_data(where: str, data: Mapping[Any, Any]) -> Iterator[str]:
    for key in data:
        if not isinstance(key, str):
            yield f"{where} a setting {_shown(key)}, which is no name in quotes"


def _place(number: int) -> str:
    return f"[{number}]"


def _shown(value: object) -> str:
    """Enough of it to be found; no more, since there may be passwords in it."""
    if isinstance(value, (tuple, list)):
        inside = ", ".join(repr(each) if isinstance(each, str) else "…" for each in value[:3])
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    return "{…}" if isinstance(value, (dict, set)) else repr(value)[:40]
