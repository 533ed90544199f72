"""Repeats of each drill as they would be judged: where its fault has bitten, and nothing is wrong.

The fault is there from 0.5 s to 1.6 s; where recovery is counted, the way back is open from 1.0 s.
"""

from __future__ import annotations

from dataclasses import replace

from drills.analysis import verdict
from drills.analysis.serving_rules import ServingRules
from drills.results import (
    FaultInterval,
    HolderSample,
    Kind,
    LongLived,
    Measure,
    Repeat,
    Request,
    Sight,
)
from drills.scenarios.catalogue import DRILLS
from drills.scenarios.routed.routed_catalogue import ROUTED_DRILLS
from drills.scenarios.scenario import Drill
from tests.support.samples import RATE, stream

EVERY_DRILL = (*DRILLS, *ROUTED_DRILLS)
FAULT_S, BACK_S, UNDONE_S, END_S = 0.5, 1.0, 1.6, 2.0
BITTEN = (Sight("host1", True, "it is gone"), Sight("host2", True, "it is gone"))
UNMOVED = (HolderSample(0.0, ("host1",)),)
MOVED = (*UNMOVED, HolderSample(0.52, ("host2",)))
BOTH = (*UNMOVED, HolderSample(0.7, ("host1", "host2")), HolderSample(1.62, ("host1",)))
# Of a routed cluster: host1 is out for a while.
BOTH_SERVE, HOST2_SERVES = ("host1", "host2"), ("host2",)
ALL_SERVE = (HolderSample(0.0, BOTH_SERVE),)
WITHDRAWN = (*ALL_SERVE, HolderSample(0.52, HOST2_SERVES), HolderSample(1.1, BOTH_SERVE))
NOBODY = (*UNMOVED, HolderSample(0.5, ()), HolderSample(1.1, ("host1",)))


def drill_id(drill: Drill) -> str:
    """What a test of that drill is called: two kinds of clusters may have one of a name."""
    return f"routed-{drill.name}" if drill.rules.announced else drill.name


def announced_by(drill: Drill) -> tuple[HolderSample, ...]:
    """Who announces the address while a drill of a routed pair does what it is meant to do."""
    rules = drill.rules
    assert isinstance(rules, ServingRules)
    return WITHDRAWN if rules.out else ALL_SERVE


def judged(drill: Drill, requests: tuple[Request, ...], **more: object) -> Repeat:
    """One repeat. What is not given is as where the fault bit and the address moved."""
    given: dict[str, object] = {
        "samples": announced_by(drill) if drill.rules.announced else MOVED,
        "faults": (FaultInterval("dead", "host1", FAULT_S, UNDONE_S),),
        "events": (),
        "reference_s": FAULT_S,
        "undone_s": UNDONE_S,
        "steady_s": 1.8,
        "end_s": len(requests) / RATE,
        "sights": BITTEN,
    }
    return verdict.repeat(
        drill,
        1,
        "now",
        RATE,
        requests,
        **(given | more),  # type: ignore[arg-type]
    )


def client(from_s: float, to_s: float, cut: str = "", reconnected: bool = False) -> LongLived:
    return LongLived(Kind.KEEP_ALIVE, from_s, to_s, 12, 3600, cut, reconnected, "host1", 4711)


# All but one of the keep-alive clients, and nothing ever happens to them.
OTHERS = (client(-0.3, 99.0),) * 19


def downloads(*, cut: str = "", end_s: float = 1.2) -> tuple[LongLived, ...]:
    """Ten, of which one ends at `end_s`, begun anew at once."""
    whole = (LongLived(Kind.DOWNLOAD, -0.3, 99.0, 1, 64 << 20),) * 9
    return (
        *whole,
        LongLived(Kind.DOWNLOAD, -0.3, end_s, 1, 12 << 20, cut, client_port=4712),
        LongLived(Kind.DOWNLOAD, end_s, 99.0, 1, 64 << 20),
    )


def samples_of(drill: Drill) -> tuple[HolderSample, ...]:
    """Who holds the address while the drill does what it is meant to do."""
    if drill.rules.announced:
        return announced_by(drill)
    if drill.name == "partition":
        return BOTH
    if drill.nowhere:
        return NOBODY
    if drill.budget.moves == 0 or drill.long_lived:
        return UNMOVED
    return MOVED


def bitten(
    drill: Drill, lost_s: float = 0.0, count: int = 400, slow_s: float = 0.002, **more: object
) -> Repeat:
    """A repeat of any drill in which all is well, but for `lost_s` from when it is judged on.

    `slow_s`: what each answer takes, before the fault, too.
    """
    recovery = drill.measure is Measure.RECOVERY
    begun_s = BACK_S if recovery else FAULT_S
    lost = set(range(round(begun_s * RATE), round((begun_s + lost_s) * RATE)))
    if recovery:
        lost |= set(range(round(FAULT_S * RATE), round(BACK_S * RATE)))
    requests = tuple(one._replace(total_s=slow_s) for one in stream(lost, count))
    load = (client(-0.3, 99.0), *OTHERS, *downloads()) if drill.long_lived else ()
    given = {"samples": samples_of(drill), "reference_s": begun_s, "long_lived": load}
    return judged(drill, requests, **(given | more))


def shown_only(drill: Drill) -> Drill:
    """As `--data timing=show` has it."""
    return replace(drill, budget=replace(drill.budget, timed=False))
