"""What the watch writes for keepalived, and what it reads of keepalived."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.support import programs

loop = programs.load("watch.watch_loop")
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


def test_a_keepalived_that_is_stopped_or_has_lost_its_vrrp_process_is_stuck(
    tmp_path: Path,
) -> None:
    pid_file = tmp_path / "keepalived.pid"

    def stuck() -> list[int]:
        return list(stuck_keepalived.stuck_processes(str(pid_file)))

    assert stuck() == [], "it does not run"
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait; sleep 60"]) as parent:
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
