"""The verifier's self-test: one thing is broken at a time, and exactly what it explains is found.

Afterwards the pair has to be healthy again, so that no fault leans on the one before.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import holds_vip, on, shell, until
from tests.support.lab.deployment import PYINFRA, ROOT, Deployed
from tests.support.lab.verifier_faults import FAULTS, Fault

pytestmark = pytest.mark.lab


@dataclass
class Result:
    exit_code: int
    findings: list[dict[str, Any]]
    output: str

    def ids(self, *outcomes: str) -> set[str]:
        return {f["id"] for f in self.findings if f["outcome"] in outcomes}


def verify(lab: Lab, directory: Path, *data: str) -> Result:
    """One run of the verifier, with its report.json read."""
    (directory / "report.json").unlink(missing_ok=True)
    options = [word for item in (f"report={directory}", *data) for word in ("--data", item)]
    done = lab.run(
        [PYINFRA, "inventory.py", "verify.py", *options],
        cwd=ROOT,
        capture_output=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    assert "Traceback" not in done.stdout, done.stdout
    assert (directory / "report.json").exists(), done.stdout
    findings = json.loads((directory / "report.json").read_text())["findings"]
    return Result(done.returncode, findings, done.stdout)


@pytest.fixture(scope="module")
def pair(lab: Lab, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The deployed pair, healthy to begin with. Afterwards keepalived forgets what it refused."""
    for machine in lab.machines:  # whoever tested before may have had nginx restarted
        on(lab, machine.name, "systemctl reset-failed nginx keepalived")
    result = verify(lab, tmp_path_factory.mktemp("before"), "wait=30")
    assert result.exit_code == 0, result.output
    yield lab
    for machine in lab.machines:
        clear = "kill -s $(keepalived --signum=STATS_CLEAR) $(cat /run/keepalived.pid)"
        on(lab, machine.name, clear)


@pytest.fixture(scope="module")
def well_again(pair: Lab) -> Iterator[Callable[[], str]]:
    """Waits up to 30 s until all holds: "well", or what does not hold even then."""
    process = subprocess.Popen(
        pair.run_command([sys.executable, "-m", "tests.support.lab.watcher"]),
        cwd=ROOT,
        env=pair.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    ask, answers = process.stdin, process.stdout

    def wait() -> str:
        ask.write("30\n")
        ask.flush()
        return answers.readline().strip()

    yield wait
    ask.close()
    process.wait(timeout=30)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_and_nothing_else(
    pair: Lab, well_again: Callable[[], str], fault: Fault, tmp_path: Path
) -> None:
    try:
        with ExitStack() as stack:
            fault.inject(pair, stack)
            result = verify(pair, tmp_path, *fault.data)
    finally:
        after = well_again()
    bad = result.ids("fail", "unknown")
    assert result.exit_code == 1, result.output
    assert fault.expected in bad, result.output
    assert bad <= {fault.expected} | fault.explained, result.output
    assert after == "well"


def test_a_drained_node_is_a_warning_and_the_vip_moves(pair: Lab, tmp_path: Path) -> None:
    with shell(pair, "host1", "touch /etc/keepalived/down", "rm /etc/keepalived/down"):
        holds_vip(pair, "host2")
        result = verify(pair, tmp_path, "wait=10")
        assert result.exit_code == 0, result.output
        # KA-10 still remembers the faults before this one, and the lab's nginx is old.
        assert result.ids("warn") - {"KA-10", "NGX-19"} == {"KA-05", "KA-14", "X-21"}
    assert verify(pair, tmp_path, "wait=30").exit_code == 0


def test_with_every_machine_gone_there_is_still_a_report(pair: Lab, tmp_path: Path) -> None:
    try:
        for host in ("host1", "host2"):
            pair.unplug(host)
        result = verify(pair, tmp_path)
    finally:
        for host in ("host1", "host2"):
            pair.plug(host)
        after = verify(pair, tmp_path / "after", "wait=60")
    assert result.exit_code == 1
    assert result.ids("fail") == {"HOST-01", "X-11"}, result.output
    assert after.exit_code == 0, after.output


def test_a_machine_that_dies_while_it_is_asked_is_a_finding(pair: Lab, tmp_path: Path) -> None:
    """Its cable is pulled when it has begun to listen, which it does for a second."""
    listening = "pgrep -f '[p]erl - eth0' || pgrep -f '[p]ython3 - eth0'"
    found = []

    def look() -> None:
        found.append(verify(pair, tmp_path))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        until(pair, "host2", listening)
        pair.unplug("host2")
        thread.join()
    finally:
        pair.plug("host2")
        thread.join()
        after = verify(pair, tmp_path / "after", "wait=30")
    assert found[0].exit_code == 1
    assert found[0].ids("fail", "unknown") == {"HOST-01"}, found[0].output
    assert "stopped answering" in found[0].output
    assert after.exit_code == 0, after.output


def test_a_healthy_pair_is_judged_in_three_seconds(pair: Lab, tmp_path: Path) -> None:
    """On a machine that has something else to do: in two seconds more than pyinfra's own start."""
    idle = tmp_path / "nothing.py"
    idle.write_text("")
    seconds: dict[str, list[float]] = {"verify.py": [], str(idle): []}
    for _ in range(5):
        for file, taken in seconds.items():
            began = time.monotonic()
            done = pair.run([PYINFRA, "-y", "inventory.py", file], cwd=ROOT)
            taken.append(time.monotonic() - began)
            assert done.returncode == 0, done.stdout + done.stderr
    verifying, alone = (statistics.median(taken) for taken in seconds.values())
    print(f"verify.py {verifying:.2f} s, pyinfra alone {alone:.2f} s")
    assert verifying <= max(3, alone + 2), seconds
