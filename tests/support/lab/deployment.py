"""Running pyinfra inside the lab, as a person would type it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lab.twin import Lab

ROOT = Path(__file__).resolve().parents[3]
PYINFRA = str(ROOT / ".venv" / "bin" / "pyinfra")
# Longer than that nobody waits for another lab to compile.
COMPILED_S = 240
# For a build that only one module's tests use.
QUICKLY_COMPILED = ["--with-cc-opt=-O0"]
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Deployed:
    """The session's first deploy; `dry` is the dry run before it, if the machines were bare."""

    dry: Done | None
    changed_by_dry: str
    first: Done


def pyinfra(lab: Lab, *words: str, cwd: Path = ROOT, timeout: float = 400) -> Done:
    """pyinfra inside the lab, with all that it prints in `stdout`."""
    return lab.run(
        [PYINFRA, *words],
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
    """What other labs of these tests have compiled, for this one: the same sources and flags."""
    own = lab.state.root / "artifacts"
    own.mkdir(exist_ok=True)
    for place in (ROOT / ".lab" / "artifacts", *_the_other_halfs()):
        for artifact in place.glob("*.tar.gz") if place != own else ():
            shutil.copy(artifact, own)


def _the_other_halfs() -> list[Path]:
    """Where the half that compiles has its artifacts; the other one waits for the first of them."""
    if "LENT_ARTIFACTS" not in os.environ:
        return []
    place, patience = Path(os.environ["LENT_ARTIFACTS"]), time.monotonic() + COMPILED_S
    while not any(place.glob("*.tar.gz")) and time.monotonic() < patience:
        time.sleep(1)
    return [place]


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
    settled = verify(lab, "--data", "wait=20")
    assert settled.returncode == 0, settled.stdout
    return Deployed(dry, changed, first)
