"""From single requests to outages."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.analysis import outages
from tests.support.samples import RATE, REFUSED, stream


def test_an_outage_lasts_from_the_last_good_to_the_first_good_request() -> None:
    (window,) = outages.windows(stream(set(range(100, 110))))
    assert (window.from_s, window.to_s) == (99 / RATE, 110 / RATE)
    assert window.lost == {REFUSED: 10}
    assert not window.open


def test_outages_close_to_each_other_are_one() -> None:
    near, far = {100, 100 + 49}, {100, 100 + 50}
    assert len(outages.windows(stream(near))) == 1
    assert len(outages.windows(stream(far))) == 2


def test_an_outage_that_never_ends_is_said_to_be_open() -> None:
    (window,) = outages.windows(stream(set(range(390, 400))))
    assert window.open


@given(st.sets(st.integers(0, 399)))
def test_every_lost_request_is_in_exactly_one_window(bad: set[int]) -> None:
    found = outages.windows(stream(bad))
    assert sum(sum(window.lost.values()) for window in found) == len(bad)
    assert all(a.to_s <= b.from_s for a, b in itertools.pairwise(found))


def test_an_outage_is_split_where_the_address_moved() -> None:
    gains = [(0.1, "host9"), (0.7, "host2")]
    (window,) = outages.windows(stream(set(range(100, 160))), gains)
    assert window.moved_at_s == 0.7
    assert window.detection_s == pytest.approx(0.7 - 99 / RATE)
    assert window.takeover_s == pytest.approx(160 / RATE - 0.7)


def test_a_prober_that_was_late_makes_the_repeat_void() -> None:
    assert outages.void(stream(set()), RATE, 2.0) == ""
    late = stream(set(), lag_s=0.03)
    assert "the prober itself was late: 400 of 400" in outages.void(late, RATE, 2.0)
    assert outages.void((), RATE, 2.0) == "the prober sent nothing"
    assert "400 requests were due and 399 are known" in outages.void(
        [request for request in stream(set()) if request.due_s != 1.0], RATE, 2.0
    )
    doubled = [*stream(set(), 397), stream(set(), 397)[-1], *stream(set())[398:]]
    assert "the prober asked nothing for 0.01 s, from 1.98 s on" in outages.void(doubled, RATE, 2.0)
