"""How much a run prints, and how it says what takes long, on a terminal and elsewhere; through
pyinfra's own command line, on simulated machines."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

from tests.support.fakes import ROOT
from tests.support.simulated.simulated_cluster import SimulatedCluster
from tests.unit.controller.output.test_endings import ENVIRONMENT, Controller

HOSTS = "@fake/host1, @fake/host2, @fake/host3"
# The whole of it, as a person reads it (without what belongs to this test's inventory).
UNCHANGED = f"""\
--> Loading config...
--> Loading inventory...
--> Connecting to hosts...
    [{HOSTS}] Connected
--> Preparing operation files...
--> Beginning operation run...
--> deploy.py: nothing to do on {HOSTS}.
"""


def deployed(directory: Path, machines: int) -> Controller:
    controller = Controller(directory)
    controller.keep(SimulatedCluster(machines, directory / "machines"))
    running = controller.start("-y", "machines.py", "deploy.py")
    said, _ = running.communicate()
    assert running.returncode == 0, said
    controller.keep(pickle.loads(controller.file.read_bytes()))
    return controller


def test_an_unchanged_deploy_of_three_machines_is_read_at_a_glance(tmp_path: Path) -> None:
    running = deployed(tmp_path, 3).start("-y", "machines.py", "deploy.py")
    said, _ = running.communicate()
    assert running.returncode == 0, said
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) <= 25
    assert lines == UNCHANGED.splitlines()
    assert "\x1b" not in said and "\r" not in said


def test_on_a_terminal_what_takes_long_is_one_line_that_is_gone_at_the_end(
    tmp_path: Path,
) -> None:
    controller = deployed(tmp_path, 2)
    # As if each step took long.
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tests.support.simulated import simulated_run\nfrom report import live_line\n"
        "live_line.APPEARS_S, live_line.REDRAWN_S, begin = 0, 0.01, live_line.begin\n"
        "live_line.begin = lambda *given, **more: (begin(*given, **more), time.sleep(0.05))\n"
        "simulated_run.main(Path(sys.argv.pop(1)))"
    )
    session = [sys.executable, "-m", "tests.support.terminal_session", "60", "0"]
    run = [sys.executable, "-c", script, str(controller.file)]
    done = subprocess.run(
        [*session, *run, "-y", str(controller.inventory), "deploy.py"],
        cwd=ROOT,
        env={**ENVIRONMENT, "TERM": "xterm", "XDG_CACHE_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    written = done.stdout.decode()
    assert done.returncode == 0, written
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written).replace("\r\n", "\n")
    drawn = re.findall(r"\r\x1b\[K([^\r\n\x1b]+)\r", plain)
    assert any(re.fullmatch(r"  . \d+ s  \S.*", line) and len(line) < 60 for line in drawn)
    # Each is erased before anything else is printed.
    for after in re.split(r"\r\x1b\[K[^\r\n\x1b]+\r", plain)[1:]:
        assert after in ("", "\x1b[K") or after.startswith(("\x1b[K", "\r\x1b[K")), repr(after)
