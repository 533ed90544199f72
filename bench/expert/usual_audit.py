"""The verifier's verdict on a pair whose keepalived is not configured by Tandem."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
from pyinfra.api import State

from drills.conduct.audit import STEP_S, WAIT_S
from verify import judge
from verify.judge import Verdict
from verify.observe import gather

# One holder, one page, nginx as deployed; no check of the keepalived configuration.
CHECKS = "HOST,X-01,X-10,X-11,X-16,NGX-01,NGX-03,NGX-06,NGX-10,NGX-15,KA-01,KA-02"


def look(state: State, wait_s: float = WAIT_S, say: Callable[[str], None] | None = None) -> Verdict:
    """As `drills.conduct.audit.look`, with fewer checks."""
    checks = judge.select(CHECKS, "")
    deadline = time.monotonic() + wait_s
    while True:
        verdict = judge.judge(gather.gather(state, reconnect=True), checks)
        if verdict.passed or time.monotonic() > deadline:
            return verdict
        if say:
            say("the verifier looks again")
        gevent.sleep(STEP_S)
