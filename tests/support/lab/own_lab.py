"""A lab of its own, for machines that are others than those of the other tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.twin import Lab
from tests.support.lab import deployment
from tests.support.lab.deployment import CHECKOUT, Done, lend_artifacts

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".lab", ".lab-ca", ".venv*", "build", "__pycache__", ".*_cache"
)


@contextmanager
def own_lab(
    directory: Path,
    inventory: str = "inventory.py",
    prepare: Callable[[Path], None] = lambda checkout: None,
) -> Iterator[Lab]:
    """The machines of `inventory`, bare, in a copy of this checkout; gone afterwards.

    + prepare: what is done to the copy before.
    """
    shutil.copytree(CHECKOUT, directory, ignore=NOT_COPIED)
    prepare(directory)
    lab_command(directory, "up", inventory)
    try:
        lab = Lab.load(directory)
        lend_artifacts(lab)
        yield lab
    finally:
        lab_command(directory, "down")


def lab_command(directory: Path, *words: str) -> None:
    command = [sys.executable, "-m", "lab", *words]
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr


def pyinfra(lab: Lab, *words: str, timeout: float = 600) -> Done:
    """pyinfra in the lab's own copy of the checkout."""
    return deployment.pyinfra(lab, *words, cwd=lab.state.root.parent, timeout=timeout)
