"""The walks of tests/lab/steps: what is disturbed, and what counts as wrong, without a lab."""

from __future__ import annotations

import pytest

from drills.outcomes import RequestOutcome
from drills.records import Request
from tests.support.clients.load import Seen
from tests.support.lab.steps import end_state
from tests.support.lab.steps.disturbance import (
    QUESTIONS,
    Disturbance,
    How,
    Note,
    Step,
    planned,
    read_notes,
    recorded_steps,
)
from tests.support.lab.steps.matrix import FIRST, Matrix, Reference
from tests.support.lab.steps.matrix_report import table
from tests.support.lab.steps.runs import SILENCE_S, Run, faults, last_s, others_work
from tests.support.lab.steps.walk import Cell, longest_outage

STEP = Step("nginx: staged", {"host1": (0.1, 2.0, 0.1), "host2": (0.1, 3.0)})
FAILED = Disturbance(How.FAIL, "nginx: staged", "host1", 2, 1.0)
SAID = "--> Stopped: host1 failed. host1 in 'nginx: staged'. Mend it and run this again: …"


def run(output: str = SAID, code: int | None = 1, silence_s: float = 0.1) -> Run:
    return Run(code, output, [Note("disturbed", 1.0, FAILED.step, "host1", 2)], silence_s)


def test_steps_are_those_with_commands_in_their_order_with_what_each_took() -> None:
    lines = [
        Note(event, time_s, step, host, command).to_json()
        for event, time_s, step, host, command in (
            ("began", 1.0, QUESTIONS, "host1", 1),
            ("ended", 1.5, QUESTIONS, "host1", 1),
            ("began", 2.0, "one", "host2", 1),
            ("began", 2.0, "one", "host1", 1),
            ("ended", 4.0, "one", "host1", 1),
            ("ended", 5.0, "one", "host2", 1),
        )
    ]
    cut_off = '{"event": "beg'
    assert recorded_steps(read_notes("\n".join([*lines, cut_off]))) == [
        Step(QUESTIONS, {"host1": (0.5,)}),
        Step("one", {"host2": (3.0,), "host1": (2.0,)}),
    ]


def test_a_command_is_disturbed_half_way_by_turns_on_each_machine() -> None:
    assert STEP.disturbed(How.FAIL, 0) == Disturbance(How.FAIL, STEP.name, "host1", 2, 1.0)
    assert STEP.disturbed(How.OFF, 4) == Disturbance(How.OFF, STEP.name, "host1", 1, 0.0)


@pytest.mark.parametrize("how", How)
def test_the_first_the_middle_and_the_last_command_are_disturbed_on_each_machine(how: How) -> None:
    step = Step("nginx: staged", {"host1": (0.1,) * 5, "host2": (0.1,) * 5})
    tried = {(at.host, at.command) for at in (step.disturbed(how, place) for place in range(6))}
    assert tried == {(host, command) for host in ("host1", "host2") for command in (1, 3, 5)}


def test_an_operation_that_nothing_is_done_for_is_planned_and_no_step() -> None:
    notes = [Note("planned", 1.0, "Clock", "host1", 0), Note("began", 2.0, "one", "host1", 1)]
    assert planned(notes) == {"Clock"}
    assert [step.name for step in recorded_steps(notes)] == ["one"]


def test_an_operation_that_is_disturbed_in_one_deploy_may_be_idle_in_the_other() -> None:
    idle = frozenset({STEP.name, "Clock"})
    first = Reference((), [STEP], {}, None, frozenset({"Clock"}))
    assert Matrix(
        {FIRST: first, "changing": Reference((), [], {}, None, idle)}
    ).never_disturbed() == {"Clock"}


def test_no_answer_until_the_end_is_an_outage() -> None:
    def seen(*answered_s: float) -> Seen:
        requests = [Request(at, 0.0, 0.0, 0.0, RequestOutcome.OK, "host1") for at in answered_s]
        return Seen(requests=requests, began_s=100.0)

    assert longest_outage(seen(0.5, 1.0, 1.5), 100.0, 102.0) == 0.5
    assert longest_outage(seen(0.5, 1.0), 100.0, 109.0) == 8.0
    assert longest_outage(seen(), 100.0, 109.0) == 9.0


def test_another_machine_at_work_is_waited_for() -> None:
    disturbed = Note("disturbed", 5.0, "one", "host1", 1)
    began = Note("began", 4.0, "one", "host2", 1)
    assert others_work([began, disturbed])
    assert not others_work([began, disturbed, Note("ended", 9.0, "one", "host2", 1)])
    assert not others_work([began, Note("began", 4.0, "one", "host1", 1)])
    assert Disturbance.from_json(FAILED.to_json()) == FAILED


def test_a_run_that_ends_soon_and_says_where_and_what_to_do_is_right() -> None:
    assert faults(run(), FAILED) == []
    assert faults(run("", code=-9), Disturbance(How.KILL, "nginx: staged", "host1", 2, 1.0)) == []


def test_silence_begins_with_the_disturbance_or_with_what_another_machine_does_after_it() -> None:
    def notes(*events: tuple[str, float, str]) -> list[Note]:
        return [Note(event, time_s, "step", host, 1) for event, time_s, host in events]

    disturbed = ("disturbed", 5.0, "host1")
    gone = ("ended", 25.0, "host1")
    assert last_s(notes(disturbed, gone), 26.0) == 5.0
    assert last_s(notes(disturbed, ("ended", 9.0, "host2"), gone), 26.0) == 9.0
    assert last_s(notes(("ended", 1.0, "host2"), disturbed, gone), 26.0) == 5.0
    assert last_s(notes(("ended", 1.0, "host2")), 26.0) == 26.0


@pytest.mark.parametrize(
    ("ended", "fault"),
    [
        (run(code=None), "had to be ended"),
        (run(code=0), "exit status 0"),
        (run(silence_s=SILENCE_S + 1), "of silence"),
        (run(SAID.replace("host1", "host2")), "no machine (host1)"),
        (run(SAID.replace("nginx: staged", "Sites")), "no step (nginx: staged)"),
        (run(SAID.replace("run this again", "")), "no remedy"),
        (run(f"Traceback (most recent call last)\n{SAID}"), "a traceback"),
    ],
)
def test_what_is_wrong_with_how_a_run_ended(ended: Run, fault: str) -> None:
    (found,) = faults(ended, FAILED)
    assert fault in found


def test_machines_are_compared_in_both_directions() -> None:
    wanted = {"host1": frozenset({"FILE /a 644"}), "host2": frozenset[str]()}
    found = {"host1": frozenset({"FILE /a 600"}), "host2": frozenset[str]()}
    assert end_state.differences(wanted, found) == ["host1: - FILE /a 644", "host1: + FILE /a 600"]


@pytest.mark.parametrize(
    "line",
    [
        "FILE /etc/nginx/nginx.conf 644 0:0 3000 0123456789abcdef",
        "FILE /usr/lib/tandem/watch 755 0:0 3000 0123456789abcdef",
        "FILE /var/lib/tandem/keepalived/keepalived.conf 600 0:0 3000 0123456789abcdef",
        "FILE /etc/systemd/system/nginx.service 644 0:0 3000 0123456789abcdef",
        "DIR /usr/html 755 0:0",
        "FILE /usr/html/.index.html.new 644 0:0 3 0123456789abcdef",
        "FILE /run/tandem.lock 600 0:0 30 0123456789abcdef",
        "DIR /run/tandem 755 0:0",
        "UNIT nginx.service loaded active running",
        "PACKAGE keepalived 1:2.2.7-1+b2 ii",
        "USER nginx:x:999:999::/var/tmp/nginx:/usr/sbin/nologin",
    ],
)
def test_what_deploys_are_for_is_compared(line: str) -> None:
    assert not end_state.PASSES.match(line)


def test_the_report_has_a_line_for_each_step_and_each_trouble() -> None:
    reference = Reference((), [STEP], {}, None)
    cell = Cell(FAILED, silence_s=12.34, troubles=["it is late"])
    said = table(Matrix({FIRST: reference}, {(FIRST, "fails"): [cell]}))
    (line,) = [line for line in said.splitlines() if line.startswith(STEP.name)]
    assert line.split()[-5:] == ["!", "12.3", "-", "-", "-"]
    assert f"! command fails in “{STEP.name}” on host1: it is late" in said
