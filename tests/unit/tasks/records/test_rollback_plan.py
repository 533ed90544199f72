"""Which generation the machines of a cluster go back to."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import RunOptions
from tasks.change.rollback_plan import (
    KeptGeneration,
    MachineHistory,
    listing,
    mistakes,
    parse_history,
    plan_rollback,
)
from tasks.change.rollback_steps import HistoryFact

A, B, C, D = (f"20261128-1{number}0000" for number in range(4))


def machine(*ids: str, at: str = "", **more: Any) -> MachineHistory:
    """One that was deployed so often, and is at the last one or `at`."""
    at = at or (ids[-1] if ids else "")
    kept = {}
    for before, id_ in zip(("", *ids), ids, strict=False):
        differs = () if id_ == at else ("site docs",)
        kept[id_] = KeptGeneration(id_, before=before, profile="fast", differs=differs)
    return MachineHistory(kept, at, **more)


def without(found: MachineHistory, *ids: str) -> MachineHistory:
    kept = {id_: each for id_, each in found.generations.items() if id_ not in ids}
    return MachineHistory(kept, found.present)


def target(one: MachineHistory, two: MachineHistory, to: str = "") -> str:
    return plan_rollback("web", {"one": one, "two": two}, to).target


NEW = machine(A, B, C)
STOPPED = machine(A, B, stopped="deploy")


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (NEW, NEW, B),
        (machine(A, B, C, at=B), machine(A, B, C, at=B), A),  # the second rollback
        (machine(A, B), machine(A, B), A),
        (STOPPED, STOPPED, B),  # a deploy that came to nothing is undone
        (STOPPED, machine(A, B), B),  # it was stopped before it had reached the other
        (machine(A, B, C), machine(A, B, at=B), B),  # --limit one: the other stays where it is
        (machine(A, B, stopped="rollback", returning=A), machine(A, B), A),
        # It had come to its end on the other, and is undone there, too.
        (machine(A, stopped="deploy"), machine(A, B), A),
        # By a controller whose clock is behind.
        (machine(B, stopped="deploy"), machine(B, A), B),
        (machine(C, A, B), machine(C, A, B), A),
        (machine(B, C, A), machine(B, C), C),
    ],
)
def test_all_machines_go_to_the_one_before(
    one: MachineHistory, two: MachineHistory, expected: str
) -> None:
    assert target(one, two) == target(two, one) == expected


def test_what_was_in_place_before_counts_and_not_what_was_deployed_before() -> None:
    """A, B, back to A, then D: the way back leads to A."""
    kept = dict(NEW.generations) | {D: KeptGeneration(D, before=A, profile="fast")}
    now = MachineHistory(kept, D)
    assert target(now, now) == A


def test_one_that_is_the_same_as_what_is_in_place_is_passed_over() -> None:
    kept = dict(NEW.generations) | {B: KeptGeneration(B, before=A, profile="fast")}
    now = MachineHistory(kept, C)
    assert target(now, now) == A
    assert target(now, NEW) == B  # on one of them it is another


def test_one_that_not_every_machine_has_is_passed_over() -> None:
    assert target(NEW, without(NEW, B)) == A


def test_any_kept_one_can_be_asked_for() -> None:
    assert target(NEW, NEW, to=A) == A
    assert target(machine(A, B, C, at=A), machine(A, B, C, at=A), to=C) == C


def refused(one: MachineHistory, two: MachineHistory, to: str = "") -> str:
    with pytest.raises(settings.Refused) as caught:
        target(one, two, to)
    assert "No machine was touched" in str(caught.value)
    return str(caught.value)


def test_every_machine_that_has_not_got_it_is_named() -> None:
    said = refused(without(NEW, A), without(NEW, A, B), to=A)
    assert f"one: it has not got it (it has {B}, {C}); two: it has not got it (it has {C})" in said
    assert "two: it has not got it" in refused(NEW, without(NEW, A), to=A)


def test_one_that_is_not_whole_any_more_is_refused() -> None:
    kept = dict(NEW.generations) | {B: KeptGeneration(B, before=A, lacking=("site docs",))}
    assert "one: of it is missing site docs" in refused(MachineHistory(kept, C), NEW)


def test_a_routed_one_goes_back_with_the_addresses_that_it_has() -> None:
    """What has the VIP on `lo` goes back with no generation."""

    def history(then: tuple[str, ...], profile: str = "routed") -> MachineHistory:
        kept = {
            B: KeptGeneration(B, before=A, profile=profile, vips=then, differs=("x",)),
            C: KeptGeneration(C, before=B, profile="routed", vips=("198.51.100.80",)),
        }
        return MachineHistory(kept, C)

    same = history(("198.51.100.80",))
    assert plan_rollback("web", {"one": same}).target == B
    told = refused(same, history(("198.51.100.79",)))
    assert "two: it announced 198.51.100.79 then, and has 198.51.100.80 now" in told
    assert "deploy with spread as it was" in refused(same, history((), "fast"))


def test_one_of_another_profile_is_refused() -> None:
    kept = dict(NEW.generations) | {
        B: KeptGeneration(B, before=A, profile="classic", differs=("x",))
    }
    assert "two: it was deployed with the classic profile" in refused(NEW, MachineHistory(kept, C))


def test_where_there_is_none_it_is_said_where_one_is() -> None:
    first = machine(A, B, at=A)
    said = refused(first, first)
    assert f"web is at generation {A}" in said
    assert f"Kept are, too: {B}." in said and "rolled back" not in said and "list=1" in said
    assert "one, two: there is no earlier generation" in refused(MachineHistory(), MachineHistory())


def test_a_second_rollback_says_that_there_was_a_first() -> None:
    when = "on 2026-11-28T13:15:02Z by root@desk"
    further = machine(A, B, C, at=B, rolled_back=when)
    found = plan_rollback("web", {"one": further, "two": further})
    assert found.why == f"the one before {B}, to which it was rolled back {when}"
    first = machine(A, B, C, at=A, rolled_back=when)
    said = refused(first, first)
    assert f", to which it was rolled back {when}, and one, two have no earlier one" in said
    assert f"Kept are, too: {B}, {C}. To go forward again: rollback.py --data to={C}." in said


def test_the_machines_answer_is_read() -> None:
    said = {
        "generations": [
            {
                "id": A,
                "contents": {"nginx": "1.26.3-x.y"},
                "lacking": [],
                "differs": ["site docs"],
                "vips": ["10.0.0.1"],
                "revision": "v1",
            }
        ],
        "present": A,
        "last": {"command": "rollback", "exit": "begun", "to": A},
    }
    found = parse_history(said)
    assert found.generations[A].nginx == "1.26.3-x.y"
    assert found.generations[A].vips == ("10.0.0.1",)
    assert (found.stopped, found.returning) == ("rollback", A)
    done = parse_history(said | {"last": {"command": "rollback", "exit": "done", "to": A}})
    assert (done.stopped, done.returning) == ("", "")
    last = {"command": "rollback", "exit": "done", "to": A, "time": "T", "operator": "me"}
    assert parse_history(said | {"last": last}).rolled_back == "on T by me"
    assert not parse_history(said | {"last": last | {"to": ""}}).rolled_back
    assert not found.rolled_back
    assert parse_history({}) == MachineHistory()


def test_the_list_says_who_has_what() -> None:
    lines = "\n".join(listing("web", {"one": NEW, "two": without(NEW, A)}))
    assert lines.index(C) < lines.index(B) < lines.index(A)
    assert "two: it has not got it" in lines
    assert "one: in place" in lines
    assert "one: differs in site docs" in lines


def wrong(**given: Any) -> list[str]:
    return [each.setting for each in mistakes(RunOptions.model_validate(given))]


def test_a_mistyped_name_is_refused_before_any_machine_is_asked() -> None:
    assert wrong(to="host2") == ["to"]
    assert wrong(to=A, list=True) == ["list"]
    assert wrong(to=A) == wrong(list=True) == []


# --- what earlier and later versions have left ---------------------------------------------------

FULL = (
    f'{{"generations": [{{"id": "{A}", "contents": {{"nginx": "n"}}, '
    '"lacking": [], "differs": []}]'
)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ('{"unrecorded": 1}', "deployed by an earlier version"),
        (FULL, "cannot be read"),  # cut off
        ("Traceback", "cannot be read"),
        ('{"generations": [], "present": "", "last": {}}', "no deploy has come to its end"),
        ('{"generations": [{}], "new": {"a": 1}}', "no deploy has come to its end"),
    ],
)
def test_a_machine_without_generations_says_why(printed: str, said: str) -> None:
    found = HistoryFact().process(printed.splitlines())
    for to in ("", A):
        with pytest.raises(settings.Refused) as caught:
            plan_rollback("web", {"one": found}, to)
        told = str(caught.value)
        assert said in told or (to and "it has none" in told)
        assert "No machine was touched" in told
    lines = list(listing("web", {"one": found}))
    assert lines[0] == "web: 0 generations" and all(said in line for line in lines[1:])


def test_what_a_later_version_has_added_is_left_alone() -> None:
    more = FULL.replace('"differs": []', '"differs": [], "weather": [1]')
    found = HistoryFact().process([f'{more}, "present": "{A}", "season": 4}}'])
    assert list(found.generations) == [A] and found.present == A and not found.nothing


def test_a_generation_of_which_little_is_known_is_not_gone_back_to() -> None:
    found = HistoryFact().process([f'{{"generations": [{{"id": "{A}"}}], "present": "{B}"}}'])
    with pytest.raises(settings.Refused, match="of it is missing what is known of it"):
        plan_rollback("web", {"one": found}, A)
    assert "missing: what is known of it" in "\n".join(listing("web", {"one": found}))


@pytest.mark.parametrize("deployed", [False, True])
def test_a_machine_without_the_program_is_asked_all_the_same(
    deployed: bool, tmp_path: Path
) -> None:
    if deployed:
        (tmp_path / "var/lib/tandem").mkdir(parents=True)
    command = re.sub(r"(?<![\w.])/(var|usr)/", rf"{tmp_path}/\1/", HistoryFact().command())
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ('{"unrecorded": 1}' if deployed else "")
