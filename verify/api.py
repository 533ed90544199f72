"""The verifier's public face: what the drills, the benches and the self-tests use of it.

A verdict on the machines is `wait_until_healthy(state, wait_s)`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import gevent
from pyinfra.api import State

from verify.checks.check import Check
from verify.judge import VerifierVerdict, every_check, judge, select
from verify.observe.gather import connection_error, record_connection_errors, take_snapshot
from verify.read.machine_view import CannotTell, MachineView
from verify.report.terminal_report import console, report, sentence
from verify.verify_run import RunEnded

__all__ = [
    "RunEnded",
    "VerifierVerdict",
    "connection_error",
    "console",
    "every_check",
    "installed_versions",
    "record_connection_errors",
    "report",
    "select",
    "sentence",
    "wait_until_healthy",
]

STEP_S = 0.5


def wait_until_healthy(
    state: State,
    wait_s: float,
    *,
    checks: Iterable[Check] | None = None,
    not_yet: Callable[[VerifierVerdict], None] | None = None,
) -> VerifierVerdict:
    """The verdict on all machines: the first that passed, or the last after `wait_s` seconds.

    `checks`: every one unless they are given. `not_yet` is called with each verdict that did not
    pass while there is time left.
    """
    checks = every_check() if checks is None else tuple(checks)
    deadline = time.monotonic() + wait_s
    while True:
        verdict = judge(take_snapshot(state, reconnect=True), checks)
        if verdict.passed or time.monotonic() > deadline:
            return verdict
        if not_yet:
            not_yet(verdict)
        gevent.sleep(STEP_S)


def installed_versions(verdict: VerifierVerdict, host: str) -> dict[str, str]:
    """The versions of nginx, and of keepalived or BIRD, on a machine, by program; without what is
    not known."""
    machine = MachineView(verdict.snapshot.hosts[host])
    found: dict[str, str] = {}
    versions: dict[str, Callable[[], str]] = {
        "nginx": lambda: machine.nginx_build.version,
        "keepalived": lambda: machine.keepalived_version[0],
        "BIRD": lambda: machine.bird_version,
    }
    for program, read in versions.items():
        with suppress(CannotTell):
            found[program] = read()
    return found
