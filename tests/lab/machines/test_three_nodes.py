"""Three machines with an IPv4 and an IPv6 address that move together: nothing is found there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.own_lab import own_lab, pyinfra

INVENTORY = "tests/support/inventories/three_dual_stack.py"
VERIFICATIONS = 5


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with own_lab(tmp_path_factory.mktemp("three") / "tandem", INVENTORY) as lab:
        first = pyinfra(lab, "-y", INVENTORY, "deploy.py")
        assert first.returncode == 0, first.stdout
        yield lab


def test_a_healthy_cluster_raises_no_false_alarm(three: Lab, tmp_path: Path) -> None:
    settled = pyinfra(three, INVENTORY, "verify.py", "--data", "wait=30")
    assert settled.returncode == 0, settled.stdout
    for _ in range(VERIFICATIONS):
        done = pyinfra(three, INVENTORY, "verify.py", "--data", f"report={tmp_path}")
        assert done.returncode == 0, done.stdout
        counts = json.loads((tmp_path / "report.json").read_text())["counts"]
        assert (counts["fail"], counts["unknown"]) == (0, 0)


def test_two_that_agree_prove_nothing_while_the_third_is_silent(three: Lab) -> None:
    three.unplug("host3")
    try:
        done = pyinfra(three, INVENTORY, "verify.py", "--data", "only=X-12,X-16,NGX-14")
    finally:
        three.plug("host3")
    assert done.returncode == 1, done.stdout
    assert "FAIL HOST-01 host3" in done.stdout
    assert "host3 could not be asked (HOST-01): X-12, X-16" in done.stdout
