"""nginx compiled from source into a directory of its own; service.py puts it into service.

A build is named by its version and a digest of everything that decides the result, so that an
unchanged one is found and a changed flag makes a new one. By default one machine of each platform
compiles it, and the controller carries the result to the others.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
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
)

import settings
from controller import all_hosts, artifact, rendering, source
from controller.artifact import BuildManifest, BuildSpec
from controller.batched_facts import change, lasting
from settings import Mistake, Node, SettingsError
from tasks.machine import one_file, packages
from tasks.machine.quoting import quoted
from tasks.machine.survey import BUILDS, SurveyedMachine, all_machines

PROGRAM = "/usr/lib/tandem/build-nginx"
# Where tarballs and artifacts are uploaded to on a machine. Nobody but root may write there.
UPLOADS = "/var/cache/tandem"
# What there is while a build is made, or on its way. One may have outlived its deploy.
PASSING = (f"{UPLOADS}/*.tar.gz", f"{UPLOADS}/build/*", f"{BUILDS}/.new")
BUSY = f"{{ [ ! -e {UPLOADS}/build.lock ] || flock -n {UPLOADS}/build.lock true; }}"
# A part of a build's name: raised when build-nginx makes something else of the same source.
FORMAT = 2
# Compiling tells of each file. For so long the slowest machine needs for one, or to be configured.
COMPILE_LIMIT_S = 600

CacheLookup = Callable[[BuildSpec], BuildManifest | None]


@dataclass(frozen=True)
class BuildSteps:
    """What one machine has to do so that all have their build.

    + fetched: the controller fetches the build from it.
    + receives: it gets the build from the controller.
    + packages: what the build needs to run, as far as that is known before anything is compiled.
    """

    build: str
    compiles: bool = False
    fetched: bool = False
    receives: bool = False
    packages: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        return not (self.compiles or self.fetched or self.receives)


def build_name(node: Node, machine: SurveyedMachine) -> str:
    """The build's name: version, and 12 digits of a digest of source, flags and platform."""
    decisive = [FORMAT, node.sha256, node.flags, machine.platform]
    digest = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()
    return f"{node.nginx_version}-{digest[:12]}"


def wanted_build(node: Node, machine: SurveyedMachine) -> BuildSpec:
    """The build that this machine is to have."""
    return BuildSpec(
        build=build_name(node, machine),
        version=node.nginx_version,
        platform=machine.platform,
        flags=node.flags,
        source_sha256=node.sha256,
    )


# --- who compiles --------------------------------------------------------------------------------


def assign(
    pairs: Iterable[tuple[Node, SurveyedMachine]], kept: CacheLookup
) -> dict[str, BuildSteps]:
    """Every machine's steps, by the node's name. Pure; `pairs` in the inventory's order.

    + kept: what the controller has of a build, asked only where a machine lacks it.
    """
    every: dict[str, BuildSteps] = {}
    sharing: dict[BuildSpec, list[tuple[Node, SurveyedMachine]]] = defaultdict(list)
    for node, machine in pairs:
        sharing[wanted_build(node, machine)].append((node, machine))
    for build, members in sharing.items():
        name = build.build
        owners = {n.name: m.builds[name].packages for n, m in members if name in m.builds}
        lacking = [(node, machine) for node, machine in members if node.name not in owners]
        every |= {owner: BuildSteps(name, packages=needs) for owner, needs in owners.items()}
        every |= {node.name: BuildSteps(name, compiles=True) for node, _ in lacking}
        receivers = [(node, machine) for node, machine in lacking if node.build_on == "one"]
        if not receivers:
            continue
        needs: tuple[str, ...] = ()
        if manifest := kept(build):
            needs = manifest.packages
        elif owners:
            owner, needs = next(iter(owners.items()))
            every[owner] = BuildSteps(name, fetched=True, packages=needs)
        else:
            compiler = min(receivers, key=_unfit_to_compile)
            every[compiler[0].name] = BuildSteps(name, compiles=True, fetched=True)
            receivers.remove(compiler)
        for node, _ in receivers:
            every[node.name] = BuildSteps(name, receives=True, packages=needs)
    return every


def _unfit_to_compile(pair: tuple[Node, SurveyedMachine]) -> tuple[bool, bool, int]:
    """Who holds a VIP answers clients meanwhile; then, who would need a compiler; then, who is
    to hold it."""
    node, machine = pair
    holds = any(vip.ip in machine.reachable for _, vip in node.vip_settings)
    return holds, not machine.compiler, node.priority


def all_steps(host: Host) -> dict[str, BuildSteps]:
    """The steps of all machines of this run, assigned once, before anything is changed."""
    machines = all_machines(host)

    def assign_all(state: State) -> dict[str, BuildSteps]:
        members = [member for member in state.inventory if member.name in machines]
        pairs = [(settings.of(member)[0], machines[member.name]) for member in members]
        return assign(pairs, _cached)

    return all_hosts.run_once(host, BuildSteps, assign_all)


def _cached(wanted: BuildSpec) -> BuildManifest | None:
    """What the controller's cache holds of a build. A damaged one counts as none."""
    path = artifact.path(wanted)
    if not path.exists():
        return None
    try:
        return artifact.check(path, wanted)
    except artifact.Damaged as error:
        logger.warning(f"{path} is damaged: {error}. It is not used, and will be made again.")
        return None


# --- what is done --------------------------------------------------------------------------------


def install_build(node: Node, machine: SurveyedMachine, steps: BuildSteps) -> None:
    """Install this machine's build, compiled here or elsewhere; its turn puts it into service."""
    # Now, while nothing has been changed anywhere: a source that cannot be trusted stops the run.
    tarball = source.fetch(node) if steps.compiles else None
    if tarball:
        _refuse_unknown_flags(node, tarball)
    build = wanted_build(node, machine)
    if steps.compiles or steps.receives:
        what = "Build: the script that compiles nginx, or installs what another has compiled"
        one_file.file(what, PROGRAM, rendering.read("nginx/build-nginx"), mode="755")
    # pyinfra keeps the order of operations that a machine has, and knows of none between machines:
    # all have all three, so that nobody receives what has not been fetched.
    if not all(other.idle for other in all_steps(host).values()):
        compile_build(
            name=f"Build: nginx {node.nginx_version} with the documented flags (about a minute)",
            build=build,
            tarball=tarball,
        )
        fetch_build(
            name="Build: the controller keeps the result", build=build, needed=steps.fetched
        )
        receive_build(
            name="Build: the result, installed where it was not compiled",
            node=node,
            machine=machine,
            build=build,
            needed=steps.receives,
        )


def _refuse_unknown_flags(node: Node, tarball: Path) -> None:
    """Its configure would refuse them on the machine, after a compiler has been installed there.
    Raises `SettingsError`."""
    none = f"the configure of nginx {node.nginx_version} has no such option"
    mistakes = [
        Mistake(
            node.name, "nginx_extra_flags", flag, f"{none}; did you mean {near}?" if near else none
        )
        for flag, near in source.unknown_flags(tarball, node.nginx_extra_flags).items()
    ]
    if mistakes:
        raise SettingsError(mistakes)


@change("{build.build} is not compiled here")
def compile_build(
    build: BuildSpec, tarball: Path | None
) -> Iterator[str | StringCommand | FileUploadCommand]:
    """Compile `build` into its directory under /usr/lib/tandem/nginx, if there is a `tarball`."""
    if tarball:
        remote = _upload_name(f"nginx-{build.version}.tar.gz")
        yield from _uploaded(tarball, remote)
        words = (remote, build.source_sha256, build.version, build.build, build.platform)
        yield lasting(COMPILE_LIMIT_S, quoted(PROGRAM, "compile", *words, *build.flags))


@change("{build.build} is not fetched from here")
def fetch_build(
    build: BuildSpec, needed: bool
) -> Iterator[str | FileDownloadCommand | FunctionCommand]:
    """Bring this machine's `build` into the controller's cache, checked, if that is `needed`."""
    if not needed:
        return
    remote = _upload_name(f"{build.build}.tar.gz")
    files = [*sorted(artifact.files(build.flags)), artifact.MANIFEST]
    fresh = artifact.download_path()
    yield f"mkdir -p {UPLOADS}"
    yield quoted("tar", "-czf", remote, "-C", f"{BUILDS}/{build.build}", *files)
    yield FileDownloadCommand(remote, str(fresh))
    yield quoted("rm", "-f", remote)
    yield FunctionCommand(_keep, (fresh, build), {})


def _keep(state: State, host: Host, fresh: Path, build: BuildSpec) -> bool:
    """The names of the first two parameters, and False for a failure, are pyinfra's wish."""
    try:
        artifact.keep(fresh, build)
        return True
    except artifact.Damaged as error:
        why = (
            f"{BUILDS}/{build.build} is not what it should be: {error}. "
            "Remove that directory there and deploy again."
        )
    except OSError as error:
        why = f"{artifact.path(build)}, on this controller: {error.strerror}. Make room there"
    host.log_styled(why, fg="red", log_func=logger.error)
    return False


@change("{build.build} is not installed here", amends={one_file.InstalledFiles})
def receive_build(
    node: Node, machine: SurveyedMachine, build: BuildSpec, needed: bool
) -> Iterator[str | StringCommand | FileUploadCommand]:
    """Install `build` from the controller's cache, if that is `needed`.

    An earlier operation may have to put it there: before the run this only says that there is
    something to do.
    """
    if not needed:
        return
    path = artifact.path(build)
    try:
        manifest = artifact.check(path, build)
    except artifact.Damaged as error:
        yield f"echo {quoted(f'{path}: {error}. Deploy again.')} >&2; exit 1"
        return
    if lacking := packages.missing(machine, manifest.packages):
        yield from packages.install_commands(node, machine.family, lacking)
    remote = _upload_name(f"{build.build}.tar.gz")
    yield from _uploaded(path, remote)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    yield quoted(PROGRAM, "install", remote, digest, build.build)


def _upload_name(name: str) -> str:
    """Of this run alone; build-nginx checks the digest of what it finds there."""
    return f"{UPLOADS}/{one_file.RUN_TOKEN}.{name}"


def _uploaded(path: Path, remote: str) -> Iterator[str | FileUploadCommand]:
    yield f"mkdir -p {UPLOADS}"
    yield FileUploadCommand(str(path), remote)
