"""The verifier's self-test: every fault that tests/lab/pair has no room for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.lab.pair.test_verifying import FAULTS, SAMPLE
from tests.support.lab.verifier_runs import assert_found_and_nothing_else


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in SAMPLE])
def test_a_fault_is_found_and_nothing_else(
    healthy: Lab, well_again: Callable[[], str], name: str, tmp_path: Path
) -> None:
    assert_found_and_nothing_else(healthy, well_again, FAULTS[name], tmp_path)
