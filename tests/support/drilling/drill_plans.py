"""The drills that tests make up: what each loses, for how long, and what it may."""

from __future__ import annotations

from dataclasses import dataclass, field

from drills.results import Budget, DrillVerdict, Measure
from drills.results import RequestOutcome as R


@dataclass(frozen=True)
class DrillPlan:
    """A drill to make up. `phases`: class and seconds, from the fault on."""

    name: str
    title: str
    phases: tuple[tuple[R, float], ...] = ()
    budget: Budget = field(default_factory=lambda: Budget(seconds=0.35))
    theory_s: float | None = 0.3
    classic_s: float | None = 2.5
    duration_s: float = 12.0
    measure: Measure = Measure.OUTAGE
    verdict: DrillVerdict = DrillVerdict.PASSED


NOTHING_LOST = Budget(lost=0)
PLANS = (
    DrillPlan(
        "nginx-crash",
        "nginx is killed on the holder",
        ((R.RESET, 0.005), (R.REFUSED, 0.035)),
        Budget(0.05),
        0.02,
        6.77,
    ),
    DrillPlan(
        "nginx-freeze",
        "nginx is frozen on the holder",
        ((R.READ_TIMEOUT, 0.8),),
        Budget(1.0),
        0.75,
        9.5,
    ),
    DrillPlan("worker-crash", "one worker of nginx is killed", (), NOTHING_LOST, 0.0, 0.0),
    DrillPlan(
        "keepalived-stop",
        "keepalived is stopped on the holder",
        ((R.CONNECT_TIMEOUT, 0.02),),
        Budget(0.05),
        0.01,
        0.6,
    ),
    DrillPlan(
        "keepalived-crash",
        "keepalived is killed on the holder",
        ((R.CONNECT_TIMEOUT, 0.33),),
        Budget(0.4, one_holder_s=1),
        0.3,
        None,
    ),
    DrillPlan(
        "vrrp-child-crash",
        "keepalived's VRRP process is killed",
        ((R.CONNECT_TIMEOUT, 0.31),),
        Budget(0.4, one_holder_s=1),
        0.3,
        None,
    ),
    DrillPlan("keepalived-freeze", "keepalived is frozen on the holder", (), Budget(1.0), 0.3, 3.1),
    DrillPlan(
        "link-cut",
        "the holder's link is cut",
        ((R.CONNECT_TIMEOUT, 0.25), (R.HOST_UNREACH, 0.06)),
        Budget(0.35),
        0.3,
        3.2,
    ),
    DrillPlan("link-back", "the holder's link comes back", (), NOTHING_LOST, 0.0, 0.02),
    DrillPlan(
        "power-off",
        "the holder loses its power",
        ((R.CONNECT_TIMEOUT, 0.32),),
        Budget(0.35),
        0.3,
        3.6,
    ),
    DrillPlan("power-on", "the holder has power again", (), NOTHING_LOST, 0.0, 0.0, duration_s=25),
    DrillPlan(
        "both-off-on",
        "both lose power, and get it back",
        ((R.HOST_UNREACH, 6.1), (R.REFUSED, 1.3)),
        Budget(12),
        8.0,
        14.0,
        measure=Measure.RECOVERY,
        duration_s=22,
    ),
    DrillPlan("backup-crash", "the standby loses its power", (), NOTHING_LOST, 0.0, 0.0),
    DrillPlan(
        "partition-heal",
        "the nodes no longer hear each other",
        ((R.CONNECT_TIMEOUT, 0.05), (R.RESET, 0.03)),
        Budget(1.0, one_holder_s=1),
        None,
        2.2,
    ),
    DrillPlan("one-way-loss", "adverts get lost in one direction", (), NOTHING_LOST, 0.0, 0.9),
    DrillPlan("lossy-network", "30 % of the adverts get lost", (), Budget(1.0, moves=1), 0.0, 0.4),
    DrillPlan("disk-full", "the holder's disk is full", (), NOTHING_LOST, 0.0, 0.0),
    DrillPlan(
        "cpu-starved",
        "the holder has no CPU to spare",
        (),
        Budget(moves=1),
        0.0,
        1.1,
        verdict=DrillVerdict.FAILED,
    ),
    DrillPlan(
        "clock-step",
        "the holder's clock jumps by 60 s",
        (),
        NOTHING_LOST,
        0.0,
        0.0,
        verdict=DrillVerdict.SKIPPED,
    ),
    DrillPlan(
        "bad-config-reload", "a broken configuration is reloaded", (), NOTHING_LOST, 0.0, 0.0
    ),
    DrillPlan(
        "reboot",
        "the holder is rebooted",
        ((R.CONNECT_TIMEOUT, 0.03),),
        Budget(0.35),
        0.01,
        1.4,
        duration_s=25,
    ),
    DrillPlan(
        "crash-loop",
        "nginx dies again and again",
        ((R.REFUSED, 0.04),),
        Budget(0.5, moves=1),
        0.02,
        7.0,
    ),
)
