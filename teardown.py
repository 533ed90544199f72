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
from tasks import handover, keepalived, metrics, nginx, sysv, watch
from tasks.change import removal, removal_plan
from tasks.keepalived import vips
from tasks.machine import RECORD, account, firewall, limits, packages, selinux, service_state
from tasks.machine.footprint import remove_placed

node, cluster = settings.of(host)
plan = removal_plan.plan(host)
machine = plan.machines[host.name]
leaving = plan.of(cluster)

removal.ask_ahead(node, cluster, machine)
for turn in host.loop(leaving.order):  # type: ignore[no-untyped-call]

    def its_turn(turn: settings.Node = turn) -> bool:
        return turn.name == host.name

    its = turn.name
    # Its services, and what the kernel has of them.
    removal.release_vip(
        name=f"{its}: gives the VIP away, if another machine can take it",
        node=node,
        leaving=leaving,
        _if=its_turn,
    )
    sysv.remove(name=f"{its}: nothing is started again", machine=machine, _if=its_turn)
    service_state.stop(name=f"{its}: keepalived ends", service=keepalived.SERVICE, _if=its_turn)
    service_state.stop(
        name=f"{its}: nginx ends, when it has answered what it was asked",
        service=nginx.SERVICE,
        _if=its_turn,
    )
    watch.remove(name=f"{its}: the watch", machine=machine, _if=its_turn)
    handover.remove(name=f"{its}: the hand-over", machine=machine, _if=its_turn)
    metrics.remove(name=f"{its}: metrics", _if=its_turn)
    removal.delete_tables(name=f"{its}: tables of nftables", node=node, _if=its_turn)
    vips.delete_left(name=f"{its}: the VIP", node=node, cluster=cluster, _if=its_turn)
    limits.restore(name=f"{its}: kernel settings", _if=its_turn)
    firewall.close_opened(name=f"{its}: what firewalld lets in", _if=its_turn)
    selinux.remove_labels(name=f"{its}: SELinux's types", machine=machine, _if=its_turn)
    # Its files, as each concern names them.
    for footprint in host.loop(removal.footprints(node)):  # type: ignore[no-untyped-call]
        remove_placed(
            name=f"{its}: files of {footprint.concern}", footprint=footprint, _if=its_turn
        )
    removal.forget_units(name=f"{its}: units that systemd remembers", node=node, _if=its_turn)
    account.remove(name=f"{its}: user and group nginx", _if=its_turn)
    packages.remove(name=f"{its}: packages that came with it", family=machine.family, _if=its_turn)
    remove_placed(name=f"{its}: the record of all this", footprint=RECORD, _if=its_turn)

for reminder in removal_plan.reminders(plan):
    python.call(name="What comes next", function=logger.warning, msg=reminder, _run_once=True)
