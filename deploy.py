"""Make every machine of the inventory what inventory.py and group_data/ say.

    pyinfra inventory.py deploy.py        (-y: without asking; --dry: show the plan only)

What nobody can see from outside happens on all machines at once; what can, at the end, happens
one machine at a time, standbys first, and stops at the first that is not healthy again.
"""

from pyinfra import host

import settings
from tasks import (
    account,
    build,
    clock,
    handover,
    keepalived,
    machine,
    nginx,
    packages,
    service,
    watch,
)

node, cluster = settings.of(host)
this = machine.survey(host)

packages.install(this)
clock.synchronise(node, this)
account.create()
build.install(node, this)
service.watch()
nginx.configure(node, this)
watch.configure(node, cluster)
handover.configure(node, cluster)
keepalived.configure(node, cluster)

for turn in host.loop(reversed(cluster.nodes)):  # type: ignore[no-untyped-call]

    def mine(turn: settings.Node = turn) -> bool:
        return turn.name == host.name

    if not node.classic:
        # First: whatever moves the address afterwards may then count on it.
        service.in_step(
            name=f"{turn.name}: the hand-over runs what is installed",
            service=handover.SERVICE,
            healthy=handover.READY,
            _if=mine,
        )
    service.in_step(
        name=f"{turn.name}: nginx runs what is installed",
        service="nginx",
        healthy=f"curl -fsS --max-time 2 http://127.0.0.1:{turn.http_port}/ && {watch.TRUSTS}",
        _if=mine,
    )
    if not node.classic:
        service.in_step(
            name=f"{turn.name}: the watch runs what is installed",
            service=watch.SERVICE,
            healthy=watch.TRUSTS,
            _if=mine,
        )
    service.in_step(
        name=f"{turn.name}: keepalived runs what is installed",
        service="keepalived",
        healthy="systemctl is-active keepalived && kill -0 $(pgrep -P $(cat /run/keepalived.pid))",
        _if=mine,
    )
