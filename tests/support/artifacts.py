"""Builds that were never compiled: manifests and artifacts as build-nginx would make them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import settings
from controller.artifact import MANIFEST, BuildSpec, files
from tasks.machine import survey
from tasks.nginx import source_build

CONTENT = {"nginx": b"\x7fELF nginx", "mime.types": b"types {}\n", "V": b"nginx version\n"}
PACKAGES = ["libc6", "libpcre2-8-0", "libssl3", "zlib1g"]


def manifest(wanted: BuildSpec, content: Mapping[str, bytes] = CONTENT, **other: Any) -> str:
    """What MANIFEST.json says of a build; `other` in place of the truth."""
    said = {
        "build": wanted.build,
        "version": wanted.version,
        "platform": wanted.platform,
        "flags": list(wanted.flags),
        "source_sha256": wanted.source_sha256,
        "packages": PACKAGES,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    return json.dumps(said | other)


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """A tar.gz of `files`."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def fetched(connector: Any, remote: str, local: str, **_: Any) -> bool:
    """In place of the fake connector's `get_file`: the artifact of the build that the host has."""
    host = connector.host
    make(Path(local), source_build.wanted_build(settings.of(host)[0], survey.of(host)))
    return True


def make(path: Path, wanted: BuildSpec, **other: Any) -> None:
    """An artifact of `wanted`, whole but for what `other` makes its manifest say."""
    content = CONTENT | {name: b"perl\n" for name in files(wanted.flags) - CONTENT.keys()}
    write(path, content | {MANIFEST: manifest(wanted, content, **other).encode()})
