"""What differs from the settings because a machine was rolled back, and is as that has left it.

X-25 warns of the rollback itself, once; what follows from it alone is no fault of its own. Anything
else in the same answer is, and then the answer stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from verify.checks.check import Across, Answer, Finding, Here, Outcome
from verify.read.machine_view import CannotTell, MachineView

ROLLED_BACK = "X-25"
# By check: what each of the faults that it names has to be like.
_FOLLOWS = {
    check: re.compile(pattern)
    for check, pattern in {
        "NGX-01": r"nginx [\d.]+",
        "NGX-02": r"(missing|not asked for): .*",
        "NGX-07": r".*",
        "NGX-11": r"nothing listens on port \d+",
        "NGX-13": r"\d+ workers|worker \d+ may open \d+ files",
        "NGX-14": r"\S+ gets 200, .*",
        "NGX-21": r"built (from nginx [\d.]+|with other flags)",
        "NGX-22": r"no cache manager runs|there is no /\S+|nginx has no cache at \S+",
        "SYS-03": r"on \S+ \d+ may wait, not \d+|the master may open \d+ files, .*",
        "KA-05": r"base \d+",
        "KA-17": r".*",
        "X-04": r".*",
        "X-06": r".*",
        "X-10": r"\S+ gets 200, .*",
        "X-11": r"\d+: '[^']*'",
        "X-14": r".* (lacks|still has|serves no version of) .*",
        "X-20": r".*",
    }.items()
}


def excused(check: str, context: Here | Across, answer: Answer, *, told: bool) -> Answer:
    """`answer`, or that it follows from a rollback. `told`: whether X-25 is judged as well; else
    it stays a warning."""
    pattern = _FOLLOWS.get(check)
    if not pattern or answer.outcome not in (Outcome.FAIL, Outcome.WARN):
        return answer
    if not all(map(pattern.fullmatch, answer.actual.split("; "))):
        return answer
    machines = context.machines.values() if isinstance(context, Across) else (context.machine,)
    if not machines or not all(map(_is_as_rolled_back, machines)):
        return answer
    shown = f"{answer.actual}, since it was rolled back ({ROLLED_BACK})"
    outcome = Outcome.SKIP if told else Outcome.WARN
    return Answer(outcome, shown, answer.expected, because=ROLLED_BACK)


def _is_as_rolled_back(machine: MachineView) -> bool:
    try:
        found = machine.rolled_back
    except CannotTell:
        return False
    return found is not None and not found.changed


def with_what_follows(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings, X-25 with the checks that a rollback of its cluster explains."""
    for finding in findings:
        ids = {
            each.id
            for each in findings
            if each.answer.because == ROLLED_BACK and each.whole_cluster == finding.whole_cluster
        }
        if finding.id == ROLLED_BACK and finding.outcome is Outcome.WARN and ids:
            actual = f"{finding.answer.actual}; because of it: {', '.join(sorted(ids))}"
            finding = replace(finding, answer=replace(finding.answer, actual=actual))
        yield finding
