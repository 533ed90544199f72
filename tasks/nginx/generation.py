"""A generation: all that makes one machine's nginx (build, unit, /etc/nginx), under one name.

files/nginx/apply_nginx says what a machine does with it. The name is a digest of what is in it,
so that what is there already is found, and a change makes another.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from settings.mistakes.constraints import Refused


def secret(path: str) -> bool:
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
                member.size, member.mode = len(data), 0o600 if secret(path) else 0o640
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


class RollbackError(Refused):
    """There is nothing to go back to; no machine was touched."""


@dataclass(frozen=True)
class Memory:
    """What a machine remembers: generations, the run that asked for each, and whether what is
    installed is another than the current one, because a deploy has stopped half way."""

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


def parse_memory(lines: Iterable[str]) -> Memory:
    """What `apply-nginx generations` prints."""
    memory = Memory()
    for line in lines:
        key, _, value = line.partition("=")
        name, _, run = value.partition(" ")
        if key == "half-way":
            memory = replace(memory, half_way=True)
        elif key == "staged":
            memory = replace(memory, staged=name, staged_run=run)
        elif key == "current":
            memory = replace(memory, current=name, current_run=run)
        elif key == "previous":
            memory = replace(memory, previous=name)
    return memory


def before(memories: Mapping[str, Memory]) -> dict[str, str]:
    """The generation that each machine of a cluster goes back to, as if the last run had not been.

    That run may have changed all machines, or have stopped after the first, or in the middle of
    one. A machine that it did not change stays as it is. Raises `RollbackError` naming every
    machine that has nothing to go back to.
    """
    stopped = {name for name, memory in memories.items() if memory.stopped}
    undone = {memories[name].staged_run for name in stopped} or {
        max((memory.current_run for memory in memories.values()), default="")
    }
    targets = {
        name: memory.previous
        if name not in stopped and memory.current_run in undone
        else memory.current
        for name, memory in memories.items()
    }
    without = sorted(name for name, target in targets.items() if not target)
    if without:
        raise RollbackError(
            f"{', '.join(without)}: there is no earlier generation of nginx to go back to. "
            "No machine was touched."
        )
    return targets
