"""verify.py on the pair: one thing is broken at a time, and exactly what it explains is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import holds_vip, shell
from tests.support.lab.faults.network_faults import NETWORK_FAULTS
from tests.support.lab.faults.nginx_faults import NGINX_FAULTS
from tests.support.lab.faults.upkeep_faults import UPKEEP_FAULTS
from tests.support.lab.verifier_runs import assert_found_and_nothing_else, verify

# A fault of each kind; tests/lab/breaking has the others.
SAMPLE = frozenset(
    {
        "nginx stopped",
        "nginx.conf changed and not loaded",
        "keepalived stopped",
        "the watch stopped",
        "the VIP without its label",
        "adverts blocked",
        "a stranger with our VRID",
        "keepalived may not use inotify",
        "one more snippet",
    }
)
FAULTS = {fault.name: fault for fault in (*NGINX_FAULTS, *NETWORK_FAULTS, *UPKEEP_FAULTS)}


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
        # keepalived still remembers the faults before this one, and the lab's nginx is old.
        assert result.ids("warn") - {"KA-10", "KA-11", "KA-19", "NGX-19"} == {
            "KA-05",
            "KA-14",
            "X-21",
        }
    assert verify(healthy, tmp_path, "wait=30").exit_code == 0
