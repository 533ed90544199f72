"""What a node of a routed cluster lets the routers know, by what the watch knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import programs

announcement = programs.load("watch.announcement")
other_nodes = programs.load("watch.other_nodes")
SERVES, YIELDS, NOTHING = announcement.SERVES, announcement.YIELDS, announcement.NOTHING
TRUSTED, LAST_RESORT, FAILED = (0, 0), (0, 1), (1, 0)


@pytest.mark.parametrize(
    ("verdict", "on_trial", "drained_s", "others", "expected"),
    [
        (TRUSTED, False, None, False, SERVES),
        (FAILED, False, None, True, NOTHING),
        (LAST_RESORT, False, None, False, YIELDS),
        # Behind all others it takes nothing away, and where all are on trial somebody serves.
        (FAILED, True, None, True, YIELDS),
        # Drained: behind all others at once, and gone when the routers have heard of it.
        (TRUSTED, False, 0.0, True, YIELDS),
        (TRUSTED, False, 0.9, True, YIELDS),
        (TRUSTED, False, 1.0, True, NOTHING),
        # But never the last one.
        (TRUSTED, False, 99.0, False, YIELDS),
        (FAILED, True, 99.0, True, NOTHING),
        (FAILED, False, 0.0, True, NOTHING),
    ],
)
def test_what_is_announced(
    verdict: tuple[int, int], on_trial: bool, drained_s: float | None, others: bool, expected: str
) -> None:
    found = announcement.announced_as(verdict, on_trial, drained_s, others, 1.0)
    assert found == expected


def test_a_drain_is_as_old_as_the_first_of_its_files() -> None:
    there: set[str] = set()
    drain = announcement.Drain(["/a", "/b"], there.__contains__)
    assert drain.lasts_s(10.0) is None
    there.add("/b")
    assert drain.lasts_s(11.0) == 0.0
    there.add("/a")
    assert drain.lasts_s(12.5) == 1.5
    there.clear()
    assert drain.lasts_s(13.0) is None
    there.add("/a")
    assert drain.lasts_s(20.0) == 0.0


@pytest.mark.parametrize("on_trial", [False, True])
def test_another_nginx_that_answers_is_enough_where_nobody_can_be_asked_for_the_address(
    monkeypatch: pytest.MonkeyPatch, on_trial: bool
) -> None:
    asked: list[str] = []

    def first_bytes(address: str, *_: Any) -> bytes:
        asked.append(address)
        return b"HTTP/1.1 200 OK"

    monkeypatch.setattr(other_nodes, "first_bytes", first_bytes)
    others = other_nodes.OtherNodes("192.0.2.80", ["10.1.0.12"], 80, 2, 1.0, "eth0", routed=True)
    assert others.serve(on_trial) and others.serve(on_trial) and others.serve(on_trial)
    # The address is this node's own, too: it would answer itself.
    assert not others.have_vip() and set(asked) == {"10.1.0.12"}
