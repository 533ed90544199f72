"""keepalived's configuration: staged and tested on all machines, put into service in each turn."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from controller import batched_facts, rendering
from settings import Cluster, Node
from tasks.machine import one_file, service_state, units
from tasks.machine.survey import Machine, shell

# `keepalived -t` exits 0 for an empty file and 5 for one that it would run in spite of an error.
CHECK = "test -s {new} && /usr/sbin/keepalived --config-test --use-file {new}"
PROGRAM = "/usr/lib/tandem/apply-keepalived"
# Beside what keepalived reads, since it is a part of it: who is heard. A change makes it a reload.
SPEAKERS = "/etc/keepalived/vrrp.nft"


def stage(node: Node, cluster: Cluster, machine: Machine) -> None:
    """Everything that keepalived reads; the configuration, which holds the cluster's shared secret,
    beside its place."""
    one_file.file(
        name="keepalived: notify.sh, which mails what happened",
        path="/etc/keepalived/notify.sh",
        content=rendering.render("keepalived/notify.sh.j2", node=node),
        mode="750",
    )
    one_file.file(
        name="keepalived: what puts a configuration into service, or the old one back",
        path=PROGRAM,
        content=rendering.read("keepalived/apply-keepalived"),
        mode="755",
    )
    one_file.file(
        name="keepalived: keepalived.conf staged, and tested",
        path=service_state.STAGED["keepalived"],
        content=rendering.render(
            f"keepalived/{'classic' if node.classic else 'fast'}.conf.j2",
            node=node,
            cluster=cluster,
            # A reload takes its limit on real-time work away and sets it anew (2.2.7): where that
            # is not allowed, the kernel kills it soon after.
            realtime=machine.raises_limits,
        ),
        mode="640",
        check=CHECK,
        secret=True,
    )
    one_file.file(
        name="keepalived: nftables, who may speak VRRP",
        path=SPEAKERS,
        content=rendering.render("keepalived/vrrp.nft.j2", node=node, cluster=cluster),
        check="nft --check --file {new}",
    )
    unit = units.keepalived(node, cluster, machine, speakers=SPEAKERS)
    one_file.file(
        name="keepalived: what its unit does besides",
        path=unit.path,
        content=unit.content,
        mode=unit.mode,
    )


@operation()
def in_service(node: Node, cluster: Cluster) -> Generator[StringCommand, None, None]:
    """Let keepalived run with what is staged, or with the old configuration again and fail."""
    todo, reason = service_state.steps_of("keepalived")
    if not todo:
        host.noop("keepalived runs what is staged")
        return
    batched_facts.invalidate()
    verb = todo[-1] if reason and todo[-1] in ("start", "restart") else "reload"
    host.log(f"keepalived: {verb}, because {reason or 'its unit has not been read'}")
    vips = [vrrp.vip.ip for vrrp in cluster.vips]
    yield StringCommand(shell(PROGRAM, verb, node.interface, *vips))
