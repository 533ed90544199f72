"""BIRD 2, which the lab's routers run, unpacked without installing its package.

Installed, bird2 would become this machine's own routing service.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.host.process import run
from lab.paths import lab_cache

PACKAGE = "bird2"
PROGRAMS = {"bird": Path("usr/sbin/bird"), "birdcl": Path("usr/sbin/birdcl")}


def path(program: str) -> str:
    """This machine's own program, else the one fetched by `ensure`."""
    return (_own() and shutil.which(program)) or str(_unpacked() / PROGRAMS[program])


def environment() -> dict[str, str]:
    """The environment with which it finds the libraries that were unpacked with it."""
    if _own():
        return {}
    found = sorted(_unpacked().glob("**/*-linux-*"))
    return {"LD_LIBRARY_PATH": ":".join(str(each) for each in found if each.is_dir())}


def ensure() -> None:
    """Fetch the package, and what it needs and is not here, and unpack it all into the cache.

    Raises `LabError` if apt cannot download it.
    """
    if _own() or _unpacked().exists():
        return
    lab_cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab_cache()) as beside:
        try:
            plan = run(["apt-get", "-qq", "-s", "install", "--no-install-recommends", PACKAGE])
            names = to_unpack(plan)
            run(["sh", "-c", 'cd "$0" && apt-get -qq download "$@"', beside, *names])
            for package in sorted(Path(beside).glob("*.deb")):
                run(["dpkg-deb", "--extract", package, f"{beside}/bird"])
        except LabError as error:
            raise LabError(f"{error}\napt's lists may be missing. Run: apt-get update") from error
        try:
            os.rename(Path(beside) / "bird", _unpacked())
        except OSError:  # another lab may have done it in the meantime
            if not _unpacked().exists():
                raise


def to_unpack(plan: str) -> list[str]:
    """The packages that `apt-get -s install` says it would install, and in any case BIRD's."""
    return sorted({PACKAGE, *re.findall(r"^Inst (\S+)", plan, re.MULTILINE)})


def _own() -> bool:
    """Whether this machine has a BIRD of the version whose language the lab writes."""
    own = shutil.which("bird")
    if not own or not shutil.which("birdcl"):
        return False
    # It tells its version on stderr.
    done = subprocess.run([own, "--version"], stderr=subprocess.PIPE, text=True)
    return done.stderr.startswith("BIRD version 2.")


def _unpacked() -> Path:
    return lab_cache() / "bird"
