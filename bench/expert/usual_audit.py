"""The verifier's verdict on a pair whose keepalived is not configured by Tandem."""

from __future__ import annotations

from collections.abc import Callable

from pyinfra.api import State

from drills.conduct.audit import WAIT_S
from verify.api import VerifierVerdict, select, wait_until_healthy

# One holder, one page, nginx as deployed; no check of the keepalived configuration.
CHECKS = "HOST,X-01,X-10,X-11,X-16,NGX-01,NGX-03,NGX-06,NGX-10,NGX-15,KA-01,KA-02"


def look(
    state: State, wait_s: float = WAIT_S, say: Callable[[str], None] | None = None
) -> VerifierVerdict:
    """As `drills.conduct.audit.look`, with fewer checks."""

    def not_yet(verdict: VerifierVerdict) -> None:
        if say:
            say("the verifier looks again")

    return wait_until_healthy(state, wait_s, checks=select(CHECKS, ""), not_yet=not_yet)
