"""How long a router goes on with a machine whose nginx has died, by the router's kernel's clock."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from bench.machinery.bench_command import CannotMeasure
from bench.machinery.bench_lab import Twin
from bench.machinery.guest_processes import pids_of
from lab.host import bridge

# A machine that is dead is passed over within a fraction of it.
WATCHED_S = 1.0
BEGINS_S = 0.3
# All of an nginx.
PROCESSES = (b"nginx: master process", b"nginx: worker process")


def withdrawal_ms(twin: Twin, name: str, vip: str) -> float:
    """Kill a machine's nginx; milliseconds until no route to the VIP in the first router's kernel
    leads there. Raises `CannotMeasure` if none changes within a second.

    That is: the watch hears of it and tells BIRD, BIRD tells the router, and its BIRD the kernel.
    """
    machine = twin.lab.machine(name)
    pids = [pid for command in PROCESSES for pid in pids_of(twin.lab, machine, command)]
    with _route_changes(twin) as said:
        began_s = time.time()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        time.sleep(WATCHED_S)
    for at_s, route in changes("".join(said), vip):
        if at_s >= began_s and machine.address not in route:
            return round((at_s - began_s) * 1000, 1)
    raise CannotMeasure(f"{name}: the router's routes to {vip} did not change: {said}")


@contextmanager
def _route_changes(twin: Twin) -> Iterator[list[str]]:
    """What the first router's kernel says of its routes meanwhile, with times; whole at the end."""
    router = twin.lab.router()
    process = subprocess.Popen(
        [*bridge.inside(router.netns), "ip", "-ts", "monitor", "route"],
        stdout=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    try:
        time.sleep(BEGINS_S)
        yield said
    finally:
        process.terminate()
        said.append(process.communicate(timeout=10)[0])


def changes(text: str, vip: str) -> Iterable[tuple[float, str]]:
    """Each new route to `vip` of what `ip -ts monitor route` has said, and when (UNIX time)."""
    for stamp, route in re.findall(r"^\[([^]]+)\] (\S.*(?:\n[ \t].*)*)", text, re.M):
        if route.split()[0].partition("/")[0] == vip:
            yield datetime.fromisoformat(stamp).timestamp(), route
