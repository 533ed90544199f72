"""The drills with this revision and with another, in turns, each on a pair of its own.

    sudo .venv/bin/python -m bench.revisions --against REV [--quick] [--repeats 5] [--report DIR]

REV is what git calls one: a tag, a branch, HEAD~3, a hash. It gets a checkout, an environment and
machines of its own for as long as this takes. Only drills that both revisions have are done; what
each of the runs has found, request by request, is in DIR/revisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.machinery.bench_command import (
    ROOT,
    CannotMeasure,
    Measurements,
    Options,
    progress,
    run_bench,
)
from bench.machinery.bench_drills import run_drills
from bench.machinery.bench_lab import Operator
from bench.machinery.other_revision import checkout, drill_names, own_lab
from bench.report.bench_result import Comparison, Series, at_most
from drills.results import DrillResult, DrillVerdict, Repeat

GROUPS = ("all", "changes")
QUICK = ("quick",)
# No worse: what two series of five of the same revision differ by is mostly less than this.
FACTOR, TOLERANCE_S = 1.25, 0.03
BAD = (DrillVerdict.FAILED, DrillVerdict.VOID)
NOW = "this revision"


@dataclass(frozen=True)
class RevisionSide:
    """One of the two revisions, where it lies, and what its drills have found so far."""

    who: str
    tree: Path
    found: list[DrillResult]

    def of(self, name: str) -> list[DrillResult]:
        """One drill's results, a result per round."""
        return [drill for drill in self.found if drill.name == name]

    @property
    def bad(self) -> list[DrillResult]:
        """The results that say that something was not as it has to be, or not known."""
        return [drill for drill in self.found if drill.verdict in BAD]


def measure(options: Options, measured: Measurements) -> None:
    """Do each drill as often with the one as with the other."""
    with checkout(options.against) as tree, ExitStack() as labs:
        now, before = RevisionSide(NOW, ROOT, []), RevisionSide(options.against, tree, [])
        names = _common(now, before, QUICK if options.quick else GROUPS, measured)
        operators = {
            side.who: Operator(labs.enter_context(own_lab(side.tree, side.who)), 1, side.tree)
            for side in (before, now)
        }
        try:
            for number in range(options.repeats):
                # Each is as often the first, so that what changes with time meets both.
                for side in (before, now) if number % 2 == 0 else (now, before):
                    progress(f"{side.who}: {number + 1} of {options.repeats}")
                    directory = options.report / "revisions" / f"{number + 1}-{_path(side.who)}"
                    side.found.extend(_drilled(operators[side.who], names, directory.resolve()))
        finally:
            for name in names:
                measured.rows += rows(name, before, now)
            measured.rows += judged(before, now)


def _common(
    now: RevisionSide, before: RevisionSide, groups: Sequence[str], measured: Measurements
) -> tuple[str, ...]:
    """The drills that both have. Raises `CannotMeasure` where there are none."""
    ours, theirs = (
        [name for group in groups for name in drill_names(side.tree, group)]
        for side in (now, before)
    )
    if alone := [name for name in theirs if name not in ours]:
        measured.notes.append(f"Only {before.who} has: {', '.join(alone)}.")
    if alone := [name for name in ours if name not in theirs]:
        measured.notes.append(f"Only {now.who} has: {', '.join(alone)}.")
    both = tuple(name for name in ours if name in theirs)
    if not both:
        raise CannotMeasure(f"there is no drill that {before.who} has, too")
    return both


def _path(who: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in who)


def _drilled(operator: Operator, names: Sequence[str], directory: Path) -> tuple[DrillResult, ...]:
    """Each drill once, on machines that are as that revision has deployed them."""
    operator.deploy()
    operator.wait_until_healthy()
    chosen = f"drills={','.join(names)}"
    return run_drills(operator, "drill.py", chosen, "repeats=1", report=directory).drills


def rows(name: str, before: RevisionSide, now: RevisionSide) -> list[Comparison]:
    """What a drill cost with both: seconds where it may cost some, otherwise what it has lost."""
    results = (*before.of(name), *now.of(name))
    ours, theirs = (_counted(side.of(name)) for side in (now, before))
    if not ours or not theirs:
        return []
    lost = _losses(now.who, ours), _losses(before.who, theirs)
    if not any(drill.budget.loss_is_time for drill in results):
        return [Comparison(name, *lost, at_most(lost[1].median))]
    seconds = _seconds(now.who, ours), _seconds(before.who, theirs)
    limit_s = round(FACTOR * seconds[1].median + TOLERANCE_S, 4)
    said = "; ".join(f"{series.who} {series.median:g}" for series in lost)
    return [Comparison(name, *seconds, at_most(limit_s), note=f"requests lost, in all: {said}")]


def _counted(drills: Sequence[DrillResult]) -> list[Repeat]:
    return [repeat for drill in drills for repeat in drill.counted if repeat.measured_s is not None]


def _seconds(who: str, repeats: Sequence[Repeat]) -> Series:
    return Series(who, "s", tuple(round(repeat.measured_s or 0.0, 4) for repeat in repeats))


def _losses(who: str, repeats: Sequence[Repeat]) -> Series:
    """Requests lost and connections cut, in all repeats together: once is not never."""
    cut = sum(bool(one.cut) for repeat in repeats for one in repeat.long_lived)
    lost = sum(repeat.lost_count for repeat in repeats)
    return Series(who, "lost or cut, in all", (float(lost + cut),))


def judged(before: RevisionSide, now: RevisionSide) -> list[Comparison]:
    """How many drills did not do what they have to, and why."""
    if not (now.found and before.found):
        return []
    ours, theirs = (Series(side.who, "drills", (float(len(side.bad)),)) for side in (now, before))
    note = "; ".join(
        f"{side.who}: {drill.name} {drill.verdict}: {', '.join(drill.reasons)}"
        for side in (now, before)
        for drill in side.bad
    )
    return [Comparison("failed or void", ours, theirs, at_most(theirs.median), note=note)]


if __name__ == "__main__":
    run_bench(
        "what the drills cost with this revision, and with another", measure, with_revision=True
    )
