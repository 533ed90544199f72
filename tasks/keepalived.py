"""keepalived's configuration, its notify script, and what its unit lacks."""

from __future__ import annotations

from settings import Cluster, Node
from tasks import place, rendering

# `keepalived -t` exits 0 for an empty file and 5 for one that it would run in spite of an error.
CHECK = "test -s {new} && /usr/sbin/keepalived --config-test --use-file {new}"


def configure(node: Node, cluster: Cluster) -> None:
    """Everything that keepalived reads. The configuration holds the cluster's shared secret."""
    place.file(
        name="keepalived: notify.sh, which mails what happened",
        path="/etc/keepalived/notify.sh",
        content=rendering.render("keepalived/notify.sh.j2", node=node),
        mode="750",
    )
    place.file(
        name="keepalived: keepalived.conf, tested before it is moved in",
        path="/etc/keepalived/keepalived.conf",
        content=rendering.render(
            f"keepalived/{'classic' if node.classic else 'fast'}.conf.j2",
            node=node,
            cluster=cluster,
        ),
        mode="640",
        check=CHECK,
        secret=True,
    )
    place.file(
        name="keepalived: systemd unit restarts it and cleans up behind it",
        path="/etc/systemd/system/keepalived.service.d/tandem.conf",
        content=rendering.render("systemd/keepalived.conf.j2", node=node),
    )
