"""What a node of a routed cluster lets the routers know, by what the watch knows."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs

announcement = programs.load("watch.announcement")
mesh_beats = programs.load("handover.mesh.mesh_beats")
other_nodes = programs.load("watch.other_nodes")
serving_nodes = programs.load("watch.serving_nodes")
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


def test_those_that_cannot_be_reached_are_not_waited_for_once_one_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def first_bytes(address: str, *_: Any) -> bytes:
        asked.append(address)
        if address == "10.1.0.12":
            raise OSError("no answer")
        return b"HTTP/1.1 200 OK"

    monkeypatch.setattr(other_nodes, "first_bytes", first_bytes)
    peers = ["10.1.0.12", "10.1.0.13", "10.1.0.14"]
    assert other_nodes.OtherNodes("192.0.2.80", peers, 80, 2, 1.0, "eth0", routed=True).serve(False)
    assert asked == ["10.1.0.12", "10.1.0.13"]


# --- what other nodes say in the mesh ----------------------------------------------------------


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Those that say that they serve, heard on a port of loopback's."""
    monkeypatch.setattr(serving_nodes, "interface_index", lambda name: 1)  # lo's
    made = serving_nodes.ServingNodes(0)
    yield made
    made.socket.close()


def say(nodes: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"tandem", ("127.0.0.1", nodes.socket.getsockname()[1]))


def test_a_node_that_has_just_said_so_serves_and_one_that_is_silent_does_not(nodes: Any) -> None:
    assert not nodes.any(10.0)
    say(nodes)
    assert nodes.any(11.0) and nodes.any(11.5)
    assert not nodes.any(11.7)


def test_what_did_not_come_through_the_mesh_is_nobodys_word(
    nodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in (2, 0):
        monkeypatch.setattr(serving_nodes, "interface_index", lambda name, number=other: number)
        say(nodes)
        assert not nodes.any(10.0)


def test_where_the_port_is_another_ones_nobody_is_heard(
    nodes: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    second = serving_nodes.ServingNodes(nodes.socket.getsockname()[1])
    assert "on which nodes say that they serve: Address already in use" in capfd.readouterr().err
    say(nodes)
    assert nodes.any(10.0) and not second.any(10.0)
    second.socket.close()


# --- what this one says there ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "announced", "drained", "expected"),
    [
        ("0", "1", False, True),
        ("1", "1", False, False),
        # Behind all others, or no router hears it; or the watch has never said.
        ("0", "0", False, False),
        ("0", "", False, False),
        ("0", "1", True, False),
    ],
)
def test_a_node_says_that_it_serves_while_routers_hear_so(
    tmp_path: Path, failed: str, announced: str, drained: bool, expected: bool
) -> None:
    (tmp_path / "failed").write_text(f"{failed}\n")
    if announced:
        (tmp_path / "announced").write_text(f"{announced}\n")
    if drained:
        (tmp_path / "down").touch()
    files = (str(tmp_path / "failed"), str(tmp_path / "announced"), [str(tmp_path / "down")])
    assert mesh_beats.MeshBeats("10.1.0.11", ["10.1.0.12"], *files).serves() is expected
