"""The end of nginx's master is noticed at once; that of one of two masters is none."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.support import programs

program = programs.load("watch.nginx_master")


def test_the_end_of_the_master_is_noticed_at_once_and_an_upgrade_is_none(tmp_path: Path) -> None:
    pid_file = tmp_path / "nginx.pid"
    with subprocess.Popen(["sleep", "60"]) as old, subprocess.Popen(["sleep", "60"]) as new:
        pid_file.write_text(f"{old.pid}\n")
        master = program.NginxMaster(str(pid_file))
        master.follow()
        assert master.wait(0.05) is False
        pid_file.write_text(f"{new.pid}\n")
        old.kill()
        assert master.wait(5) is False, "another master has taken over"
        new.kill()
        began_s = time.monotonic()
        assert master.wait(5) is True
        assert time.monotonic() - began_s < 2
        master.close()


def test_the_end_of_a_new_master_is_none_while_the_old_one_goes_on(tmp_path: Path) -> None:
    """The way back of a hot upgrade: the pid file still names the one that ended, or nobody."""
    pid_file, old_pid_file = tmp_path / "nginx.pid", tmp_path / "nginx.pid.oldbin"
    with subprocess.Popen(["sleep", "60"]) as old:
        for named in (True, False):
            with subprocess.Popen(["sleep", "60"]) as new:
                pid_file.write_text(f"{new.pid}\n")
                old_pid_file.write_text(f"{old.pid}\n")
                master = program.NginxMaster(str(pid_file))
                master.follow()
                if not named:
                    pid_file.unlink()
                new.kill()
                assert master.wait(5) is False
                assert master.pid == str(old.pid)
        old_pid_file.rename(pid_file)
        master.follow()
        old.kill()
        assert master.wait(5) is True
        master.close()


def test_an_old_master_that_ended_with_the_new_one_is_no_other(tmp_path: Path) -> None:
    pid_file = tmp_path / "nginx.pid"
    with subprocess.Popen(["sleep", "60"]) as old, subprocess.Popen(["sleep", "60"]) as new:
        pid_file.write_text(f"{new.pid}\n")
        (tmp_path / "nginx.pid.oldbin").write_text(f"{old.pid}\n")
        master = program.NginxMaster(str(pid_file))
        master.follow()
        old.kill()
        new.kill()
        time.sleep(0.2)
        assert master.wait(5) is True
