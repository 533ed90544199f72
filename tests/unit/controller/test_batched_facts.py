"""Facts that are fetched in one round trip, from this machine's own shell."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from pyinfra.api import FactBase
from pyinfra.context import ctx_host

from controller import batched_facts
from controller.ssh.machine_connector import LIMIT_S
from tasks.machine import one_file


class Output(FactBase[str]):
    """What a command prints."""

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
        self.current_stage, self.is_executing = "Execute", True
        self.current_op_hash: str | None = None
        self.current_op_global_arguments: dict[str, Any] | None = None
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


def test_all_is_fetched_at_once_and_none_stops_the_others(pair: list[Machine]) -> None:
    facts = batched_facts.BatchedFacts()
    commands = ["echo one", "exit 3", "echo two; exit 1", "cd / && true", "echo three # end"]
    for command in commands:
        facts.request(Output, what=command)
    values = [facts.get(Output, what=command) for command in commands]
    assert values == ["one", "nothing", "two", "nothing", "three"]
    assert pair[0].round_trips == 1


def test_what_was_not_requested_is_fetched_alone(pair: list[Machine]) -> None:
    facts = batched_facts.BatchedFacts()
    assert [facts.get(Output, what="echo it") for _ in "12"] == ["it", "it"]
    assert pair[0].round_trips == 2


def test_nothing_is_known_any_more_after_a_change(pair: list[Machine], tmp_path: Any) -> None:
    facts = batched_facts.BatchedFacts()
    facts.request(Output, what=f"ls {tmp_path}")
    assert facts.get(Output, what=f"ls {tmp_path}") == "nothing"
    (tmp_path / "new").touch()
    assert facts.get(Output, what=f"ls {tmp_path}") == "nothing"
    facts.forget()
    assert facts.get(Output, what=f"ls {tmp_path}") == "new"


def test_a_change_that_names_what_it_changes_leaves_the_rest_known(pair: list[Machine]) -> None:
    class OtherOutput(Output):
        pass

    facts = batched_facts.BatchedFacts()
    for machine in pair:
        with ctx_host.use(machine):
            facts.fetch_with(["host1", "host2"])
            facts.request(Output, what="echo it")
            facts.request(OtherOutput, what="echo it")
    facts.get(Output, what="echo it")
    facts.forget(OtherOutput)
    assert facts.get(Output, what="echo it") == "it"
    assert [machine.round_trips for machine in pair] == [1, 1]
    assert facts.get(OtherOutput, what="echo it") == "it"
    assert pair[0].round_trips == 2


def test_a_change_that_says_what_it_has_made_of_a_fact_has_it_known_and_the_rest_asked_again(
    pair: list[Machine],
) -> None:
    class OtherOutput(Output):
        pass

    facts = batched_facts.BatchedFacts()
    facts.request(Output, what="echo it")
    facts.request(OtherOutput, what="echo it")
    facts.get(Output, what="echo it")
    facts.forget(keep={Output})
    facts.amend(Output, lambda found: f"{found}, amended")
    assert facts.get(Output, what="echo it") == "it, amended"
    assert pair[0].round_trips == 1
    assert facts.get(OtherOutput, what="echo it") == "it"
    assert facts.get(Output, what="echo it") == "it, amended"
    assert pair[0].round_trips == 2


def test_a_group_is_fetched_at_the_same_time_and_forgotten_together(pair: list[Machine]) -> None:
    facts = batched_facts.BatchedFacts()
    for machine in pair:
        with ctx_host.use(machine):
            facts.fetch_with(["host1", "host2"])
            facts.request(Output, what=f"echo {machine.name}")
    assert facts.get(Output, what="echo host1") == "host1"
    assert [machine.round_trips for machine in pair] == [1, 1]
    with ctx_host.use(pair[1]):
        assert facts.get(Output, what="echo host2") == "host2"
        assert pair[1].round_trips == 1
        facts.forget()
    assert facts.get(Output, what="echo host1") == "host1"
    assert [machine.round_trips for machine in pair] == [2, 2]


def test_a_machine_that_is_forgotten_while_the_others_are_fetched_has_its_value(
    pair: list[Machine],
) -> None:
    facts = batched_facts.BatchedFacts()
    for machine in pair:
        with ctx_host.use(machine):
            facts.fetch_with(["host1", "host2"])
            facts.request(Output, what=f"echo {machine.name}")
    asked = pair[1].get_fact

    def forgets(*words: Any, **arguments: Any) -> Any:
        while pair[0] not in facts._known:  # type: ignore[comparison-overlap]
            gevent.sleep(0.01)
        with ctx_host.use(pair[0]):
            facts.forget()
        return asked(*words, **arguments)

    pair[1].get_fact = forgets  # type: ignore[method-assign]
    assert facts.get(Output, what="echo host1") == "host1"


def test_preparing_knows_nothing_for_executing(pair: list[Machine]) -> None:
    facts = batched_facts.BatchedFacts()
    facts.request(Output, what="echo it")
    pair[0].current_stage = "Prepare"
    facts.get(Output, what="echo it")
    pair[0].current_stage = "Execute"
    facts.get(Output, what="echo it")
    assert pair[0].round_trips == 2


def test_a_change_forgets_what_it_knows_and_one_that_has_nothing_to_do_says_so(
    pair: list[Machine],
) -> None:
    said: list[str] = []
    pair[0].noop = said.append  # type: ignore[attr-defined]
    facts = batched_facts.parallel
    facts.request(Output, what="echo it")

    @batched_facts.change("{path} is there")
    def make(path: str, there: bool) -> Iterator[str]:
        facts.get(Output, what="echo it")
        if not there:
            yield f"touch {path}"

    assert list(make._inner("/x", there=True)) == []
    assert said == ["/x is there"]
    facts.get(Output, what="echo it")
    assert pair[0].round_trips == 1
    assert list(make._inner("/x", there=False)) == ["touch /x"]
    assert said == ["/x is there"]
    facts.get(Output, what="echo it")
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


def test_a_limit_of_the_inventory_is_no_shorter_for_what_has_one_of_its_own(
    pair: list[Machine],
) -> None:
    """_timeout, for slow machines: a command's own replaces it, in pyinfra."""

    def limits() -> list[int]:
        made = batched_facts.lasting(300, "apt-get"), one_file.fed(b"", "cat")
        return [each.connector_arguments["_timeout"] for each in made]

    assert limits() == [300, LIMIT_S]
    pair[0].current_op_global_arguments = {"_timeout": 900}
    assert limits() == [900, 900]
