"""What apply-nginx decides to do, from what it observes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import programs

program = programs.load("apply_nginx.decision")
Observed = program.Observed
AS_WANTED = dict.fromkeys(Observed._fields, True) | {"two_masters": False}
FRESHLY_INSTALLED = dict.fromkeys(Observed._fields, False)


def action(**differs: bool) -> str:
    return str(program.decide(Observed(**AS_WANTED | differs))[0])


def test_what_is_as_wanted_is_left_alone() -> None:
    assert action() == "none"


@pytest.mark.parametrize(
    ("differs", "wanted"),
    [
        (FRESHLY_INSTALLED, "start"),
        ({"active": False}, "start"),
        ({"active": False, "two_masters": True}, "start"),
        ({"tracked": False}, "restart"),
        ({"tracked": False, "binary_same": False}, "restart"),
        ({"tracked": False, "two_masters": True}, "restart"),
        ({"unit_same": False}, "restart"),
        ({"unit_same": False, "binary_same": False}, "restart"),
        ({"unit_same": False, "two_masters": True, "recorded": False}, "restart"),
        ({"binary_same": False}, "upgrade"),
        ({"binary_same": False, "files_same": False, "files_read": False}, "upgrade"),
        ({"two_masters": True}, "upgrade"),
        ({"two_masters": True, "files_read": False}, "upgrade"),
        ({"files_same": False}, "reload"),
        ({"files_read": False}, "reload"),
        ({"files_same": False, "files_read": False, "recorded": False}, "reload"),
        ({"recorded": False}, "confirm"),
    ],
)
def test_each_difference_costs_as_little_as_it_can(differs: dict[str, bool], wanted: str) -> None:
    assert action(**differs) == wanted


@given(st.builds(Observed, *(st.booleans() for _ in Observed._fields)))
def test_only_what_is_wholly_as_wanted_is_left_alone(observed: Any) -> None:
    decided, reason = program.decide(observed)
    assert (decided == "none") == (observed == Observed(**AS_WANTED))
    assert bool(reason) == (decided != "none")
    if decided == "restart":
        assert not observed.tracked or not observed.unit_same, "nothing else justifies it"
