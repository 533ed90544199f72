"""Every drill there is, once: what it breaks is put back, and what must hold meanwhile holds.

How long each may take is for drill.py on a quiet machine; here the figure is only printed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drills.results import DrillResult, DrillVerdict, from_json
from drills.scenarios.catalogue import BY_NAME
from lab.twin import Lab
from tests.support.lab.deployment import Done, pyinfra


@pytest.fixture(scope="module")
def run(healthy: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    """drill.py with every drill, once each, and the directory of its report."""
    directory = tmp_path_factory.mktemp("every-drill")
    options = ("drills=all,changes", "repeats=1", "moves=1", "idle=1000", "hold=5", "timing=show")
    words = [word for item in (*options, f"report={directory}") for word in ("--data", item)]
    return pyinfra(healthy, "inventory.py", "drill.py", *words, timeout=1800), directory


@pytest.fixture(scope="module")
def results(run: tuple[Done, Path]) -> dict[str, DrillResult]:
    done, directory = run
    assert "Traceback" not in done.stdout, done.stdout
    report = from_json((directory / "drills.json").read_bytes())
    return {result.name: result for result in report.drills}


@pytest.mark.timeout(2000)
@pytest.mark.parametrize("name", BY_NAME)
def test_what_a_drill_breaks_is_put_back_and_what_must_hold_holds(
    results: dict[str, DrillResult], name: str
) -> None:
    result = results[name]
    print(f"{result.sentence} (budget {result.budget})")
    assert result.verdict in (DrillVerdict.PASSED, DrillVerdict.SKIPPED), result.reasons
    if result.verdict is DrillVerdict.PASSED:
        assert result.after is not None and result.after.passed, result.after


def test_what_is_skipped_says_what_it_needs(results: dict[str, DrillResult]) -> None:
    skipped = {name: result.reasons for name, result in results.items() if not result.repeats}
    print(skipped)
    # The clock is shared with this machine, and may not be set.
    assert set(skipped) <= {"clock-step", "upgrade", "rollback"}, skipped
    assert all(skipped.values())


def test_the_whole_run_passes(run: tuple[Done, Path]) -> None:
    assert run[0].returncode == 0, run[0].stdout
