"""Full, busy, hung, dead: what the watch takes nginx for, by its answers and its workers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import programs

answers = programs.load("watch.nginx_answer")
health = programs.load("watch.nginx_health")
question = programs.load("watch.health_question")
episodes = programs.load("watch.overload_episodes")
changing_port = programs.load("watch.changing_port")


# --- asking -----------------------------------------------------------------------------------


class Nginx:
    """What listens where the health is asked for, or on a port, and does what `does` says."""

    def __init__(self, directory: Path, does: str, port: int = 0) -> None:
        self.does = does
        self.before_close: Callable[[], None] = lambda: None
        self.path = str(directory / "health.sock")
        self.listener = socket.socket(socket.AF_INET if port else socket.AF_UNIX)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port) if port else self.path)
        self.listener.listen(1)
        self.held: list[socket.socket] = []
        if does != "queue":
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.held.append(connection)
                if self.does == "late":
                    threading.Timer(0.5, self._answer, [connection]).start()
                elif self.does != "hold":
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        if self.does == "close":
            self.before_close()
        else:
            connection.recv(1024)
            status = b"500 No" if self.does == "wrong" else b"200 OK"
            with contextlib.suppress(OSError):  # who asked waits no more
                connection.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        connection.close()

    def end(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


# Called like a worker, and without another word: it reads what its input has.
MASTER = """\
import os, time
if os.fork() == 0:
    os.execv("/bin/cat", ["nginx: worker process"])
time.sleep(60)
"""


class Watched:
    """The watch's `NginxHealth` of a master with one worker, which `does` something."""

    def __init__(self, directory: Path, master: int) -> None:
        (directory / "nginx.pid").write_text(f"{master}\n")
        self.worker = 0
        while not self.worker:
            self.worker = next(iter(health.children(master)), 0)
        while health.read(f"/proc/{self.worker}/comm") != "cat":
            time.sleep(0.01)
        self.overload = directory / "overload"
        self.directory = directory
        self.start()

    def start(self, *, serves: bool = False) -> None:
        """The watch begins; `serves`: anew, beside an nginx that served."""
        files = [str(self.directory / name) for name in ("health.sock", "nginx.pid")]
        self.health = health.NginxHealth(1, 0.2, str(self.overload), serves, *files)

    def ask(self, times: int = 1) -> list[bool]:
        return [self.health.answers() for _ in range(times)]

    def was(self) -> dict[str, int]:
        """How often it was full, and busy."""
        lines = [line.split() for line in self.overload.read_text().splitlines()]
        return {kind: int(count) for kind, count, _, _ in lines}


@pytest.fixture
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    """One whose worker sleeps; `busy` as a parameter: one whose worker works."""
    works = getattr(request, "param", "") == "busy"
    with subprocess.Popen(
        [sys.executable, "-c", MASTER],
        stdin=open("/dev/zero") if works else subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as master:
        it = Watched(tmp_path, master.pid)
        yield it
        os.kill(it.worker, signal.SIGKILL)
        master.kill()


busy = pytest.mark.parametrize("watched", ["busy"], indirect=True)


def test_one_that_answers_is_alive_and_one_that_is_gone_is_not(
    watched: Watched, tmp_path: Path
) -> None:
    nginx = Nginx(tmp_path, "answer")
    assert watched.ask(3) == [True, True, True]
    nginx.end()
    assert watched.ask() == [False], "its socket lies there, and nobody listens"
    Path(nginx.path).unlink()
    assert watched.ask() == [False]
    assert watched.was() == {"full": 0, "busy": 0}


def test_one_that_answers_500_is_not_alive(watched: Watched, tmp_path: Path) -> None:
    Nginx(tmp_path, "wrong")
    assert watched.ask() == [False]


@busy
def test_one_that_was_busy_when_the_watch_was_started_anew_is_not_hung(
    watched: Watched, tmp_path: Path
) -> None:
    Nginx(tmp_path, "hold")
    watched.start()
    assert watched.ask() == [False], "it has never answered"
    watched.start(serves=True)
    assert watched.ask(2) == [True, True]


def test_a_machine_without_descriptors_says_nothing_about_nginx(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise OSError(24, "Too many open files")

    Nginx(tmp_path, "answer")
    monkeypatch.setattr(question.socket, "socket", exhausted)
    assert watched.ask() == [False]


def test_one_that_closes_at_once_is_full_and_says_so_once(
    watched: Watched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Nginx(tmp_path, "close")
    assert watched.ask(4) == [True] * 4
    assert watched.was() == {"full": 1, "busy": 0}
    assert capsys.readouterr().err.count("nginx is full") == 1


def test_one_that_closes_because_its_worker_ends_is_dead(watched: Watched, tmp_path: Path) -> None:
    nginx = Nginx(tmp_path, "close")
    nginx.before_close = lambda: os.kill(watched.worker, signal.SIGSEGV)
    assert watched.ask() == [False]


@pytest.mark.parametrize("does", ["hold", "queue"])
def test_a_frozen_one_is_hung_as_soon_as_the_question_has_timed_out(
    watched: Watched, tmp_path: Path, does: str
) -> None:
    nginx = Nginx(tmp_path, does)
    began_s = time.monotonic()
    assert watched.ask(4) == [False] * 4, "asleep"
    os.kill(watched.worker, signal.SIGSTOP)
    assert watched.ask(2) == [False] * 2
    assert 1.15 < time.monotonic() - began_s < 3
    nginx.end()
    assert watched.was() == {"full": 0, "busy": 0}


@busy
def test_a_busy_one_is_alive_for_a_while_after_its_last_answer(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nginx = Nginx(tmp_path, "answer")
    monkeypatch.setattr(answers, "BUSY_AT_MOST_S", 1.0)
    assert watched.ask(2) == [True, True]
    nginx.does = "hold"
    assert watched.ask(4) == [True] * 4
    assert watched.ask(3)[1:] == [False] * 2, "for ever it is hung"
    assert watched.was() == {"full": 0, "busy": 1}


@busy
def test_an_answer_that_comes_late_is_one(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked anew each time, one that needs twice the timeout would never have answered."""
    nginx = Nginx(tmp_path, "answer")
    monkeypatch.setattr(answers, "BUSY_AT_MOST_S", 1.0)
    watched.ask()
    nginx.does = "late"
    assert watched.ask(12) == [True] * 12


@busy
def test_a_busy_worker_that_is_stopped_is_hung_at_once(watched: Watched, tmp_path: Path) -> None:
    nginx = Nginx(tmp_path, "answer")
    watched.ask()
    nginx.does = "hold"
    os.kill(watched.worker, signal.SIGSTOP)
    assert watched.ask(2) == [False] * 2


def test_without_the_listener_it_is_asked_on_its_ports_old_and_new(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier configuration is in service, and its port changes: the watch is restarted after
    nginx, which is waited for until the watch trusts it."""
    ports = []
    for name in ("staged", "current"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
        (tmp_path / name).mkdir()
        (tmp_path / name / "about").write_text(f"build=1.26.3-a\nport={ports[-1]}\n")
    places = (str(tmp_path / "staged"), str(tmp_path / "current"), str(tmp_path / "none"))
    monkeypatch.setattr(changing_port, "GENERATIONS", places)
    assert watched.ask() == [False]
    for port in ports:
        nginx = Nginx(tmp_path, "answer", port)
        assert watched.ask(2) == [True, True]
        nginx.end()
    assert watched.ask() == [False]


# --- episodes ---------------------------------------------------------------------------------


def test_an_episode_has_one_line_at_its_begin_and_one_at_its_end() -> None:
    told = episodes.OverloadEpisodes()
    lines = []
    for step in range(100):
        # Full from 2 s to 6 s, with a question answered now and then, busy at 4 s; dead at the end.
        now_s = step / 5
        state = "full" if 2 <= now_s <= 6 and step % 3 else "busy" if now_s == 4.2 else "alive"
        lines += told.observe(now_s, state if step < 90 else "dead")
    assert [line[:26] for line in lines] == [
        "nginx is full: it closes n",
        "nginx is busy: its workers",
        "nginx is not busy any more",
        "nginx is not full any more",
    ]
    assert lines[-1].endswith("after 3.8 s")
    assert told.text() == "full 1 2.0 5.8\nbusy 1 4.2 4.2\n"
    told.observe(30.0, "full")
    assert told.text().startswith("full 2 30.0 -\n")
