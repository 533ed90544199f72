"""A process table in which nginx's masters and workers answer signals as nginx does."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from tests.support import programs

MASTER, WORKER, ENDING = (
    "nginx: master process /usr/sbin/nginx",
    "nginx: worker process",
    "nginx: worker process is shutting down",
)


class NginxProcesses:
    """What apply-nginx sees of the running nginx, with the pid files below `directory`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.titles: dict[int, str] = {}
        self.parents: dict[int, int] = {}
        self.builds: dict[int, str] = {}
        self.signals: list[tuple[int, signal.Signals]] = []
        # How a new binary behaves: serves, ends (at once), hangs (starts no worker).
        self.new_binary, self.new_build = "serves", "new"
        # Signals that have no effect.
        self.ignored: set[tuple[int, signal.Signals]] = set()
        self.pid_file = directory / "nginx.pid"
        self.old_pid_file = directory / "nginx.pid.oldbin"
        layout, masters = (
            programs.load("apply_nginx.layout"),
            programs.load("apply_nginx.serving.masters"),
        )
        monkeypatch.setattr(layout, "PID_FILE", str(self.pid_file))
        monkeypatch.setattr(layout, "OLD_PID_FILE", str(self.old_pid_file))
        monkeypatch.setattr(masters, "title", lambda pid: self.titles.get(int(pid), ""))
        monkeypatch.setattr(masters, "ours", lambda pid: int(pid) in self.titles)
        monkeypatch.setattr(masters, "children", self.children)
        monkeypatch.setattr(
            masters, "executable", lambda pid: f"{layout.BUILDS}/{self.builds.get(pid, '')}/nginx"
        )
        monkeypatch.setattr(masters, "send", self.kill)
        monkeypatch.setattr(masters, "send_signals", self._kill_all)

    def _kill_all(self, pids: list[int], number: int, is_still_so: Callable[[], bool]) -> bool:
        assert is_still_so()
        for pid in pids:
            self.kill(pid, number)
        return True

    def children(self, pid: int) -> list[int]:
        return [child for child, parent in self.parents.items() if parent == pid]

    def start(self, pid: int, build: str, parent: int = 1, *, workers: bool = True) -> None:
        """A master with the pid `pid`, its worker pid + 1."""
        self.titles[pid], self.parents[pid], self.builds[pid] = MASTER, parent, build
        self.pid_file.write_text(f"{pid}\n")
        if workers:
            self._start_worker(pid)

    def start_two(self, old_build: str, new_build: str, *, old_serves: bool = False) -> None:
        """The masters 10 and 20 in the middle of an upgrade."""
        self.start(10, old_build)
        if not old_serves:
            self.titles[11] = ENDING
        self.pid_file.rename(self.old_pid_file)
        self.start(20, new_build, 10)

    def end(self, pid: int) -> None:
        for child in self.children(pid):
            if self.titles.get(child) != MASTER:
                self.end(child)
            else:
                self.parents[child] = 1
        del self.titles[pid], self.parents[pid]
        for path in (self.pid_file, self.old_pid_file):
            if path.exists() and path.read_text().strip() == str(pid):
                path.unlink()
        if self.old_pid_file.exists() and not self.pid_file.exists():
            self.old_pid_file.rename(self.pid_file)

    def _start_worker(self, master: int) -> None:
        worker = master + 1 if master + 1 not in self.titles else master + 2
        self.titles[worker], self.parents[worker] = WORKER, master

    def kill(self, pid: int, number: int) -> None:
        if pid not in self.titles:
            return
        given = signal.Signals(number)
        self.signals.append((pid, given))
        if (pid, given) in self.ignored:
            return
        if given == signal.SIGUSR2:
            self.pid_file.rename(self.old_pid_file)
            self.start(20, self.new_build, pid, workers=self.new_binary == "serves")
            if self.new_binary == "ends":
                Timer(0.1, self.end, (20,)).start()
        elif given == signal.SIGWINCH:
            for child in self.children(pid):
                if self.titles[child] == WORKER:
                    self.titles[child] = ENDING
        elif given == signal.SIGHUP:
            self._start_worker(pid)
        elif given in (signal.SIGQUIT, signal.SIGKILL):
            self.end(pid)

    def serving(self) -> list[int]:
        """The masters whose workers accept connections."""
        return sorted({self.parents[pid] for pid, title in self.titles.items() if title == WORKER})


def failed() -> Any:
    """The exception of apply-nginx."""
    return programs.load("apply_nginx.serving.service_manager").Failed
