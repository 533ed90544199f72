"""nginx compiled from source into a directory of its own; nginx.py puts it into service.

A build is named by its version and a digest of everything that decides the result, so that an
unchanged one is found and a changed flag makes a new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api import FactBase, FileUploadCommand, StringCommand, operation

from settings import Node
from tasks import place, rendering, source
from tasks.machine import Machine, shell

HOME = "/usr/lib/tandem/nginx"


class InstalledBuilds(FactBase[tuple[str, ...]]):
    """The builds on a machine."""

    default = tuple

    def command(self) -> str:
        return f"ls -d {HOME}/*/nginx 2>/dev/null || true"

    def process(self, output: list[str]) -> tuple[str, ...]:
        return tuple(path.split("/")[-2] for path in output)


def name_of(node: Node, machine: Machine) -> str:
    """The build's name: version, and 12 digits of a digest of source, flags and platform."""
    decisive = [node.sha256, node.flags, machine.platform]
    digest = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()
    return f"{node.nginx_version}-{digest[:12]}"


def install(node: Node, machine: Machine) -> None:
    """Compile where this build is missing. What is in service is left alone."""
    build = name_of(node, machine)
    # Now, while nothing has been changed anywhere: a source that cannot be trusted stops the run.
    missing = build not in host.get_fact(InstalledBuilds)
    tarball = source.fetch(node) if missing else None
    place.file(
        name="Build: the script that compiles nginx",
        path="/usr/lib/tandem/build-nginx",
        content=rendering.read("tandem/build-nginx"),
        mode="755",
    )
    compiled(
        name=f"Build: nginx {node.nginx_version} with the documented flags (about a minute)",
        node=node,
        build=build,
        tarball=tarball,
    )


@operation()
def compiled(
    node: Node, build: str, tarball: Path | None
) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Have `build` under /usr/lib/tandem/nginx, whole."""
    if build in host.get_fact(InstalledBuilds):
        host.noop(f"{build} is there")
        return
    if tarball is None:  # it was there a moment ago, when the source would have been fetched
        raise source.SourceError(f"{HOME}/{build} has just disappeared. Deploy again.")
    remote = f"/var/cache/tandem/nginx-{node.nginx_version}.tar.gz"
    yield StringCommand("mkdir -p /var/cache/tandem")
    yield FileUploadCommand(str(tarball), f"{remote}.new", host.get_temp_filename(remote))
    yield StringCommand(shell("mv", f"{remote}.new", remote))
    yield StringCommand(
        shell(
            "/usr/lib/tandem/build-nginx",
            remote,
            node.sha256,
            node.nginx_version,
            build,
            *node.flags,
        )
    )
