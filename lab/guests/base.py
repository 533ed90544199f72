"""The base file systems of guests: built once with mmdebstrap, then shared by all labs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from lab.errors import LabError
from lab.host import lock
from lab.host.mirrors import Mirrors, options, sources
from lab.paths import lab_cache
from lab.plan import MachineSpec
from report import live_line

REVISION = 1  # part of the digest: raise it when `_finish` changes

BARE = (
    "ca-certificates",
    "dbus",
    "ifupdown",
    "iproute2",
    "netbase",
    "openssh-server",
    "procps",
    "python3-minimal",
)


@dataclass(frozen=True)
class Recipe:
    """The contents of a base; a changed recipe is built as another base."""

    suite: str
    packages: tuple[str, ...]
    # Units that are useless in a guest, or would run apt unasked.
    masked: tuple[str, ...]


RECIPES: dict[str, Recipe] = {
    suite: Recipe(
        suite=suite,
        packages=(*BARE, "systemd", "systemd-sysv"),
        masked=(
            "apt-daily-upgrade.timer",
            "apt-daily.timer",
            "console-getty.service",
            "e2scrub_all.timer",
            "e2scrub_reap.service",
            "fstrim.timer",
        ),
    )
    for suite in ("bookworm", "trixie")
} | {
    # PID 1 is SysV init; services are init scripts.
    "bookworm-sysv": Recipe(
        suite="bookworm",
        packages=(
            *(package for package in BARE if package != "dbus"),
            *("sysvinit-core", "sysv-rc", "initscripts", "insserv", "startpar"),
        ),
        masked=(),
    )
}


def recipe_of(machine: MachineSpec) -> Recipe:
    """What a machine's base is made of. Raises `LabError` with the known names."""
    if machine.base not in RECIPES:
        raise LabError(f"There is no base {machine.base}; there are {', '.join(RECIPES)}.")
    plain = RECIPES[machine.base]
    return replace(plain, packages=(*plain.packages, *machine.login.packages))


def digest(recipe: Recipe) -> str:
    """Identifies the contents of a base in the cache."""
    return sha256(f"{REVISION} {json.dumps(asdict(recipe), sort_keys=True)}".encode()).hexdigest()


def ensure(machine: MachineSpec, mirrors: Mirrors, progress: Callable[[str], None]) -> Path:
    """The directory of the machine's base, built now unless it is in the cache."""
    chosen = recipe_of(machine)
    cache = lab_cache()
    base = cache / f"{machine.base}-{digest(chosen)[:12]}"
    if base.is_dir():
        return base
    name = " with ".join((machine.base, *machine.login.packages))
    cache.mkdir(parents=True, exist_ok=True)
    waiting = "Another lab is building a base; waiting for it"
    with lock.exclusive(cache, lambda: progress(waiting)):
        if not base.is_dir():  # another lab may have built it in the meantime
            progress(f"Building the base {name}, once; this takes about half a minute")
            for stale in cache.glob(".building-*"):
                shutil.rmtree(stale)
            folder = Path(tempfile.mkdtemp(prefix=".building-", dir=cache))
            try:
                _build(chosen, mirrors, folder / "root")
                (folder / "root").rename(base)
            finally:
                live_line.end()
                # What cannot be removed now, the next building removes, or says why not.
                shutil.rmtree(folder, ignore_errors=True)
    return base


def command(recipe: Recipe, mirrors: Mirrors, target: Path) -> list[str]:
    """mmdebstrap's command line."""
    apt = options(mirrors)
    if mirrors.upstream:
        apt.append(f'Acquire::http::Proxy "{mirrors.upstream}";')
    return [
        # In a mount namespace, so that a killed build leaves no mounts behind.
        *("unshare", "--mount", "--propagation", "slave"),
        *("mmdebstrap", "--variant=minbase", "--mode=root"),
        f"--include={','.join(recipe.packages)}",
        *(f"--aptopt={option}" for option in apt),
        recipe.suite,
        str(target),
        *sources(mirrors, recipe.suite),
    ]


def _build(recipe: Recipe, mirrors: Mirrors, target: Path) -> None:
    lines: list[str] = []
    with subprocess.Popen(
        command(recipe, mirrors, target),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
    ) as building:
        for line in building.stderr or ():
            lines.append(line.rstrip())
            if line.startswith("I: "):
                live_line.part(line[3:].strip())
    if building.returncode:
        end = "\n".join(lines[-20:])
        raise LabError(f"The base could not be built; mmdebstrap says:\n{end}")
    _finish(recipe, target)


def _finish(recipe: Recipe, target: Path) -> None:
    """Remove what each machine has to have of its own, and what no guest needs."""
    etc = target / "etc"
    for path in (*etc.glob("ssh/ssh_host_*"), *etc.glob("apt/apt.conf.d/99mmdebstrap")):
        path.unlink()
    for name in ("hostname", "resolv.conf", "apt/sources.list", "machine-id"):
        (etc / name).unlink(missing_ok=True)
    (target / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    inittab = etc / "inittab"
    if inittab.exists():  # guests have no terminals to log in on
        lines = inittab.read_text().splitlines(keepends=True)
        inittab.write_text("".join(line for line in lines if "/sbin/getty" not in line))
    for unit in recipe.masked:
        mask = etc / "systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
