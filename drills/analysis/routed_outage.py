"""What each fault costs a routed cluster by arithmetic: BGP says goodbye, BFD notices silence.

What processes need to run, and packets to travel, comes on top of every figure here.
"""

from __future__ import annotations

from dataclasses import dataclass

from drills.analysis.expected_outage import RESTART_S, Timing
from drills.results import Theory
from settings import Cluster


@dataclass(frozen=True)
class RoutedTiming(Timing):
    """The timing of `nodes` that announce an address: their adverts are BFD's packets.

    `handover`: what comes to a node that does not know it gets a second chance.
    """

    nodes: int
    handover: bool = True


def timing(cluster: Cluster) -> RoutedTiming:
    """The cluster's timing."""
    node = cluster.preferred
    return RoutedTiming(
        advert_s=node.bfd_interval_ms / 1000,
        missed_adverts=node.bfd_misses,
        skew_s=0.0,
        fault_by_check=False,
        check_interval_s=node.check_interval_s,
        check_fall=node.check_fall,
        restart_s=RESTART_S,
        watch_s=node.health_interval_s,
        watch_timeout_s=node.health_timeout_s,
        watch_misses=node.health_misses,
        nodes=len(cluster.nodes),
        handover=node.handover,
    )


def withdrawn(_: Timing) -> Theory:
    """Something died, and whoever knows it tells the routers."""
    return Theory(0.0, 0.0, 0.0, "routers are told at once, and send its flows to others")


def moved(timing: Timing) -> Theory:
    """Who announces the address changes in order: routers choose anew for a share of all flows."""
    if isinstance(timing, RoutedTiming) and not timing.handover:
        how = "without the second chance a connection is reset once routers give it to another node"
    else:
        how = "a connection that routers give to another node is given on by that: nothing is lost"
    return Theory(0.0, 0.0, 0.0, how)


def silent(timing: Timing) -> Theory:
    """The node says nothing any more: BFD of the routers notices it."""
    low_s = timing.dead_s - timing.advert_s
    how = (
        f"{timing.missed_adverts} packets of BFD, {timing.advert_s:g} s apart, are missing after "
        "the last one, which was up to one interval ago; a share of 1/N of flows"
    )
    return Theory((low_s + timing.dead_s) / 2, low_s, timing.dead_s, how)


def hangs(timing: Timing) -> Theory:
    """nginx is alive and does not answer: the watch notices it."""
    low_s = timing.watch_misses * timing.watch_timeout_s
    watch_s = timing.watch_s or 0.0
    how = (
        f"asked every {watch_s:g} s, then {timing.watch_misses} times without an answer in "
        f"{timing.watch_timeout_s:g} s; then routers are told; a share of 1/N of flows"
    )
    return Theory(low_s + watch_s / 2, low_s, low_s + watch_s, how)
