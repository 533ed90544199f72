"""What a deploy asks in one round trip, asked of this machine's own shell."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from pyinfra.api import FactBase
from pyinfra.context import ctx_host

from controller import batched_facts
from tasks.machine import one_file


class Said(FactBase[str]):
    """What `echo` says."""

    @staticmethod
    def default() -> str:
        return "nothing"

    def command(self, what: str) -> str:
        return what

    def process(self, output: list[str]) -> str:
        return " ".join(output)


class Machine:
    """As much of pyinfra's host as is asked for anything."""

    def __init__(self, name: str, machines: list[Machine]) -> None:
        self.name, self.round_trips = name, 0
        self.state = self
        self.current_stage = "Execute"
        self.active_hosts = machines

    def get_fact(self, fact: Any, **arguments: Any) -> Any:
        self.round_trips += 1
        command = str(fact().command(**arguments))
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        return fact().process(lines) if lines else fact.default()


@pytest.fixture
def pair() -> Iterator[list[Machine]]:
    machines: list[Machine] = []
    machines += [Machine("host1", machines), Machine("host2", machines)]
    with ctx_host.use(machines[0]):
        yield machines


def test_all_is_asked_at_once_and_none_stops_the_others(pair: list[Machine]) -> None:
    turn = batched_facts.Round()
    questions = ["echo one", "exit 3", "echo two; exit 1", "cd / && true", "echo three # end"]
    for question in questions:
        turn.ahead(Said, what=question)
    answers = [turn.answer(Said, what=question) for question in questions]
    assert answers == ["one", "nothing", "two", "nothing", "three"]
    assert pair[0].round_trips == 1


def test_what_is_not_said_ahead_is_asked_alone(pair: list[Machine]) -> None:
    turn = batched_facts.Round()
    assert [turn.answer(Said, what="echo it") for _ in "12"] == ["it", "it"]
    assert pair[0].round_trips == 2


def test_nothing_is_known_any_more_after_a_change(pair: list[Machine], tmp_path: Any) -> None:
    turn = batched_facts.Round()
    turn.ahead(Said, what=f"ls {tmp_path}")
    assert turn.answer(Said, what=f"ls {tmp_path}") == "nothing"
    (tmp_path / "new").touch()
    assert turn.answer(Said, what=f"ls {tmp_path}") == "nothing"
    turn.forget()
    assert turn.answer(Said, what=f"ls {tmp_path}") == "new"


def test_a_change_that_names_what_it_changes_leaves_the_rest_known(pair: list[Machine]) -> None:
    class SaidToo(Said):
        pass

    turn = batched_facts.Round()
    for machine in pair:
        with ctx_host.use(machine):
            turn.with_machines(["host1", "host2"])
            turn.ahead(Said, what="echo it")
            turn.ahead(SaidToo, what="echo it")
    turn.answer(Said, what="echo it")
    turn.forget(SaidToo)
    assert turn.answer(Said, what="echo it") == "it"
    assert [machine.round_trips for machine in pair] == [1, 1]
    assert turn.answer(SaidToo, what="echo it") == "it"
    assert pair[0].round_trips == 2


def test_a_circle_is_asked_at_the_same_time_and_forgotten_together(pair: list[Machine]) -> None:
    turn = batched_facts.Round()
    for machine in pair:
        with ctx_host.use(machine):
            turn.with_machines(["host1", "host2"])
            turn.ahead(Said, what=f"echo {machine.name}")
    assert turn.answer(Said, what="echo host1") == "host1"
    assert [machine.round_trips for machine in pair] == [1, 1]
    with ctx_host.use(pair[1]):
        assert turn.answer(Said, what="echo host2") == "host2"
        assert pair[1].round_trips == 1
        turn.forget()
    assert turn.answer(Said, what="echo host1") == "host1"
    assert [machine.round_trips for machine in pair] == [2, 2]


def test_a_machine_that_is_forgotten_while_the_others_are_asked_has_its_answer(
    pair: list[Machine],
) -> None:
    turn = batched_facts.Round()
    for machine in pair:
        with ctx_host.use(machine):
            turn.with_machines(["host1", "host2"])
            turn.ahead(Said, what=f"echo {machine.name}")
    asked = pair[1].get_fact

    def forgets(*words: Any, **arguments: Any) -> Any:
        while pair[0] not in turn._known:  # type: ignore[comparison-overlap]
            gevent.sleep(0.01)
        with ctx_host.use(pair[0]):
            turn.forget()
        return asked(*words, **arguments)

    pair[1].get_fact = forgets  # type: ignore[method-assign]
    assert turn.answer(Said, what="echo host1") == "host1"


def test_preparing_knows_nothing_for_executing(pair: list[Machine]) -> None:
    turn = batched_facts.Round()
    turn.ahead(Said, what="echo it")
    pair[0].current_stage = "Prepare"
    turn.answer(Said, what="echo it")
    pair[0].current_stage = "Execute"
    turn.answer(Said, what="echo it")
    assert pair[0].round_trips == 2


def test_files_that_are_there_and_files_that_are_not(pair: list[Machine], tmp_path: Any) -> None:
    there, missing, directory = tmp_path / "there", tmp_path / "missing", tmp_path / "directory"
    there.write_text("x")
    there.chmod(0o640)
    directory.mkdir()
    paths = tuple(str(path) for path in (there, missing, directory))
    found = pair[0].get_fact(one_file.InstalledFiles, paths=paths)
    assert set(found) == {str(there)}
    assert found[str(there)].mode == "640"
