"""Take Tandem off the machines of the inventory: everything that deploys have brought.

    pyinfra inventory.py teardown.py      asks first; --dry: show the plan only
        --limit host1                     this machine only; the others go on serving
        -y --data yes=1                   without asking
        --data interrupt=1                also where nobody else would serve

One machine at a time, from its services down to its packages; the one that serves comes last. What
stays, and why, is in docs/teardown.md. Killed anywhere, the next run goes on from there.
"""

from pyinfra import host, logger
from pyinfra.operations import python

import settings
from tasks.change import removal, removal_plan
from tasks.change import removal_places as places
from tasks.handover import forwarding
from tasks.machine import account, firewall, packages, selinux, units
from tasks.metrics import exporters
from tasks.sysv import supervision
from tasks.watch import health_watch

node, cluster = settings.of(host)
plan = removal_plan.plan(host)
this = plan.machines[host.name]
leaving = plan.of(cluster)

removal.ahead(cluster, node, this)
for turn in host.loop(leaving.order):  # type: ignore[no-untyped-call]

    def mine(turn: settings.Node = turn) -> bool:
        return turn.name == host.name

    its = turn.name
    removal.given_away(
        name=f"{its}: gives the VIP away, if another machine can take it",
        node=node,
        leaving=leaving,
        _if=mine,
    )
    supervision.ended(name=f"{its}: nothing is started again", machine=this, _if=mine)
    removal.stopped(name=f"{its}: keepalived ends", name_of_service="keepalived", _if=mine)
    removal.stopped(
        name=f"{its}: nginx ends, when it has answered what it was asked",
        name_of_service="nginx",
        _if=mine,
    )
    health_watch.absent(
        name=f"{its}: the watch", unit=units.path(health_watch.SERVICE, this), _if=mine
    )
    forwarding.absent(
        name=f"{its}: the hand-over", unit=units.path(forwarding.SERVICE, this), _if=mine
    )
    exporters.absent(name=f"{its}: metrics", _if=mine)
    removal.tables_gone(name=f"{its}: tables of nftables", _if=mine)
    removal.addresses_gone(name=f"{its}: the VIP", node=node, cluster=cluster, _if=mine)
    removal.settings_restored(name=f"{its}: kernel settings", _if=mine)
    firewall.closed(name=f"{its}: what firewalld lets in", _if=mine)
    selinux.unlabelled(name=f"{its}: SELinux's types", machine=this, _if=mine)
    places.gone(name=f"{its}: files of keepalived", places=places.KEEPALIVED, _if=mine)
    places.gone(name=f"{its}: files of the hand-over", places=places.HANDOVER, _if=mine)
    places.gone(name=f"{its}: files of the watch", places=places.WATCH, _if=mine)
    places.gone(name=f"{its}: files of nginx", places=places.of_nginx(node), _if=mine)
    places.gone(name=f"{its}: builds, helpers, their logs", places=places.SHARED, _if=mine)
    removal.units_forgotten(name=f"{its}: units that systemd remembers", _if=mine)
    account.removed(name=f"{its}: user and group nginx", _if=mine)
    packages.removed(name=f"{its}: packages that came with it", family=this.family, _if=mine)
    places.gone(name=f"{its}: the record of all this", places=places.RECORD, _if=mine)

for reminder in removal_plan.reminders(plan):
    python.call(name="What comes next", function=logger.warning, msg=reminder, _run_once=True)
