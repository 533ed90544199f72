"""What each fault costs by arithmetic: functions of a cluster's settings alone.

The sources are RFC 3768 and RFC 5798 (skew and master down interval) and keepalived's checks. What
processes need to run, and packets to travel, comes on top of every figure here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drills.model import Theory
from settings import Cluster, Node


@dataclass(frozen=True)
class Timing:
    """What of a cluster's settings says how fast it is. `skew_s` is the first standby's.

    `fault_by_check`: a failed check lowers the priority (VRRPv2, the recipe's way), instead of
    being signalled at once. `watch_s`: between two HTTP questions, `watch_misses` of which must
    stay unanswered for `watch_timeout_s`; None where nobody asks.
    """

    advert_s: float
    skew_s: float
    fault_by_check: bool
    check_interval_s: float
    check_fall: int
    restart_s: float
    watch_s: float | None
    watch_timeout_s: float
    watch_misses: int

    @property
    def dead_s(self) -> float:
        """The master down interval: so long after its last advert a silent master is replaced."""
        return 3 * self.advert_s + self.skew_s


def timing(cluster: Cluster) -> Timing:
    """The cluster's timing; a setting that this version has not got counts as its default."""
    holder, standby = cluster.nodes[0], cluster.nodes[1]

    def setting(default: Any, *names: str) -> Any:
        return next((getattr(holder, name) for name in names if hasattr(holder, name)), default)

    version = int(setting(2, "vrrp_version"))
    advert_s = float(setting(1 if version == 2 else 0.1, "advert_interval_s"))
    # VRRPv2 counts the skew in units of one second, VRRPv3 in units of the advert interval.
    unit_s = 1.0 if version == 2 else advert_s
    asks = version != 2
    return Timing(
        advert_s=advert_s,
        skew_s=(256 - _rendered_priority(cluster, standby, version)) / 256 * unit_s,
        fault_by_check=version == 2,
        check_interval_s=float(setting(2, "check_interval_s")),
        check_fall=int(setting(2, "check_fall")),
        restart_s=float(setting(1, "nginx_restart_s")),
        watch_s=float(setting(0.25, "watch_interval_s", "http_check_interval_s")) if asks else None,
        watch_timeout_s=float(setting(0.3, "watch_timeout_s", "http_check_timeout_s")),
        watch_misses=int(setting(2, "watch_misses", "watch_fall", "http_check_misses")),
    )


def _rendered_priority(cluster: Cluster, node: Node, version: int) -> int:
    """What keepalived is told: the inventory's number, or an order at the top of the range."""
    if hasattr(node, "vrrp_priority"):
        return int(node.vrrp_priority)
    return node.priority if version == 2 else 254 - cluster.nodes.index(node)


def _between(low_s: float, high_s: float, how: str) -> Theory:
    return Theory((low_s + high_s) / 2, low_s, high_s, how)


def nothing(_: Timing) -> Theory:
    return Theory(0.0, 0.0, 0.0, "what serves is not touched: nothing may be lost")


def goodbye(timing: Timing) -> Theory:
    """The holder says that it stops: the standby waits out its skew and takes over."""
    how = f"goodbye (priority 0), then the standby's skew of {timing.skew_s:.3f} s"
    return Theory(timing.skew_s, timing.skew_s, timing.skew_s, how)


def silence(timing: Timing) -> Theory:
    """The holder says nothing any more: the standby waits three adverts and its skew."""
    low_s = timing.dead_s - timing.advert_s
    how = (
        f"3 adverts of {timing.advert_s:g} s and a skew of {timing.skew_s:.3f} s after the last "
        "advert, which was up to one interval ago"
    )
    return _between(low_s, timing.dead_s, how)


def nginx_gone(timing: Timing) -> Theory:
    """nginx died and its unit knows it."""
    if not timing.fault_by_check:
        found = goodbye(timing)
        how = f"its unit's end writes the tracked file: FAULT at once, {found.how}"
        return Theory(found.expected_s, found.low_s, found.high_s, how)
    low_s = (timing.check_fall - 1) * timing.check_interval_s + timing.dead_s - timing.advert_s
    high_s = timing.check_fall * timing.check_interval_s + timing.dead_s
    if timing.restart_s < low_s:
        how = (
            f"systemd starts nginx again after {timing.restart_s:g} s, before the address moves "
            f"({low_s:.2f} to {high_s:.2f} s: {timing.check_fall} failed checks, "
            f"{timing.check_interval_s:g} s apart, then 3 adverts and the skew)"
        )
        return Theory(timing.restart_s, timing.restart_s, timing.restart_s, how)
    how = (
        f"{timing.check_fall} failed checks, {timing.check_interval_s:g} s apart; then the standby "
        f"discards the lowered adverts and waits out {timing.dead_s:.3f} s"
    )
    return _between(low_s, high_s, how)


def nginx_hangs(timing: Timing) -> Theory | None:
    """nginx is alive and does not answer; None where nobody would notice."""
    if timing.watch_s is None:
        return None
    apart_s = max(timing.watch_s, timing.watch_timeout_s)
    low_s = (timing.watch_misses - 1) * apart_s + timing.watch_timeout_s
    how = (
        f"asked every {timing.watch_s:g} s, {timing.watch_misses} times without an answer in "
        f"{timing.watch_timeout_s:g} s; then goodbye and the skew"
    )
    return _between(low_s + timing.skew_s, low_s + apart_s + timing.skew_s, how)


def claimed(timing: Timing) -> Theory:
    """One node serves while nobody has the address: it has it once it may."""
    if timing.fault_by_check:
        how = (
            f"the next check, up to {timing.check_interval_s:g} s later, raises its priority; "
            f"then {timing.dead_s:.3f} s"
        )
        return _between(0.0, timing.check_interval_s + timing.dead_s, how)
    how = f"out of FAULT as soon as nginx answers; then {timing.dead_s:.3f} s of silence at most"
    return _between(timing.skew_s, timing.dead_s, how)
