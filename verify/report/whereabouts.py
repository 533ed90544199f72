"""Where a cluster's VIP is, and who says so, for those that report it."""

from __future__ import annotations

from settings import Cluster
from verify.judge import VerifierVerdict
from verify.read.machine_view import CannotTell, MachineView
from verify.read.routing.routed_answers import AnnouncedAs
from verify.read.system_output import Address


def addresses(verdict: VerifierVerdict, cluster: Cluster, host: str) -> tuple[Address, ...] | None:
    """Where a machine has the cluster's VIP, `lo` aside; None where that is not known."""
    answers = verdict.snapshot.hosts.get(host)
    try:
        return MachineView(answers).addresses(cluster.vip.ip) if answers else None
    except CannotTell:
        return None


def announced(verdict: VerifierVerdict, cluster: Cluster, host: str) -> AnnouncedAs | None:
    """How a machine of a routed cluster announces its VIPs; None where that is not known."""
    answers = verdict.snapshot.hosts.get(host)
    try:
        return MachineView(answers).announced(cluster) if answers else None
    except CannotTell:
        return None


def has_vip(verdict: VerifierVerdict, cluster: Cluster, host: str) -> bool | None:
    """Whether a machine holds the VIP, or, where all have it, announces it as one that serves; None
    where that is not known."""
    if cluster.routed:
        how = announced(verdict, cluster, host)
        return None if how is None else how is AnnouncedAs.SERVES
    held = addresses(verdict, cluster, host)
    return None if held is None else bool(held)


def holding(cluster: Cluster, verdict: VerifierVerdict) -> str:
    """Who holds the VIP, or who announces it, in words."""
    if cluster.routed:
        who = [
            node.name if how is AnnouncedAs.SERVES else f"{node.name} ({how})"
            for node in cluster.nodes
            if (how := announced(verdict, cluster, node.name)) not in (None, AnnouncedAs.NOTHING)
        ]
        vips = " and ".join(map(str, cluster.addresses))
        return f"{vips}, announced by {', '.join(who) or 'no machine that was asked'}"
    holders = [
        f"{node.name} ({address.label})"
        for node in cluster.nodes
        for address in addresses(verdict, cluster, node.name) or ()
    ]
    return f"{cluster.vip} is on {' and on '.join(holders) or 'no machine that was asked'}"


def about(cluster: Cluster, host: str, verdict: VerifierVerdict) -> str:
    """What there is to know about a machine, in a line."""
    node = next(node for node in cluster.nodes if node.name == host)
    rank = "" if cluster.routed else f", priority {node.priority}"
    known = f"{node.address}{rank}"
    if problem := verdict.snapshot.hosts[host].problem:
        return f"{known}; not reached: {problem}"
    if cluster.routed:
        how = announced(verdict, cluster, host)
        if how is None:
            return f"{known}, whether it is announced is not known"
        return f"{known}, announced {how}"
    held = has_vip(verdict, cluster, host)
    if held is None:
        return f"{known}, whether it holds the VIP is not known"
    return f"{known}, {'holds' if held else 'without'} the VIP"
