"""What a drill should cost by arithmetic, and what it may cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drills.analysis import expected_outage
from drills.results import MEANING, Budget, Measure, RequestOutcome
from drills.scenarios import catalogues
from drills.scenarios.catalogue import BY_NAME, DRILLS
from tests.support.samples import DEFAULT, RECIPE

ROOT = Path(__file__).resolve().parents[4]


def test_the_recipe_takes_seconds_and_the_default_milliseconds() -> None:
    slow = expected_outage.nginx_gone(RECIPE)
    assert slow.low_s == pytest.approx(4.609)
    assert slow.high_s == pytest.approx(7.609)
    assert expected_outage.nginx_gone(DEFAULT).expected_s < 0.01
    assert expected_outage.silence(RECIPE).high_s == pytest.approx(3.609)
    assert expected_outage.silence(DEFAULT).high_s == pytest.approx(0.3012)
    assert expected_outage.goodbye(RECIPE).expected_s == pytest.approx(0.609)


def test_a_hang_is_noticed_only_where_somebody_asks() -> None:
    assert expected_outage.nginx_hangs(RECIPE) is None
    found = expected_outage.nginx_hangs(DEFAULT)
    assert found is not None
    assert 0.3 < found.low_s < found.high_s < 1.0


def test_a_unit_that_restarts_nginx_may_be_faster_than_the_address() -> None:
    found = expected_outage.nginx_gone(replace(RECIPE, restart_s=1.0))
    assert found.expected_s == 1.0
    assert "before the address moves" in found.how


def test_the_recipe_is_held_to_its_arithmetic_and_to_what_is_right() -> None:
    for drill in DRILLS:
        slow = drill.fitted(RECIPE)
        assert drill.fitted(DEFAULT) == drill
        assert (slow.budget.lost, slow.budget.moves) == (drill.budget.lost, drill.budget.moves)
    freeze = BY_NAME["nginx-freeze"].fitted(RECIPE)
    assert freeze.budget.seconds is None
    crash = BY_NAME["keepalived-crash"].fitted(RECIPE)
    assert crash.budget.seconds == pytest.approx(4.61)


def test_every_drill_can_be_named_and_tells_its_theory() -> None:
    for known in (catalogues.VRRP, catalogues.ROUTED):
        assert len(known.by_name) == len(known.drills)
        for drill in known.drills:
            for timing in (RECIPE, DEFAULT):
                found = drill.theory(timing)
                assert found is None or found.low_s <= found.expected_s <= found.high_s
        assert all(name in known.by_name for names in known.groups.values() for name in names)
    assert set(MEANING) == set(RequestOutcome)


def test_every_drill_is_in_the_table_of_what_has_to_be_seen() -> None:
    table = (ROOT / "docs" / "drills.md").read_text().partition("## What shows")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    named = {name.strip() for row in rows for name in row.split(",")}
    assert named - {"drill"} == {*BY_NAME, *catalogues.ROUTED.by_name}


def test_a_budget_can_be_read() -> None:
    budget = Budget(seconds=0.4, lost=0, moves=1, one_holder_s=1.0)
    assert str(budget) == "≤ 0.4 s, 0 lost, ≤ 1 move, 1 holder in 1 s"
    assert str(BY_NAME["switchover"].budget) == "0 lost, 0 failed, 0 cut, 0 reconnected"
    assert BY_NAME["all-nginx-dead"].measure is Measure.RECOVERY
