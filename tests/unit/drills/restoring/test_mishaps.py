"""Whatever is raised, wherever: it is a result, all is put back, and the report is there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import click
import gevent
import pytest
from pyinfra.api.exceptions import FactError, PyinfraError

from drills.conduct.interrupts import Interrupted
from drills.conduct.putting_back import PuttingBack
from drills.control.cluster_control import ClusterControl
from drills.control.machines import MachineError, NoAnswer
from drills.control.processes.child_process import ClientProcessError
from drills.control.undo_journal import directory
from drills.drill_session import DrillSession
from drills.results import DrillResult, DrillVerdict, from_json
from drills.scenarios.scenario import Drill
from lab.errors import LabError
from settings import Mistake, Refused, SettingsError
from tests.support.drilling.drill_world import FIRST, SECOND, World, world

__all__ = ["world"]

ERRORS: dict[str, Callable[[], BaseException]] = {
    "machine": lambda: MachineError("host1: exit 1: no such thing"),
    "no answer": lambda: NoAnswer("host1: it stopped answering"),
    "client": lambda: ClientProcessError("the prober ended: without a word"),
    "os": lambda: OSError(28, "No space left on device"),
    "pipe": lambda: BrokenPipeError(32, "Broken pipe"),
    "value": lambda: ValueError("no figure"),
    "type": lambda: TypeError("'NoneType' object is not subscriptable"),
    "key": lambda: KeyError("host9"),
    "assertion": lambda: AssertionError(),
    "recursion": lambda: RecursionError("maximum recursion depth exceeded"),
    "memory": lambda: MemoryError(),
    "pyinfra": lambda: PyinfraError("no such fact"),
    "fact": lambda: FactError("cannot be read"),
    "json": lambda: json.JSONDecodeError("Expecting value", "x", 0),
    "unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "lab": lambda: LabError("no lab is up here"),
    "settings": lambda: SettingsError([Mistake("host1", "vip", "x", "give an address")]),
    "click": lambda: click.ClickException("no"),
    "time-out": lambda: TimeoutError("timed out"),
    "gevent": lambda: gevent.Timeout(3),
    "subprocess": lambda: subprocess.TimeoutExpired("deploy.py", 600),
    "exit": lambda: SystemExit(0),
}
# Every step of the first drill at which something can be raised, and after how many passes.
POINTS: dict[str, tuple[str, int]] = {
    "the needs": ("the needs", 0),
    "settling before": ("settling", 0),
    "the monitor starts": ("the monitor starts", 0),
    "prepare": ("first: prepare", 0),
    "the file": ("the file", 0),
    "the load starts": ("the load starts", 0),
    "the prober starts": ("the prober starts", 0),
    "steps": ("first: steps", 0),
    "an undo": ("undoing", 0),
    "settling after": ("settling", 1),
    "the prober stops": ("the prober stops", 0),
    "the load stops": ("the load stops", 0),
    "the monitor stops": ("the monitor stops", 0),
    "forgiving": ("forgiving", 0),
    "check": ("first: check", 0),
    "judging": ("judging", 0),
    "the monitor is abandoned": ("the monitor is abandoned", 0),
    "an undo of what came last": ("undoing", 3),
    "the verifier": ("the verifier", 0),
    "judging all": ("judging all", 0),
    "the sentence": ("the sentence", 0),
}


def words(error: BaseException) -> str:
    """What of an error has to be found in the reasons: its text, or at least its type."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def test_without_any_mishap_all_is_well(world: World) -> None:
    """Or the other tests would prove nothing."""
    found = world.run()
    assert found.exit_code == 0, found.said
    assert found.report is not None and found.report.passed
    assert [each.verdict for each in found.report.drills] == [DrillVerdict.PASSED] * 2
    missed = [point for point, _ in POINTS.values() if not world.passed[point]]
    assert not missed
    assert world.passed["undoing"] == 6  # a machine each, by steps and by prepare; the file on two
    assert not world.broken and not world.running
    assert not list(directory().iterdir())


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("point", POINTS)
def test_whatever_is_raised_is_the_drills_result_and_the_run_goes_on(
    world: World, point: str, kind: str
) -> None:
    error = ERRORS[kind]()
    place, after = POINTS[point]
    world.fail(place, error, after=after)
    found = world.run()
    assert not world.broken, "everything is undone"
    assert not world.running, "nothing goes on running"
    assert not list(directory().iterdir()), "nothing is left for a next run"
    assert found.report is not None
    assert not found.report.to_come and not found.report.not_put_back
    first, second = found.report.drills
    assert (first.name, first.verdict) == (FIRST, DrillVerdict.FAILED), found.said
    assert words(error) in " ".join(" ".join(first.reasons).split()), first.reasons
    assert (second.name, second.verdict) == (SECOND, DrillVerdict.PASSED), found.said
    assert found.exit_code == 1
    assert "Traceback" not in found.said


@pytest.mark.parametrize("point", POINTS)
def test_where_it_was_raised_is_said(world: World, point: str) -> None:
    place, after = POINTS[point]
    world.fail(place, ValueError("no figure"), after=after)
    found = world.run()
    assert found.report is not None
    assert "ValueError: no figure (" in " ".join(found.report.drills[0].reasons)
    assert ", line " in " ".join(found.report.drills[0].reasons)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_undo_that_always_fails_is_told_last_and_ends_the_drills(
    world: World, kind: str
) -> None:
    error = ERRORS[kind]()
    world.fail("undoing on host2", error, times=10**6)
    world.fail("sweeping", error, times=10**6)
    found = world.run()
    assert found.exit_code == 1
    assert world.broken and {name for name, _ in world.broken} == {"host2"}
    assert world.passed["undoing on host1"] == 2, "the others are undone all the same, once each"
    assert world.passed["undoing on host2"] > 6, "it is really tried again"
    assert found.report is not None
    first, second = found.report.drills
    assert first.verdict is DrillVerdict.FAILED
    assert second.verdict is DrillVerdict.SKIPPED
    assert (
        "the cluster is not as at the start: not put back: nginx frozen on host2"
        in (second.reasons[0])
    )
    left = {str(each) for each in found.report.not_put_back}
    assert left >= {"nginx frozen on host2", "a file to download on host2"}
    lines = [line for line in found.said.splitlines() if line.strip()]
    told = found.said[found.said.index("Written:") :]
    assert "NOT PUT BACK: nginx frozen on host2: " in told
    assert "By hand, as root on host2: pkill -CONT" in told
    assert "Not put back:" in found.said and lines
    assert "nginx frozen on host2" in "\n".join(world.earlier().lines())


@pytest.mark.parametrize("kind", ERRORS)
def test_an_undo_that_fails_once_is_made_the_second_time(world: World, kind: str) -> None:
    world.fail("undoing on host1", ERRORS[kind]())
    found = world.run()
    assert not world.broken
    assert found.report is not None and not found.report.not_put_back
    assert found.report.drills[1].verdict is DrillVerdict.PASSED
    assert "could not be undone" in " ".join(found.report.drills[0].reasons)


@pytest.mark.parametrize("kind", ERRORS)
def test_all_that_went_wrong_is_told_and_not_the_last_alone(world: World, kind: str) -> None:
    error = ERRORS[kind]()
    world.fail("first: steps", error)
    world.fail("the prober stops", ClientProcessError("the prober ended: as a consequence"))
    world.fail("the verifier", ValueError("and so did this"))
    found = world.run()
    assert found.report is not None
    reasons = " ".join(" ".join(found.report.drills[0].reasons).split())
    assert words(error) in reasons
    assert "as a consequence" in reasons and "and so did this" in reasons


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("point", ["the report", "the page"])
def test_a_report_that_cannot_be_written_is_the_exit_code_and_stops_nothing(
    world: World, point: str, kind: str
) -> None:
    world.fail(point, ERRORS[kind](), times=10**6)
    found = world.run()
    assert found.exit_code == 1
    assert not world.broken and not world.running
    assert "NOT WRITTEN: the report could not be written" in found.said
    assert "All 2 drills passed." in found.said
    assert "Traceback" not in found.said


def test_a_run_that_fails_between_two_drills_is_told_and_its_report_is_there(world: World) -> None:
    world.fail("the first is done", ValueError("no figure"))
    done = DrillSession._done

    def failing(session: DrillSession, drill: Drill, *results: DrillResult) -> None:
        done(session, drill, *results)
        world.pass_by("the first is done")

    world.replace(DrillSession, "_done", failing)
    found = world.run()
    assert found.exit_code == 1
    assert "This run has failed: ValueError: no figure (" in found.said
    assert found.report is not None
    assert [each.name for each in found.report.drills] == [FIRST]
    assert found.report.to_come == (SECOND,)
    assert "Traceback" not in found.said and not world.broken


def test_a_report_that_can_be_written_in_the_end_is_well(world: World) -> None:
    world.fail("the report", OSError(28, "No space left on device"), times=2)
    found = world.run()
    assert found.exit_code == 0
    assert found.report is not None and len(found.report.drills) == 2


@pytest.mark.parametrize("kind", ERRORS)
def test_a_report_that_cannot_be_printed_is_written(world: World, kind: str) -> None:
    world.fail("the terminal", ERRORS[kind](), times=10**6)
    found = world.run()
    assert found.exit_code == 1
    assert found.report is not None and found.report.passed


def test_a_terminal_that_is_gone_stops_nothing(world: World) -> None:
    world.fail("printing", OSError(5, "Input/output error"), times=10**6)
    found = world.run()
    assert world.passed["printing"] >= 2
    assert found.exit_code == 0
    assert not world.broken and not world.running


def test_the_report_is_written_after_each_drill_and_says_what_is_to_come(world: World) -> None:
    seen: list[tuple[int, tuple[str, ...]]] = []
    pass_by = world.pass_by

    def looking(point: str) -> None:
        file = world.directory / "drills.json"
        if point == "the report" and file.exists():
            report = from_json(file.read_bytes())
            seen.append((len(report.drills), report.to_come))
            assert not report.passed
        pass_by(point)

    world.pass_by = looking  # type: ignore[method-assign]
    found = world.run()
    assert seen == [(0, (FIRST, SECOND)), (1, (SECOND,)), (2, ("the end of the run",))]
    assert found.report is not None and found.report.to_come == ()


# The way back is in a greenlet of its own, which no signal reaches.
WAY_BACK = ("an undo", "an undo of what came last", "the monitor is abandoned")


@pytest.mark.parametrize("point", [point for point in POINTS if point not in WAY_BACK])
def test_a_signal_at_any_step_puts_all_back_and_leaves_a_report(world: World, point: str) -> None:
    place, after = POINTS[point]
    world.fail(place, Interrupted("SIGTERM"), after=after)
    found = world.run()
    assert found.exit_code == 130
    assert not world.broken and not world.running
    assert not list(directory().iterdir())
    assert found.report is not None and not found.report.passed
    assert found.report.interrupted == "SIGTERM"
    assert found.report.to_come == (FIRST, SECOND)


def test_a_signal_does_not_hide_what_could_not_be_put_back(world: World) -> None:
    world.fail("first: steps", Interrupted("SIGTERM"))
    world.fail("undoing on host2", NoAnswer("host2: no connection"), times=10**6)
    world.fail("sweeping", NoAnswer("host2: no connection"), times=10**6)
    found = world.run()
    assert found.exit_code == 1
    assert "NOT PUT BACK: nginx frozen on host2: " in found.said
    assert found.report is not None
    assert found.report.exit_code == found.exit_code, "the page says what the process does"
    (first,) = found.report.drills
    assert first.verdict is DrillVerdict.VOID and "no connection" in " ".join(first.reasons)


def test_a_signal_does_not_hide_what_went_wrong_just_before(world: World) -> None:
    world.fail("first: prepare", ValueError("no figure"))
    put_back = PuttingBack._put_back

    def signalled(back: PuttingBack, control: ClusterControl) -> None:
        put_back(back, control)
        current.kill(Interrupted("SIGHUP"), block=False)
        gevent.sleep(0.05)

    world.replace(PuttingBack, "_put_back", signalled)
    run = gevent.spawn(world.run)
    current = run
    found = run.get()
    assert found.exit_code == 130
    assert found.report is not None
    (first,) = found.report.drills
    assert "ValueError: no figure" in " ".join(first.reasons)
    assert not world.broken


def test_a_run_that_has_lost_its_lock_breaks_nothing_more(world: World) -> None:
    world.fail("operation_start", Refused("The lock on host1 is lost."), after=1)
    found = world.run()
    assert found.exit_code == 130
    assert "The lock on host1 is lost." in found.said
    assert not world.broken and not world.running
    assert found.report is not None
    assert [each.name for each in found.report.drills] == [FIRST]
    assert world.passed[f"{SECOND}: steps"] == 0
