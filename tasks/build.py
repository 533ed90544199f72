"""nginx compiled from source into a directory of its own, and the one link that puts it in service.

A build is named by its version and a digest of everything that decides the result, so that an
unchanged one is found and a changed flag makes a new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, FileUploadCommand, StringCommand, operation

from settings import Node
from tasks import place, rendering, source
from tasks.machine import Machine, shell

HOME = "/usr/lib/tandem/nginx"
BINARY = "/usr/sbin/nginx"


class Installed(NamedTuple):
    """The builds on a machine, the one in service, and whether its mime.types is in place."""

    builds: tuple[str, ...]
    linked: str
    mime_types: bool


class InstalledBuilds(FactBase[Installed]):
    """What `Installed` holds, in one round trip."""

    @staticmethod
    def default() -> Installed:
        return Installed((), "", False)

    def command(self) -> str:
        return (
            f"ls -d {HOME}/*/nginx 2>/dev/null; echo @; readlink {BINARY}; echo @; "
            f"cmp -s $(dirname $(readlink -f {BINARY}) 2>/dev/null)/mime.types "
            "/etc/nginx/mime.types && echo same || true"
        )

    def process(self, output: list[str]) -> Installed:
        builds, linked, same = "\n".join(output).split("@")
        return Installed(
            tuple(path.split("/")[-2] for path in builds.split()), linked.strip(), "same" in same
        )


def name_of(node: Node, machine: Machine) -> str:
    """The build's name: version, and 12 digits of a digest of source, flags and platform."""
    decisive = [node.sha256, node.flags, machine.platform]
    digest = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()
    return f"{node.nginx_version}-{digest[:12]}"


def install(node: Node, machine: Machine) -> None:
    """Compile where this build is missing; then let /usr/sbin/nginx mean it."""
    build = name_of(node, machine)
    # Now, while nothing has been changed anywhere: a source that cannot be trusted stops the run.
    missing = build not in host.get_fact(InstalledBuilds).builds
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
    linked(name=f"Build: {BINARY} means this build", build=build)


@operation()
def compiled(
    node: Node, build: str, tarball: Path | None
) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Have `build` under /usr/lib/tandem/nginx, whole."""
    if build in host.get_fact(InstalledBuilds).builds:
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


@operation()
def linked(build: str) -> Generator[StringCommand, None, None]:
    """Point /usr/sbin/nginx at `build`, by one rename; what runs goes on running."""
    installed = host.get_fact(InstalledBuilds)
    target = f"{HOME}/{build}/nginx"
    if installed.linked == target and installed.mime_types:
        host.noop(f"{BINARY} means {build}")
        return
    yield StringCommand(f"ln -sf {target} {BINARY}.new && mv -fT {BINARY}.new {BINARY}")
    yield StringCommand(
        "mkdir -p /etc/nginx &&",
        f"install -m 644 {HOME}/{build}/mime.types /etc/nginx/.mime.types.new &&",
        "mv -f /etc/nginx/.mime.types.new /etc/nginx/mime.types",
    )
