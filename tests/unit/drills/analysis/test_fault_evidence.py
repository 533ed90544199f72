"""What shows that a fault has bitten, and what does not."""

from __future__ import annotations

import pytest

from drills.analysis import fault_evidence
from drills.analysis.fault_evidence import Clue, Observed, every, shown
from drills.results import FaultEvidence, HolderSample, Sight
from tests.support.drilling.judged_repeats import BOTH, MOVED, UNMOVED
from tests.support.samples import stream

GONE = Sight("host1", True, "nginx's master (115) is gone")
STILL = Sight("host2", False, "nginx's master (7) is still there")


def look(
    clue: Clue,
    sights: tuple[Sight, ...] = (),
    samples: tuple[HolderSample, ...] = UNMOVED,
    bad: frozenset[int] = frozenset(),
) -> FaultEvidence:
    return clue(Observed(sights, samples, stream(set(bad)), 0.5, 1.0, 1.6))


def test_what_machines_show_is_said_with_their_names() -> None:
    assert look(shown(), (GONE,)) == FaultEvidence(True, "host1: nginx's master (115) is gone")
    again = look(shown(), (GONE, GONE, Sight("host2", True, "it holds the address")))
    assert again.text == (
        "host1: nginx's master (115) is gone (2 times); host2: it holds the address"
    )


def test_no_sight_is_no_evidence_and_one_machine_that_shows_nothing_is_too_few() -> None:
    assert look(shown()) == FaultEvidence(False, "no machine showed anything of it")
    assert look(shown(2), (GONE,)) == FaultEvidence(False, "host1: nginx's master (115) is gone")
    assert look(shown(), (GONE, STILL)) == FaultEvidence(False, f"host2: {STILL.text}")


def test_many_sights_are_cut_short() -> None:
    many = tuple(Sight(f"host{number}", True, "x" * 40) for number in range(20))
    assert len(look(shown(), many).text) == fault_evidence.WORDS_MAX


@pytest.mark.parametrize(
    ("samples", "bit"),
    [
        (UNMOVED, False),
        (MOVED, False),
        ((), False),
        (BOTH, True),
        # As in every move, and before the fault or after it.
        ((*UNMOVED, HolderSample(0.7, ("host1", "host2")), HolderSample(0.75, ("host2",))), False),
        ((HolderSample(0.0, ("host1", "host2")), HolderSample(0.4, ("host1",))), False),
        ((*UNMOVED, HolderSample(1.7, ("host1", "host2"))), False),
    ],
)
def test_a_partition_has_two_holders(samples: tuple[HolderSample, ...], bit: bool) -> None:
    found = look(fault_evidence.two_holders, samples=samples)
    assert found.bit is bit
    if bit:
        assert found.text == "host1 and host2 held the address for 0.90 s"


@pytest.mark.parametrize(
    ("bad", "bit"), [((), False), ((99,), False), ((100,), True), ((199,), True), ((200,), False)]
)
def test_where_nothing_can_serve_something_is_lost(bad: tuple[int, ...], bit: bool) -> None:
    assert look(fault_evidence.lost_meanwhile, bad=frozenset(bad)).bit is bit


def test_a_way_back_is_seen_by_the_address_that_moves_back() -> None:
    assert not look(fault_evidence.taken_back, samples=UNMOVED).bit
    assert not look(fault_evidence.taken_back, samples=MOVED).bit  # before
    back = (*MOVED, HolderSample(1.35, ("host1",)))
    found = look(fault_evidence.taken_back, samples=back)
    assert found == FaultEvidence(True, "host1 took the address 0.35 s afterwards")


def test_of_several_clues_all_have_to_be_there_and_the_missing_one_is_named() -> None:
    both = every(shown(), fault_evidence.lost_meanwhile)
    assert look(both, (GONE,), bad=frozenset({120})).bit
    assert look(both, (GONE,)) == FaultEvidence(
        False, "no request was lost while nothing could serve"
    )
    assert look(both, bad=frozenset({120})).text == "no machine showed anything of it"
