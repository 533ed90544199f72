"""Another revision of Tandem: a checkout of its own, with the environment that it asks for."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machinery.bench_command import ROOT, CannotMeasure, progress

ENVIRONMENT = ".venv"
PYTHON = f"{ENVIRONMENT}/bin/python"
# The rule of that revision's own Makefile: what it needs may be another version, or be more.
INSTALLED = f"{ENVIRONMENT}/.installed"
_PRINT_DRILLS = "from drills.scenarios.catalogue import GROUPS; print(*GROUPS['{group}'])"


@contextmanager
def checkout(revision: str, root: Path = ROOT) -> Iterator[Path]:
    """A working tree of `revision`, as git names one, for as long as this is entered.

    Raises `CannotMeasure` where git does not know it, or its environment cannot be made.
    """
    git = ("git", "-c", f"safe.directory={root}", "-C", str(root))
    commit = _output(
        (*git, "rev-parse", "--verify", "--quiet", revision + "^{commit}"),
        f"there is no revision {revision} here",
    )
    with tempfile.TemporaryDirectory(prefix="tandem-") as directory:
        tree = Path(directory) / commit[:12]
        try:
            _output(
                (*git, "worktree", "add", "--detach", str(tree), commit), f"no tree of {revision}"
            )
            progress(f"The environment of {revision} ({commit[:12]})")
            _output(("make", "-C", str(tree), INSTALLED), f"no environment for {revision}")
            yield tree
        finally:
            subprocess.run(
                [*git, "worktree", "remove", "--force", str(tree)], capture_output=True, check=False
            )


def drill_names(tree: Path, group: str) -> tuple[str, ...]:
    """The drills of a group, such as "all", as the revision in `tree` has them."""
    words = (str(tree / PYTHON), "-c", _PRINT_DRILLS.format(group=group))
    return tuple(_output(words, f"the drills of {tree} are not known", tree).split())


def _output(words: tuple[str, ...], complaint: str, directory: Path = ROOT) -> str:
    """What a command has printed. Raises `CannotMeasure` if it fails."""
    # A make that has started this would have the other one share its jobs and options.
    environment = {key: value for key, value in os.environ.items() if key != "MAKEFLAGS"}
    done = subprocess.run(
        words,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise CannotMeasure(": ".join((complaint, *why)))
    return done.stdout.strip()
