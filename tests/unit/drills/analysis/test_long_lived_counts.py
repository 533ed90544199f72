"""Which connections a fault has broken, and which an nginx has closed that was ending."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drills.analysis.long_lived_counts import broken, count_long_lived, failures
from drills.results import LongLived
from tests.support.drilling.judged_repeats import client

CLOSED_AT_S = 7.0
RESET = client(0.0, CLOSED_AT_S, "reset", reconnected=True)


def closed(count: int, after_s: float = 0.1, node: str = "host1") -> tuple[LongLived, ...]:
    """Connections to one node that ended in order, so long after the reset."""
    return (replace(client(0.0, CLOSED_AT_S + after_s, reconnected=True), node=node),) * count


def test_a_request_on_its_way_as_nginx_closes_what_is_idle_has_not_failed() -> None:
    found = count_long_lived((RESET, *closed(3)))
    assert (found.failed, found.reconnected, found.repeated) == (0, 4, 1)
    assert str(found).startswith(
        "0 of 48 keep-alive requests failed (4 reconnected, 1 of them after a reset), "
    )
    assert not broken((RESET, *closed(3)))
    assert count_long_lived((RESET, RESET, *closed(20))).repeated == 2


@pytest.mark.parametrize(
    ("work", "failed"),
    [
        ((RESET,), 1),
        ((RESET, *closed(2)), 1),
        ((RESET, RESET, *closed(19)), 2),
        ((RESET, *closed(20, 0.6)), 1),
        ((RESET, *closed(20, -0.6)), 1),
        ((RESET, *closed(20, node="host2")), 1),
        ((replace(RESET, reconnected=False), *closed(20)), 1),
        ((replace(RESET, cut="read-timeout", reconnected=False), *closed(20)), 1),
    ],
    ids=[
        "alone",
        "too few",
        "too many resets",
        "later",
        "earlier",
        "another node",
        "not answered when it was repeated",
        "no reset",
    ],
)
def test_any_other_has(work: tuple[LongLived, ...], failed: int) -> None:
    found = count_long_lived(work)
    assert (found.failed, found.repeated) == (failed, 0)
    assert found.failed + found.reconnected == len(work)
    assert len(failures(work)) == failed


def test_what_ends_in_another_repeat_excuses_nothing() -> None:
    assert count_long_lived((RESET,), closed(20)).failed == 1
