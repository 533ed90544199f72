"""Every drill there is, once: what it breaks is put back, and what must hold meanwhile holds.

How long each may take is for drill.py on a quiet machine; here the figure is only printed. (Those
that are not here are in tests/lab/pair/test_drilling.py.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.results import DrillResult, DrillVerdict, from_json
from drills.scenarios.catalogue import GROUPS
from lab.twin import Lab
from tests.lab.breaking.test_ipv6_drills import BESIDE
from tests.lab.pair import test_drilling
from tests.support.lab.deployment import Done, deploy, pyinfra
from tests.support.lab.drill_runs import UNMEASURED, assert_drill_sound, data_words
from tests.support.lab.pair import forget_failures

SKIPPED = {
    # The lab's machines share this machine's clock and may not set it.
    "clock-step": "has no clock of its own to set",
    # Done in two networks: tests/lab/network/test_two_networks.py.
    "vrrp-link-cut": "VRRP is spoken on the interface that has the VIP",
    # Done with a pair that has one: test_ipv6_drills.py.
    **dict.fromkeys(BESIDE, "set vip6 and address6"),
}


NAMES = [
    name
    for name in (*GROUPS["all"], *GROUPS["changes"])
    if name not in (*test_drilling.FAULTS, *test_drilling.CHANGES)
]
# So that it is all as at the start the sooner: half of the drills wait for nginx's trial.
TRIAL = data_words("health_trial_s=1")


@pytest.fixture(scope="module")
def run(healthy: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Done, Path]]:
    """drill.py with these drills, once each, and the directory of its report."""
    directory = tmp_path_factory.mktemp("every-drill")
    options = (f"drills={','.join(NAMES)}", "repeats=1", "timing=show", f"report={directory}")
    words = (*data_words(*options), *TRIAL)
    done = deploy(healthy, *TRIAL)
    assert done.returncode == 0, done.stdout
    yield pyinfra(healthy, "inventory.py", "drill.py", *words, timeout=2700), directory
    forget_failures(healthy)
    back = deploy(healthy)
    assert back.returncode == 0, back.stdout


@pytest.fixture(scope="module")
def results(run: tuple[Done, Path]) -> dict[str, DrillResult]:
    done, directory = run
    assert "Traceback" not in done.stdout, done.stdout
    report = from_json((directory / "drills.json").read_bytes())
    return {result.name: result for result in report.drills}


@pytest.mark.timeout(2900)
@pytest.mark.parametrize("name", NAMES)
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
