"""A generation: all that makes one machine's nginx (build, unit, /etc/nginx), under one name.

files/nginx/apply_nginx says what a machine does with it. The name is a digest of what is in it,
so that what is there already is found, and a change makes another.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from settings import Refused


def is_secret(path: str) -> bool:
    """Whether nobody but root may see what is in it."""
    return path.endswith(".key")


@dataclass(frozen=True)
class Generation:
    """`files` by their path in it: about, unit, etc/nginx.conf, etc/conf.d/…, etc/tls/… The build's
    own mime.types is added on the machine."""

    build: str
    files: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.build}.{hashlib.sha256(self.tar()).hexdigest()[:12]}"

    def tar(self) -> bytes:
        """The same bytes for the same files, whenever it is made."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, text in sorted(self.files.items()):
                data = text.encode()
                member = tarfile.TarInfo(path)
                member.size, member.mode = len(data), 0o600 if is_secret(path) else 0o640
                archive.addfile(member, io.BytesIO(data))
        return packed.getvalue()


def make(
    build: str,
    *,
    port: int,
    drain_timeout_s: int,
    unit: str,
    etc: Mapping[str, str],
    cache: str = "",
) -> Generation:
    """`cache`: the directory of the proxy's cache, "" for none."""
    about = f"build={build}\nport={port}\ndrain_timeout_s={drain_timeout_s}\n"
    if cache:
        about += f"cache={cache}\n"
    inside = {f"etc/{name}": text for name, text in etc.items()}
    return Generation(build, {"about": about, "unit": unit} | inside)


@dataclass(frozen=True)
class KeptGenerations:
    """The generations that a machine keeps, and the run that asked for each.

    `half_way`: what is installed is not the current one, because a deploy has stopped half way.
    """

    staged: str = ""
    staged_run: str = ""
    current: str = ""
    current_run: str = ""
    previous: str = ""
    half_way: bool = False

    @property
    def stopped(self) -> bool:
        """Whether a deploy has stopped here; what a person changed by hand is none."""
        return self.half_way and self.staged != self.current


def parse_kept(lines: Iterable[str]) -> KeptGenerations:
    """Read what `apply-nginx generations` prints."""
    said: dict[str, str] = dict(re.findall(r"^([\w-]+)=(.*)$", "\n".join(lines), re.MULTILINE))
    staged, _, staged_run = said.get("staged", "").partition(" ")
    current, _, current_run = said.get("current", "").partition(" ")
    previous = said.get("previous", "").partition(" ")[0]
    half_way = "half-way" in said
    return KeptGenerations(staged, staged_run, current, current_run, previous, half_way)


def rollback_targets(kept: Mapping[str, KeptGenerations]) -> dict[str, str]:
    """The generation that each machine of a cluster goes back to, as if the last run had not been.

    That run may have changed all machines, or have stopped after the first, or in the middle of
    one. A machine that it did not change stays as it is. Raises `Refused` naming every
    machine that has nothing to go back to.
    """
    stopped = {name for name, its in kept.items() if its.stopped}
    undone = {kept[name].staged_run for name in stopped} or {
        max((its.current_run for its in kept.values()), default="")
    }
    targets = {
        name: its.previous if name not in stopped and its.current_run in undone else its.current
        for name, its in kept.items()
    }
    without = sorted(name for name, target in targets.items() if not target)
    if without:
        raise Refused(
            f"{', '.join(without)}: there is no earlier generation of nginx to go back to. "
            "No machine was touched."
        )
    return targets
