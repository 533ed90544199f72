"""What one machine compiled, kept by the controller for all others of its platform.

An artifact is a tar.gz of a build's directory. It lies in the controller's cache whole or not at
all, and is believed, each time it is used, only if its manifest is that of the build that is wanted
and every file in it has the checksum that the manifest says.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tarfile
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.cache import cache_directory
from settings import releases

MANIFEST = "MANIFEST.json"
FILES = frozenset({"nginx", "mime.types", "V"})
# What scripts that nginx embeds find it by.
PERL_FILES = frozenset({"perl/nginx.pm", "perl/auto/nginx/nginx.so"})
# More than this is no build of nginx, and is not read into memory.
LARGEST_FILE_B = 100_000_000
# A download that is older was left behind by a run that was killed.
STALE_S = 3600


@dataclass(frozen=True)
class BuildManifest:
    """What a build was made of, and what it consists of. `files`: sha256 by name."""

    build: str
    version: str
    platform: str
    flags: tuple[str, ...]
    source_sha256: str
    packages: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True)
class BuildSpec:
    """The build that an artifact has to be of."""

    build: str
    version: str
    platform: str
    flags: tuple[str, ...]
    source_sha256: str


def files(flags: Iterable[str]) -> frozenset[str]:
    """What a build with these flags consists of, beside its manifest."""
    return FILES | PERL_FILES if releases.PERL_FLAG in flags else FILES


class Damaged(Exception):
    """It is not the artifact that it should be; the message says why."""


def parse(text: str | bytes) -> BuildManifest:
    """Raises ValueError when `text` is no manifest."""
    try:
        found: dict[str, Any] = json.loads(text)
        return BuildManifest(
            build=str(found["build"]),
            version=str(found["version"]),
            platform=str(found["platform"]),
            flags=tuple(map(str, found["flags"])),
            source_sha256=str(found["source_sha256"]),
            packages=tuple(map(str, found["packages"])),
            files={str(name): str(digest) for name, digest in found["files"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no manifest: {error!r}") from error


def path(wanted: BuildSpec) -> Path:
    """Where the artifact lies, or will."""
    return cache() / f"{wanted.build}-{wanted.platform}.tar.gz"


def cache() -> Path:
    """The directory of artifacts. Nobody else may write there: what is in it will run as root.

    A lab has its own, which goes with it: what its machines compiled is for no others.
    """
    return cache_directory("artifacts", root=os.environ.get("TANDEM_LAB"))


def check(artifact: Path, wanted: BuildSpec) -> BuildManifest:
    """The manifest of an artifact that is whole and of the wanted build; else raises `Damaged`."""
    try:
        content = _read(artifact, files(wanted.flags))
        manifest = parse(content.pop(MANIFEST))
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, KeyError) as error:
        raise Damaged(f"it cannot be read ({error})") from error
    for name, value in vars(wanted).items():
        if getattr(manifest, name) != value:
            raise Damaged(f"its {name} is {getattr(manifest, name)}, and must be {value}")
    for name, data in content.items():
        if hashlib.sha256(data).hexdigest() != manifest.files.get(name):
            raise Damaged(f"the sha256 of {name} is not the one in its manifest")
    return manifest


def _read(artifact: Path, files: frozenset[str]) -> dict[str, bytes]:
    """The files in it. Raises ValueError unless these are a build's, with nothing beside them."""
    content: dict[str, bytes] = {}
    with tarfile.open(artifact, "r:gz") as tar:
        for member in tar:
            if not member.isreg() or member.name in content or member.size > LARGEST_FILE_B:
                raise ValueError(f"{member.name} has no place in it")
            file = tar.extractfile(member)
            assert file is not None
            content[member.name] = file.read()
    if content.keys() != files | {MANIFEST}:
        raise ValueError(f"it holds {', '.join(sorted(content)) or 'nothing'}")
    return content


def download() -> Path:
    """A name in the cache for a download; `keep` gives it its own when it is found to be good."""
    for left in cache().glob(".*"):
        if time.time() - left.stat().st_mtime > STALE_S:
            left.unlink(missing_ok=True)
    return cache() / f".{secrets.token_hex(8)}"


def keep(fresh: Path, wanted: BuildSpec) -> None:
    """Take a download into the cache, by one rename. Raises `Damaged` if it is not `wanted`."""
    try:
        check(fresh, wanted)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(fresh, path(wanted))
    finally:
        fresh.unlink(missing_ok=True)
