"""What a crash of nginx consists of, from the signal to the first answer, step by step.

    python -m bench.crash [--quick] [--repeats 50] [--report DIR]

The lab's machines share this machine's clock, so that what each of them does, and what is on the
wires between them, is one timeline. Of interest are the slow ones: which step made them slow?
"""

from __future__ import annotations

import json
import sys
import time

from bench.machinery import crash_moments
from bench.machinery.bench_command import (
    CannotMeasure,
    Measurements,
    Options,
    progress,
    run_bench,
    tell,
)
from bench.machinery.bench_lab import Twin, lab_of
from bench.machinery.crash_moments import STEPS, CrashSteps
from bench.machinery.crash_observer import CrashSpec
from bench.machinery.guest_processes import pids_of
from bench.report.bench_result import Comparison, Series, at_most
from lab.host import bridge

WATCHED = "run/tandem/failed"
OBSERVED_S = 1.0
# nginx is trusted again, and has the address back.
SETTLED_S = 60.0
PORT = 80
# drill.py's budget for nginx-crash, for the worst of all.
GOAL_MS = 50.0
OBSERVER = "bench.machinery.crash_observer"


def measure(options: Options, measured: Measurements) -> None:
    """Kill nginx so often, and put the steps beside each other."""
    crashes: list[CrashSteps] = []
    with lab_of(1) as twin:
        twin.deploy()
        twin.wait_until_healthy()
        for number in range(options.repeats):
            progress(f"nginx killed, {number + 1} of {options.repeats}")
            moments = _crash(twin)
            if found := crash_moments.steps_of(moments):
                crashes.append(found)
            else:
                tell(f"not seen: {crash_moments.missing(moments)}")
            _settle(twin)
    if not crashes:
        raise CannotMeasure("no crash was seen from its beginning to its end")
    measured.rows += rows(crashes)
    measured.notes += crash_moments.shares(crashes)
    if (unseen := options.repeats - len(crashes)) > 0:
        measured.notes.append(f"{unseen} of {options.repeats} were not seen whole.")


def rows(crashes: list[CrashSteps]) -> list[Comparison]:
    """The whole of it, then each step."""
    whole = Series("Tandem", "ms", tuple(round(crash.whole_ms, 3) for crash in crashes))
    slowest = max(crashes, key=lambda crash: crash.whole_ms)
    note = f"the slowest {slowest.whole_ms:.1f} ms, most of it: {slowest.longest}"
    found = [Comparison("from the signal to an answer", whole, goal=at_most(GOAL_MS), note=note)]
    for number, step in enumerate(STEPS):
        values = tuple(crash.steps_ms[number] for crash in crashes)
        found.append(Comparison(step, Series("Tandem", "ms", values)))
    return found


def _crash(twin: Twin) -> dict[str, float]:
    """One crash of the holder's nginx; when what was seen."""
    holder, following = twin.lab.machines[:2]
    vip = f"{holder.address.rpartition('.')[0]}.254"
    pids = pids_of(twin.lab, holder)
    masters = pids_of(twin.lab, holder, b"nginx: master process")
    if len(masters) != 1:
        raise CannotMeasure(f"{holder.name} has {len(masters)} nginx masters")
    spec = CrashSpec(
        watched=f"/proc/{pids[0]}/root/{WATCHED}",
        master=masters[0],
        holder_port=holder.card().port,
        next_port=following.card().port,
        next_netns=str(bridge.NAMESPACES / following.netns),
        interface=following.interface,
        vip=vip,
        port=PORT,
        seconds=OBSERVED_S,
    )
    run = twin.run([sys.executable, "-m", OBSERVER, spec.to_json()])
    moments: dict[str, float] = json.loads(run.output.splitlines()[-1])
    killed = moments["killed"]
    ask = f"journalctl --unit keepalived --output json --since @{int(killed)}"
    for machine, word in ((holder, "fault"), (following, "master")):
        entered = crash_moments.logged(twin.ssh(machine.name, ask), killed)
        moments |= {word: entered[word]} if word in entered else {}
    return moments


def _settle(twin: Twin) -> None:
    """Wait until the holder has the address again, and nginx is to be killed as if it were new."""
    name = twin.lab.machines[0].name
    twin.ssh(name, "systemctl reset-failed nginx; systemctl try-restart tandem-watch")
    holds = "ip -o address show dev eth0 | grep -q '\\.254/'"
    twin.ssh(
        name, f"for look in $(seq {int(SETTLED_S)}); do {holds} && exit 0; sleep 1; done; exit 1"
    )
    time.sleep(1)


if __name__ == "__main__":
    run_bench("What a crash of nginx consists of", measure)
