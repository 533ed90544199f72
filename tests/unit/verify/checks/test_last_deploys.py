"""Who deployed what: what is read, what is warned of, and what is no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.broken_upkeep import outcome_of
from tests.support.snapshots import BOTH, Spoiled
from verify.checks.check import Outcome
from verify.read.deploy_output import last_deploy

RECORD = {
    "command": "deploy",
    "revision": "v1.2-3-gabcdef0",
    "operator": "root@desk",
    "controller": "desk",
    "time": "2026-11-28T13:15:02Z",
    "exit": "done",
}


def line(**changed: Any) -> str:
    return json.dumps(RECORD | changed)


def test_a_record_is_read_and_told_in_words() -> None:
    found = last_deploy(line())
    assert found
    expected = "deployed from v1.2-3-gabcdef0 by root@desk at 2026-11-28 13:15:02 UTC"
    assert found.text == expected
    back = last_deploy(line(command="rollback", to="20261128-120000"))
    assert back and back.text == (
        "rolled back on 2026-11-28 13:15:02 UTC by root@desk, to generation 20261128-120000 "
        "(revision v1.2-3-gabcdef0)"
    )
    assert last_deploy("none") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "None",
        line()[:-5],
        line() + line(),
        json.dumps([RECORD]),
        json.dumps({key: RECORD[key] for key in RECORD if key != "revision"}),
        line(exit="perhaps"),
        line(operator=7),
        line(to=["x"]),
        line(time="yesterday"),
        line(time="2026-11-28T13:15:02"),
    ],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        last_deploy(text)


def test_the_last_deploy_is_shown() -> None:
    spoiled = Spoiled()
    for host in BOTH:
        spoiled.answer(host, "last_deploy", line())
    assert outcome_of(spoiled, "SYS-11") == (
        Outcome.OK,
        "deployed from v1.2-3-gabcdef0 by root@desk at 2026-11-28 13:15:02 UTC",
    )
    assert outcome_of(spoiled, "X-23") == (Outcome.OK, "v1.2-3-gabcdef0")


@pytest.mark.parametrize("exit", ["begun", "stopped"])
def test_a_deploy_that_did_not_come_to_its_end_is_warned_of(exit: str) -> None:
    spoiled = Spoiled().answer("host1", "last_deploy", line(exit=exit))
    outcome, actual = outcome_of(spoiled, "SYS-11")
    assert outcome is Outcome.WARN
    assert actual.startswith(f"deploy {exit}, not done: deployed from v1.2-3-gabcdef0 by root@desk")


@pytest.mark.parametrize(
    ("second", "said"), [(line(revision="v1.3"), "host2 v1.3"), ("none", "host2 nothing")]
)
def test_machines_that_were_deployed_from_different_revisions_are_warned_of(
    second: str, said: str
) -> None:
    spoiled = Spoiled().answer("host1", "last_deploy", line())
    spoiled.answer("host2", "last_deploy", second)
    outcome, actual = outcome_of(spoiled, "X-23")
    assert outcome is Outcome.WARN
    assert actual == f"host1 v1.2-3-gabcdef0, {said}"


@pytest.mark.parametrize("check", ["SYS-11", "X-23"])
def test_where_nothing_is_written_down_there_is_nothing_to_judge(check: str) -> None:
    spoiled = Spoiled()
    for host in BOTH:
        spoiled.answer(host, "last_deploy", "none")
    assert outcome_of(spoiled, check)[0] is Outcome.SKIP


@pytest.mark.parametrize("check", ["SYS-11", "X-23"])
def test_half_a_line_is_no_answer(check: str) -> None:
    spoiled = Spoiled().answer("host1", "last_deploy", line()[:40])
    assert outcome_of(spoiled, check)[0] is Outcome.UNKNOWN
