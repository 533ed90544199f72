"""Whether the address stays where it is under too many clients, and who is served meanwhile.

    python -m bench.overload [--quick] [--repeats 5] [--report DIR]

Slow clients that hold half a request each, one and a half times as many as nginx has connections;
then three times as many requests as nginx can answer. Beside them clients that behave: 20 requests
a second, each with a second's patience. A move would be no help: the clients follow.
"""

from __future__ import annotations

import json
import sys
import time

from bench.machinery.bench_command import CannotMeasure, Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import Twin, lab_of
from bench.report.bench_result import Better, Comparison, Series, at_most

CLIENTS = (sys.executable, "-m", "bench.machinery.overload_clients")
SECONDS, QUICK_SECONDS, CAPACITY_SECONDS = 60, 20, 5
WORKER_CONNECTIONS = 256
# So little CPU for nginx that one Python process can ask for three times what it can do.
CPU_QUOTA = "5%"
TOO_MUCH = 3
# After each load, so that the next begins with nginx and the address where they belong.
SETTLE_S = 20
WHO = "Tandem"


def measure(options: Options, measured: Measurements) -> None:
    """Count the moves of the address, and what share of well-behaved requests was served."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    data = f"worker_connections={WORKER_CONNECTIONS}"
    with lab_of(1) as twin:
        twin.deploy(data)
        twin.verify(data, "wait=60")
        workers = int(twin.ssh(twin.names[0], "nproc"))
        slow = WORKER_CONNECTIONS * workers * 3 // 2
        progress(f"{slow} slow clients")
        measured.rows += _rows(twin, options, f"{slow} slow clients", seconds, "--slow", slow)
        try:
            twin.ssh_all(f"systemctl set-property --runtime nginx CPUQuota={CPU_QUOTA}")
            capacity = _capacity(twin)
            flood = round(TOO_MUCH * capacity)
            measured.notes.append(
                f"nginx with {CPU_QUOTA} of a CPU answers {capacity:.0f} requests/s; the flood is "
                f"{flood}/s, each with a connection of its own."
            )
            progress(f"{flood} requests a second")
            what = f"{TOO_MUCH} × the requests it can answer"
            measured.rows += _rows(twin, options, what, seconds, "--each-second", flood)
        finally:
            twin.ssh_all("systemctl set-property --runtime nginx CPUQuota=")


def _capacity(twin: Twin) -> float:
    """Requests that nginx answers in a second."""
    found = _ask(twin, CAPACITY_SECONDS, "--without-pause", 64)
    if not found["flood_served"]:
        raise CannotMeasure("nginx answers nothing with so little CPU")
    return found["flood_served"] / CAPACITY_SECONDS


def _rows(
    twin: Twin, options: Options, what: str, seconds: int, kind: str, count: int
) -> list[Comparison]:
    moves, shares = [], []
    for _ in range(options.repeats):
        before = _transitions(twin)
        found = _ask(twin, seconds, kind, count)
        moves.append(float(_transitions(twin) - before))
        shares.append(round(100 * found["served"] / found["asked"], 1))
        time.sleep(SETTLE_S)
    return [
        Comparison(f"{what}: moves", Series(WHO, "moves", tuple(moves)), goal=at_most(0)),
        Comparison(
            f"{what}: well-behaved requests served",
            Series(WHO, "%", tuple(shares)),
            better=Better.HIGHER,
        ),
    ]


def _ask(twin: Twin, seconds: int, kind: str, count: int) -> dict[str, int]:
    """What the clients have counted."""
    vip = f"{twin.lab.machines[0].address.rpartition('.')[0]}.254"
    output = twin.run([*CLIENTS, vip, "80", str(seconds), kind, str(count)]).output
    counts: dict[str, int] = json.loads(output.splitlines()[-1])
    return counts


def _transitions(twin: Twin) -> int:
    """How often a node has taken the address, all in all."""
    count = "journalctl -q -u keepalived -o cat | grep -c 'Entering MASTER STATE' || true"
    return sum(map(int, twin.ssh_all(count).values()))


if __name__ == "__main__":
    run_bench("too many clients: the address stays, and nginx serves whom it can", measure)
