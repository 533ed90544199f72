"""What the watch writes for keepalived, and what it observes of the processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs

loop = programs.load("watch.watch_loop")
premise_history = programs.load("watch.premises.premise_history")
other_nodes = programs.load("watch.other_nodes")
stuck_keepalived = programs.load("watch.stuck_keepalived")
timing = programs.load("common.timing")
linux_processes = programs.load("common.linux_processes")


def test_it_is_written_in_place_so_that_the_file_is_never_empty(tmp_path: Path) -> None:
    path = tmp_path / "failed"
    path.write_text("0\n")
    inode = path.stat().st_ino
    loop.write_in_place(str(path), 1)
    assert path.read_text() == "1\n"
    assert path.stat().st_ino == inode


class FollowedMaster:
    """nginx's master, which lives."""

    only_workers = False

    def follow(self) -> None:
        pass


def pretend(monkeypatch: pytest.MonkeyPatch, master: type) -> None:
    """Have the watch's loop look at this master; its nginx answers, and nothing else is wrong."""

    class Health:
        def __init__(self, *_: Any, serves: bool) -> None:
            pass

        def answers(self) -> bool:
            return True

    class Premises:
        history = premise_history.PremiseHistory(0.1)
        serves_neighbours = False

        def __init__(self, *_: Any) -> None:
            pass

        def news(self) -> list[Any]:
            return []

        def missing(self) -> str:
            return ""

        def until_judged_s(self) -> float:
            return float("inf")

    for name, value in (
        ("in_real_time", lambda: None),
        ("NodePremises", Premises),
        ("NginxMaster", lambda others: master()),
        ("NginxHealth", Health),
        ("stuck_processes", list),
    ):
        monkeypatch.setattr(loop, name, value)


def run_until_stopped(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """The loop of a watch that trusts its nginx, until its master's wait ends it."""
    options = "--vip 192.0.2.9 --port 80 --other 192.0.2.2 --interval 1 --timeout 1 --misses 2"
    words = ["watch", *options.split(), "--trial", "60", "--directory", str(directory)]
    monkeypatch.setattr("sys.argv", words)
    for file in ("failed", "last-resort"):
        (directory / file).write_text("0\n")
    with pytest.raises(KeyboardInterrupt):
        loop.main()


@pytest.mark.parametrize(("other", "failed"), [("answers", "1\n"), ("", "0\n")])
def test_an_end_without_an_unanswered_request_is_judged_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other: str, failed: str
) -> None:
    """A quick restart: where no other node serves, the 1 of nginx's unit must not stay for ever."""

    class Master(FollowedMaster):
        rounds = 0

        def wait(self, timeout_s: float) -> bool:
            self.rounds += 1
            if self.rounds == 1:
                (tmp_path / "failed").write_text("1\n")
            if self.rounds == 3:
                raise KeyboardInterrupt
            return False

    def first_bytes(address: str, *_: Any) -> bytes:
        if other:
            return b"HTTP/1.1 200 OK"
        raise OSError

    pretend(monkeypatch, Master)
    monkeypatch.setattr(other_nodes, "first_bytes", first_bytes)
    run_until_stopped(monkeypatch, tmp_path)
    assert (tmp_path / "failed").read_text() == failed
    assert (tmp_path / "last-resort").read_text() == "0\n"


def test_workers_that_answer_without_their_master_count_for_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no other node serves, either: it is told once, not again and again until they end."""
    found: list[str] = []

    class Master(FollowedMaster):
        def wait(self, timeout_s: float) -> bool:
            files = (tmp_path / "failed", tmp_path / "last-resort")
            found.append("".join(file.read_text().strip() for file in files))
            if len(found) == 4:
                raise KeyboardInterrupt
            self.only_workers = len(found) < 3
            return len(found) == 1

    def first_bytes(*_: Any) -> bytes:
        raise OSError

    pretend(monkeypatch, Master)
    monkeypatch.setattr(other_nodes, "first_bytes", first_bytes)
    run_until_stopped(monkeypatch, tmp_path)
    assert found == ["00", "01", "01", "00"]


@pytest.mark.parametrize(
    ("answering", "nginx", "seen"),
    [
        # Another has taken the address.
        (("192.0.2.2", "192.0.2.9"), True, ["10", "10", "10"]),
        # Nobody takes it: the other is shut in as well, and there is no moment without a holder.
        (("192.0.2.2",), True, ["01", "01", "01"]),
        # There is nobody else.
        ((), True, ["01", "01", "01"]),
        # And its nginx does not answer.
        (("192.0.2.2",), False, ["10", "10", "10"]),
    ],
)
def test_a_node_that_serves_its_neighbours_alone_does_so_where_nobody_serves_everybody(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answering: tuple[str, ...],
    nginx: bool,
    seen: list[str],
) -> None:
    found: list[str] = []

    class Master(FollowedMaster):
        def wait(self, timeout_s: float) -> bool:
            files = (tmp_path / "failed", tmp_path / "last-resort")
            found.append("".join(file.read_text().strip() for file in files))
            if len(found) == len(seen):
                raise KeyboardInterrupt
            return False

    def first_bytes(address: str, *_: Any) -> bytes:
        if address in answering:
            return b"HTTP/1.1 200 OK"
        raise OSError

    pretend(monkeypatch, Master)
    monkeypatch.setattr(loop.NodePremises, "missing", lambda self: "there is no route")
    monkeypatch.setattr(loop.NodePremises, "serves_neighbours", True)
    monkeypatch.setattr(loop.NginxHealth, "answers", lambda self: nginx)
    monkeypatch.setattr(other_nodes, "first_bytes", first_bytes)
    run_until_stopped(monkeypatch, tmp_path)
    assert found == seen


def test_who_has_just_got_its_link_back_and_reaches_nobody_is_not_trusted_for_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: list[str] = []
    said = iter(["no link", "", "", "", ""])

    class Master(FollowedMaster):
        def wait(self, timeout_s: float) -> bool:
            found.append((tmp_path / "failed").read_text().strip())
            if len(found) == 4:
                raise KeyboardInterrupt
            if len(found) == 3:
                time.sleep(0.3)
            return False

    def first_bytes(*_: Any) -> bytes:
        raise OSError

    pretend(monkeypatch, Master)
    monkeypatch.setattr(loop, "SETTLES_S", 0.2)
    monkeypatch.setattr(loop.NodePremises, "missing", lambda self: next(said))
    monkeypatch.setattr(other_nodes, "first_bytes", first_bytes)
    run_until_stopped(monkeypatch, tmp_path)
    assert found == ["1", "1", "1", "0"]


def test_a_keepalived_that_is_stopped_or_has_lost_its_vrrp_process_is_stuck(
    tmp_path: Path,
) -> None:
    pid_file = tmp_path / "keepalived.pid"

    def stuck() -> list[int]:
        return list(stuck_keepalived.stuck_processes(str(pid_file)))

    assert stuck() == [], "it does not run"
    keepalived = tmp_path / "keepalived"
    shutil.copy(str(shutil.which("sh")), keepalived)
    pid_file.write_text(f"{os.getpid()}\n")
    assert stuck() == [], "its pid is used again"
    with subprocess.Popen([str(keepalived), "-c", "sleep 60 & wait; sleep 60"]) as parent:
        pid_file.write_text(f"{parent.pid}\n")
        assert timing.wait_for(lambda: linux_processes.children(parent.pid), 5)
        (child,) = linux_processes.children(parent.pid)
        assert stuck() == []
        os.kill(child, signal.SIGSTOP)
        assert timing.wait_for(stuck, 5) == [parent.pid, child]
        os.kill(child, signal.SIGCONT)
        assert timing.wait_for(lambda: not stuck(), 5)
        parent.send_signal(signal.SIGSTOP)
        os.kill(child, signal.SIGKILL)
        assert timing.wait_for(stuck, 5), "its parent is stopped"
        parent.kill()
    assert stuck() == [], "there is no such process"
