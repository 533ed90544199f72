"""verify.py on the pair: one thing is broken at a time, and exactly what it explains is found."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import holds_vip, shell, until
from tests.support.lab.network_faults import NETWORK_FAULTS
from tests.support.lab.nginx_faults import NGINX_FAULTS
from tests.support.lab.verifier_runs import assert_found_and_nothing_else, verify

# A fault of each kind; tests/lab/breaking has the others.
SAMPLE = frozenset(
    {
        "nginx stopped",
        "wrong page",
        "nginx.conf changed and not loaded",
        "keepalived stopped",
        "the watch stopped",
        "the hand-over stopped",
        "the VIP without its label",
        "adverts blocked",
        "a stranger with our VRID",
        "host powered off",
        "log rotation broken",
        "time server silent",
    }
)
FAULTS = {fault.name: fault for fault in (*NGINX_FAULTS, *NETWORK_FAULTS)}


@pytest.mark.parametrize("name", sorted(SAMPLE))
def test_a_fault_is_found_and_nothing_else(
    healthy: Lab, well_again: Callable[[], str], name: str, tmp_path: Path
) -> None:
    assert_found_and_nothing_else(healthy, well_again, FAULTS[name], tmp_path)


def test_a_drained_node_is_a_warning_and_the_vip_moves(healthy: Lab, tmp_path: Path) -> None:
    with shell(healthy, "host1", "touch /etc/keepalived/down", "rm /etc/keepalived/down"):
        holds_vip(healthy, "host2")
        result = verify(healthy, tmp_path, "wait=10")
        assert result.exit_code == 0, result.output
        # KA-10 still remembers the faults before this one, and the lab's nginx is old.
        assert result.ids("warn") - {"KA-10", "NGX-19"} == {"KA-05", "KA-14", "X-21"}
    assert verify(healthy, tmp_path, "wait=30").exit_code == 0


def test_with_every_machine_gone_there_is_still_a_report(healthy: Lab, tmp_path: Path) -> None:
    try:
        for host in ("host1", "host2"):
            healthy.unplug(host)
        result = verify(healthy, tmp_path)
    finally:
        for host in ("host1", "host2"):
            healthy.plug(host)
        after = verify(healthy, tmp_path / "after", "wait=60")
    assert result.exit_code == 1
    assert result.ids("fail") == {"HOST-01", "X-11"}, result.output
    assert after.exit_code == 0, after.output


def test_a_machine_that_dies_while_it_is_asked_is_a_finding(healthy: Lab, tmp_path: Path) -> None:
    """Its cable is pulled when it has begun to listen, which it does for a second."""
    listening = "pgrep -f '[p]erl - eth0' || pgrep -f '[p]ython3 - eth0'"
    found = []

    def look() -> None:
        found.append(verify(healthy, tmp_path))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        until(healthy, "host2", listening)
        healthy.unplug("host2")
        thread.join()
    finally:
        healthy.plug("host2")
        thread.join()
        after = verify(healthy, tmp_path / "after", "wait=30")
    assert found[0].exit_code == 1
    assert found[0].ids("fail", "unknown") == {"HOST-01"}, found[0].output
    assert "stopped answering" in found[0].output
    assert after.exit_code == 0, after.output
