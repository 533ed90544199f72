"""Makes reports of drills as they would come from machines: outages, holders, classes, repeats."""

from __future__ import annotations

import random
from dataclasses import replace

from drills.analysis import outages
from drills.results import (
    Against,
    Audit,
    Baseline,
    Ceiling,
    ClusterInfo,
    Controller,
    DrillResult,
    DrillVerdict,
    Event,
    FaultEvidence,
    FaultInterval,
    HolderSample,
    Repeat,
    Report,
    Request,
    RequestOutcome,
    Spread,
    Theory,
    Window,
)
from tests.support.drilling.drill_plans import PLANS, DrillPlan

R = RequestOutcome
RATE = 200.0
CLUSTER = ClusterInfo(
    name="web",
    vip="172.16.12.254/16",
    nodes=("host1", "host2"),
    versions={node: {"nginx": "1.26.3", "keepalived": "2.2.7"} for node in ("host1", "host2")},
)
HOLDS = Audit(passed=True, sentence="It holds: nothing to do.")


def repeat(plan: DrillPlan, number: int, seed: int = 1) -> Repeat:
    """One repeat of a plan, the same for the same seed."""
    chance = random.Random(f"{plan.name} {number} {seed}")
    fault_s = 3.0 + chance.random() * 0.2
    undone_s = plan.duration_s - 4.0
    phases = [(outcome, length * chance.uniform(0.9, 1.15)) for outcome, length in plan.phases]
    outage_s = sum(length for _, length in phases)
    requests = [
        _request(i / RATE, fault_s, phases, chance) for i in range(int(plan.duration_s * RATE))
    ]
    bad = [request.due_s for request in requests if request.outcome is not R.OK]
    lost = outages.lost(requests)
    windows: tuple[Window, ...] = ()
    moved_s = fault_s + outage_s * 0.85
    if bad:
        windows = (Window(bad[0] - 1 / RATE, bad[-1] + 1 / RATE, lost, moved_s),)
    moves = bool(phases)
    holders = [HolderSample(0.0, ("host1",))]
    if moves:
        holders += [HolderSample(fault_s + outage_s * 0.3, ()), HolderSample(moved_s, ("host2",))]
        holders.append(HolderSample(undone_s + 1.2, ("host1",)))
    events = [Event(fault_s, f"{plan.title}"), Event(undone_s, "undone")]
    if moves:
        events += [
            Event(moved_s, "host2 takes the address"),
            Event(undone_s + 1.2, "host1 takes it back"),
        ]
    measured = windows[0].outage_s if windows else 0.0
    return Repeat(
        number=number,
        started="2026-11-22T14:10:00+00:00",
        duration_s=plan.duration_s,
        requests=tuple(requests),
        holders=tuple(holders),
        faults=(FaultInterval(plan.title, "host1", fault_s, undone_s),),
        events=tuple(events),
        windows=windows,
        lost=lost,
        measured_s=measured,
        reference_s=fault_s,
        detection_s=windows[0].detection_s if windows else None,
        takeover_s=windows[0].takeover_s if windows else None,
        one_holder_s=outage_s if moves else 0.0,
        moves=int(moves),
        min_holders=1,
        max_holders=1,
        probe_lag_max_s=0.0021,
        evidence=FaultEvidence(True, f"host1: process {100 + number} is gone, by {plan.title}"),
        limited=sum(lost.values()),
        slowest_s=max(request.total_s or 0.0 for request in requests if request.outcome is R.OK),
    )


def _request(
    due_s: float, fault_s: float, phases: list[tuple[RequestOutcome, float]], chance: random.Random
) -> Request:
    begins_s = fault_s
    for outcome, length in phases:
        if begins_s <= due_s < begins_s + length:
            took = {R.CONNECT_TIMEOUT: 0.5, R.READ_TIMEOUT: 1.0}.get(outcome)
            if outcome is R.HOST_UNREACH:
                return Request(due_s, 0.0001, None, None, outcome, "")
            took = took or chance.lognormvariate(-7.2, 0.4)
            return Request(due_s, 0.0001, None, took, outcome, "")
        begins_s += length
    moved = bool(phases) and begins_s <= due_s < begins_s + 5.0
    took = chance.lognormvariate(-6.6, 0.35) * (6 if chance.random() < 0.01 else 1)
    return Request(due_s, 0.0001, took / 3, took, R.OK, "host2" if moved else "host1")


def _sentence(plan: DrillPlan, done: tuple[Repeat, ...]) -> str:
    lost = sorted(found.lost_count for found in done)
    if not done or not lost[-1]:
        return f"{plan.title}: no request lost"
    return f"{plan.title}: {lost[len(lost) // 2]} requests lost (median of {len(lost)})"


def drill(plan: DrillPlan, repeats: int = 5, profile: str = "default") -> DrillResult:
    done = tuple(repeat(plan, number) for number in range(1, repeats + 1))
    if plan.verdict is DrillVerdict.SKIPPED:
        done = ()
    measured = sorted(found.measured_s for found in done if found.measured_s is not None)
    reasons = {
        DrillVerdict.SKIPPED: ("this machine's clock may not be set in a container",),
        DrillVerdict.FAILED: ("the address moved 3 times, and may move once at the most",),
    }
    return DrillResult(
        name=plan.name,
        title=plan.title,
        breaks=f"kill -STOP, kill -9 or the like, for {plan.title}",
        sentence=_sentence(plan, done),
        cluster="web",
        profile=profile,
        measure=plan.measure,
        theory=None
        if plan.theory_s is None
        else Theory(
            plan.theory_s,
            plan.theory_s * 0.8,
            plan.theory_s * 1.2,
            "3 × 0.1 s + (256 − 254) / 256 × 0.1 s = 0.301 s",
        ),
        budget=plan.budget,
        verdict=plan.verdict,
        reasons=reasons.get(plan.verdict, ()),
        repeats=done,
        spread=Spread(measured[0], measured[len(measured) // 2], measured[-1])
        if measured
        else None,
        before=HOLDS,
        after=HOLDS if done else None,
        ceiling=Ceiling(1.5, 300, 0.75),
    )


def report(
    plans: tuple[DrillPlan, ...] = PLANS,
    repeats: int = 5,
    *,
    compared: bool = True,
    passed: bool = False,
) -> Report:
    if passed:
        plans = tuple(replace(plan, verdict=DrillVerdict.PASSED) for plan in plans)
    bases = tuple(
        Baseline(
            name=plan.name,
            cluster="web",
            verdict=DrillVerdict.FAILED
            if plan.classic_s is None or plan.classic_s > 1
            else DrillVerdict.PASSED,
            spread=None
            if plan.classic_s is None
            else Spread(plan.classic_s * 0.9, plan.classic_s, plan.classic_s * 1.1),
            lost_median=(1.0 if plan.classic_s is None else plan.classic_s) * RATE,
            max_holders=2 if plan.classic_s is None else 1,
        )
        for plan in plans
    )
    return Report(
        started="2026-11-22T14:09:10+00:00",
        seconds=1834.2,
        profile="default",
        rate=RATE,
        repeats=repeats,
        controller=Controller("work", 2, "6.1.0-18-amd64", True, 0.42, 1.31),
        clusters=(CLUSTER,),
        drills=tuple(drill(plan, repeats) for plan in plans),
        before=HOLDS,
        against=Against("classic", "2026-11-22T13:00:00+00:00", bases) if compared else None,
    )
