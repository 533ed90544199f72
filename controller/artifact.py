"""Builds of nginx in the controller's cache: one machine compiled them for all of its platform.

An artifact is a tar.gz of a build's directory, with a manifest. It is in the cache whole or not at
all. Each time it is used, its manifest has to be that of the wanted build, and every file in it has
to have the checksum that the manifest gives.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tarfile
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from controller.cache import cache_directory
from settings import releases

MANIFEST = "MANIFEST.json"
FILES = frozenset({"nginx", "mime.types", "V"})
# What a build with perl consists of as well: the module by which perl finds nginx.
PERL_FILES = frozenset({"perl/nginx.pm", "perl/auto/nginx/nginx.so"})
# More than this is no build of nginx, and is not read into memory.
LARGEST_FILE_B = 100_000_000
# A download that is older than this was left behind by a run that was killed.
STALE_S = 3600


class BuildSpec(BaseModel, frozen=True):
    """What a build is made of. `build`: its name, with a digest of the rest in it."""

    build: str
    version: str
    platform: str
    flags: tuple[str, ...]
    source_sha256: str


class BuildManifest(BuildSpec, frozen=True):
    """What a build was made of, the packages it needs, and the sha256 of its files by name."""

    packages: tuple[str, ...]
    files: Mapping[str, str]


def files(flags: Iterable[str]) -> frozenset[str]:
    """The names of the files of a build with these flags; its manifest is not among them."""
    return FILES | PERL_FILES if releases.PERL_FLAG in flags else FILES


class Damaged(Exception):
    """An artifact that is not whole, or not of the wanted build; the message says why."""


def path(wanted: BuildSpec) -> Path:
    """Where the artifact of that build is in the cache, or will be."""
    return cache() / f"{wanted.build}-{wanted.platform}.tar.gz"


def cache() -> Path:
    """The directory of artifacts. A lab has its own: its builds are for no other machines."""
    return cache_directory("artifacts", root=os.environ.get("TANDEM_LAB"))


def check(artifact: Path, wanted: BuildSpec) -> BuildManifest:
    """The manifest of an artifact. Raises `Damaged` unless it is whole and of the wanted build."""
    try:
        content = _read(artifact, files(wanted.flags))
        manifest = BuildManifest.model_validate_json(content.pop(MANIFEST))
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
    """Its files' content by name. Raises ValueError unless they are `files` and a manifest."""
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


def download_path() -> Path:
    """A path in the cache for a download, until `keep` gives it its own. Removes stale ones."""
    for stale in cache().glob(".*"):
        with suppress(FileNotFoundError):  # another run keeps it just now
            if time.time() - stale.stat().st_mtime > STALE_S:
                stale.unlink()
    return cache() / f".{secrets.token_hex(8)}"


def keep(fresh: Path, wanted: BuildSpec) -> None:
    """Move a download to its place in the cache. Raises `Damaged` if it is not of that build, and
    OSError if it cannot be there."""
    try:
        check(fresh, wanted)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        place = path(wanted)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)  # an artifact that somebody has unpacked over itself
        os.replace(fresh, place)
    finally:
        fresh.unlink(missing_ok=True)
