"""build-nginx beside another build, in this machine's shell."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from tests.support import fakes


def test_another_build_is_waited_for_aloud_and_not_without_end(tmp_path: Path) -> None:
    program = tmp_path / "build-nginx"
    text = (fakes.ROOT / "files" / "nginx" / "build-nginx").read_text()
    for path in ("/usr/lib/tandem", "/var/log/tandem", "/var/cache/tandem"):
        text = text.replace(path, f"{tmp_path}{path}")
    program.write_text(text.replace("wait_s=900", "wait_s=8").replace("flock -w 5", "flock -w 1"))
    lock = tmp_path / "var/cache/tandem/build.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        held.write("4711\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(
            ["sh", str(program), "install", "artifact", "0", "1.26.3-0"],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    said = done.stderr.splitlines()
    # What begins so is shown at once, and keeps the deploy from giving it up.
    assert said[0].startswith("waiting: for another build of nginx (process 4711), at most ")
    assert "end it (kill 4711), and deploy again" in said[-1]
    assert lock.read_text() == "4711\n"
