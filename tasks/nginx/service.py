"""nginx: staged and tested on all machines at once, put into service in each one's turn.

What runs changes in the turn alone, by one program on the machine (files/nginx/apply_nginx): a
connection that is cut does not stop it half way.
"""

from __future__ import annotations

import io
from collections.abc import Generator
from datetime import UTC, datetime
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, FileUploadCommand, QuoteString, StringCommand, operation

from controller import all_hosts, batched_facts, program_archive, rendering
from settings import Cluster, Node, site
from tasks.machine import one_file, tmpfiles, units
from tasks.machine.survey import BUILDS, Machine, shell
from tasks.nginx import generation, snippets
from tasks.nginx.generation import Generation, Memory
from tasks.watch import health_watch

WORKERS_PER_CPU = {"cpu": 1, "io": 2}
DIRECTORIES = "/etc/tmpfiles.d/tandem-nginx.conf"
PROGRAM = "/usr/lib/tandem/apply-nginx"
HOME = "/var/lib/tandem/nginx"
# What a machine remembers as the run that asked for a generation.
RUN = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


class Staged(FactBase[str]):
    """The name of the generation that is staged, "" for none."""

    default = str

    def command(self) -> str:
        return f"readlink {HOME}/staged || true"

    def process(self, output: list[str]) -> str:
        return output[0].rpartition("/")[2] if output else ""


class Standing(NamedTuple):
    """What a machine's turn has to do for nginx: none, start, reload, upgrade, restart, confirm.

    `own` is configuration that nginx reads and no deploy put there.
    """

    action: str
    reason: str
    own: tuple[str, ...] = ()


class Look(FactBase[Standing]):
    """How what runs differs from what is staged."""

    @staticmethod
    def default() -> Standing:
        return Standing("start", "it is not running")

    def command(self) -> str:
        return f"{PROGRAM} look 2>/dev/null || true"

    def process(self, output: list[str]) -> Standing:
        said = dict(line.split("=", 1) for line in output if "=" in line)
        if "Action" not in said:
            return self.default()
        own = tuple(line.partition("=")[2] for line in output if line.startswith("Own="))
        return Standing(said["Action"], said["Reason"], own)


class Generations(FactBase[Memory]):
    """What there is to go back to."""

    default = Memory

    def command(self) -> str:
        return f"{PROGRAM} generations 2>/dev/null || true"

    def process(self, output: list[str]) -> Memory:
        return generation.parse_memory(output)


def workers(node: Node, machine: Machine) -> int:
    return machine.cpus * WORKERS_PER_CPU[node.workload]


def wanted(node: Node, cluster: Cluster, machine: Machine, build: str) -> Generation:
    """What `node`'s nginx is to be. Raises `SnippetError`, before any machine is touched."""
    etc = {
        "nginx.conf": rendering.render(
            "nginx/nginx.conf.j2",
            node=node,
            cpus=machine.cpus,
            workers=workers(node, machine),
            perl_modules=f"{BUILDS}/{build}/perl",
        )
    }
    if node.upstreams:
        etc["upstreams.conf"] = rendering.render("nginx/upstreams.conf.j2", node=node)
    for snippet in snippets.render(node, cluster):
        etc[f"conf.d/{snippet.name}"] = snippet.text
    for pair in site.certificates_of(node):
        etc[f"tls/{pair.name}.pem"] = site.located(pair.certificate).read_text()
        etc[f"tls/{pair.name}.key"] = site.located(pair.key).read_text()
    return generation.make(
        build,
        port=node.http_port,
        drain_timeout_s=node.drain_timeout_s,
        unit=units.nginx(node, machine).content,
        etc=etc,
        cache=node.cache.path if node.cache else "",
    )


def directories(node: Node) -> str:
    """The file of tmpfiles.d."""
    text = rendering.read("nginx/tmpfiles.conf")
    return f"{text}d {node.cache.path} 0700 nginx nginx -\n" if node.cache else text


def stage(node: Node, cluster: Cluster, machine: Machine, build: str) -> None:
    """Have everything on the machine, tested, and nothing of it in service yet."""
    new = wanted(node, cluster, machine, build)
    tmpfiles.have(DIRECTORIES, directories(node))
    one_file.file(
        name="nginx: this machine's page",
        path="/usr/html/index.html",
        content=f"{node.page}\n",
    )
    one_file.file(
        name="nginx: a reload that is waited for",
        path="/usr/lib/tandem/reload-nginx",
        content=rendering.read("nginx/reload-nginx"),
        mode="755",
    )
    one_file.file(
        name="nginx: what puts a generation into service, or the old one back",
        path=PROGRAM,
        content=program_archive.archive("nginx/apply-nginx"),
        mode="755",
    )
    one_file.file(
        name="nginx: log rotation",
        path="/etc/logrotate.d/nginx",
        content=rendering.read("nginx/logrotate"),
        check="logrotate --debug {new}",
    )
    batched_facts.staging.ahead(Staged)
    staged(
        name="nginx: binary, unit and configuration staged, and tested by that binary",
        new=new,
        sources=[
            f"conf.d/{snippet.name}={snippet.source}" for snippet in snippets.render(node, cluster)
        ],
    )


@operation()
def staged(
    new: Generation, sources: list[str]
) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Have `new` staged, once its own binary has accepted it in the place where it will be."""
    if batched_facts.staging.answer(Staged) == new.name:
        host.noop(f"{new.name} is staged")
        return
    batched_facts.changed()
    if host.state.config.DIFF:
        for path, text in new.files.items():
            if path.startswith("etc/") and not generation.secret(path):
                one_file.show_difference(f"/etc/nginx/{path.removeprefix('etc/')}", text)
    # It may hold a secret, such as a key: readable by nobody else on its way.
    remote = f"{HOME}/upload.tar"
    passing = host.get_temp_filename(remote)
    owner = '"${SUDO_USER:-${DOAS_USER:-root}}"'
    yield StringCommand(f"mkdir -p {HOME} && chmod 700 {HOME}")
    yield StringCommand("install -m 600 -o", owner, "/dev/null", QuoteString(passing))
    yield FileUploadCommand(io.BytesIO(new.tar()), remote, passing)
    yield StringCommand("rm -f", QuoteString(passing))
    yield StringCommand(shell(PROGRAM, "stage", new.name, RUN, remote, *sources))


@operation()
def staged_again(target: str) -> Generator[StringCommand, None, None]:
    """Have a generation staged that the machine has kept."""
    if host.get_fact(Generations).staged == target:
        host.noop(f"{target} is staged")
        return
    yield StringCommand(shell(PROGRAM, "again", target, RUN))


def stage_previous(cluster: Cluster) -> None:
    """Have staged what each machine had before the last run that changed any of them."""
    found = all_hosts.once(host, Generations, lambda state: all_hosts.facts(state, Generations))
    memories = {node.name: found[node.name] for node in cluster.nodes if node.name in found}
    target = generation.before(memories)[host.name]
    staged_again(
        name="nginx: the previous generation staged, and tested by its binary", target=target
    )


def restarts() -> bool:
    """Whether this machine's turn interrupts nginx. All else is done without losing anything."""
    return batched_facts.turns.answer(Look).action == "restart"


@operation()
def in_service() -> Generator[StringCommand, None, None]:
    """Let what is staged be what runs; then wait until this node may hold the VIP.

    It reloads, swaps the binary while connections go on, or restarts, whichever it takes. Where the
    new nginx does not answer, the old one is back and the run stops.
    """
    standing = batched_facts.turns.answer(Look)
    for path in standing.own:
        host.log(f"{path} is not Tandem's: it is left alone, and nginx reads it, too")
    if standing.action == "none":
        host.noop("nginx runs what is staged")
        return
    batched_facts.changed(Look)  # who holds the VIP, and what else runs, is as it was
    host.log(f"nginx: {standing.action}, because {standing.reason}")
    yield StringCommand(shell(PROGRAM, "apply"))
    yield StringCommand(
        # The longest trial, and a little more.
        f"for try in $(seq 325); do {health_watch.TRUSTS} && exit 0; sleep 0.2; done;",
        "echo 'nginx answers, but tandem-watch does not trust it after 65 s' >&2; exit 1",
    )
