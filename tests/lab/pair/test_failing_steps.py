"""A sample of tests/lab/steps: four steps of a changing deploy, each disturbed in another way."""

from __future__ import annotations

from collections.abc import Sequence

from lab.twin import Lab
from tests.support.lab.steps import end_state, runs
from tests.support.lab.steps.disturbance import How, Step, recorded_steps
from tests.support.lab.steps.walk import World, walk

CHANGE = ("--data", "workload=io", "--data", "smtp_server=172.16.0.9")
WAYS = (How.FAIL, How.KILL, How.HANG_UP, How.OFF)


def test_what_breaks_a_deploy_off_is_finished_by_the_next(lab: Lab, plain: None) -> None:
    recorded = runs.deploy(lab, CHANGE)
    assert recorded.code == 0, recorded.output
    steps = recorded_steps(recorded.notes)
    wanted = end_state.of_all(lab)

    def reset(to_come: Sequence[Step]) -> None:
        done = runs.deploy(lab, ())
        assert done.code == 0, done.output

    # Spread over the whole deploy, its last step among them.
    chosen = [steps[(len(steps) - 1) * place // (len(WAYS) - 1)] for place in range(len(WAYS))]
    cells = walk(World(lab, CHANGE, wanted, reset, serves=True), WAYS, enumerate(chosen))
    assert [cell.disturbance.how for cell in cells] == list(WAYS)
    troubles = [str(cell) for cell in cells if cell.troubles]
    assert not troubles, "\n".join(troubles)
