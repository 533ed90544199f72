"""How often the VIPs of a cluster move in a run of turns; pure, for its plan and for its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from settings import Cluster


def count(
    cluster: Cluster,
    holds: Mapping[str, Collection[str]],
    away: Collection[str],
    interrupted: Collection[str],
    *,
    elects_anew: bool = False,
    unheard: bool = False,
) -> int:
    """How often a VIP comes to another machine.

    + holds: the VIPs of each machine of this run before its turn, in the order of the turns.
    + away: machines that a person has drained.
    + interrupted: machines on which something is restarted: they give the VIP away before.
    + elects_anew: keepalived reads another configuration, and whoever it prefers has the VIP then.
    + unheard: in another version, or by another number, so that those before do not hear those
      after.
    """
    moves = 0
    for vrrp in cluster.vips:
        vip = str(vrrp.vip.ip)
        holder = next((name for name, held in holds.items() if vip in held), "")
        if not holder:
            continue
        able = [node.name for node in vrrp.nodes if node.name in holds and node.name not in away]
        last = able[0] if elects_anew and able else holder
        if unheard and len(cluster.nodes) > 1:
            moves += len(able)  # each in its turn takes it from those that it does not hear
        elif holder in interrupted and len(cluster.nodes) > 1:
            moves += 2 if last == holder else 1  # away, and back
        else:
            moves += last != holder
    return moves
