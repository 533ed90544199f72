"""Waiting for old connections: the person at the terminal hears of it, and can end it."""

import contextlib
import os
import time

from common.commands import run
from common.journal import say

# The controller shows lines that begin like this at once (controller/ssh/machine_connector.py).
PREFIX = "waiting: "
EVERY_S = 5.0
FIRST_S = 1.5  # most waits are over by then
# Not in /run/tandem, which the classic profile has not.
SKIP = "/run/tandem-skip-waiting"


def wait_aloud(condition, timeout_s, step_s, what, to_skip="To skip this"):
    """The first true answer of `condition`, or its last one; None where a person has skipped it.

    what: says what is waited for, like "3 connections of the old nginx"; asked every few seconds.
    to_skip: what skipping means, for that person.
    """
    forget_skip()
    start_s = time.monotonic()
    next_s = start_s + FIRST_S
    while True:
        answer = condition()
        now_s = time.monotonic()
        if answer or now_s > start_s + timeout_s:
            return answer
        if os.path.exists(SKIP):
            forget_skip()
            say(f"{PREFIX}skipped after {now_s - start_s:.0f} s")
            return None
        if now_s >= next_s:
            next_s = now_s + EVERY_S
            left_s = start_s + timeout_s - now_s
            text = f"{what()}, {left_s:.0f} s at most. {to_skip}, on this machine: touch {SKIP}"
            say(f"{PREFIX}{text}")
        time.sleep(step_s)


def forget_skip():
    """One wish to skip holds for one wait."""
    with contextlib.suppress(OSError):
        os.unlink(SKIP)


def connections_of(pids):
    """How many TCP connections these processes have open, in words."""
    states = ("established", "close-wait", "fin-wait-1", "fin-wait-2")
    words = [word for state in states for word in ("state", state)]
    listed = run("ss", "-Htnp", *words)
    if listed.code:
        return "some connections"
    owners = [f"pid={pid}," for pid in pids]
    found = sum(any(owner in line for owner in owners) for line in listed.output.splitlines())
    return f"{found} connection{'' if found == 1 else 's'}"
