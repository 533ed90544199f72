"""From windows and holders to verdicts, of one repeat and of all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drills.analysis import verdict
from drills.results import (
    DrillVerdict,
    HolderSample,
    LongLived,
    Repeat,
    Request,
)
from drills.scenarios.catalogue import BY_NAME
from tests.support.drilling import judged_repeats
from tests.support.drilling.judged_repeats import OTHERS, UNMOVED, client, downloads
from tests.support.samples import stream


def judged(drill_name: str, requests: tuple[Request, ...], **more: object) -> Repeat:
    return judged_repeats.judged(BY_NAME[drill_name], requests, **more)


def test_a_repeat_within_its_budget_has_no_problem() -> None:
    made = judged("nginx-crash", stream(set(range(100, 106))))
    assert made.problems == ()
    assert made.measured_s == pytest.approx(0.035)
    assert made.moves == 1
    assert verdict.over_all(BY_NAME["nginx-crash"], [made], [], 1) == (DrillVerdict.PASSED, ())


def test_the_median_is_what_the_seconds_of_a_budget_mean() -> None:
    drill = BY_NAME["nginx-crash"]
    fast, slow = (judged("nginx-crash", stream(set(range(100, n)))) for n in (106, 150))
    assert verdict.over_all(drill, [fast, slow, fast], [], 3)[0] is DrillVerdict.PASSED
    outcome, reasons = verdict.over_all(drill, [slow, slow, fast], [], 3)
    assert outcome is DrillVerdict.FAILED
    assert "0.255 s (median), and 0.05 s are allowed" in reasons[0]


def test_time_that_is_only_shown_fails_nothing_but_what_must_not_be_does() -> None:
    timed = BY_NAME["nginx-crash"]
    shown = replace(timed, budget=replace(timed.budget, timed=False))
    slow = judged("nginx-crash", stream(set(range(100, 150))))
    assert verdict.over_all(timed, [slow], [], 1)[0] is DrillVerdict.FAILED
    assert verdict.over_all(shown, [slow], [], 1) == (DrillVerdict.PASSED, ())
    assert "time not judged" in str(shown.budget)
    assert verdict.over_all(shown, [slow], ["X-01"], 1)[0] is DrillVerdict.FAILED


def test_a_lost_request_is_not_time_where_nothing_moves() -> None:
    strict = BY_NAME["backup-crash"]
    shown = replace(strict, budget=replace(strict.budget, timed=False))
    made = judged("backup-crash", stream({100}))
    assert verdict.over_all(shown, [made], [], 1)[0] is DrillVerdict.FAILED


def test_one_lost_request_is_too_many_where_none_may_be_lost() -> None:
    clean, made = (judged("backup-crash", stream(bad)) for bad in (set(), {100}))
    assert "1 refused lost, and 0 are allowed" in made.problems
    outcome, _ = verdict.over_all(BY_NAME["backup-crash"], [clean, made, clean], [], 3)
    assert outcome is DrillVerdict.FAILED


def test_a_killed_worker_may_cut_the_request_that_it_was_answering_and_no_other() -> None:
    drill = BY_NAME["worker-crash"]
    cut, more = (
        judged("worker-crash", stream(bad), samples=UNMOVED) for bad in ({100}, {100, 101})
    )
    assert verdict.over_all(drill, [cut], [], 1)[0] is DrillVerdict.PASSED
    assert "2 refused lost, and 1 are allowed" in more.problems
    assert verdict.over_all(drill, [more], [], 1)[0] is DrillVerdict.FAILED


def test_where_the_address_moves_a_request_in_flight_may_be_cut_but_not_mostly() -> None:
    drill = BY_NAME["link-back"]
    clean, cut = (judged("link-back", stream(bad)) for bad in (set(), {100}))
    assert verdict.over_all(drill, [clean, cut, clean], [], 3)[0] is DrillVerdict.PASSED
    outcome, reasons = verdict.over_all(drill, [cut, cut, clean], [], 3)
    assert outcome is DrillVerdict.FAILED
    assert "1 requests lost (median), and 0 are allowed" in reasons[0]


def test_two_holders_in_a_steady_state_are_a_problem() -> None:
    both = (HolderSample(0.0, ("host1",)), HolderSample(0.52, ("host1", "host2")))
    made = judged("nginx-crash", stream(set()), samples=both)
    assert made.max_holders == 2
    assert "1 to 2 holders where it has to be exactly one" in made.problems


def test_a_monitor_that_was_late_is_no_problem_where_the_next_holder_has_answered() -> None:
    late = (HolderSample(0.0, ("host1",)), HolderSample(0.52, ()), HolderSample(1.95, ("host2",)))
    by_old = stream(set())
    by_next = tuple(
        request if request.due_s < 0.52 else request._replace(node="host2") for request in by_old
    )
    assert judged("nginx-crash", by_next, samples=late).problems == ()
    problems = judged("nginx-crash", by_old, samples=late).problems
    assert problems == ("0 to 1 holders where it has to be exactly one",)


def test_what_the_verifier_says_afterwards_counts() -> None:
    made = judged("nginx-crash", stream(set()))
    outcome, reasons = verdict.over_all(BY_NAME["nginx-crash"], [made], ["X-01 web: two"], 1)
    assert outcome is DrillVerdict.FAILED
    assert reasons == ("the verifier afterwards: X-01 web: two",)


def test_nothing_is_said_about_a_void_repeat() -> None:
    made = judged("nginx-crash", stream(set(range(100, 300)), lag_s=0.2))
    outcome, reasons = verdict.over_all(BY_NAME["nginx-crash"], [made], [], 1)
    assert outcome is DrillVerdict.VOID
    assert reasons[0] == "0 repeats count, and 1 were asked for"
    assert "repeat 1: the prober itself was late" in reasons[1]


def changed(work: tuple[LongLived, ...], name: str = "reload", **more: object) -> Repeat:
    bad = more.pop("bad", set())
    assert isinstance(bad, set)
    return judged(name, stream(bad), samples=UNMOVED, long_lived=work, **more)


def test_a_change_that_breaks_nothing_passes() -> None:
    made = changed((client(-0.3, 0.7, reconnected=True), client(0.7, 9.0), *OTHERS, *downloads()))
    assert made.problems == ()
    assert verdict.over_all(BY_NAME["reload"], [made], [], 1) == (DrillVerdict.PASSED, ())
    assert verdict.sentence(BY_NAME["reload"], [made]) == (
        "reload: no request lost; 0 of 252 keep-alive requests failed (1 reconnected), "
        "0 of 11 downloads cut"
    )


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (
            changed((client(0, 9), *OTHERS, *downloads(cut="reset"))),
            "1 downloads cut, and 0 are allowed: download (port 4712): reset at 1.20 s, "
            "1.50 s after its beginning, with 12.0 MiB",
        ),
        (
            changed((client(0, 0.8, cut="read_timeout"), client(0.8, 9), *OTHERS, *downloads())),
            "1 keep-alive requests failed, and 0 are allowed: keep-alive (port 4711, host1): "
            "read_timeout at 0.80 s, its request 12",
        ),
        (
            changed(
                (client(0, 0.8, reconnected=True), client(0.8, 9), *OTHERS, *downloads()),
                "switchover",
            ),
            "1 connections were closed while idle, and 0 may be: nginx goes on as it is",
        ),
        (
            changed((client(0, 9), *OTHERS, *downloads()), bad={100}),
            "1 refused lost, and 0 are allowed",
        ),
    ],
)
def test_a_change_may_break_nothing_at_all_not_even_once(made: Repeat, problem: str) -> None:
    assert made.problems == (problem,)
    good = changed((client(0, 9), *OTHERS, *downloads()))
    assert verdict.over_all(BY_NAME["reload"], [good, made, good], [], 3)[0] is DrillVerdict.FAILED


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (
            (*OTHERS, *downloads()[6:]),
            "only 4 downloads were there at a time, and 5 have to be, or nothing is known about "
            "them",
        ),
        (downloads(), "no keep-alive request was made, so that nothing is known about them"),
        (
            ((client(0, 1.0),) * 20 + downloads()),
            "only 0 keep-alive clients were there at a time, and 10 have to be, or nothing is "
            "known about them",
        ),
    ],
    ids=["few downloads", "no clients", "clients that ended early"],
)
def test_what_was_not_there_cannot_have_been_broken(
    work: tuple[LongLived, ...], reason: str
) -> None:
    made = changed(work)
    assert (made.void, made.problems) == (reason, ())
    assert verdict.over_all(BY_NAME["reload"], [made], [], 1)[0] is DrillVerdict.VOID


def test_what_a_load_has_seen_broken_counts_whatever_else_is_not_known() -> None:
    work = (client(0, 0.8, cut="read_timeout"), client(0.8, 9), *OTHERS, *downloads(cut="reset"))
    # Nothing shows that it has bitten; or too few downloads were there.
    for made in (changed(work, sights=()), changed((*work[:-11], *downloads()[6:]))):
        assert made.void
        assert any("1 keep-alive requests failed" in text for text in made.problems)
    assert any("1 downloads cut" in text for text in changed(work, unwatched="it died").problems)


def test_a_load_that_was_late_itself_says_nothing() -> None:
    made = changed(
        (client(0, 0.8, cut="read_timeout"), *OTHERS, *downloads()), void="the load was late"
    )
    assert made.problems == ()
    assert verdict.over_all(BY_NAME["reload"], [made], [], 1) == (
        DrillVerdict.VOID,
        ("0 repeats count, and 1 were asked for", "repeat 1: the load was late"),
    )


MOVED_TWICE = ((0.0, "host1"), (0.4, "host3"), (1.2, "host2"))


def test_recovery_is_counted_from_when_the_way_back_was_open() -> None:
    made = judged(
        "all-nginx-dead",
        stream(set(range(20, 260))),
        reference_s=1.0,
        undone_s=1.9,
        # It has moved once already, to a node where nothing served either.
        samples=tuple(HolderSample(at, (name,)) for at, name in MOVED_TWICE),
    )
    assert made.measured_s == pytest.approx(0.3)
    assert made.detection_s == pytest.approx(0.2)
    assert made.takeover_s == pytest.approx(0.1)


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


def test_what_nothing_could_serve_is_not_said_to_be_lost_in_most_repeats() -> None:
    """All of it was lost before the way back was open, and nothing afterwards."""
    drill = BY_NAME["vip-taken-by-stranger"]
    made = judged_repeats.bitten(drill)
    assert verdict.sentence(drill, [made]) == (
        f"a stranger has the VIP: answered again after 0.000 s, {made.lost_count} requests lost"
    )
