"""Scales and words of the pages: nothing outside its place, every duration as a person says it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report import wording
from report.scales import Decades, FromZero, Straight
from report.svg import element, number

SECONDS = st.floats(0, 20, allow_nan=False)


@given(SECONDS, SECONDS)
def test_more_is_never_drawn_as_less(one: float, other: float) -> None:
    scale = FromZero(0.001, 20, 10, 500)
    low, high = sorted((one, other))
    assert 10 <= scale(low) <= scale(high) <= 500 + 1e-9


def test_zero_has_a_place_of_its_own() -> None:
    scale = FromZero(0.001, 10, 0, 100)
    assert (scale(0), scale(0.001), scale(10)) == pytest.approx((0, 8, 100))
    assert scale.ticks() == pytest.approx([0, 0.001, 0.01, 0.1, 1, 10])


@given(st.floats(0, 100), st.floats(0.01, 1000), st.integers(2, 12))
def test_times_are_round_and_within_their_panel(low: float, length: float, most: int) -> None:
    ticks = Straight(low, low + length, 0, 700).ticks(most)
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 <= tick <= low + length + 1e-6 for tick in ticks)


def test_what_is_beyond_the_scale_of_latencies_is_at_its_edge() -> None:
    scale = Decades(0.0001, 2, 200, 0)
    assert (scale(0), scale(0.0001), scale(2), scale(60)) == pytest.approx((200, 200, 0, 0))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.0042, "4.2 ms"),
        (0.0433, "43 ms"),
        (0.37, "0.37 s"),
        (6.772, "6.77 s"),
        (61.4, "61.4 s"),
        (1834, "31 min"),
        (-0.05, "−50 ms"),
    ],
)
def test_a_duration_is_said_in_its_unit(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said


def test_words_for_counts_lists_and_moments() -> None:
    assert (
        wording.count(1, "machine") == "1 machine" and wording.count(2, "machine") == "2 machines"
    )
    assert wording.listed(("a", "b", "c")) == "a, b and c" and wording.listed(()) == ""
    assert wording.moment("2026-11-22T13:59:14+00:00") == "2026-11-22 13:59:14 UTC"
    assert wording.moment("2026-11-22T13:59:14+02:00") == "2026-11-22 13:59:14 +02:00"
    assert wording.moment("yesterday") == "yesterday"


def test_attributes_are_escaped_and_numbers_are_short() -> None:
    assert element("a", x=1.04, class_='"<', y=None) == '<a x="1" class="&quot;&lt;"/>'
    assert [number(value) for value in (-0.01, 2, 2.25)] == ["0", "2", "2.2"]
