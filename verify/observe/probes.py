"""All that the verifier asks of one machine, in one round trip.

A new question goes into the module of its subject beside this one, and is then read in verify/read/
and judged in verify/checks/.
"""

from __future__ import annotations

from settings import Cluster, Node
from verify.observe import (
    http_probes,
    keepalived_probes,
    machine_probes,
    nginx_probes,
    route_probes,
    snippet_probes,
    tls_probes,
    upkeep_probes,
    vrrp_probes,
)
from verify.observe.bundle import Bundle, RoundTrip
from verify.observe.programs import hook_probes
from verify.observe.routing import bird_probes, mesh_probes
from verify.observe.streams import stream_probes


def all_probes(node: Node, cluster: Cluster) -> RoundTrip:
    """What waits on purpose comes first."""
    listening_s = vrrp_probes.listening_s(node)
    held_by_kernel_and_files = Bundle(
        *machine_probes.from_kernel(node),
        *nginx_probes.from_files(node),
        *keepalived_probes.of_watch(),
        *([] if node.routed else keepalived_probes.from_files(node)),
        *machine_probes.tables(node, cluster),
        *route_probes.from_kernel(node, cluster),
        *([] if node.routed else keepalived_probes.followed()),
        *([] if node.routed else hook_probes.from_files(node)),
        *upkeep_probes.from_files(node),
    )
    # One after the other: a test of nginx's configuration must not be found among the processes
    # and listeners. And last: where it looks up names that nobody answers for, it hangs.
    told_by_programs = Bundle(
        *nginx_probes.from_programs(),
        *machine_probes.services(node),
        *([] if node.routed else keepalived_probes.from_programs()),
        *nginx_probes.tests(),
    )
    told_by_systemd = Bundle(
        *([] if node.routed else keepalived_probes.logged()),
        *([] if node.routed else hook_probes.logged()),
        *upkeep_probes.from_programs(),
    )
    of_profile = (
        [*bird_probes.bundles(node), *mesh_probes.bundles(node, cluster)]
        if node.routed
        else [keepalived_probes.state_twice(listening_s)]
    )
    return RoundTrip(
        *(vrrp_probes.listen(node, view) for view in cluster.vips),
        *of_profile,
        held_by_kernel_and_files,
        told_by_programs,
        told_by_systemd,
        http_probes.requests(node, cluster),
        snippet_probes.bundle(node),
        *tls_probes.bundles(node),
        *stream_probes.bundles(node, cluster),
        *([Bundle(machine_probes.offset(node.ntp_server))] if node.ntp_server else ()),
    )
