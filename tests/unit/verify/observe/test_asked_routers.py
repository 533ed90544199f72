"""How routers are asked for their own view; by commands of this machine alone."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import settings
from settings import Cluster
from tests.support import fakes
from verify.observe import gather
from verify.observe.routing import asked_routers
from verify.snapshot import HostAnswers, RouterView


def cluster(*words: str, more: tuple[str, ...] = ()) -> Cluster:
    """Two machines with one router of IPv4, and another one with `more`."""
    routers: list[dict[str, Any]] = [{"address": "10.1.0.1", "asn": 64512, "view_command": words}]
    if more:
        routers += [{"address": "10.1.0.2", "asn": 64512, "view_command": more}]
    hosts = {f"host{n}": {"ssh_hostname": f"10.1.0.1{n}", "page": str(n)} for n in (1, 2)}
    group = {"spread": "bgp", "vip": "192.0.2.80/32", "asn": 65010, "routers": routers}
    (found,) = settings.clusters(fakes.inventory(hosts, group))
    return found


def said(*words: str) -> RouterView:
    (found,) = asked_routers.ask(cluster(*words))
    return found


def test_what_a_command_prints_is_the_routers_view() -> None:
    found = said("sh", "-c", "echo via 10.1.0.11 to $0; echo a warning >&2", "{vip}")
    assert (found.address, found.text, found.problem) == (
        "10.1.0.1",
        "via 10.1.0.11 to 192.0.2.80\n",
        "",
    )
    assert found.command.startswith("sh -c 'echo via") and found.command.endswith("192.0.2.80")


def test_a_command_is_run_once_for_all_machines_and_routers(tmp_path: Path) -> None:
    words = ("sh", "-c", f"echo run >>{tmp_path}/runs; echo here")
    both = asked_routers.ask(cluster(*words, more=words))
    assert [(each.address, each.text) for each in both] == [
        ("10.1.0.1", "here\n"),
        ("10.1.0.2", "here\n"),
    ]
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("/no/such/program",), "cannot be run (No such file or directory)"),
        (
            ("sh", "-c", "echo half; echo no  way >&2; exit 3"),
            "failed with status 3 and said: no way",
        ),
        (("sh", "-c", "echo out; exit 3"), "failed with status 3 and said: out"),
        (("false",), "failed with status 1 and said: nothing"),
        (("echo",), "printed nothing"),
    ],
)
def test_what_is_no_answer_says_why(words: tuple[str, ...], problem: str) -> None:
    found = said(*words)
    assert (found.text.strip(), found.problem) == ("", problem)


def test_a_command_that_hangs_is_ended_with_all_that_it_has_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(asked_routers, "TIMEOUT_S", 0.5)
    began = time.monotonic()
    found = said("sh", "-c", f"(sleep 20; touch {tmp_path}/late) & echo $! >{tmp_path}/pid; wait")
    assert found.problem == "has not ended after 0.5 s" and time.monotonic() - began < 10
    child = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    end = time.monotonic() + 10
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_whole_table_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_routers, "LARGEST_CHARACTERS", 5)
    assert said("echo", "123456").problem == "printed more than 5 characters: ask for one route"


def test_secrets_are_replaced() -> None:
    found = said("echo", "neighbor 10.1.0.11 password=hunter2hunter2")
    assert "hunter2" not in found.text and "10.1.0.11" in found.text


def test_a_snapshot_asks_the_routers_of_whole_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = cluster("echo", "via 10.1.0.11")
    monkeypatch.setattr(gather, "_answers_of", lambda *_: HostAnswers(host="host1"))
    monkeypatch.setattr(gather, "_ask_vip", lambda _: ())
    monkeypatch.setattr("settings.clusters", lambda inventory: (ours,))
    for limited in ({"host1"}, {"host1", "host2"}):
        state: Any = SimpleNamespace(
            inventory=[SimpleNamespace(name=node.name) for node in ours.nodes],
            is_host_in_limit=lambda host, limited=limited: host.name in limited,
            config=SimpleNamespace(PARALLEL=4),
        )
        views = gather.take_snapshot(state).router_views
        assert {name: [v.text for v in its] for name, its in views.items()} == (
            {ours.name: ["via 10.1.0.11\n"]} if len(limited) == 2 else {}
        )
