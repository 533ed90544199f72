"""What has to hold of the verdict on every drill there is: generated from their list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drills.analysis import verdict
from drills.analysis.serving_rules import ServingRules
from drills.control.cluster_control import ClusterControl
from drills.results import Ceiling, DrillVerdict, HolderSample, RequestOutcome, Sight
from drills.scenarios.catalogue import BY_NAME
from drills.scenarios.scenario import Drill
from tests.support.drilling.judged_repeats import (
    BITTEN,
    EVERY_DRILL,
    UNMOVED,
    bitten,
    drill_id,
    judged,
    shown_only,
)
from tests.support.samples import DEFAULT, RATE, RECIPE, stream

every_drill = pytest.mark.parametrize("drill", EVERY_DRILL, ids=drill_id)
PASSED, FAILED, VOID = DrillVerdict.PASSED, DrillVerdict.FAILED, DrillVerdict.VOID
DIED = "the monitor of the address on host1: it ended before the repeat did"


@every_drill
def test_a_drill_that_does_what_it_is_meant_to_passes(drill: Drill) -> None:
    made = bitten(drill)
    assert (made.void, made.problems) == ("", ())
    assert made.evidence is not None and made.evidence.bit and made.evidence.text
    assert verdict.over_all(drill, [made] * 5, [], 5) == (PASSED, ())


@every_drill
@pytest.mark.parametrize("timing", [DEFAULT, RECIPE], ids=["default", "recipe"])
def test_every_drill_limits_what_its_worst_repeat_may_lose(drill: Drill, timing: object) -> None:
    fitted = drill.fitted(timing)  # type: ignore[arg-type]
    ceiling = fitted.ceiling(RATE)
    assert isinstance(ceiling, Ceiling)
    assert 0 <= ceiling.lost <= RATE * ceiling.seconds + 1
    assert ceiling.seconds >= (fitted.budget.seconds or 0)
    assert 0 < ceiling.slowest_s < 1.2
    if not fitted.budget.loss_is_time:
        # Of a killed worker's requests, the one that it was answering.
        assert ceiling.lost == (1 if drill.name == "worker-crash" else 0)


@every_drill
def test_two_of_five_repeats_that_lose_16_s_fail_it(drill: Drill) -> None:
    clean, bad = bitten(drill), bitten(drill, lost_s=16.0, count=4000)
    outcome, reasons = verdict.over_all(drill, [clean, bad, clean, bad, clean], [], 5)
    assert outcome is FAILED
    assert any("lost, and" in reason for reason in reasons)


@every_drill
@pytest.mark.parametrize(
    "unknown",
    [
        {"sights": (), "samples": UNMOVED},
        {"unwatched": DIED},
        {"unwatched": DIED, "samples": ()},
        {"samples": ()},
        {"void": "the long-lived load itself was late"},
        {"long_lived": ()},
    ],
    ids=lambda unknown: "+".join(unknown),
)
def test_a_repeat_that_does_not_count_hides_no_loss(drill: Drill, unknown: dict[str, Any]) -> None:
    """The prober was there, and what it has not got was lost, whatever else is not known."""
    good = bitten(drill)
    bad = bitten(drill, lost_s=16.0, count=4000, **unknown)
    assert bad.void or "long_lived" in unknown
    outcome, reasons = verdict.over_all(drill, [bad, bad, *[good] * 5], [], 5)
    assert outcome is FAILED
    assert any("lost, and" in reason or "answered again" in reason for reason in reasons)
    slow = bitten(drill, slow_s=0.95, **unknown)
    assert any("an answer took 0.950 s" in text for text in slow.problems) or drill.slowest_s > 0.95
    assert any("answers took 0.950 s" in text for text in slow.problems)
    shown = shown_only(drill)
    unlimited = bitten(shown, lost_s=16.0, count=4000, **unknown)
    if not drill.budget.loss_is_time:
        assert any("lost, and" in text for text in unlimited.problems)


@every_drill
def test_most_requests_refused_in_every_repeat_fail_it(drill: Drill) -> None:
    """289 of 400 were, and three drills passed."""
    made = judged(drill, stream(set(range(100, 389))))
    assert verdict.over_all(drill, [made] * 5, [], 5)[0] is not PASSED
    made = bitten(drill, lost_s=289 / RATE, count=500)
    ceiling = drill.ceiling(RATE)
    if ceiling.lost < 289:
        assert verdict.over_all(drill, [made] * 5, [], 5)[0] is FAILED


@pytest.mark.parametrize("name", ["cpu-starved", "lossy-network", "both-off-on"])
def test_289_refused_fail_the_three_drills_that_had_no_limit(name: str) -> None:
    made = bitten(BY_NAME[name], lost_s=289 / RATE, count=500)
    assert verdict.over_all(BY_NAME[name], [made], [], 1)[0] is FAILED


@every_drill
def test_answers_that_all_take_nearly_a_second_fail_it(drill: Drill) -> None:
    made = bitten(drill, slow_s=0.95)
    outcome, reasons = verdict.over_all(drill, [made], [], 1)
    assert outcome is FAILED
    assert any("answer" in reason and "0.950 s" in reason for reason in reasons)


@every_drill
def test_answers_that_are_slower_since_the_fault_fail_it(drill: Drill) -> None:
    made = bitten(drill)
    slow = tuple(
        one._replace(total_s=0.3) if one.due_s >= 0.5 and one.outcome == "ok" else one
        for one in made.requests
    )
    again = judged(
        drill,
        slow,
        samples=made.holders,
        reference_s=made.reference_s,
        long_lived=made.long_lived,
    )
    assert "answers took 0.300 s (median), and 0.102 s are allowed" in again.problems
    assert bitten(drill, slow_s=0.3).problems == ()  # as a far network has it before, too


@every_drill
def test_one_slow_answer_is_too_slow(drill: Drill) -> None:
    limit_s = drill.slowest_s
    made = bitten(drill)
    requests = (*made.requests[:-9], made.requests[-9]._replace(total_s=limit_s + 0.05))
    again = judged(
        drill,
        (*requests, *made.requests[-8:]),
        samples=made.holders,
        reference_s=made.reference_s,
        long_lived=made.long_lived,
    )
    assert again.problems == (
        f"an answer took {limit_s + 0.05:.3f} s, and {limit_s:g} s are allowed at worst",
    )


@every_drill
def test_a_fault_that_nothing_shows_makes_the_repeat_void(drill: Drill) -> None:
    for sights in ((), (replace_bit(BITTEN[0]), BITTEN[1])):
        made = bitten(drill, sights=sights, samples=UNMOVED)
        assert made.void.startswith("nothing shows that the fault has bitten: ")
        assert made.evidence is not None and not made.evidence.bit
        outcome, reasons = verdict.over_all(drill, [made], [], 1)
        assert outcome is (FAILED if made.problems else VOID), made.problems
        assert reasons


def replace_bit(sight: Sight) -> Sight:
    return replace(sight, bit=False)


@every_drill
def test_a_fault_that_has_bitten_in_four_of_five_repeats_has_not_passed(drill: Drill) -> None:
    good = bitten(drill)
    bad = replace(good, void="nothing shows that the fault has bitten: it went on", number=2)
    outcome, reasons = verdict.over_all(drill, [good, bad, good, good, good], [], 5)
    assert outcome is VOID
    assert reasons == ("4 repeats count, and 5 were asked for", f"repeat 2: {bad.void}")
    assert verdict.over_all(drill, [good, bad, good, good, good, good], [], 5)[0] is PASSED
    assert verdict.over_all(drill, [], [], 5)[0] is VOID


@every_drill
def test_a_monitor_that_has_died_makes_the_repeat_void_and_its_holders_are_not_judged(
    drill: Drill,
) -> None:
    for samples in ((), UNMOVED, (HolderSample(0.0, ()),)):
        made = bitten(drill, unwatched=DIED, samples=samples)
        assert (made.void, made.problems) == (DIED, ())
        assert verdict.over_all(drill, [made], [], 1)[0] is VOID
    for samples, reason in (
        ((), "nobody recorded who held the address"),
        ((HolderSample(1.5, ("host1",)),), "nobody recorded who held the address before 1.50 s"),
    ):
        words = reason.replace("held", "announced") if drill.rules.announced else reason
        assert bitten(drill, samples=samples).void == words


@every_drill
def test_a_prober_that_was_not_there_all_the_time_makes_the_repeat_void(drill: Drill) -> None:
    whole = bitten(drill).requests
    told = {
        "the prober sent nothing": (),
        "the prober asked until 1.50 s, and the repeat took 2.00 s": whole[:300],
        "400 requests were due and 300 are known": (*whole[:200], *whole[300:]),
        "of the prober's requests the first 0.50 s are not known": whole[100:],
    }
    for reason, requests in told.items():
        made = bitten(drill)
        made = judged(
            drill,
            requests,
            samples=made.holders,
            reference_s=made.reference_s,
            long_lived=made.long_lived,
            end_s=2.0,
        )
        assert made.void == reason
        assert verdict.over_all(drill, [made], [], 1)[0] is VOID


@every_drill
def test_where_time_is_only_shown_evidence_and_counts_are_judged_all_the_same(
    drill: Drill,
) -> None:
    shown = shown_only(drill)
    assert verdict.over_all(shown, [bitten(shown)], [], 1)[0] is PASSED
    unseen = bitten(shown, sights=(), samples=UNMOVED)
    assert verdict.over_all(shown, [unseen], [], 1)[0] is not PASSED
    lossy = bitten(shown, lost_s=1.0, count=500)
    outcome, _ = verdict.over_all(shown, [lossy], [], 1)
    # All that is asked is more than one node's share, however long it takes.
    limited = isinstance(drill.rules, ServingRules) and drill.rules.their_share
    assert outcome is (PASSED if drill.budget.loss_is_time and not limited else FAILED)
    assert verdict.over_all(shown, [bitten(shown, slow_s=0.95)], [], 1)[0] is PASSED


def test_there_is_no_drill_without_a_way_to_see_that_its_fault_has_bitten() -> None:
    def steps(control: ClusterControl) -> None: ...

    with pytest.raises(TypeError, match="evidence"):
        Drill("name", "title", "breaks", steps=steps)  # type: ignore[call-arg]


def test_the_worst_repeat_is_judged_where_the_median_is_well() -> None:
    drill = BY_NAME["link-back"]
    clean, bad = bitten(drill), bitten(drill, lost_s=0.3)
    outcome, reasons = verdict.over_all(drill, [clean, clean, clean, clean, bad], [], 5)
    assert outcome is FAILED
    assert reasons == (
        "repeat 1: 60 refused lost, and 50 are allowed",
        "repeat 1: no answer for 0.305 s, and 0.25 s are allowed at worst",
    )


def test_what_no_machine_was_there_to_answer_is_not_limited_by_a_number() -> None:
    drill = BY_NAME["both-off-on"]
    booting = (*UNMOVED, HolderSample(0.5, ()), HolderSample(4.0, ("host1",)))
    for lost_s, problems in ((3.4, 0), (4.5, 1)):
        made = bitten(drill, lost_s=lost_s, count=1400, samples=booting, undone_s=4.2, steady_s=6.0)
        assert len(made.problems) == problems, made.problems
    # Where nobody knows who held it, the machines had booted once one of them answered.
    made = bitten(drill, lost_s=4.5, count=1400, samples=(), undone_s=4.2, steady_s=6.0)
    assert made.void and made.problems == ()
    late = tuple(
        one._replace(outcome=RequestOutcome.REFUSED) if 1110 <= number < 1350 else one
        for number, one in enumerate(made.requests)
    )
    made = judged(drill, late, samples=(), undone_s=4.2, steady_s=6.0, reference_s=1.0)
    assert made.void and made.problems == ("240 refused lost, and 200 are allowed",)
    slow = bitten(
        drill,
        lost_s=13,
        count=4000,
        undone_s=16,
        steady_s=17,
        samples=(*booting[:2], HolderSample(14.0, ("host1",))),
    )
    assert slow.problems == ("answered again after 13.000 s, and 12 s are allowed at worst",)
