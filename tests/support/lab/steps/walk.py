"""A walk through the steps of a deploy: each is disturbed once, and the next run goes on there.

The run that finishes what one disturbance broke off is the run in which the next step is disturbed.
So a walk costs little more than one deploy for each step, and the machines are in every state that
a deploy can be broken off in. A step that did not come up, because a machine that was switched off
has done it while it booted, is walked to again from the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise

from drills.outcomes import RequestOutcome
from lab.twin import Lab
from tests.support.clients.load import Seen, asking
from tests.support.lab.pair import VIP
from tests.support.lab.steps import end_state, runs
from tests.support.lab.steps.disturbance import Disturbance, How, Step

State = dict[str, frozenset[str]]


# How long nobody may be answered: while a machine that holds the VIP loses its power, and else.
OUTAGE_S = {True: 5.0, False: 1.0}
LONGEST_WALK_S = 5400.0
# For so long the end may not yet be as wanted, after a machine was switched on.
SETTLES_S = 20.0


@dataclass
class Cell:
    """What became of one step that was disturbed; without troubles all was as it should be.

    began_s: of the monotonic clock; silence_s: as a run has it; outage_s: of those who ask.
    """

    disturbance: Disturbance
    began_s: float = 0.0
    silence_s: float = 0.0
    outage_s: float = 0.0
    troubles: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        at = self.disturbance
        return f"{at.how} in “{at.step}” on {at.host}: {'; '.join(self.troubles)}"


@dataclass(frozen=True)
class World:
    """Machines to walk on.

    words: what a deploy is told besides; wanted: what an undisturbed one makes of them.
    reset: brings them back to where the walk begins, for the steps that are still to come.
    serves: whether the VIP is held and answers already at the beginning.
    shortcuts: by the beginning of a step's name: what spares the next run a long work.
    """

    lab: Lab
    words: tuple[str, ...]
    wanted: State
    reset: Callable[[Sequence[Step]], None]
    serves: bool
    tell: Callable[[Cell], None] = lambda cell: None
    shortcuts: Mapping[str, Callable[[Lab], None]] = field(default_factory=dict)


def walk(world: World, how: How | Sequence[How], steps: Iterable[tuple[int, Step]]) -> list[Cell]:
    """Disturb each step once; `steps` with their numbers, which choose `how` and the machine."""
    cells: list[Cell] = []
    to_come = list(steps)
    while to_come:
        world.reset([step for _, step in to_come])
        left = _pass(world, (how,) if isinstance(how, How) else how, to_come, cells)
        if len(left) == len(to_come):
            # Not even from the beginning.
            number, step = left.pop(0)
            cell = Cell(_choose(how, number, step))
            cell.troubles.append("the step does not come up")
            cells.append(cell)
        to_come = left
    return cells


def _choose(how: How | Sequence[How], number: int, step: Step) -> Disturbance:
    kinds = (how,) if isinstance(how, How) else how
    chosen = kinds[number % len(kinds)]
    # Machines by turns, for each kind.
    return step.disturbed(chosen, number // len(kinds) + list(How).index(chosen))


def _pass(
    world: World, how: Sequence[How], steps: list[tuple[int, Step]], cells: list[Cell]
) -> list[tuple[int, Step]]:
    """Walk from the beginning; returns the steps that did not come up."""
    made: list[Cell] = []
    left: list[tuple[int, Step]] = []
    with _asked(world, made):
        for place, (number, step) in enumerate(steps):
            disturbance = _choose(how, number, step)
            began_s = time.monotonic()
            run = runs.deploy(world.lab, world.words, disturbance)
            if not run.disturbed:
                left = steps[place:]
                if run.code != 0:
                    said = f"the next deploy fails ({run.code}): {run.end}"
                    if made:
                        made[-1].troubles.append(said)
                    else:  # nothing was broken off before, so that walking on is in vain
                        made.append(Cell(disturbance, began_s, troubles=[said]))
                        left = left[1:]
                break
            cell = Cell(disturbance, began_s, run.silence_s, 0.0, runs.faults(run, disturbance))
            made.append(cell)
            _look_after(world, cell, any_serves=world.serves)
            world.tell(cell)
        if made and not any("the next deploy fails" in each for each in made[-1].troubles):
            _finish(world, made[-1])
    for cell in made:
        if cell.troubles:  # what was found afterwards is among them
            world.tell(cell)
    cells += made
    return left


def _look_after(world: World, cell: Cell, *, any_serves: bool) -> None:
    """What a person finds after a run was broken off; a machine that is off is switched on."""
    at = cell.disturbance
    if (any_serves or runs.holders(world.lab, VIP)) and (
        trouble := runs.trouble_with_vip(world.lab, VIP)
    ):
        cell.troubles.append(trouble)
    if at.how is How.OFF:
        world.lab.power_on(at.host)
    for name, spare in world.shortcuts.items():
        if at.step.startswith(name):
            spare(world.lab)


@contextmanager
def _asked(world: World, cells: list[Cell]) -> Iterator[None]:
    """Ask through the VIP all the time, and say to each cell what was lost in it."""
    with (
        asking(world.lab, rate=20, longest_s=LONGEST_WALK_S)
        if world.serves
        else nullcontext() as seen
    ):
        yield
        walked_s = time.monotonic()
    if not seen:
        return
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        ended_s = following.began_s if following else walked_s
        cell.outage_s = longest_outage(seen, cell.began_s, ended_s)
        if cell.outage_s > OUTAGE_S[cell.disturbance.how is How.OFF]:
            cell.troubles.append(f"nobody was answered for {cell.outage_s:.1f} s")


def longest_outage(seen: Seen, from_s: float, to_s: float) -> float:
    """The longest time without an answer between the two moments: all of it, if there is none."""
    due_s = (
        seen.began_s + request.due_s
        for request in seen.requests
        if request.outcome == RequestOutcome.OK
    )
    answered = [max(from_s, seen.began_s), *(at_s for at_s in due_s if from_s <= at_s < to_s), to_s]
    return max(after - before for before, after in pairwise(answered))


def _finish(world: World, last: Cell) -> None:
    """A plain deploy finishes what is left; one more changes nothing, and all is as wanted."""
    done = runs.deploy(world.lab, world.words)
    if done.code != 0:
        last.troubles.append(f"the next deploy fails ({done.code}): {done.end}")
        return
    again = runs.deploy(world.lab, world.words)
    if again.code != 0 or not again.changed_nothing:
        last.troubles.append(f"one more deploy changes something: {again.end}")
    if trouble := runs.trouble_with_vip(world.lab, VIP):
        last.troubles.append(trouble)
    runs.let_packets_pass(world.lab)
    # A machine that has just booted is on trial, and then takes the VIP.
    deadline_s = time.monotonic() + SETTLES_S
    while differing := end_state.differences(world.wanted, end_state.of_all(world.lab)):
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.5)
    if differing:
        listed = "\n    ".join(differing[:20])
        last.troubles.append(f"after this walk the machines are not as wanted:\n    {listed}")
