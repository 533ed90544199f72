"""Whether the address stays where it is under too many clients, and who is served meanwhile.

    python -m bench.overload [--quick] [--repeats 5] [--report DIR]

Slow clients that hold half a request each, one and a half times as many as nginx has connections;
then three times as many requests as nginx can answer, each a page to compress. Beside them clients
that behave: 20 requests a second, each with a second's patience. A move would be no help: the
clients follow.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from bench.machinery.bench_command import CannotMeasure, Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import Twin, lab_of
from bench.machinery.overload_clients import PATIENCE_S
from bench.report.bench_result import Better, Comparison, Series, at_most

CLIENTS = (sys.executable, "-m", "bench.machinery.overload_clients")
SECONDS, QUICK_SECONDS, CAPACITY_SECONDS = 60, 20, 5
WORKER_CONNECTIONS = 256
TOO_MUCH = 3
# What makes each request of the flood so much work (0.2 s) that one Python process can ask for
# three times what nginx can do: what it compresses is hard to compress, and a worker does so alone.
HEAVY_PORT = 8099
HEAVY = """\
server {
    listen           8099;
    root             /usr/html/heavy;
    gzip             on;
    gzip_types       *;
    gzip_comp_level  9;
}
"""
MAKE_HEAVY = (
    "mkdir -p /usr/html/heavy && "
    "head -c 40000 /dev/urandom | tr '\\000-\\177' a | tr -c a b >/usr/html/heavy/index.html"
)
# After each load, so that the next begins with nginx and the address where they belong.
SETTLE_S = 20
WHO = "Tandem"


def measure(options: Options, measured: Measurements) -> None:
    """Count the moves of the address, and what share of well-behaved requests was served."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    with lab_of(1) as twin, tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "heavy.conf").write_text(HEAVY)
        settings = (f"worker_connections={WORKER_CONNECTIONS}", f"nginx_snippets={directory}")
        twin.deploy(*settings)
        twin.verify(*settings, "wait=60")
        workers = int(twin.ssh(twin.names[0], "nproc"))
        slow = WORKER_CONNECTIONS * workers * 3 // 2
        progress(f"{slow} slow clients")
        measured.rows += _rows(twin, options, f"{slow} slow clients", seconds, "--slow", slow)
        twin.ssh_all(MAKE_HEAVY)
        capacity = _capacity(twin)
        flood = round(TOO_MUCH * capacity)
        measured.notes.append(
            f"nginx compresses {capacity:.0f} pages a second; the flood asks for {flood}, each "
            "with a connection of its own."
        )
        progress(f"{flood} requests a second")
        what = f"{TOO_MUCH} × the requests it can answer"
        measured.rows += _rows(twin, options, what, seconds, "--each-second", flood)
        twin.ssh_all("rm -r /usr/html/heavy")


def _capacity(twin: Twin) -> float:
    """Requests that nginx answers in a second."""
    found = _ask(twin, CAPACITY_SECONDS, "--without-pause", 8, CAPACITY_SECONDS)
    if not found["flood_served"]:
        raise CannotMeasure("nginx compresses nothing in time")
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


def _ask(
    twin: Twin, seconds: int, kind: str, count: int, patience_s: float = PATIENCE_S
) -> dict[str, int]:
    """What the clients have counted."""
    vip = f"{twin.lab.machines[0].address.rpartition('.')[0]}.254"
    words = (vip, "80", str(seconds), kind, str(count), "--flood-port", str(HEAVY_PORT))
    patience = ("--patience", str(patience_s))
    output = twin.run([*CLIENTS, *words, *patience]).output
    counts: dict[str, int] = json.loads(output.splitlines()[-1])
    return counts


def _transitions(twin: Twin) -> int:
    """How often a node has taken the address, all in all."""
    count = "journalctl -q -u keepalived -o cat | grep -c 'Entering MASTER STATE' || true"
    return sum(map(int, twin.ssh_all(count).values()))


if __name__ == "__main__":
    run_bench("too many clients: the address stays, and nginx serves whom it can", measure)
