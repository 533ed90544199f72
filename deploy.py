"""Make every machine of the inventory what inventory.py and group_data/ say.

    pyinfra inventory.py deploy.py        (-y: without asking; --dry: show the plan only)

What nobody can see from outside happens on all machines at once; what can, at the end, happens
one machine at a time, standbys first, and stops at the first that is not healthy again.
"""

from pyinfra import host

import settings
from tasks.change import turns
from tasks.handover import forwarding
from tasks.keepalived import configuration
from tasks.machine import account, clock, firewall, limits, packages, selinux, service_state, survey
from tasks.metrics import exporters
from tasks.nginx import service, sites, source_build
from tasks.sysv import supervision
from tasks.watch import health_watch

node, cluster = settings.of(host)
this = survey.survey(host)
part = source_build.part(host)

exporters.configure(node, cluster, this)
packages.install(
    this,
    [*part.packages, *exporters.packages(node)],
    compiler=part.compiles,
    perl=node.perl,
    tls=node.tls,
)
account.create()
source_build.install(node, this, part)
service_state.tools()
limits.configure(node, service.workers(node, this))
sites.have(node)
service.stage(node, cluster, this, source_build.name_of(node, this))
sites.switch(node)
health_watch.configure(node, cluster, this)
forwarding.configure(node, cluster, this)
configuration.stage(node, cluster, this)
supervision.configure(node, cluster, this)
firewall.let_in(node, cluster, this)
selinux.label(this)
clock.synchronise(node, this)

turns.ahead(
    node,
    cluster,
    "keepalived",
    *(() if node.classic else (forwarding.SERVICE, health_watch.SERVICE)),
    *exporters.services(node),
)
for turn in host.loop(turns.order(cluster, survey.everyone(host))):  # type: ignore[no-untyped-call]

    def mine(turn: settings.Node = turn) -> bool:
        return turn.name == host.name

    if not node.classic:
        # First: whatever moves the address afterwards may then count on it.
        service_state.in_step(
            name=f"{turn.name}: the hand-over runs what is installed",
            service=forwarding.SERVICE,
            healthy=forwarding.READY,
            _if=mine,
        )
    turns.begun(
        name=f"{turn.name}: gives the VIP away before it is restarted",
        node=node,
        cluster=cluster,
        _if=mine,
    )
    service.in_service(name=f"{turn.name}: nginx runs what is staged", _if=mine)
    if not node.classic:
        service_state.in_step(
            name=f"{turn.name}: the watch runs what is installed",
            service=health_watch.SERVICE,
            healthy=health_watch.TRUSTS,
            _if=mine,
        )
    configuration.in_service(
        name=f"{turn.name}: keepalived runs what is staged", node=node, cluster=cluster, _if=mine
    )
    turns.ended(name=f"{turn.name}: may hold the VIP again", node=node, cluster=cluster, _if=mine)

sites.tidy(node)
exporters.in_step(node)
