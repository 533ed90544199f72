"""nginx as a service: staged and tested on all machines at once, applied in each one's turn.

What runs changes in the turn alone, by one program on the machine (files/nginx/apply_nginx): a
connection that is cut does not stop it half way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

from jinja2 import TemplateError
from pyinfra import host, logger
from pyinfra.api import FactBase, State, StringCommand

import settings
from controller import all_hosts, program_archive, rendering, run_changes
from controller.batched_facts import LinesFact, change, parallel, rolling
from settings import Cluster, Mistake, Node, Refused, SettingsError
from settings.own_pieces import HTTP, MAIN, STREAM
from settings.values import NotRead
from tasks.machine import account, one_file, survey, tmpfiles, units
from tasks.machine.footprint import Footprint
from tasks.machine.quoting import quoted
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import NGINX, SurveyedMachine
from tasks.nginx import (
    foreseen,
    generation,
    grouped_warnings,
    new_certificates,
    nginx_files,
    server_names,
    source_build,
)
from tasks.nginx.foreseen import PROGRAM, DueAction, DueActionFact
from tasks.nginx.generation import Generation
from tasks.nginx.own import clashes, companions, doubts, own_files, own_judgement, refusals
from tasks.nginx.own.table_sizes import lifted
from tasks.watch import NGINX_TRUSTED

DIRECTORIES = "/etc/tmpfiles.d/tandem-nginx.conf"
ETC = "/etc/nginx"
RELOAD = "/usr/lib/tandem/reload-nginx"
PAGE = "/usr/html/index.html"
LOGROTATE = "/etc/logrotate.d/nginx"
HOME = "/var/lib/tandem/nginx"
SERVICE = ManagedService("nginx", NGINX)


class StagedGeneration(FactBase[str]):
    """The name of the generation that is staged, "" for none."""

    default = str

    def command(self) -> str:
        # One that a power cut has spoiled counts as none, and is sent again.
        return (
            f"cd {HOME}/staged 2>/dev/null && "
            "{ [ ! -f sums ] || sha256sum --check --status sums; } && "
            f"readlink {HOME}/staged || true"
        )

    def process(self, output: list[str]) -> str:
        return output[0].rpartition("/")[2] if output else ""


class DeployedNames(LinesFact):
    """The names in /etc/nginx that deploys have put there."""

    def command(self) -> str:
        return f"cat {HOME}/manifest 2>/dev/null || true"


def footprint(node: Node) -> Footprint:
    """What nginx leaves on a machine. Whatever else is in its directories is somebody's own.

    Its configuration below /etc/nginx is known by the manifest that deploys keep.
    """
    return Footprint(
        concern="nginx",
        units=(SERVICE.name,),
        files=(
            *(PROGRAM, RELOAD, source_build.PROGRAM, PAGE, LOGROTATE, DIRECTORIES),
            *("/etc/nginx/nginx.conf", "/etc/nginx/mime.types", "/run/nginx.lock"),
        ),
        trees=(
            *("/run/nginx", "/var/tmp/nginx", "/var/cache/nginx", source_build.UPLOADS),
            *((node.cache.path,) if node.cache else ()),
        ),
        directories=(
            *("/etc/nginx/conf.d", "/etc/nginx/sites", "/etc/nginx/auth", "/etc/nginx/tls"),
            *(f"{ETC}/{level}" for level in (MAIN, HTTP, STREAM)),
            *(f"{ETC}/{directory}" for directory in companions.directories(node)),
            "/etc/nginx",
            *("/usr/html/.well-known/acme-challenge", "/usr/html/.well-known", "/usr/html"),
            account.LOGS,
        ),
        links=(NGINX,),
        lists=((f"{HOME}/manifest", "/etc/nginx"),),
        passing=source_build.PASSING,
        busy=source_build.BUSY,
        programs_passing=(
            *(f"{HOME}/view.*", f"{HOME}/upload.*", f"{HOME}/*.new", f"{HOME}/.*.new"),
            *(f"{HOME}/generations/.*.new", foreseen.PLACES),
        ),
    )


def unit_file(node: Node, machine: SurveyedMachine) -> str:
    """nginx's own unit, or the recipe's init script without its faults."""
    template = "nginx/nginx.service.j2" if machine.systemd else "sysv/nginx.j2"
    return rendering.render(template, node=node)


def workers(node: Node, machine: SurveyedMachine) -> int:
    """How many worker processes this machine's nginx has."""
    return machine.cpus * nginx_files.WORKERS_PER_CPU[node.workload]


def vips_listened_on(node: Node, cluster: Cluster) -> list[str]:
    """The VIPs that a `listen` of a snippet names: a machine without one has to listen all the
    same. Raises `SettingsError` as the snippets do."""
    every = companions.own(node, cluster).texts
    named = {address for one in every for address in server_names.addresses(one.text)}
    return [str(vip.ip) for vip in cluster.addresses if vip.ip in named]


def mistakes(clusters: Iterable[Cluster]) -> Iterator[Mistake]:
    """What is wrong with a person's own pieces, as far as no machine has to be asked for it."""
    clusters = list(clusters)
    yield from own_files.mistakes(clusters)
    found: list[Mistake] = []
    for cluster in clusters:
        for node in cluster.nodes:
            # What keeps them, or nginx.conf, from being made is a mistake of its own.
            with suppress(NotRead, Refused, TemplateError):
                if pieces := own_files.read(node, cluster)[0]:
                    own = companions.with_companions(node, pieces)
                    found += own_judgement.mistakes(node, own)
    yield from refusals.of_all(found)


def make_generation(
    node: Node, cluster: Cluster, machine: SurveyedMachine, build: str
) -> Generation:
    """What `node`'s nginx is to be. Raises `Refused`, before any machine is touched."""
    own, map_sizes = lifted(node, companions.own(node, cluster))
    # (An init script puts no walls around nginx.)
    if machine.systemd:
        refusals.refuse_walled(node, own)
    beside = nginx_files.Beside(own.directories, tuple(one.text for one in own.texts), map_sizes)
    ours = nginx_files.files(node, machine.cpus, build, beside)
    etc = clashes.without_theirs(ours.texts, own)
    for piece in own.pieces:
        etc[piece.place] = piece.text
    for companion in own.brought:
        etc[companion.path] = companion.content
    return generation.make(
        build,
        port=node.http_port,
        drain_timeout_s=node.drain_timeout_s,
        unit=unit_file(node, machine),
        etc=etc,
        cache=node.cache.path if node.cache else "",
        workers_read=[*ours.workers_read, *own.workers_read],
        yielding=[each.path for each in own.brought if each.yields],
    )


def directories(node: Node) -> str:
    """The content of the file of tmpfiles.d."""
    text = rendering.read("nginx/tmpfiles.conf")
    return f"{text}d {node.cache.path} 0700 nginx nginx -\n" if node.cache else text


def stage(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Put everything on the machine, tested, and nothing of it into service yet."""
    new_certificates.refuse_outdated(node)
    new = all_hosts.run_once(host, make_generation, _make_generations)[host.name]
    tmpfiles.install(DIRECTORIES, directories(node))
    one_file.file("nginx: this machine's page", PAGE, f"{node.page}\n")
    reload = rendering.read("nginx/reload-nginx")
    one_file.file("nginx: a reload that is waited for", RELOAD, reload, mode="755")
    install_program()
    rotation, check = rendering.read("nginx/logrotate"), "logrotate --debug {new}"
    one_file.file("nginx: log rotation", LOGROTATE, rotation, check=check)
    parallel.request(StagedGeneration)
    grouped_warnings.show_nginx_warnings(host.state)
    parallel.request(DeployedNames)
    for path in _places(new, machine):
        one_file.ask_ahead(path)
    stage_new(
        name="nginx: binary, unit and configuration staged, and tested by that binary",
        new=new,
        places=_places(new, machine),
        sources=companions.sources(companions.own(node, cluster)),
        absent=vips_listened_on(node, cluster),
    )


def _make_generations(state: State) -> dict[str, Generation]:
    """Those of all machines, by name, having said what is doubtful. Raises `SettingsError` with the
    mistakes of all of them."""
    made: dict[str, Generation] = {}
    mistakes: list[Mistake] = []
    for each in sorted(state.active_hosts, key=lambda each: each.name):
        (node, cluster), machine = settings.of(each), survey.of(each)
        build = source_build.build_name(node, machine)
        try:
            made[each.name] = make_generation(node, cluster, machine, build)
        except SettingsError as error:
            mistakes += error.mistakes
    if mistakes:
        raise SettingsError(refusals.of_all(mistakes))
    _show_doubts(state)
    return made


def _show_doubts(state: State) -> None:
    found = {each.name: settings.of(each) for each in state.active_hosts}
    grouped_warnings.show(
        {name: doubts.all_of(its[0], companions.own(*its)) for name, its in found.items()}
    )
    clusters = settings.clusters(state.inventory)
    for doubt in doubts.of_nobody(node for each in clusters for node in each.nodes):
        logger.warning(doubt)


def install_program() -> None:
    """Install this version's apply-nginx: a rollback, too, speaks to no earlier one."""
    what = "nginx: what puts a generation into service, or the old one back"
    one_file.file(what, PROGRAM, program_archive.archive("nginx/apply-nginx"), mode="755")


def _places(new: Generation, machine: SurveyedMachine) -> dict[str, str | bytes]:
    """What `new` puts where: the content of each file, by its path on the machine."""
    return {
        f"{ETC}/{path.removeprefix('etc/')}" if path != "unit" else units.path("nginx", machine): it
        for path, it in new.files.items()
        if path != "about"
    }


@change("{new.name} is staged", amends={one_file.InstalledFiles})
def stage_new(
    new: Generation, places: dict[str, str | bytes], sources: list[str], absent: list[str]
) -> Iterator[StringCommand]:
    """Stage `new`, once its own binary has accepted it in the place where it will be."""
    for path, text in places.items():
        if path.replace(ETC, "etc", 1) in new.yielding:
            continue  # nobody is told of what nginx has anyway
        found = one_file.state_of(path)
        data = text if isinstance(text, bytes) else text.encode()
        if found and found.sha256 == hashlib.sha256(data).hexdigest():
            continue
        run_changes.note_file(path)
        if not path.startswith(ETC):
            run_changes.this_plan().units_read = True
        if host.state.config.DIFF and not generation.is_secret(path):
            one_file.show_difference(path, text)
    for name in parallel.get(DeployedNames):
        if name and f"{ETC}/{name}" not in places:
            run_changes.note_file(f"{ETC}/{name}")
    # (What is in place may be another's by now, or was not reached by the turn of an earlier run.)
    staged = parallel.get(StagedGeneration)
    if staged == new.name:
        return
    if run_changes.is_planning() and staged:
        foreseen.foresee(new.name, sources, new.tar(), absent)
    # It may hold a secret, such as a key: readable by nobody else on its way.
    remote = f"{HOME}/upload.{one_file.RUN_TOKEN}.tar"
    yield one_file.fed(
        new.tar(),
        f"mkdir -p {HOME} && chmod 700 {HOME} && {one_file.RECEIVE} {remote} &&",
        quoted(PROGRAM, "stage", new.name, remote, *sources),
    )


# (What of it is another one is told with all else that is: rollback_steps.)
@change("{target} is staged", counts=False)
def stage_kept(target: str) -> Iterator[str]:
    """Stage a generation that the machine has kept."""
    if host.get_fact(StagedGeneration) != target:
        if run_changes.is_planning():
            foreseen.foresee(target)
        yield quoted(PROGRAM, "again", target)


def _due() -> DueAction:
    return foreseen.due_action() or rolling.get(DueActionFact)


def will_restart() -> bool:
    """Whether this machine's turn interrupts nginx. All else is done without losing anything."""
    return _due().action == "restart"


# Who holds the VIP, and what else runs, is as it was.
@change("nginx runs what is staged", DueActionFact)
def apply() -> Iterator[str]:
    """Have nginx run what is staged; then wait until this node may hold the VIP.

    It reloads, swaps the binary while connections go on, or restarts, whichever it takes. Where the
    new nginx does not answer, the old one is back and the run stops.
    """
    due = _due()
    for path in due.foreign:
        if not run_changes.is_planning():
            host.log(f"{path} is not Tandem's: it is left alone, and nginx reads it, too")
    if due.action == "none":
        return
    run_changes.note_service("nginx", due.action, due.reason)
    yield quoted(PROGRAM, "apply")
    yield (
        # The longest trial, and a little more.
        f"for try in $(seq 325); do {NGINX_TRUSTED} && exit 0; sleep 0.2; done; "
        "echo 'nginx answers, but tandem-watch does not trust it after 65 s' >&2; exit 1"
    )
