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
    firewalld,
    handover,
    keepalived,
    machine,
    metrics,
    nginx,
    packages,
    selinux,
    service,
    supervision,
    turns,
    watch,
)

node, cluster = settings.of(host)
this = machine.survey(host)
part = build.part(host)

metrics.configure(node, cluster, this)
packages.install(this, [*part.packages, *metrics.packages(node)], compiler=part.compiles)
account.create()
build.install(node, this, part)
service.tools()
nginx.stage(node, cluster, this, build.name_of(node, this))
watch.configure(node, cluster, this)
handover.configure(node, cluster, this)
keepalived.stage(node, cluster, this)
supervision.configure(node, cluster, this)
firewalld.let_in(node, cluster, this)
selinux.label(this)
clock.synchronise(node, this)

turns.ahead(
    node,
    cluster,
    "keepalived",
    *(() if node.classic else (handover.SERVICE, watch.SERVICE)),
    *metrics.services(node),
)
for turn in host.loop(turns.order(cluster, machine.everyone(host))):  # type: ignore[no-untyped-call]

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
    turns.begun(
        name=f"{turn.name}: gives the VIP away before it is restarted",
        node=node,
        cluster=cluster,
        _if=mine,
    )
    nginx.in_service(name=f"{turn.name}: nginx runs what is staged", _if=mine)
    if not node.classic:
        service.in_step(
            name=f"{turn.name}: the watch runs what is installed",
            service=watch.SERVICE,
            healthy=watch.TRUSTS,
            _if=mine,
        )
    keepalived.in_service(
        name=f"{turn.name}: keepalived runs what is staged", node=node, cluster=cluster, _if=mine
    )
    turns.ended(name=f"{turn.name}: may hold the VIP again", node=node, cluster=cluster, _if=mine)

metrics.in_step(node)
