"""The proposal as a file: rendered, read again by the rules of every run, then put in its place."""

from __future__ import annotations

import datetime
import os
import runpy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyinfra.api import State
from pyinfra.context import ctx_state

import settings
from controller import rendering
from controller.given import inventory_file
from first_inventory.proposal import InventoryProposal
from settings import Cluster, Mistake, Refused, SettingsError
from settings.run_options import COMMANDS
from settings.values import ROOT

# Beside an inventory in this directory.
TANDEMS_OWN = frozenset(COMMANDS) | {"config.py", "init.py"}
NOT_WRITTEN = "Nothing was written."


def text_of(proposal: InventoryProposal, file: str, date: datetime.date) -> str:
    """The inventory. file: how a person names it in the commands that follow."""
    return rendering.render(
        "first_inventory/inventory.py.j2", proposal=proposal, file=file, date=date.isoformat()
    )


def refuse_unwritable(path: Path, *, replace: bool) -> None:
    """Raise `Refused` if the file cannot be written, or must not be."""
    if path.suffix != ".py":
        raise Refused(f"{path}: an inventory's name ends with .py. {NOT_WRITTEN}")
    if path.name in TANDEMS_OWN and path.absolute().parent == ROOT:
        raise Refused(f"{path} is a part of Tandem itself; give another name. {NOT_WRITTEN}")
    if path.is_dir() or not path.parent.is_dir():
        raise Refused(f"{path} cannot be a file: there is no such directory. {NOT_WRITTEN}")
    if not os.access(path.parent, os.W_OK):
        raise Refused(f"{path.parent} cannot be written by you. {NOT_WRITTEN}")
    if path.exists() and not replace:
        raise Refused(
            f"{path} is there already. Give another name, init.py FILE; or --replace, which keeps "
            f"the old one as {backup(path).name}. {NOT_WRITTEN}"
        )


@contextmanager
def beside(path: Path, text: str) -> Iterator[Path]:
    """`text` in a file beside `path`, until it is put in its place, or is given up."""
    place = path.resolve()  # of a link, what it names is replaced
    new = place.with_name(f".new-{os.getpid()}-{place.name}")
    try:
        new.write_text(text)
        yield new
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}. {NOT_WRITTEN}") from error
    finally:
        new.unlink(missing_ok=True)


def read_back(new: Path) -> tuple[Cluster | None, tuple[Mistake, ...]]:
    """The cluster that a deploy would read there, or why it would not."""
    state = State()
    state.cwd = str(ROOT)
    with ctx_state.use(state):
        inventory, mistakes = inventory_file.read(str(new.absolute()), {}, ())
        if inventory is None or mistakes:
            return None, tuple(mistakes)
        try:
            (cluster,) = settings.load(inventory)
        except SettingsError as error:
            return None, error.mistakes
    return cluster, ()


def overruled(new: Path, cluster: str) -> list[Mistake]:
    """What group_data/ has for the group `cluster`, which goes before what is written for it."""
    state = State()
    state.cwd = str(ROOT)
    with ctx_state.use(state):
        inventory, _ = inventory_file.read(str(new.absolute()), {}, ())
    written = runpy.run_path(str(new))[cluster][1]
    read = inventory.group_data[cluster] if inventory else {}
    remedy = f"group_data/{cluster}.py has it, and goes before this file: take it out there"
    return [
        Mistake(cluster, name, read[name], remedy)
        for name, value in written.items()
        if name in read and read[name] != value
    ]


def put_in_place(new: Path, path: Path) -> Path | None:
    """Make it `path`, at once and whole; where the one that was there is kept, if one was."""
    kept = backup(path) if path.exists() else None
    if kept:
        shutil.copy2(path, kept)
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.replace(path.resolve())
    return kept


def backup(path: Path) -> Path:
    """A name that is free, for what is replaced."""
    kept, number = path.with_name(f"{path.name}.bak"), 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.bak{number}")
    return kept
