"""HOST: can the machine be asked at all?"""

from __future__ import annotations

from verify.checks.check import Answer, Here, fails, holds, on_host


@on_host(
    "HOST-01",
    "it can be reached and answers",
    reads=(),
    reason="A machine that cannot be asked may be down, or alive and out of control.",
    remedy="Is it powered on? ssh to it; look at its console. The others were judged all the same.",
)
def reached(here: Here) -> Answer:
    problem = here.machine.problem
    return fails(expected="an SSH session", actual=problem) if problem else holds("reached")
