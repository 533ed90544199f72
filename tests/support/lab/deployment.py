"""Running pyinfra inside the lab, as a person would type it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.twin import Lab

CHECKOUT = Path(__file__).resolve().parents[3]
# A lab belongs to a checkout: tests that run beside others have a copy of this one (conftest.py).
COPY = os.environ.get("LAB_COPY", "")
ROOT = CHECKOUT / "build" / COPY if COPY else CHECKOUT
PYINFRA = str(CHECKOUT / ".venv" / "bin" / "pyinfra")
# What any lab of these tests has compiled, for all of them.
ARTIFACTS = CHECKOUT / "build" / "artifacts"
# For a build that only one module's tests use.
QUICKLY_COMPILED = ["--with-cc-opt=-O0"]
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Deployed:
    """The session's first deploy; `dry` is the dry run before it, if the machines were bare."""

    dry: Done | None
    changed_by_dry: str
    first: Done


def pyinfra(
    lab: Lab,
    *words: str,
    cwd: Path = ROOT,
    timeout: float = 400,
    program: Sequence[str] = (PYINFRA,),
) -> Done:
    """pyinfra inside the lab, with all that it prints in `stdout`."""
    return lab.run(
        [*program, *words],
        cwd=cwd,
        capture_output=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
    )


def deploy(lab: Lab, *words: str) -> Done:
    return pyinfra(lab, "-y", "inventory.py", "deploy.py", *words)


def verify(lab: Lab, *words: str) -> Done:
    return pyinfra(lab, "inventory.py", "verify.py", *words)


def lend_artifacts(lab: Lab) -> None:
    """Give a lab what other labs of these tests have compiled: the same sources and flags."""
    _copy_artifacts(ARTIFACTS, lab.state.root / "artifacts")


def keep_artifacts(lab: Lab) -> None:
    """Keep what a lab has compiled for the others."""
    _copy_artifacts(lab.state.root / "artifacts", ARTIFACTS)


def _copy_artifacts(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for artifact in source.glob("*.tar.gz"):
        if not (target / artifact.name).exists():
            new = target / f"{artifact.name}.{os.getpid()}"
            shutil.copy(artifact, new)
            new.replace(target / artifact.name)


def first_deploy(lab: Lab) -> Deployed:
    """Bring the recipe onto both machines; on bare ones after a dry run that is watched."""
    lend_artifacts(lab)
    dry, changed = None, ""
    if lab.ssh("host1", "test -e /usr/sbin/nginx").returncode != 0:
        newer = "find / -xdev -newer /run/before-dry -type f -not -path '/var/log/*' | sort"
        for machine in lab.machines:
            lab.ssh(machine.name, "touch /run/before-dry && sleep 0.05")
        dry = pyinfra(lab, "--dry", "inventory.py", "deploy.py")
        changed = "".join(lab.ssh(machine.name, newer).stdout for machine in lab.machines)
    first = deploy(lab)
    assert first.returncode == 0, first.stdout
    keep_artifacts(lab)
    settled = verify(lab, "--data", "wait=20")
    assert settled.returncode == 0, settled.stdout
    return Deployed(dry, changed, first)
