"""pyinfra whose patience is shorter, for what a test has it wait for in vain.

    python -m tests.support.lab.controllers.impatient MODULE.NAME=SECONDS… -- ARGUMENTS OF PYINFRA

Every module that has taken the name from another one is named, too.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable

from pyinfra_cli.main import main  # which patches the standard library


def command(*changes: str) -> tuple[str, ...]:
    """What stands in place of pyinfra's own command, in front of its arguments."""
    return sys.executable, "-m", __name__, *changes, "--"


def change(changes: Iterable[str]) -> None:
    """Set constants of modules, each of which has to be there and to be a number."""
    for each in changes:
        place, _, seconds = each.partition("=")
        module, _, name = place.rpartition(".")
        there = importlib.import_module(module)
        assert isinstance(getattr(there, name), (int, float)), place
        setattr(there, name, type(getattr(there, name))(seconds))


if __name__ == "__main__":
    ours, words = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    sys.path.insert(0, ".")
    change(ours)
    sys.argv = ["pyinfra", *words]
    sys.exit(main())
