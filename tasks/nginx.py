"""nginx's configuration, page, directories, unit and log rotation."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from settings import Node
from tasks import place, rendering
from tasks.machine import Machine

WORKERS_PER_CPU = {"cpu": 1, "io": 2}
DIRECTORIES = "/etc/tmpfiles.d/tandem-nginx.conf"


class MissingDirectories(FactBase[list[str]]):
    """Which of the directories that nginx needs are not there."""

    default = list

    def command(self) -> str:
        return (
            f"awk '$1 == \"d\" {{ print $2 }}' {DIRECTORIES} 2>/dev/null | "
            'while read -r d; do [ -d "$d" ] || echo "$d"; done'
        )

    def process(self, output: list[str]) -> list[str]:
        return output


def configure(node: Node, machine: Machine) -> None:
    """Everything that nginx reads. A configuration that its own test refuses is not moved in."""
    place.file(
        name="nginx: the directories it needs at boot",
        path=DIRECTORIES,
        content=rendering.read("nginx/tmpfiles.conf"),
    )
    directories(name="nginx: make the directories")
    place.file(
        name="nginx: nginx.conf, tested before it is moved in",
        path="/etc/nginx/nginx.conf",
        content=rendering.render(
            "nginx/nginx.conf.j2",
            node=node,
            cpus=machine.cpus,
            workers=machine.cpus * WORKERS_PER_CPU[node.workload],
        ),
        mode="640",
        check="/usr/sbin/nginx -t -q -c {new}",
    )
    place.file(
        name="nginx: this machine's page",
        path="/usr/html/index.html",
        content=f"{node.page}\n",
    )
    place.file(
        name="nginx: a reload that is waited for",
        path="/usr/lib/tandem/reload-nginx",
        content=rendering.read("tandem/reload-nginx"),
        mode="755",
    )
    place.file(
        name="nginx: systemd unit",
        path="/etc/systemd/system/nginx.service",
        content=rendering.render("systemd/nginx.service.j2", node=node),
    )
    place.file(
        name="nginx: log rotation",
        path="/etc/logrotate.d/nginx",
        content=rendering.read("nginx/logrotate"),
        check="logrotate --debug {new}",
    )


@operation()
def directories() -> Generator[StringCommand, None, None]:
    """Make the directories now that tmpfiles.d will make at each boot."""
    if host.get_fact(place.InstalledFile, path=DIRECTORIES) and not host.get_fact(
        MissingDirectories
    ):
        host.noop("the directories are there")
        return
    yield StringCommand("systemd-tmpfiles --create", DIRECTORIES)
