"""nginx compiled from source into a directory of its own; nginx.py puts it into service.

A build is named by its version and a digest of everything that decides the result, so that an
unchanged one is found and a changed flag makes a new one. By default one machine of each platform
compiles it, and the controller carries the result to the others.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from pyinfra import host, logger
from pyinfra.api import (
    FileDownloadCommand,
    FileUploadCommand,
    FunctionCommand,
    Host,
    State,
    StringCommand,
    operation,
)

import settings
from controller import all_hosts, artifact, rendering, source
from controller.artifact import BuildManifest, BuildSpec
from settings import Node
from tasks.machine import one_file, packages
from tasks.machine.survey import BUILDS, Machine, everyone, shell

PROGRAM = "/usr/lib/tandem/build-nginx"
# Where tarballs and artifacts are put down on a machine. Nobody but root may write there.
REMOTE = "/var/cache/tandem"
# A part of a build's name: raised when build-nginx makes something else of the same source.
FORMAT = 2

Kept = Callable[[BuildSpec], BuildManifest | None]


@dataclass(frozen=True)
class Part:
    """What one machine has to do so that all have their build.

    `gives`: the controller fetches the build from it; `takes`: it gets what the controller has.
    `packages` are what the build needs to run, as far as that is known before anything is compiled.
    """

    build: str
    compiles: bool = False
    gives: bool = False
    takes: bool = False
    packages: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        return not (self.compiles or self.gives or self.takes)


def name_of(node: Node, machine: Machine) -> str:
    """The build's name: version, and 12 digits of a digest of source, flags and platform."""
    decisive = [FORMAT, node.sha256, node.flags, machine.platform]
    digest = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()
    return f"{node.nginx_version}-{digest[:12]}"


def build_of(node: Node, machine: Machine) -> BuildSpec:
    """The build that this machine is to have."""
    return BuildSpec(
        build=name_of(node, machine),
        version=node.nginx_version,
        platform=machine.platform,
        flags=node.flags,
        source_sha256=node.sha256,
    )


# --- who compiles --------------------------------------------------------------------------------


def parts(pairs: Iterable[tuple[Node, Machine]], kept: Kept) -> dict[str, Part]:
    """Every machine's part, by the node's name. Pure; `pairs` in the inventory's order.

    + kept: what the controller has of a build, asked only where a machine lacks it.
    """
    every: dict[str, Part] = {}
    sharing: dict[BuildSpec, list[tuple[Node, Machine]]] = defaultdict(list)
    for node, machine in pairs:
        build = build_of(node, machine)
        sharing[build].append((node, machine))
        there = machine.builds.get(build.build)
        every[node.name] = Part(build.build, packages=there.packages if there else ())
    for build, members in sharing.items():
        name = build.build
        lacking = [(node, machine) for node, machine in members if name not in machine.builds]
        for node, _ in lacking:
            if node.build_on == "each":
                every[node.name] = Part(name, compiles=True)
        takers = [(node, machine) for node, machine in lacking if node.build_on == "one"]
        if not takers:
            continue
        if manifest := kept(build):
            needs = manifest.packages
        elif givers := [(node, machine) for node, machine in members if name in machine.builds]:
            giver, its = givers[0]
            needs = its.builds[name].packages
            every[giver.name] = Part(name, gives=True, packages=needs)
        else:
            compiler = min(takers, key=lambda pair: not pair[1].compiler)
            every[compiler[0].name] = Part(name, compiles=True, gives=True)
            takers.remove(compiler)
            needs = ()
        for node, _ in takers:
            every[node.name] = Part(name, takes=True, packages=needs)
    return every


def part(host: Host) -> Part:
    """This host's part."""
    return settled(host)[host.name]


def settled(host: Host) -> dict[str, Part]:
    """The parts of all machines of this run, settled once, before anything is changed."""
    machines = everyone(host)

    def settle(state: State) -> dict[str, Part]:
        members = [member for member in state.inventory if member.name in machines]
        pairs = [(settings.of(member)[0], machines[member.name]) for member in members]
        return parts(pairs, _kept)

    return all_hosts.run_once(host, Part, settle)


def _kept(wanted: BuildSpec) -> BuildManifest | None:
    """What the controller's cache holds of a build. What is damaged there is as good as not."""
    path = artifact.path(wanted)
    if not path.exists():
        return None
    try:
        return artifact.check(path, wanted)
    except artifact.Damaged as error:
        logger.warning(f"{path} is damaged: {error}. It is not used, and will be made again.")
        return None


# --- what is done --------------------------------------------------------------------------------


def install(node: Node, machine: Machine, part: Part) -> None:
    """Have this machine's build, compiled or taken; nginx.py puts it into service in its turn."""
    # Now, while nothing has been changed anywhere: a source that cannot be trusted stops the run.
    tarball = source.fetch(node) if part.compiles else None
    build = build_of(node, machine)
    if part.compiles or part.takes:
        one_file.file(
            name="Build: the script that compiles nginx, or installs what another has compiled",
            path=PROGRAM,
            content=rendering.read("nginx/build-nginx"),
            mode="755",
        )
    # pyinfra keeps the order of operations that a machine has, and knows of none between machines:
    # all have all three, so that nobody takes what has not been fetched.
    if not all(other.idle for other in settled(host).values()):
        compiled(
            name=f"Build: nginx {node.nginx_version} with the documented flags (about a minute)",
            build=build,
            tarball=tarball,
        )
        fetched(name="Build: the controller keeps the result", build=build, gives=part.gives)
        taken(
            name="Build: the result, installed where it was not compiled",
            machine=machine,
            build=build,
            takes=part.takes,
        )


@operation()
def compiled(
    build: BuildSpec, tarball: Path | None
) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Compile `build` into its directory under /usr/lib/tandem/nginx, if there is a `tarball`."""
    if tarball is None:
        host.noop(f"{build.build} is not compiled here")
        return
    remote = f"{REMOTE}/nginx-{build.version}.tar.gz"
    yield from _uploaded(tarball, remote)
    words = (remote, build.source_sha256, build.version, build.build, build.platform)
    yield StringCommand(shell(PROGRAM, "compile", *words, *build.flags))


@operation()
def fetched(
    build: BuildSpec, gives: bool
) -> Generator[StringCommand | FileDownloadCommand | FunctionCommand, None, None]:
    """Bring this machine's `build` into the controller's cache, checked, if it `gives` it."""
    if not gives:
        host.noop(f"{build.build} is not fetched from here")
        return
    remote = f"{REMOTE}/{build.build}.tar.gz"
    files = [*sorted(artifact.files(build.flags)), artifact.MANIFEST]
    fresh = artifact.download_path()
    yield StringCommand("mkdir -p", REMOTE)
    yield StringCommand(shell("tar", "-czf", remote, "-C", f"{BUILDS}/{build.build}", *files))
    yield FileDownloadCommand(remote, str(fresh), host.get_temp_filename(remote))
    yield StringCommand(shell("rm", "-f", remote))
    yield FunctionCommand(_keep, (fresh, build), {})


def _keep(state: State, host: Host, fresh: Path, build: BuildSpec) -> bool:
    """The names of the first two parameters, and False for a failure, are pyinfra's wish."""
    try:
        artifact.keep(fresh, build)
    except artifact.Damaged as error:
        host.log_styled(
            f"{BUILDS}/{build.build} is not what it should be: {error}. "
            "Remove that directory there and deploy again.",
            fg="red",
            log_func=logger.error,
        )
        return False
    return True


@operation()
def taken(
    machine: Machine, build: BuildSpec, takes: bool
) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Install `build` from the controller's cache, if this machine `takes` it from there.

    An earlier operation may have to put it there: before the run this only says that there is
    something to do.
    """
    if not takes:
        host.noop(f"{build.build} is not installed here")
        return
    path = artifact.path(build)
    try:
        manifest = artifact.check(path, build)
    except artifact.Damaged as error:
        yield StringCommand(f"echo {shell(f'{path}: {error}. Deploy again.')} >&2; exit 1")
        return
    lacking = packages.missing(machine, manifest.packages)
    if lacking:
        yield from packages.installing(machine, lacking)
    remote = f"{REMOTE}/{build.build}.tar.gz"
    yield from _uploaded(path, remote)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    yield StringCommand(shell(PROGRAM, "install", remote, digest, build.build))


def _uploaded(path: Path, remote: str) -> Generator[StringCommand | FileUploadCommand, None, None]:
    yield StringCommand("mkdir -p", REMOTE)
    yield FileUploadCommand(str(path), f"{remote}.new", host.get_temp_filename(remote))
    yield StringCommand(shell("mv", f"{remote}.new", remote))
