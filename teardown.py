"""Take Tandem off the machines of the inventory: everything that deploys have brought.

    pyinfra inventory.py teardown.py      asks first; --dry: show the plan only
        --limit host1                     this machine only; the others go on serving
        -y --data yes=1                   without asking
        --data interrupt=1                also where nobody else would serve
        --data break_lock=1               ends another run that has the machines' lock

One machine at a time, from its services down to its packages; who serves comes last. What
stays, and why, is in docs/teardown.md. Killed anywhere, the next run goes on from there.
"""

from pyinfra import host, logger
from pyinfra.operations import python

import settings
from tasks import bird, handover, keepalived, metrics, nginx, sysv, watch
from tasks.change import deploy_record, removal, removal_plan, turns
from tasks.keepalived import vips
from tasks.machine import (
    RECORD,
    account,
    firewall,
    limits,
    packages,
    replaced,
    selinux,
    service_state,
)
from tasks.machine.footprint import remove_placed

node, cluster = settings.of(host)
plan = removal_plan.plan(host)
machine = plan.machines[host.name]
leaving = plan.of(cluster)

deploy_record.tell_syslog("teardown")
removal.ask_ahead(node, cluster, machine)
for its in turns.one_by_one(leaving.order):
    # Its services, and what the kernel has of them.
    leaves = "is drained" if node.routed else "gives the VIP away"
    removal.release_vip(
        node=node, leaving=leaving, **its(f"{leaves}, if another machine can serve")
    )
    sysv.remove(machine=machine, **its("nothing is started again"))
    spoken = bird.SERVICE if node.routed else keepalived.SERVICE
    service_state.stop(service=spoken, **its(f"{spoken.name} ends"))
    service_state.stop(
        service=nginx.SERVICE,
        for_connections=True,
        **its("nginx ends, when it has answered what it was asked"),
    )
    watch.remove(machine=machine, **its("the watch"))
    handover.remove(machine=machine, **its("the hand-over"))
    metrics.remove(node=node, **its("metrics"))
    removal.delete_tables(node=node, **its("tables of nftables"))
    vips.delete_left(node=node, cluster=cluster, **its("the VIP"))
    limits.restore(**its("kernel settings"))
    firewall.close_opened(**its("what firewalld lets in"))
    selinux.remove_labels(machine=machine, **its("SELinux's types"))
    # Its files, as each concern names them.
    for footprint in host.loop(removal.footprints(node)):  # type: ignore[no-untyped-call]
        remove_placed(footprint=footprint, **its(f"files of {footprint.concern}"))
    removal.forget_units(node=node, **its("units that systemd remembers"))
    account.remove(**its("user and group nginx"))
    packages.remove(node=node, family=machine.family, **its("packages that came with it"))
    replaced.put_back(**its("files that were there before the first deploy"))
    remove_placed(footprint=RECORD, **its("the record of all this"))

for reminder in removal_plan.reminders(plan):
    python.call(name="What comes next", function=logger.warning, msg=reminder, _run_once=True)
