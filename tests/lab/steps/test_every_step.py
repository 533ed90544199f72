"""Each step of a first and of a changing deploy is disturbed, and the next deploy finishes it.

Several pairs in labs of their own, since most of the time is spent waiting. What became of each
step stands in build/steps.txt. Only what is selected is walked: `-k "changing and killed"`.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab.conftest import Checkout
from tests.support.lab.deployment import CHECKOUT
from tests.support.lab.steps.matrix import CHANGING, COLUMNS, FIRST, Matrix, Measurement
from tests.support.lab.steps.matrix_report import REPORT, table

LABS = 6


# What has nothing to do in either deploy, because the lab's machines are as they are, or because it
# is not asked for. An operation that is neither here nor disturbed makes these tests fail.
IDLE = {
    "Metrics: not asked for",
    "Clock: in step with 172.16.0.1",
    "Kernel: limits no lower than nginx's",
    "Sites: what is served no more is removed",
}


@pytest.fixture(scope="module")
def matrix(
    request: pytest.FixtureRequest, checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> Matrix:
    """What is selected of it, and its report."""
    every = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    columns = {
        (each["kind"], each["column"]) for each in every if {"kind", "column"} <= each.keys()
    }
    began_s = time.monotonic()
    report = CHECKOUT / REPORT
    report.parent.mkdir(exist_ok=True)
    with report.open("w") as file:

        def progress(line: str) -> None:
            file.write(f"{time.monotonic() - began_s:6.0f} s  {line}\n")
            file.flush()

        found = Measurement(tmp_path_factory.mktemp("steps"), LABS, columns, progress).matrix()
        file.write(f"\n{table(found)}")
    return found


@pytest.mark.timeout(4500)
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("kind", [FIRST, CHANGING])
def test_each_step_is_finished_by_the_next_deploy(matrix: Matrix, kind: str, column: str) -> None:
    tried = {cell.disturbance.step for cell in matrix.cells[kind, column]}
    assert tried == {step.name for step in matrix.references[kind].steps}
    assert not (troubles := matrix.troubles(kind, column)), "\n".join(troubles)


def test_what_became_of_each_step(matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{table(matrix)}")
    assert len(matrix.references[FIRST].steps) > 30
    assert len(matrix.references[CHANGING].steps) > 12


def test_every_operation_is_disturbed(matrix: Matrix) -> None:
    assert matrix.never_disturbed() == IDLE


def test_the_report_is_where_it_says(matrix: Matrix) -> None:
    assert Path(CHECKOUT / REPORT).read_text().endswith(table(matrix))
