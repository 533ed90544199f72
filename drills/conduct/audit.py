"""The verifier as the drills' judge: the cluster has to be healthy before, and again after."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
from pyinfra.api import State

from drills.results import Audit
from verify import judge
from verify.checks.check import CannotTell
from verify.judge import Verdict
from verify.observe import gather
from verify.read.machine_view import Machine
from verify.report.terminal_report import sentence

WAIT_S = 30.0
STEP_S = 0.5


def look(state: State, wait_s: float = WAIT_S, say: Callable[[str], None] | None = None) -> Verdict:
    """The verifier's verdict on everything; looked at again while it does not hold."""
    deadline = time.monotonic() + wait_s
    while True:
        verdict = judge.judge(gather.gather(state, reconnect=True), judge.every_check())
        if verdict.passed or time.monotonic() > deadline:
            return verdict
        if say:
            say(f"the verifier: {sentence(verdict)}")
        gevent.sleep(STEP_S)


def as_audit(verdict: Verdict) -> Audit:
    return Audit(
        passed=verdict.passed,
        sentence=sentence(verdict),
        bad=tuple(
            f"{finding.id} {finding.where}: {finding.answer.actual or finding.check.title}"
            for finding in verdict.bad
        ),
    )


def versions(verdict: Verdict, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """By node, what runs there; what cannot be told is left out."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        machine = Machine(verdict.gathering.looks[name])
        found[name] = {}
        try:
            found[name]["nginx"] = machine.nginx_build.version
            found[name]["keepalived"] = machine.keepalived_version[0]
        except CannotTell:
            continue
    return found
