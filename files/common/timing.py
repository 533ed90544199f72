"""Waiting, and being on time."""

import os
import time

from common.journal import say

_CLOCK_BOOTTIME = 7  # linux/time.h; Python knows it since 3.7


def boottime_s():
    """Seconds since this machine has started: what the kernel measures the age of processes by."""
    return time.clock_gettime(_CLOCK_BOOTTIME)


def wait_for(condition, timeout_s, step_s=0.02):
    """The first true answer of `condition`, or its last one."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer or time.monotonic() > deadline_s:
            return answer
        time.sleep(step_s)


def in_real_time(flags=0):
    """Take a real-time priority, so that a machine whose CPUs are busy does not look dead.

    Not allowed everywhere; then the program goes on without. flags: of sched_setscheduler(2).
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | flags, os.sched_param(20))
    except OSError as error:
        say(f"no real-time priority: {error}")
