"""Who held the address when, and where exactly one node has to."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from drills.analysis import holder_timeline
from drills.analysis.holder_timeline import fewest_and_most
from drills.results import HolderSample

MONITOR = """\
[2026-11-22T14:27:03.314037] 2: eth0    inet 10.0.0.9/16 scope global secondary eth0:0\\       valid
[2026-11-22T14:27:03.400000] 2: eth0    inet 10.0.0.99/16 scope global eth0\\       valid
[2026-11-22T14:27:03.500000] [2026-11-22T14:27:04.317879] Deleted 2: eth0    inet 10.0.0.9/16 scope
"""


def test_the_kernel_says_when_an_address_came_and_went() -> None:
    found = list(holder_timeline.changes(MONITOR, IPv4Address("10.0.0.9"), "eth0"))
    assert [held for _, held in found] == [True, False]
    assert found[1][0] - found[0][0] == pytest.approx(1.003842, abs=1e-5)


def test_what_the_nodes_saw_is_one_timeline() -> None:
    samples = holder_timeline.timeline(
        {"host1": [(-1.0, True), (2.0, False)], "host2": [(-1.0, False), (2.5, True)]}
    )
    assert samples == (
        HolderSample(0.0, ("host1",)),
        HolderSample(2.0, ()),
        HolderSample(2.5, ("host2",)),
    )
    assert holder_timeline.gains(samples) == ((2.5, "host2"),)
    assert holder_timeline.one_holder_s(samples, 1.9, 5.0) == pytest.approx(0.6)
    assert holder_timeline.one_holder_s(samples, 1.9, 2.4) is None
    assert fewest_and_most(samples, [(0, 1.5), (3, 4)]) == (1, 1)
    assert fewest_and_most(samples, [(0, 4)]) == (0, 1)


def test_an_exchange_is_no_second_holder() -> None:
    samples = (
        HolderSample(0.0, ("host2",)),
        HolderSample(1.0, ("host1", "host2")),
        HolderSample(1.004, ("host1",)),
    )
    assert fewest_and_most(samples, [(0, 2)]) == (1, 1)
    assert holder_timeline.one_holder_s(samples, 0.8, 2.0) == pytest.approx(0.204)
    assert holder_timeline.one_holder_s(samples, 0.0, 2.0) == 0.0


def moved(*, nowhere_s: float, to: str = "host2") -> tuple[HolderSample, ...]:
    """host1 loses the address after 10 s; `to` has it after `nowhere_s`."""
    return (
        HolderSample(0.0, ("host1",)),
        HolderSample(10.0, ()),
        HolderSample(10.0 + nowhere_s, (to,)),
    )


def answered(*spans: tuple[str, float, float]) -> list[tuple[float, str]]:
    """A request every 5 ms: which node answered from when till when."""
    return [
        (number * 0.005, node)
        for node, from_s, to_s in spans
        for number in range(round(from_s / 0.005), round(to_s / 0.005))
    ]


def test_a_move_under_way_is_no_steady_state_while_it_keeps_its_time() -> None:
    steady = [(5.0, 20.0)]
    assert fewest_and_most(moved(nowhere_s=0.6), steady, move_s=1.0) == (1, 1)
    assert fewest_and_most(moved(nowhere_s=1.1), steady, move_s=1.0) == (0, 1)


def test_an_address_that_comes_back_to_the_same_node_has_not_moved() -> None:
    assert fewest_and_most(moved(nowhere_s=0.6, to="host1"), [(5.0, 20.0)], move_s=1.0) == (0, 1)


def test_an_address_that_never_comes_back_is_nowhere() -> None:
    (held, gone, _) = moved(nowhere_s=1.0)
    assert fewest_and_most((held, gone), [(5.0, 10.5)], move_s=1.0) == (0, 1)


def test_a_move_does_not_get_its_time_again_in_the_next_steady_state() -> None:
    assert fewest_and_most(moved(nowhere_s=3.0), [(12.5, 20.0)], move_s=1.0) == (0, 1)


def test_the_next_holder_that_answers_had_the_address_however_late_the_monitor_was() -> None:
    late, steady = moved(nowhere_s=4.0), [(5.0, 20.0)]
    answers = answered(("host1", 0, 10.01), ("host2", 10.01, 20))
    assert fewest_and_most(late, steady, move_s=1.0) == (0, 1)
    assert fewest_and_most(late, steady, move_s=1.0, answers=answers) == (1, 1)
    before = answered(("host1", 0, 9.9), ("host2", 9.9, 20))
    assert fewest_and_most(late, steady, move_s=1.0, answers=before) == (1, 1)


def test_the_old_holder_that_answers_does_not_hold_the_address() -> None:
    """With the hand-over it keeps the address on lo: whoever knows its MAC is answered."""
    late, steady = moved(nowhere_s=4.0), [(5.0, 20.0)]
    for first_s, fewest in ((10.9, 1), (11.1, 0)):
        answers = answered(("host1", 0, first_s), ("host2", first_s, 20))
        assert fewest_and_most(late, steady, move_s=1.0, answers=answers) == (fewest, 1)
    for to in ("host1", "host2"):
        gone, answers = moved(nowhere_s=4.0, to=to), answered(("host1", 0, 20))
        assert fewest_and_most(gone, steady, move_s=1.0, answers=answers) == (0, 1)


def test_an_address_that_is_really_nowhere_is_found_where_nobody_answers() -> None:
    late = moved(nowhere_s=4.0)
    for first_s, fewest in ((10.9, 1), (11.1, 0)):
        answers = answered(("host1", 0, 10), ("host2", first_s, 20))
        assert fewest_and_most(late, [(5, 20)], move_s=1.0, answers=answers) == (fewest, 1)
    only_old = answered(("host2", 0, 10), ("host2", 14, 20))
    assert fewest_and_most(late, [(5, 20)], move_s=1.0, answers=only_old) == (0, 1)


def test_answers_excuse_no_second_holder() -> None:
    both = (HolderSample(0.0, ("host1",)), HolderSample(10.0, ("host1", "host2")))
    ended = (*both, HolderSample(10.3, ("host2",)))
    answers = answered(("host1", 0, 10), ("host2", 10, 20))
    for samples in (both, ended):
        assert fewest_and_most(samples, [(5, 20)], move_s=1.0, answers=answers) == (1, 2)


def test_a_node_that_answers_has_held_the_address_or_its_monitor_was_deaf() -> None:
    held = (HolderSample(0.0, ("host1",)),)
    answers = answered(("host1", 0, 5), ("host2", 5, 8), ("host1", 8, 9))
    assert holder_timeline.void(held, answers) == (
        "host2 has answered from 5.00 s to 8.00 s, and nobody recorded that it held the address"
    )
    moved = (*held, HolderSample(5.0, ("host2",)), HolderSample(8.0, ("host1",)))
    assert holder_timeline.void(moved, answers) == ""
    # A client that still asked the last holder of the repeat before, and pages that name nobody.
    assert holder_timeline.void(held, answered(("host2", 0, 0.3), ("host1", 0.3, 9))) == ""
    assert holder_timeline.void(held, answered(("", 0, 9))) == ""
