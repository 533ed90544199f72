"""What differs from the settings because a machine was rolled back, and is as that has left it.

X-25 warns of the rollback itself, once; what follows from it alone is no fault of its own. Anything
else in the same answer is, and then the answer stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
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
        "NGX-11": r"nothing listens on port \d+|nginx has no socket of UDP on \d+",
        "NGX-13": r"\d+ workers|worker \d+ may open \d+ files",
        "NGX-14": r"\S+ gets 200, .*",
        "NGX-21": r"built (from nginx [\d.]+|with other flags)",
        "NGX-22": r"no cache manager runs|there is no /\S+|nginx has no cache at \S+",
        "SYS-03": r"on \S+ \d+ may wait, not \d+|the master may open \d+ files, .*",
        "KA-05": r"base \d+",
        "KA-17": r".*",
        "KA-24": r"\S+ (is missing|differs|is left over|is not called by notify\.sh)"
        r"|notify\.sh calls .*",
        "RT-03": r".*",
        "RT-04": r".*",
        "X-04": r".*",
        "X-06": r".*",
        "X-10": r"\S+ gets 200, .*",
        "X-11": r"\d+: '[^']*'",
        "X-14": r".* (lacks|still has|serves no version of) .*",
        "X-20": r".*",
    }.items()
}

# What asks for TLS, where that came with the change that was rolled back. What listens at all, and
# what tandem-watch hears over HTTP, is judged as ever.
_OVER_TLS = {
    **dict.fromkeys(
        (
            "NGX-14",
            "NGX-15",
            "NGX-16",
            "X-10",
            "X-11",
            "X-15",
            "TLS-01",
            "TLS-02",
            "TLS-03",
            "TLS-04",
        ),
        re.compile(".*", re.DOTALL),
    ),
    "X-21": re.compile(r"\S+: nginx answers .*"),
}


def excused(check: str, context: Here | Across, answer: Answer, *, told: bool) -> Answer:
    """`answer`, or that it follows from a rollback. `told`: whether X-25 is judged as well; else
    it stays a warning."""
    if answer.outcome in (Outcome.OK, Outcome.SKIP):
        return answer
    patterns = [_FOLLOWS.get(check)] if answer.outcome is not Outcome.UNKNOWN else []
    if check in _OVER_TLS and _is_without_tls(context):
        patterns.append(_OVER_TLS[check])
    each = answer.actual.split("; ")
    if not any(pattern and all(map(pattern.fullmatch, each)) for pattern in patterns):
        return answer
    machines = _machines(context)
    if not machines or not all(map(_is_as_rolled_back, machines)):
        return answer
    shown = f"{answer.actual}, since it was rolled back ({ROLLED_BACK})"
    outcome = Outcome.SKIP if told else Outcome.WARN
    return Answer(outcome, shown, answer.expected, because=ROLLED_BACK)


def _machines(context: Here | Across) -> Collection[MachineView]:
    return context.machines.values() if isinstance(context, Across) else (context.machine,)


def _is_without_tls(context: Here | Across) -> bool:
    """Whether TLS is asked for, and nothing listens for it on any of the machines."""
    node = context.cluster.preferred if isinstance(context, Across) else context.node
    try:
        ports = {each.port for machine in _machines(context) for each in machine.listeners}
    except CannotTell:
        return False
    return node.tls and node.https_port not in ports


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
