"""A generation: all that makes one machine's nginx (build, unit, /etc/nginx), under one name.

files/nginx/apply_nginx says what a machine does with it. The name is a digest of what is in it,
so that what is there already is found, and a change makes another.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


def is_secret(path: str) -> bool:
    """Whether nobody may see what is in it: a key, or a file that a snippet names.

    `path`: in a generation, or on a machine.
    """
    name = path.removeprefix("/etc/nginx/").removeprefix("etc/")
    if name.startswith("files/"):
        return name != path and not name.endswith(".conf")
    if name.startswith("auth/"):
        return name != path
    certificate = name.startswith("tls/") and name.endswith(".pem")
    shown = name.endswith((".conf", ".pm")) or certificate or name == "mime.types"
    return name != path and not shown


@dataclass(frozen=True)
class Generation:
    """`files` by their path in it: about, unit, etc/nginx.conf, etc/conf.d/…, etc/tls/…

    `yielding`: those of etc that a machine does without where somebody's own is in their place.
    """

    build: str
    files: Mapping[str, str | bytes] = field(repr=False)
    yielding: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.build}.{hashlib.sha256(self.tar()).hexdigest()[:12]}"

    def tar(self) -> bytes:
        """The same bytes for the same files, whenever it is made."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, text in sorted(self.files.items()):
                data = text if isinstance(text, bytes) else text.encode()
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
    etc: Mapping[str, str | bytes],
    cache: str = "",
    workers_read: Iterable[str] = (),
    yielding: Iterable[str] = (),
) -> Generation:
    """`cache`: the directory of the proxy's cache, "" for none. Names among `etc`: `workers_read`,
    which nginx's workers read, too; `yielding`, which give way to somebody's own."""
    about = f"build={build}\nport={port}\ndrain_timeout_s={drain_timeout_s}\n"
    if cache:
        about += f"cache={cache}\n"
    if names := " ".join(sorted(workers_read)):
        about += f"workers_read={names}\n"
    yields = frozenset(yielding)
    if names := " ".join(sorted(yields)):
        about += f"yielding={names}\n"
    inside = {f"etc/{name}": text for name, text in etc.items()}
    every = {"about": about, "unit": unit} | inside
    return Generation(build, every, frozenset(f"etc/{name}" for name in yields))
