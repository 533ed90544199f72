"""What each fault costs by arithmetic: functions of a cluster's settings alone.

The sources are RFC 3768 and RFC 5798 (skew and master down interval) and keepalived's checks. What
processes need to run, and packets to travel, comes on top of every figure here.
"""

from __future__ import annotations

from dataclasses import dataclass

from drills.results import Theory
from settings import Cluster

# After so long nginx's unit starts it again (RestartSec=).
RESTART_S = 1.0


@dataclass(frozen=True)
class Timing:
    """What of a cluster's settings says how fast it is. `skew_s` is the first standby's.

    `fault_by_check`: a failed check lowers the priority (VRRPv2, the recipe's way), instead of
    being signalled at once. `watch_s`: between two HTTP questions, `watch_misses` of which must
    stay unanswered for `watch_timeout_s`; None where no watch runs.
    """

    advert_s: float
    missed_adverts: int
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
        return self.missed_adverts * self.advert_s + self.skew_s


def timing(cluster: Cluster) -> Timing:
    """The cluster's timing."""
    holder, standby = cluster.nodes[0], cluster.nodes[1]
    # VRRPv2 counts the skew in units of one second, VRRPv3 in units of the advert interval.
    return Timing(
        advert_s=holder.advert_s,
        missed_adverts=holder.silence_adverts,
        skew_s=(256 - cluster.priority(standby))
        / 256
        * (1.0 if holder.classic else holder.advert_s),
        fault_by_check=holder.classic,
        check_interval_s=holder.check_interval_s,
        check_fall=holder.check_fall,
        restart_s=RESTART_S,
        watch_s=None if holder.classic else holder.health_interval_s,
        watch_timeout_s=holder.health_timeout_s,
        watch_misses=holder.health_misses,
    )


def _between(low_s: float, high_s: float, how: str) -> Theory:
    return Theory((low_s + high_s) / 2, low_s, high_s, how)


def nothing(_: Timing) -> Theory:
    return Theory(0.0, 0.0, 0.0, "what serves is not touched: nothing may be lost")


def worker_gone(_: Timing) -> Theory:
    """A worker of nginx died with the connections that it had; the others accept what comes."""
    how = "what the killed worker was answering is cut, one request at most; the others go on"
    return Theory(0.0, 0.0, 0.0, how)


def goodbye(timing: Timing) -> Theory:
    """The holder says that it stops: the standby waits out its skew and takes over."""
    how = f"goodbye (priority 0), then the standby's skew of {timing.skew_s:.3f} s"
    return Theory(timing.skew_s, timing.skew_s, timing.skew_s, how)


def silence(timing: Timing) -> Theory:
    """The holder says nothing any more: the standby waits its missed adverts and its skew."""
    low_s = timing.dead_s - timing.advert_s
    how = (
        f"{timing.missed_adverts} adverts of {timing.advert_s:g} s and a skew of "
        f"{timing.skew_s:.3f} s after the last advert, which was up to one interval ago"
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
            f"{timing.check_interval_s:g} s apart, then {timing.missed_adverts} adverts and "
            "the skew)"
        )
        return Theory(timing.restart_s, timing.restart_s, timing.restart_s, how)
    how = (
        f"{timing.check_fall} failed checks, {timing.check_interval_s:g} s apart; then the standby "
        f"discards the lowered adverts and waits out {timing.dead_s:.3f} s"
    )
    return _between(low_s, high_s, how)


def nginx_hangs(timing: Timing) -> Theory | None:
    """nginx is alive and does not answer; None where no watch would notice."""
    if timing.watch_s is None:
        return None
    misses_s = timing.watch_misses * timing.watch_timeout_s
    how = (
        f"asked every {timing.watch_s:g} s, then {timing.watch_misses} times without an answer in "
        f"{timing.watch_timeout_s:g} s; then goodbye and the skew"
    )
    low_s = misses_s + timing.skew_s
    return _between(low_s, low_s + timing.watch_s, how)


def claimed(timing: Timing) -> Theory:
    """No node holds the address, and one serves again: the time until it has the address."""
    if timing.fault_by_check:
        how = (
            f"the next check, up to {timing.check_interval_s:g} s later, raises its priority; "
            f"then {timing.dead_s:.3f} s"
        )
        return _between(0.0, timing.check_interval_s + timing.dead_s, how)
    watch_s = timing.watch_s or 0.0
    how = (
        f"the next question, up to {watch_s:g} s later, is answered: its priority rises, and it "
        f"waits out {timing.dead_s:.3f} s"
    )
    return _between(timing.skew_s, watch_s + timing.dead_s, how)
