"""pyinfra's own arguments, which it also reads from data, where one would undo a promise unseen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pyinfra.api.arguments import all_global_arguments

from settings.mistakes.mistake import Mistake

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
