"""Windows, timelines, theory and verdicts: what samples mean, without any machine."""

from __future__ import annotations

import itertools
from dataclasses import replace
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills import deadman, faults, holders, runner, theory, verdict, windows
from drills.catalogue import BY_NAME, DRILLS, GROUPS, fitted
from drills.model import (
    MEANING,
    Budget,
    FaultInterval,
    HolderSample,
    Kind,
    LongLived,
    Measure,
    Repeat,
    Request,
    RequestOutcome,
    Verdict,
)
from drills.theory import Timing

RATE = 200.0
OK, REFUSED = RequestOutcome.OK, RequestOutcome.REFUSED
RECIPE = Timing(1.0, 3, 0.609, True, 2.0, 2, 60.0, None, 0.3, 2)
DEFAULT = Timing(0.05, 6, 0.0012, False, 2.0, 2, 1.0, 0.25, 0.3, 2)


def stream(bad: set[int], count: int = 400, lag_s: float = 0.0001) -> tuple[Request, ...]:
    return tuple(
        Request(i / RATE, lag_s, 0.001, 0.002, REFUSED if i in bad else OK, "host1")
        for i in range(count)
    )


def test_an_outage_lasts_from_the_last_good_to_the_first_good_request() -> None:
    (window,) = windows.windows(stream(set(range(100, 110))))
    assert (window.from_s, window.to_s) == (99 / RATE, 110 / RATE)
    assert window.lost == {REFUSED: 10}
    assert not window.open


def test_outages_close_to_each_other_are_one() -> None:
    near, far = {100, 100 + 49}, {100, 100 + 50}
    assert len(windows.windows(stream(near))) == 1
    assert len(windows.windows(stream(far))) == 2


def test_an_outage_that_never_ends_is_said_to_be_open() -> None:
    (window,) = windows.windows(stream(set(range(390, 400))))
    assert window.open


@given(st.sets(st.integers(0, 399)))
def test_every_lost_request_is_in_exactly_one_window(bad: set[int]) -> None:
    found = windows.windows(stream(bad))
    assert sum(sum(window.lost.values()) for window in found) == len(bad)
    assert all(a.to_s <= b.from_s for a, b in itertools.pairwise(found))


def test_an_outage_is_split_where_the_address_moved() -> None:
    found = windows.windows(stream(set(range(100, 160))))
    (window,) = windows.split(found, [(0.1, "host9"), (0.7, "host2")])
    assert window.moved_at_s == 0.7
    assert window.detection_s == pytest.approx(0.7 - 99 / RATE)
    assert window.takeover_s == pytest.approx(160 / RATE - 0.7)


def test_a_prober_that_was_late_makes_the_repeat_void() -> None:
    assert windows.void(stream(set()), RATE) == ""
    late = stream(set(), lag_s=0.03)
    assert "the prober itself was late: 400 of 400" in windows.void(late, RATE)
    assert windows.void((), RATE) == "the prober sent nothing"
    assert "400 requests were due and 399 are known" in windows.void(
        [request for request in stream(set()) if request.due_s != 1.0], RATE
    )


MONITOR = """\
[2026-11-22T14:27:03.314037] 2: eth0    inet 10.0.0.9/16 scope global secondary eth0:0\\       valid
[2026-11-22T14:27:03.400000] 2: eth0    inet 10.0.0.99/16 scope global eth0\\       valid
[2026-11-22T14:27:03.500000] [2026-11-22T14:27:04.317879] Deleted 2: eth0    inet 10.0.0.9/16 scope
"""


def test_the_kernel_says_when_an_address_came_and_went() -> None:
    found = list(holders.changes(MONITOR, IPv4Address("10.0.0.9")))
    assert [held for _, held in found] == [True, False]
    assert found[1][0] - found[0][0] == pytest.approx(1.003842, abs=1e-5)


def test_what_the_nodes_saw_is_one_timeline() -> None:
    samples = holders.timeline(
        {"host1": [(-1.0, True), (2.0, False)], "host2": [(-1.0, False), (2.5, True)]}
    )
    assert samples == (
        HolderSample(0.0, ("host1",)),
        HolderSample(2.0, ()),
        HolderSample(2.5, ("host2",)),
    )
    assert holders.gains(samples) == ((2.5, "host2"),)
    assert holders.one_holder_s(samples, 1.9, 5.0) == pytest.approx(0.6)
    assert holders.one_holder_s(samples, 1.9, 2.4) is None
    assert holders.fewest_and_most(samples, [(0, 1.5), (3, 4)]) == (1, 1)
    assert holders.fewest_and_most(samples, [(0, 4)]) == (0, 1)


def test_an_exchange_is_no_second_holder() -> None:
    samples = (
        HolderSample(0.0, ("host2",)),
        HolderSample(1.0, ("host1", "host2")),
        HolderSample(1.004, ("host1",)),
    )
    assert holders.fewest_and_most(samples, [(0, 2)]) == (1, 1)
    assert holders.one_holder_s(samples, 0.8, 2.0) == pytest.approx(0.204)
    assert holders.one_holder_s(samples, 0.0, 2.0) == 0.0


def test_the_recipe_takes_seconds_and_the_default_milliseconds() -> None:
    slow = theory.nginx_gone(RECIPE)
    assert slow.low_s == pytest.approx(4.609)
    assert slow.high_s == pytest.approx(7.609)
    assert theory.nginx_gone(DEFAULT).expected_s < 0.01
    assert theory.silence(RECIPE).high_s == pytest.approx(3.609)
    assert theory.silence(DEFAULT).high_s == pytest.approx(0.3012)
    assert theory.goodbye(RECIPE).expected_s == pytest.approx(0.609)


def test_a_hang_is_noticed_only_where_somebody_asks() -> None:
    assert theory.nginx_hangs(RECIPE) is None
    found = theory.nginx_hangs(DEFAULT)
    assert found is not None
    assert 0.3 < found.low_s < found.high_s < 1.0


def test_a_unit_that_restarts_nginx_may_be_faster_than_the_address() -> None:
    found = theory.nginx_gone(replace(RECIPE, restart_s=1.0))
    assert found.expected_s == 1.0
    assert "before the address moves" in found.how


def judged(drill_name: str, requests: tuple[Request, ...], **more: object) -> Repeat:
    given: dict[str, object] = {
        "samples": (HolderSample(0.0, ("host1",)), HolderSample(0.52, ("host2",))),
        "faults": (FaultInterval("dead", "host1", 0.5, 1.6),),
        "events": (),
        "reference_s": 0.5,
        "undone_s": 1.6,
        "steady_s": 1.8,
        "end_s": 2.0,
    }
    return verdict.repeat(
        BY_NAME[drill_name],
        1,
        "now",
        RATE,
        requests,
        **(given | more),  # type: ignore[arg-type]
    )


def test_a_repeat_within_its_budget_has_no_problem() -> None:
    made = judged("nginx-crash", stream(set(range(100, 106))))
    assert made.problems == ()
    assert made.measured_s == pytest.approx(0.035)
    assert made.moves == 1
    assert verdict.over_all(BY_NAME["nginx-crash"], [made], []) == (Verdict.PASSED, ())


def test_the_median_is_what_the_seconds_of_a_budget_mean() -> None:
    drill = BY_NAME["nginx-crash"]
    fast, slow = (judged("nginx-crash", stream(set(range(100, n)))) for n in (106, 150))
    assert verdict.over_all(drill, [fast, slow, fast], [])[0] is Verdict.PASSED
    outcome, reasons = verdict.over_all(drill, [slow, slow, fast], [])
    assert outcome is Verdict.FAILED
    assert "0.255 s (median), and 0.05 s are allowed" in reasons[0]


def test_one_lost_request_is_too_many_where_none_may_be_lost() -> None:
    clean, made = (judged("worker-crash", stream(bad)) for bad in (set(), {100}))
    assert "1 refused lost, and 0 are allowed" in made.problems
    outcome, _ = verdict.over_all(BY_NAME["worker-crash"], [clean, made, clean], [])
    assert outcome is Verdict.FAILED


def test_where_the_address_moves_a_request_in_flight_may_be_cut_but_not_mostly() -> None:
    drill = BY_NAME["link-back"]
    clean, cut = (judged("link-back", stream(bad)) for bad in (set(), {100}))
    assert verdict.over_all(drill, [clean, cut, clean], [])[0] is Verdict.PASSED
    outcome, reasons = verdict.over_all(drill, [cut, cut, clean], [])
    assert outcome is Verdict.FAILED
    assert "1 requests lost (median), and 0 are allowed" in reasons[0]


def test_two_holders_in_a_steady_state_are_a_problem() -> None:
    both = (HolderSample(0.0, ("host1",)), HolderSample(0.52, ("host1", "host2")))
    made = judged("nginx-crash", stream(set()), samples=both)
    assert made.max_holders == 2
    assert "1 to 2 holders where it has to be exactly one" in made.problems


def test_what_the_verifier_says_afterwards_counts() -> None:
    made = judged("nginx-crash", stream(set()))
    outcome, reasons = verdict.over_all(BY_NAME["nginx-crash"], [made], ["X-01 web: two"])
    assert outcome is Verdict.FAILED
    assert reasons == ("the verifier afterwards: X-01 web: two",)


def test_nothing_is_said_about_a_void_repeat() -> None:
    made = judged("nginx-crash", stream(set(range(100, 300)), lag_s=0.2))
    outcome, reasons = verdict.over_all(BY_NAME["nginx-crash"], [made], [])
    assert outcome is Verdict.VOID
    assert "the prober itself was late" in reasons[0]


def client(from_s: float, to_s: float, cut: str = "", reconnected: bool = False) -> LongLived:
    return LongLived(Kind.KEEP_ALIVE, from_s, to_s, 12, 3600, cut, reconnected, "host1", 4711)


def downloads(*, cut: str = "", end_s: float = 1.2) -> tuple[LongLived, ...]:
    """Ten, of which one ends at `end_s`, begun anew at once."""
    whole = (LongLived(Kind.DOWNLOAD, -0.3, 9.0, 1, 64 << 20),) * 9
    return (
        *whole,
        LongLived(Kind.DOWNLOAD, -0.3, end_s, 1, 12 << 20, cut, client_port=4712),
        LongLived(Kind.DOWNLOAD, end_s, 9.0, 1, 64 << 20),
    )


def changed(work: tuple[LongLived, ...], name: str = "reload", **more: object) -> Repeat:
    unmoved = (HolderSample(0.0, ("host1",)),)
    bad = more.pop("bad", set())
    assert isinstance(bad, set)
    return judged(name, stream(bad), samples=unmoved, long_lived=work, **more)


def test_a_change_that_breaks_nothing_passes() -> None:
    made = changed((client(-0.3, 0.7, reconnected=True), client(0.7, 9.0), *downloads()))
    assert made.problems == ()
    assert verdict.over_all(BY_NAME["reload"], [made], []) == (Verdict.PASSED, ())
    assert verdict.sentence(BY_NAME["reload"], [made]) == (
        "reload: no request lost; 0 of 24 keep-alive requests failed (1 reconnected), "
        "0 of 11 downloads cut"
    )


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (
            changed((client(0, 9), *downloads(cut="reset"))),
            "1 downloads cut, and 0 are allowed: download (port 4712): reset at 1.20 s, "
            "1.50 s after its beginning, with 12.0 MiB",
        ),
        (
            changed((client(0, 0.8, cut="read_timeout"), client(0.8, 9), *downloads())),
            "1 keep-alive requests failed, and 0 are allowed: keep-alive (port 4711, host1): "
            "read_timeout at 0.80 s, its request 12",
        ),
        (
            changed((client(0, 0.8, reconnected=True), *downloads()), "switchover"),
            "1 connections were closed while idle, and 0 may be: nginx goes on as it is",
        ),
        (changed((client(0, 9), *downloads()), bad={100}), "1 refused lost, and 0 are allowed"),
        # What was not there cannot have been broken.
        (
            changed((client(0, 9), *downloads()[6:])),
            "only 4 downloads were running at a time, and 5 have to be, or nothing is known about "
            "them",
        ),
        (
            changed(downloads()),
            "no keep-alive request was made, so that nothing is known about them",
        ),
    ],
)
def test_a_change_may_break_nothing_at_all_not_even_once(made: Repeat, problem: str) -> None:
    assert made.problems == (problem,)
    good = changed((client(0, 9), *downloads()))
    assert verdict.over_all(BY_NAME["reload"], [good, made, good], [])[0] is Verdict.FAILED


def test_a_load_that_was_late_itself_says_nothing() -> None:
    made = changed((client(0, 0.8, cut="read_timeout"), *downloads()), void="the load was late")
    assert made.problems == ()
    assert verdict.over_all(BY_NAME["reload"], [made], []) == (
        Verdict.VOID,
        ("the load was late",),
    )


def test_recovery_is_counted_from_when_the_way_back_was_open() -> None:
    made = judged(
        "all-nginx-dead",
        stream(set(range(20, 260))),
        reference_s=1.0,
        undone_s=1.9,
        samples=(HolderSample(0.0, ("host1",)), HolderSample(1.2, ("host2",))),
    )
    assert made.measured_s == pytest.approx(0.3)
    assert made.detection_s == pytest.approx(0.2)
    assert made.takeover_s == pytest.approx(0.1)


def test_the_recipe_is_held_to_its_arithmetic_and_to_what_is_right() -> None:
    for drill in DRILLS:
        slow = fitted(drill, RECIPE)
        assert fitted(drill, DEFAULT) == drill
        assert (slow.budget.lost, slow.budget.moves) == (drill.budget.lost, drill.budget.moves)
    freeze = fitted(BY_NAME["nginx-freeze"], RECIPE)
    assert freeze.budget.seconds is None
    crash = fitted(BY_NAME["keepalived-crash"], RECIPE)
    assert crash.budget.seconds == pytest.approx(4.61)


def test_every_drill_can_be_named_and_tells_its_theory() -> None:
    assert len(BY_NAME) == len(DRILLS)
    for drill in DRILLS:
        for timing in (RECIPE, DEFAULT):
            found = drill.theory(timing)
            assert found is None or found.low_s <= found.expected_s <= found.high_s
    assert all(name in BY_NAME for names in GROUPS.values() for name in names)
    assert set(MEANING) == set(RequestOutcome)


def test_a_budget_can_be_read() -> None:
    budget = Budget(seconds=0.4, lost=0, moves=1, one_holder_s=1.0)
    assert str(budget) == "≤ 0.4 s, 0 lost, ≤ 1 move, 1 holder in 1 s"
    assert str(BY_NAME["switchover"].budget) == "0 lost, 0 failed, 0 cut, 0 reconnected"
    assert BY_NAME["all-nginx-dead"].measure is Measure.RECOVERY


def test_a_result_is_a_sentence() -> None:
    crash, worker = BY_NAME["nginx-crash"], BY_NAME["worker-crash"]
    slow, fast = (
        judged("nginx-crash", stream(set(range(100, 106)))),
        judged("worker-crash", stream(set())),
    )
    assert verdict.sentence(crash, [slow]) == (
        "nginx killed: no answer for 0.035 s, 6 requests lost"
    )
    assert verdict.sentence(worker, [fast, fast]) == (
        "nginx worker killed: no request lost in 2 repeats"
    )
    assert verdict.sentence(worker, [fast, fast, slow]) == (
        "nginx worker killed: no request lost in most of 3 repeats (6 at worst, 0.035 s)"
    )


def test_a_page_that_two_nodes_serve_does_not_name_one() -> None:
    node = SimpleNamespace
    cluster: Any = SimpleNamespace(
        nodes=(node(page="same", name="a"), node(page="same", name="b"), node(page="x", name="c"))
    )
    assert runner.pages(cluster) == {"same": "", "x": "c"}


def test_a_machine_is_steady_only_with_everything_ready() -> None:
    ready = "nginx\nkeepalived\nhttp=200\n"
    states = {"host1": f"holds\n{ready}", "host2": ready}
    assert faults.unsteady(states, "host1") == ""
    assert "host1 does not hold" in faults.unsteady({**states, "host1": ready}, "host1")
    assert "host2 still holds" in faults.unsteady({**states, "host2": f"holds\n{ready}"}, "host1")
    assert "host2: not ready: nginx" in faults.unsteady(
        {**states, "host2": "keepalived http=200"}, "host1"
    )


def test_a_fault_that_outlives_us_is_armed_to_undo_itself() -> None:
    script = deadman.inject("nginx", "break it", "mend 'it'", outlives_s=60)
    assert script.index("setsid --fork") < script.index("break it")
    assert "sleep 60" in script
    assert deadman.times("at=1.5\nnoise\nat=2.5") == [1.5, 2.5]
    assert "setsid" not in deadman.inject("worker", "kill", "")
