"""build-nginx beside another build, in this machine's shell."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.support import fakes


def build(home: Path, **seconds: int) -> subprocess.CompletedProcess[str]:
    """Let it install what is no artifact, below `home`, with shorter times."""
    program = home / "build-nginx"
    text = (fakes.ROOT / "files" / "nginx" / "build-nginx").read_text()
    for path in ("/usr/lib/tandem", "/var/log/tandem", "/var/cache/tandem"):
        text = text.replace(path, f"{home}{path}")
    for name, value in seconds.items():
        text = re.sub(rf"\b{name}=\d+", f"{name}={value}", text, count=1)
    program.write_text(text.replace("flock -w 5", "flock -w 1"))
    words = ["sh", str(program), "install", "artifact", "0", "1.26.3-0"]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "var/cache/tandem/build.lock"
    path.parent.mkdir(parents=True)
    return path


def test_another_build_is_waited_for_aloud_and_not_without_end(tmp_path: Path, lock: Path) -> None:
    with lock.open("w") as held:
        held.write("4711\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        done = build(tmp_path, wait_s=8)
    assert done.returncode == 1
    said = done.stderr.splitlines()
    # What begins so is shown at once, and keeps the deploy from giving it up.
    assert said[0].startswith("waiting: for another build of nginx (process 4711), at most ")
    assert "end it (kill -9 4711), and deploy again" in said[-1]
    assert lock.read_text() == "4711\n"


def test_a_build_that_does_not_go_on_is_ended(tmp_path: Path, lock: Path) -> None:
    """Stopped, say; and what has a lock of the same name in another place stays."""
    (tmp_path / "beside").mkdir()
    begin = 'exec 9<>"$1"; flock 9; echo $$ >"$1"; echo; kill -STOP $$'
    stuck = subprocess.Popen(["sh", "-c", begin, "sh", str(lock)], stdout=subprocess.PIPE)
    try:
        os.waitid(os.P_PID, stuck.pid, os.WSTOPPED | os.WNOWAIT)
        done = build(tmp_path, stuck_s=10)
        assert f"(process {stuck.pid}) has not gone on for 10 s, and is ended" in done.stderr
        assert stuck.wait(timeout=5) == -signal.SIGKILL
        assert "is not what the controller sent" in done.stderr, "it went on"
    finally:
        stuck.kill()
        stuck.wait()


def test_a_build_that_goes_on_is_not_ended(tmp_path: Path, lock: Path) -> None:
    work = lock.parent / "build"
    work.mkdir()
    begin = 'exec 9<>"$1"; flock 9; for n in 1 2 3 4 5 6; do sleep 1; echo >"$2/$n.o"; done'
    busy = subprocess.Popen(["sh", "-c", begin, "sh", str(lock), str(work)])
    try:
        while not lock.exists():
            time.sleep(0.01)
        done = build(tmp_path, stuck_s=10)
        assert busy.wait(timeout=5) == 0
        assert "is ended" not in done.stderr and "waiting: " in done.stderr
    finally:
        busy.kill()
        busy.wait()


def reports(script: str) -> list[str]:
    """What the person hears who waits for `script`, of which each `pause` is as long as one is to
    hear of it."""
    text = (fakes.ROOT / "files" / "nginx" / "build-nginx").read_text()
    function = text[text.index("report() {") : text.index("compile() {")]
    whole = (
        "set -eu; log=log; : >$log; mkdir objs\n"
        "pause() { command sleep 0.5; }; sleep() { command sleep 0.2; }\n"
        f"{function}\nreport & told=$!\n{script}\n"
        "command sleep 1; kill $told"
    )
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(["sh", "-c", whole], cwd=place, capture_output=True, text=True)
    return done.stderr.splitlines()


MAKEFILE = "printf 'objs/a.o:\\nobjs/b.o:\\n' >objs/Makefile"


def test_who_waits_for_a_compiler_hears_of_what_it_makes_and_nothing_of_one_that_hangs() -> None:
    """Or its silence would never end the run."""
    assert len(reports(MAKEFILE)) <= 2
    compiles = "for n in 1 2; do pause; : >objs/$n.o; done"
    said = reports(f"{MAKEFILE}\npause\n{compiles}")
    assert said[-1] == "progress: compiling nginx, 2 of 2 files"
    assert "progress: compiling nginx, 1 of 2 files" in said and len(said) <= 4


def test_before_the_compiler_one_hears_how_far_configure_is() -> None:
    said = reports('pause; echo "checking for OS" >>$log; echo " + Linux" >>$log; pause')
    assert said == [f"progress: configuring nginx, {checks} checks so far" for checks in (0, 1)]
