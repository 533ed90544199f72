"""Who deployed what, written down on each machine: its last deploys, and the generations that they
have left (files/machine/deploy_record).

A run that changes nothing, from the revision that was written down last, writes nothing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase

from controller import program_archive, revision, run_changes
from controller.batched_facts import change, parallel
from settings import Cluster, Node
from tasks import bird, keepalived
from tasks.machine import one_file
from tasks.machine.footprint import READ_ONLY, REMOUNT
from tasks.machine.quoting import quoted
from tasks.machine.survey import SurveyedMachine
from tasks.nginx import service, sites

PROGRAM = "/usr/lib/tandem/deploy-record"
LOG = "/var/lib/tandem/deploys.jsonl"
_BEGAN = datetime.now(UTC)
# The name of the generation that this run leaves.
GENERATION = f"{_BEGAN:%Y%m%d-%H%M%S}"


class LastDeploy(FactBase[dict[str, Any]]):
    """The last line of what is written down on a machine; {} where there is none."""

    default = dict

    def command(self) -> str:
        return f"tail -n 1 {LOG} 2>/dev/null || true"

    def process(self, output: list[str]) -> dict[str, Any]:
        try:
            found = json.loads("\n".join(output))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def this_run(command: str, *, revision_of: str = "", to: str = "") -> dict[str, Any]:
    """Who does what, as it is written down.

    + revision_of: the revision that the machine then has, if it is not that of this checkout.
    + to: the generation that is brought back.
    """
    return {
        "run": f"{_BEGAN:%Y-%m-%dT%H:%M:%S.%fZ}",
        "time": f"{_BEGAN:%Y-%m-%dT%H:%M:%SZ}",
        "command": command,
        "revision": revision_of or revision.describe(),
        "operator": revision.operator(),
        "controller": revision.controller(),
    } | ({"to": to} if to else {})


def begin(run: dict[str, Any], first: str = "true") -> None:
    """Have it written down, before the first change of this machine, that `run` has begun.

    + first: the shell command that comes before even that.
    """
    parallel.request(LastDeploy)
    line = shlex.quote(json.dumps(run | {"exit": "begun"}, sort_keys=True))
    directory = LOG.rpartition("/")[0]
    # A line that was cut off is ended first.
    ended = f'[ -z "$(tail -c 1 {LOG} 2>/dev/null)" ] || echo >>{LOG}'
    # The shell's own words for a full disk are "I/O error".
    why = f"{LOG} cannot be written: make room there, or see why it is read-only; then deploy again"
    # Before anything is changed: at its own place, half way, each step would say the same.
    refused = f"Read-only file system: '$read_only': {REMOUNT}. Nothing was changed here."
    writable = (
        f"read_only=$({READ_ONLY}); "
        f"{{ [ -z \"$read_only\" ] || {{ echo '{refused}' >&2; false; }}; }}"
    )
    announcement = (
        f"umask 022; {writable} || exit 1; {first} && "
        f"mkdir -p {directory} && {{ {ended}; echo {line} >>{LOG}; }} && "
        f"chmod 644 {LOG} || {{ echo {shlex.quote(why)} >&2; exit 1; }}"
    )
    run_changes.announce(host, announcement)


def tell_syslog(command: str) -> None:
    """Have syslog told, before the first change of this machine, who does `command`; for what is
    no deploy."""
    run = this_run(command)
    said = f"{command} of {run['revision']} by {run['operator']} on {run['controller']}"
    run_changes.announce(host, f"{quoted('logger', '-t', 'tandem', said)} || true")


def install() -> None:
    """Install what writes it down."""
    what = "Records: what writes down who deployed what, and brings a generation back"
    archive = program_archive.archive("machine/deploy-record")
    one_file.file(what, PROGRAM, archive, mode="755")


def end(
    run: dict[str, Any],
    node: Node,
    cluster: Cluster,
    *,
    machine: SurveyedMachine | None = None,
    elsewhere: bool = False,
) -> None:
    """Write down what `run` has changed on this machine, now that it has come to its end.

    + machine: for a deploy, which leaves a generation.
    + elsewhere: for a rollback to another generation than the one in place.
    """
    generation = None
    if machine:
        spoken = bird.files() if node.routed else keepalived.files(node, cluster, machine)
        generation = {
            "id": GENERATION,
            "sites": [content.name for content in node.contents],
            "paths": [service.PAGE, *spoken],
            "about": {key: run[key] for key in ("time", "revision", "operator", "controller")}
            | {
                "profile": profile(node),
                "vips": _vips(node, cluster),
                "ranks": {str(vrrp.vip.ip): vrrp.priority(node) for vrrp in cluster.vips},
            },
        }
    write_down(
        name="Records: who deployed what",
        run=run,
        names=[each.name for each in cluster.nodes],
        generation=generation,
        elsewhere=elsewhere,
    )


def _vips(node: Node, cluster: Cluster) -> list[str]:
    """The addresses whose place is decided: of a routed cluster, those of both families."""
    vips = cluster.addresses if node.routed else [vrrp.vip for vrrp in cluster.vips]
    return [str(vip.ip) for vip in vips]


def profile(node: Node) -> str:
    """What decides which services a machine has beside nginx and keepalived."""
    if node.routed:
        return "routed"
    return "classic" if node.classic else "fast"


@change(
    "nothing has changed, and the revision is the same",
    LastDeploy,
    sites.SiteVersions,
    # Another machine, which looks a moment later, must not take this for a change.
    counts=False,
)
def write_down(
    run: dict[str, Any], names: Iterable[str], generation: dict[str, Any] | None, elsewhere: bool
) -> Iterator[str]:
    """Write down `run`, and the generation that it leaves if any machine of the cluster has
    changed: all machines then have the same ones.

    + elsewhere: the machine is at another generation than before, though that may be alike.
    """
    last = parallel.get(LastDeploy)
    anywhere = any(
        any(run_changes.of(other)) for other in host.state.active_hosts if other.name in names
    )
    stopped = last.get("run") != run["run"] and last.get("exit") != "done"
    # The cluster is no longer rolled back, once a deploy finds it as the settings have it.
    returned = generation is not None and bool(last.get("to"))
    other = returned or last.get("revision") != run["revision"]
    if not (anywhere or stopped or elsewhere or other):
        return
    changes = run_changes.of(host)
    entry = run | {
        "services": list(changes.services),
        "files": sorted(set(changes.files)),
        "steps": list(changes.steps),
    }
    if generation and (anywhere or stopped):
        entry["generation"] = generation
    yield quoted(PROGRAM, "done", json.dumps(entry, sort_keys=True))
