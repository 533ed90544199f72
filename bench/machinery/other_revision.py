"""Another revision of Tandem: a checkout of its own, with its environment and its lab."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machinery.bench_command import ROOT, CannotMeasure, progress
from bench.machinery.bench_lab import INVENTORY

ENVIRONMENT = ".venv"
PYTHON = f"{ENVIRONMENT}/bin/python"
LAB = f"{ENVIRONMENT}/bin/lab"
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


@dataclass(frozen=True)
class OwnLab:
    """The lab that a checkout boots by its own command: what one version remembers of a lab, such
    as its networks, another need not understand."""

    tree: Path

    def run_command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in the lab's network, from `tree`."""
        return [str(self.tree / LAB), "run", "--", *command]

    def environment(self) -> dict[str, str]:
        """The environment for commands; `lab run` adds to it what the lab is known by."""
        return dict(os.environ)


@contextmanager
def own_lab(tree: Path, name: str) -> Iterator[OwnLab]:
    """A pair of bare machines that the checkout in `tree` boots, for as long as this is entered.

    Raises `CannotMeasure` where it cannot, as where a lab is up there already.
    """
    progress(f"The lab of {name}")
    lab = str(tree / LAB)
    os.environ["PAIRS"] = "1"
    if subprocess.run([lab, "status"], cwd=tree, capture_output=True, check=False).returncode == 0:
        raise CannotMeasure(f"a lab is up in {tree}. First: lab down")
    try:
        _output((lab, "up", INVENTORY), f"no lab of {name}", tree)
        yield OwnLab(tree)
    finally:
        subprocess.run([lab, "down"], cwd=tree, capture_output=True, check=False)


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
