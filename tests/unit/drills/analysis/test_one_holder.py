"""Exactly one node holds the address in every steady state of every drill: generated from their
list."""

from __future__ import annotations

import pytest

from drills.analysis import verdict
from drills.results import DrillVerdict, HolderSample
from drills.scenarios.catalogue import DRILLS
from drills.scenarios.scenario import Drill
from tests.support.drilling.judged_repeats import BACK_S, FAULT_S, bitten, samples_of

UNDONE_S, STEADY_S, END_S = 8.0, 9.0, 10.0
WRONG_S = 0.3
SPLIT, NOBODY = ("host1", "host2"), ()


def interrupted(drill: Drill, at_s: float, holders: tuple[str, ...]) -> tuple[HolderSample, ...]:
    """Who holds it as the drill means it, but for a third of a second."""
    meant = [one for one in samples_of(drill) if not (one.at_s > 0.6 and len(one.holders) != 1)]
    before = [one for one in meant if one.at_s < at_s]
    after = [one for one in meant if one.at_s > at_s + WRONG_S]
    back = HolderSample(at_s + WRONG_S, before[-1].holders)
    return (*before, HolderSample(at_s, holders), back, *after)


def told(drill: Drill, samples: tuple[HolderSample, ...]) -> str:
    made = bitten(
        drill,
        count=round(END_S * 200),
        samples=samples,
        undone_s=UNDONE_S,
        steady_s=STEADY_S,
    )
    found, _ = verdict.over_all(drill, [made], [], 1)
    wrong = [text for text in made.problems if text.endswith("where it has to be exactly one")]
    assert not wrong or found is DrillVerdict.FAILED
    return "".join(wrong)


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
@pytest.mark.parametrize("holders", [SPLIT, NOBODY], ids=["two", "none"])
def test_two_holders_or_none_in_a_steady_state_fail_a_drill(
    drill: Drill, holders: tuple[str, ...]
) -> None:
    words = "1 to 2 holders" if holders == SPLIT else "0 to 1 holders"
    # Before it, while it lasts (where that is a steady state), and once all is as at the start.
    assert told(drill, interrupted(drill, 0.1, holders)).startswith(words)
    assert told(drill, interrupted(drill, 9.3, holders)).startswith(words)
    lasting_s = max(FAULT_S, BACK_S) + drill.steady_s + 1.0
    assert bool(told(drill, interrupted(drill, lasting_s, holders))) is drill.one_holder
