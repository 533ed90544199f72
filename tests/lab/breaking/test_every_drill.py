"""Every drill there is, once: what it breaks is put back, and what must hold meanwhile holds.

How long each may take is for drill.py on a quiet machine; here the figure is only printed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drills.results import DrillResult, DrillVerdict, from_json
from drills.scenarios.catalogue import GROUPS
from lab.twin import Lab
from tests.lab.breaking.test_ipv6_drills import BESIDE
from tests.support.lab.deployment import Done, pyinfra
from tests.support.lab.drill_runs import UNMEASURED, assert_drill_sound

SKIPPED = {
    # The lab's machines share this machine's clock and may not set it.
    "clock-step": "has no clock of its own to set",
    # Done in two networks: tests/lab/network/test_two_networks.py.
    "vrrp-link-cut": "VRRP is spoken on the interface that has the VIP",
    # Done with a pair that has one: test_ipv6_drills.py.
    **dict.fromkeys(BESIDE, "set vip6 and address6"),
}


@pytest.fixture(scope="module")
def run(healthy: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    """drill.py with every drill, once each, and the directory of its report."""
    directory = tmp_path_factory.mktemp("every-drill")
    options = ("drills=all,changes", "repeats=1", "moves=1", "timing=show")
    words = [word for item in (*options, f"report={directory}") for word in ("--data", item)]
    return pyinfra(healthy, "inventory.py", "drill.py", *words, timeout=2700), directory


@pytest.fixture(scope="module")
def results(run: tuple[Done, Path]) -> dict[str, DrillResult]:
    done, directory = run
    assert "Traceback" not in done.stdout, done.stdout
    report = from_json((directory / "drills.json").read_bytes())
    return {result.name: result for result in report.drills}


@pytest.mark.timeout(2900)
@pytest.mark.parametrize("name", [*GROUPS["all"], *GROUPS["changes"]])
def test_what_a_drill_breaks_is_put_back_and_what_must_hold_holds(
    results: dict[str, DrillResult], name: str
) -> None:
    result = results[name]
    if name in SKIPPED:
        assert result.verdict is DrillVerdict.SKIPPED
        assert SKIPPED[name] in result.reasons[0]
        return
    assert_drill_sound(result)


def test_not_more_than_one_of_them_could_not_be_measured(
    results: dict[str, DrillResult],
) -> None:
    unmeasured = [name for name, result in results.items() if not result.counted]
    assert len([name for name in unmeasured if name not in SKIPPED]) < UNMEASURED, unmeasured
