"""nginx's configuration, page, directories, unit and log rotation."""

from __future__ import annotations

from settings import Node
from tasks import place, rendering, tmpfiles
from tasks.machine import Machine

WORKERS_PER_CPU = {"cpu": 1, "io": 2}
DIRECTORIES = "/etc/tmpfiles.d/tandem-nginx.conf"


def configure(node: Node, machine: Machine) -> None:
    """Everything that nginx reads. A configuration that its own test refuses is not moved in."""
    tmpfiles.have(DIRECTORIES, rendering.read("nginx/tmpfiles.conf"))
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
