"""The exporters that Prometheus reads: nginx's, Tandem's own, and who may read them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import collapse_addresses

from pyinfra import host
from pyinfra.api import StringCommand

from controller import program_archive, rendering, run_changes
from controller.batched_facts import change
from settings import Cluster, Node
from tasks.machine import one_file, packages, service_state, units
from tasks.machine.footprint import Footprint
from tasks.machine.quoting import quoted
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import SurveyedMachine

NAME = "tandem-metrics"
PROGRAM = "/usr/lib/tandem/metrics"
TABLE = "/etc/tandem/metrics.nft"
BIRD_SOCKET = "/run/bird/bird.ctl"
NGINX = packages.NGINX_EXPORTER
DROP_IN = f"/etc/systemd/system/{NGINX}.service.d/tandem.conf"
SERVICE = ManagedService(NAME, "/usr/bin/python3")
NGINX_SERVICE = ManagedService(NGINX, f"/usr/bin/{NGINX}")
SERVICES = (NGINX_SERVICE, SERVICE)
FOOTPRINT = Footprint(
    concern="metrics",
    units=(NAME,),
    tables=("tandem_metrics",),
    files=(PROGRAM, TABLE, DROP_IN),
    trees=(f"/run/{NAME}", f"/run/{NGINX}"),
    directories=(DROP_IN.rpartition("/")[0],),
)


def rules(node: Node) -> str:
    """The file that nft loads; it takes no network that lies within another."""
    allowed = collapse_addresses(node.metrics_allow)
    return rendering.render("metrics/metrics.nft.j2", node=node, allowed=list(allowed))


def command(node: Node, cluster: Cluster) -> str:
    held_on = dict.fromkeys(interface for interface, _ in cluster.carried(node))
    return quoted(
        *("/usr/bin/python3", PROGRAM, "--address", node.address, "--port", node.metrics_port),
        *(word for on in held_on for word in ("--interface", on)),
        *("--node", node.name, "--cluster", cluster.name),
        *("--table", TABLE),
        *(("--bird", BIRD_SOCKET) if node.routed else ()),
        *(word for vip in cluster.addresses for word in ("--vip", vip.ip)),
    )


def unit_file(node: Node, command: str) -> str:
    """The unit that runs `command`. Never an init script: without systemd there are no metrics."""
    values = {"command": command, "table": TABLE, "node": node}
    return rendering.render("metrics/tandem-metrics.service.j2", **values)


def configure(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Install all that the exporters read; without `metrics`, remove them.

    To be called before packages are installed: Debian starts a service as soon as it is installed,
    and it would listen on every address.
    """
    if not node.metrics:
        one_file.ask_ahead(TABLE)
        remove(name="Metrics: not asked for", node=node)
        return
    # On a bare machine there is no nft yet; the units would not start with a wrong table. And that
    # another program has a port would be found out when all else is done.
    free = _ports_are_free(node).replace("{", "{{").replace("}", "}}")
    check = f"{free} && if command -v nft; then nft --check --file {{new}}; fi"
    one_file.file("Metrics: nftables, who may ask", TABLE, rules(node), check=check)
    program = program_archive.archive("metrics/metrics")
    one_file.file("Metrics: the program", PROGRAM, program, mode="755")
    units.install("Metrics: its unit", NAME, machine, unit_file(node, command(node, cluster)))
    besides = rendering.render(f"metrics/{NGINX}.conf.j2", node=node, table=TABLE)
    one_file.file("Metrics: what the unit of nginx's exporter does besides", DROP_IN, besides)


# Prints which other programs listen where the exporters of an address shall; in front of it stand
# address, ports (SETTING=PORT each), exporter (its process) and program.
_OTHERS = """
for it in $ports; do
    ss -Htlnp "sport = :${it#*=}" | while read -r _ _ _ local _ who; do
        case $local in '*':* | 0.0.0.0:* | '[::]':* | "$address":*) ;; *) continue ;; esac
        pid=${who#*pid=} name=${who#*\\"}
        pid=${pid%%,*} name=${name%%\\"*}
        [ "$name" != "$exporter" ] || continue
        tr '\\0' '\\n' <"/proc/$pid/cmdline" | grep -qxF "$program" && continue
        echo "$it: $name (pid $pid) listens there: end that, or give another port"
    done
done"""


def _ports_are_free(node: Node) -> str:
    """Shell that fails, and says who it is, where another program has a port of the exporters."""
    ports = f"metrics_nginx_port={node.metrics_nginx_port} metrics_port={node.metrics_port}"
    # The kernel's name of a process has 15 letters.
    given = f"address={node.address} ports='{ports}' exporter={NGINX[:15]} program={PROGRAM}"
    return f'taken=$({given}\n{_OTHERS}\n); if [ -n "$taken" ]; then echo "$taken"; false; fi'


def run_installed(node: Node, installed: Collection[str]) -> None:
    """Make both exporters run what is installed, once nginx and what tells of the VIP do.

    + installed: packages that this run has installed.
    """
    if not node.metrics:
        return
    service_state.run_installed(
        name="Metrics: nginx's exporter runs what is installed",
        service=NGINX_SERVICE,
        healthy=_answers(node, node.metrics_nginx_port, "nginx_up 1"),
        starts_with_package=NGINX in installed,
    )
    service_state.run_installed(
        name="Metrics: Tandem's exporter runs what is installed",
        service=SERVICE,
        healthy=_answers(node, node.metrics_port, f"tandem_{_speaker(node)}_up 1"),
    )


def _speaker(node: Node) -> str:
    """Who tells others where the address is."""
    return "bird" if node.routed else "keepalived"


def _answers(node: Node, port: int, line: str) -> str:
    url = f"http://{node.address}:{port}/metrics"
    return f"curl -qsf --noproxy '*' --max-time 2 {url} | grep -qx {quoted(line)}"


@change("they are not installed")
def remove(node: Node) -> Iterator[str | StringCommand]:
    """Remove what an earlier deploy with `metrics` has installed.

    An exporter that was there before runs as it did then.
    """
    if not one_file.state_of(TABLE):
        return
    ours = NGINX in host.get_fact(packages.RecordedPackages, family="debian")
    # All that is told, before the first command: of a plan the others are not looked at.
    run_changes.note_service(NAME, "remove")
    if ours:
        run_changes.note_service(NGINX, "remove")
    yield f"{service_state.MANAGER} disable --now {NAME} 2>/dev/null || true"
    if ours:
        yield f"{service_state.MANAGER} disable --now {NGINX} 2>/dev/null || true"
        yield from packages.remove_one(node, "debian", NGINX)
    yield "nft delete table inet tandem_metrics 2>/dev/null || true"
    yield f"rm -rf {DROP_IN.rpartition('/')[0]} {PROGRAM} /etc/systemd/system/{NAME}.service"
    # Without it a deploy has stopped early, and nothing was started.
    there = f"[ ! -e {service_state.MANAGER} ] || {service_state.MANAGER}"
    yield f"{there} daemon-reload"
    if not ours:
        yield f"{there} try-restart {NGINX}"
    # The table's file last: it is what tells the next deploy that there is something to take away.
    yield f"rm -f {TABLE}"
