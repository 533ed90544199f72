"""How often the VIPs of a cluster move in a run of turns; pure, for its plan and for its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from settings import Cluster


def count(
    cluster: Cluster,
    holds: Mapping[str, Collection[str]],
    away: Collection[str],
    interrupted: Collection[str],
    changed: Collection[str],
    ranks: Mapping[str, Mapping[str, int]],
    unheard: Collection[str] = (),
) -> int:
    """How often a VIP comes to another machine.

    + holds: the VIPs of each machine of this run before its turn, in the order of the turns.
    + away: machines that a person has drained.
    + interrupted: machines on which something is restarted: they give the VIP away before.
    + changed: machines whose keepalived begins, or reads another configuration.
    + ranks: each machine's VRRP priority for each VIP before; none where keepalived has not run.
    + unheard: VIPs of which VRRP is spoken in another version, by another number or from other
      addresses, so that those before do not hear those after.
    """
    moves, preempts = 0, not cluster.stays
    for vrrp in cluster.vips:
        vip = str(vrrp.vip.ip)
        holder = next((name for name, held in holds.items() if vip in held), "")
        if not holder:
            continue
        new = {node.name: vrrp.priority(node) for node in vrrp.nodes}
        if vip in unheard and len(new) > 1:
            # Each in its turn takes it from those that it does not hear.
            moves += sum(name in holds and name not in away for name in new)
            continue
        # Of a machine that is not part of this run only the settings are known.
        now = {name: rank for name, rank in new.items() if name not in holds}
        now |= {name: its[vip] for name, its in ranks.items() if vip in its}
        if holder not in now:  # what they run could not be read
            now |= {name: new[name] for name in holds}
        # Who would have it by its rank, and has not, is off, broken, or has just begun: until its
        # own turn nothing of this run changes that.
        unable = {name for name, rank in now.items() if preempts and rank > now[holder]}
        for name in holds:
            gone = {*away, *unable}
            others = {each: now[each] for each in now if each != name and each not in gone}
            if name == holder and name in interrupted and others:
                holder = max(others, key=others.__getitem__)
                moves += 1
            if name in changed:
                now[name] = new[name]
            if name in changed or name in interrupted:
                unable.discard(name)
            able = [each for each in now if each not in {*away, *unable}]
            best = max(able, default=holder, key=now.get)  # type: ignore[arg-type]
            if best != holder and (holder in away or (preempts and now[best] > now[holder])):
                holder = best
                moves += 1
    return moves
