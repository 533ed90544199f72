"""What defines a service on a machine, and where: a unit of systemd, or an init script."""

from __future__ import annotations

from dataclasses import dataclass

from controller import rendering
from settings import Cluster, Node
from tasks.machine.survey import Machine


@dataclass(frozen=True)
class Unit:
    """One definition: a file as `place.file` takes it."""

    path: str
    content: str
    mode: str = "644"


def path(service: str, machine: Machine) -> str:
    """Where a service of ours is defined."""
    if machine.systemd:
        return f"/etc/systemd/system/{service}.service"
    return f"/etc/init.d/{service}"


def nginx(node: Node, machine: Machine) -> Unit:
    """nginx's own: a unit, or the recipe's init script without its faults."""
    if machine.systemd:
        text = rendering.render("nginx/nginx.service.j2", node=node)
        return Unit(path("nginx", machine), text)
    return Unit(path("nginx", machine), rendering.render("sysv/nginx.j2", node=node), "755")


def keepalived(node: Node, cluster: Cluster, machine: Machine, *, speakers: str) -> Unit:
    """What is added to the distribution's own unit or init script. `speakers`: what nft loads."""
    values = {"node": node, "addresses": cluster.addresses, "speakers": speakers}
    if machine.systemd:
        text = rendering.render("keepalived/systemd-unit.conf.j2", **values)
        return Unit("/etc/systemd/system/keepalived.service.d/tandem.conf", text)
    folder = "default" if machine.family == "debian" else "sysconfig"
    return Unit(f"/etc/{folder}/keepalived", rendering.render("sysv/keepalived.j2", **values))


def watch(node: Node, cluster: Cluster, machine: Machine, *, directories: str) -> Unit:
    """tandem-watch's. `directories`: the file of tmpfiles.d that it needs."""
    name = "tandem-watch"
    if machine.systemd:
        text = rendering.render("watch/tandem-watch.service.j2", node=node, cluster=cluster)
        return Unit(path(name, machine), text)
    command = rendering.render("watch/watch-command.j2", node=node, cluster=cluster)
    text = _script(
        name,
        "watches nginx and keepalived for Tandem",
        command.replace("\\\n", " "),
        directories,
    )
    return Unit(path(name, machine), text, "755")


def handover(command: str, machine: Machine) -> Unit:
    """tandem-handover's, which runs `command`."""
    name = "tandem-handover"
    if machine.systemd:
        text = rendering.render("handover/tandem-handover.service.j2", command=command)
        return Unit(path(name, machine), text)
    text = _script(name, "hands connections over for Tandem", command)
    return Unit(path(name, machine), text, "755")


def metrics(command: str, machine: Machine, *, table: str) -> Unit:
    """tandem-metrics', which runs `command`. `table`: what nft loads. Never an init script."""
    text = rendering.render("metrics/tandem-metrics.service.j2", command=command, table=table)
    return Unit(path("tandem-metrics", machine), text)


def _script(name: str, description: str, command: str, directories: str = "") -> str:
    return rendering.render(
        "sysv/daemon.j2",
        name=name,
        description=description,
        command=" ".join(command.split()),
        directories=directories,
    )
