"""A machine that is lost in a deploy: the run ends soon and says where; the next one finishes."""

from __future__ import annotations

import re
import subprocess
import time

import pytest

from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA, deploy, verify
from tests.support.lab.pair import holders, on, page, wait_until

ENDS_S = 30.0
# Another file limit is another unit, which a running nginx cannot take on: it restarts.
RESTARTS = "--data", "worker_connections=2048"


@pytest.mark.parametrize(
    ("sign", "lost", "step"),
    [
        ("Starting operation: .*nginx: binary, unit", "host2", "host2 in '"),
        ("Starting operation: .*host2: nginx runs", "host2", "host2 in '"),
        ("the VIP goes to another machine", "host1", "host1 in 'host1: "),
        ("the VIP goes to another machine", "host2", ""),
    ],
    ids=["while-staging", "standby-in-its-turn", "holder-in-its-turn", "standby-in-holders-turn"],
)
def test_a_machine_loses_its_power(lab: Lab, plain: None, sign: str, lost: str, step: str) -> None:
    left = "host1" if lost == "host2" else "host2"
    command = lab.run_command([PYINFRA, "-y", "inventory.py", "deploy.py", *RESTARTS])
    running = subprocess.Popen(
        command,
        env=lab.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout
    said: list[str] = []
    for line in running.stdout:
        said.append(line)
        if re.search(sign, line):
            break
    try:
        lab.power_off(lost)
        began = time.monotonic()
        said += running.stdout
        assert running.wait(timeout=120) == 1, "".join(said)
        assert time.monotonic() - began < ENDS_S
        last = said[-1]
        assert "Stopped: " in last and lost in last and "run this again" in last
        assert step in last
        # Whoever is left serves, and is not drained.
        assert wait_until(lambda: holders_of(lab, left), 5)
        assert page(lab)
        assert on(lab, left, "ls /run/tandem/drain 2>/dev/null || echo none") == "none"
    finally:
        lab.power_on(lost)
    done = deploy(lab)
    assert done.returncode == 0, done.stdout
    assert verify(lab, "--data", "wait=30").returncode == 0
    assert holders(lab) == ["host1"]


def holders_of(lab: Lab, name: str) -> bool:
    return "172.16.12.254/" in on(lab, name, "ip -o address show dev eth0")
