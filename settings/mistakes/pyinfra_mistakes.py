"""pyinfra's own arguments, which it also reads from data, where one would undo a promise unseen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pyinfra.api.arguments import all_global_arguments
from pyinfra.connectors.ssh import ConnectorData

from settings.mistakes.mistake import Bars, Mistake
from settings.values import alike

# How a command becomes root's, and in which surroundings.
ALLOWED_PREFIXES = (
    *("_sudo", "_use_sudo", "_preserve_sudo", "_su_", "_use_su_", "_preserve_su_"),
    *("_doas", "_dzdo", "_env", "_temp_dir", "_timeout"),
)


def of_data(where: str, data: Mapping[str, object]) -> Iterator[Mistake]:
    """What must not be set for the machine `where`: `_ignore_errors` and its like."""
    for name, _ in all_global_arguments():
        if name in data and name.startswith("_") and not name.startswith(ALLOWED_PREFIXES):
            remedy = (
                "leave it out: it would hold for every step, and each step has its own: "
                "in order, one machine after another, stopping at the first failure"
            )
            yield Mistake(where, name, data[name], remedy)


# What pyinfra takes for the strictness, from ssh_config's words.
STRICTNESS = (None, "ask", "no", "off", "yes", "accept-new")
# Files on this controller that have to be there.
FILES = ("ssh_key", "ssh_config_file")
_WORDS = {str: "text, in quotes", int: "a whole number", float: "a number", bool: "True or False"}


def of_login(where: str, data: Mapping[str, object]) -> Iterator[Mistake]:
    """What cannot be right about how the machine `where` is reached, or one becomes root there."""
    for name, kind in _types().items():
        value = data.get(name)
        if value is not None and not _fits(kind, value):
            yield Mistake(where, name, value, f"give {_WORDS.get(kind, 'a dict')}")
        elif name == "ssh_port" and value is not None and not 1 <= int(str(value)) <= 65535:
            yield Mistake(where, name, value, "give 1 to 65535")
        elif name == "ssh_strict_host_key_checking" and value not in STRICTNESS:
            choice = ", ".join(f'"{each}"' for each in STRICTNESS if each)
            near = alike(str(value), filter(None, STRICTNESS))
            meant = f'did you mean "{near}"? Give' if near else "give"
            yield Mistake(where, name, value, f"{meant} one of {choice}")
        elif name in FILES and value and not Path(str(value)).expanduser().exists():
            remedy = "there is no such file on this controller"
            # Somebody may have moved it; whoever can be reached without it is.
            yield Mistake(where, name, value, remedy, Bars.DEPLOY)


@cache
def _types() -> Mapping[str, Any]:
    becomes = {name: bool for name in ("_sudo", "_doas", "_dzdo", "_use_sudo_login")}
    people = {name: str for name in ("_sudo_user", "_doas_user", "_dzdo_user", "_su_user")}
    return get_type_hints(ConnectorData) | becomes | people


def _fits(kind: Any, value: object) -> bool:
    if isinstance(value, bool) and kind in (int, float):
        return False  # pydantic would take it for 1 or 0
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True
