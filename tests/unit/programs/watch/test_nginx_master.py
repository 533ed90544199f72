"""nginx's master: its end is noticed at once, and a hot upgrade is none."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.support import programs

nginx_master = programs.load("watch.nginx_master")


def test_the_end_of_the_master_is_noticed_at_once_and_an_upgrade_is_none(tmp_path: Path) -> None:
    pid_file = tmp_path / "nginx.pid"
    with subprocess.Popen(["sleep", "60"]) as old, subprocess.Popen(["sleep", "60"]) as new:
        pid_file.write_text(f"{old.pid}\n")
        master = nginx_master.NginxMaster(str(pid_file))
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
                master = nginx_master.NginxMaster(str(pid_file))
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
        master = nginx_master.NginxMaster(str(pid_file))
        master.follow()
        old.kill()
        new.kill()
        time.sleep(0.2)
        assert master.wait(5) is True


def test_while_its_workers_outlive_it_nobody_follows_an_ended_master_in_circles(
    tmp_path: Path,
) -> None:
    pid_file = tmp_path / "nginx.pid"
    with subprocess.Popen(["sleep", "60"]) as master_process:
        pid_file.write_text(f"{master_process.pid}\n")
        master = nginx_master.NginxMaster(str(pid_file))
        master.follow()
        assert not master.only_workers
        master_process.kill()
        assert master.wait(5) is True
        assert master.only_workers
        # Nobody has waited for it yet: its pid is still there.
        master.follow()
        began_s = time.monotonic()
        assert master.wait(0.2) is False, "that is no news any more"
        assert time.monotonic() - began_s > 0.15
        assert master.only_workers
    with subprocess.Popen(["sleep", "60"]) as another:
        pid_file.write_text(f"{another.pid}\n")
        master.follow()
        assert not master.only_workers, "it has been started anew"
        another.kill()
        assert master.wait(5) is True
        master.ended_s -= nginx_master.WORKERS_OUTLIVE_S
        assert not master.only_workers, "who answers by now has another pid file"
        master.close()
