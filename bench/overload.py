"""Whether the address stays where it is under too many clients, and who is served meanwhile.

    python -m bench.overload [--quick] [--repeats 5] [--report DIR]

One and a half times as many clients as nginx has connections, that send nothing; and that hold half
a request each, without a limit (as if each came from somewhere else) and where one address may not
open so many. Then three times as many requests as nginx can answer, each a page to compress. Beside
them clients that behave, from other addresses: 20 requests a second, each with a second's patience.
A move would be no help: the clients follow.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machinery.bench_command import CannotMeasure, Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import Twin, lab_of
from bench.report.bench_result import Better, Comparison, Series, at_most
from lab.plan import BRIDGE

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
PROFILES = {"default profile": (), "classic profile": ("vrrp_version=2",)}
ROOM = (f"worker_connections={WORKER_CONNECTIONS}",)
# What one address then holds at the most, in the 10 s that nginx waits for the rest: 150.
LIMITED = 'client_limits={"new_connections_per_s": 10}'
# The last byte of the address that slow clients come from, and of those of the ones that behave.
SLOW_FROM, OWN = "253", ("249", "250", "251", "252")


def measure(options: Options, measured: Measurements) -> None:
    """Count the moves of the address, and what share of well-behaved requests was served."""
    with lab_of(1) as twin, tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "heavy.conf").write_text(HEAVY)
        for last in (SLOW_FROM, *OWN):
            twin.run(["ip", "address", "replace", f"{_near(twin, last)}/32", "dev", BRIDGE])
        for who, profile in PROFILES.items():
            given = (*profile, *ROOM, f"nginx_snippets={directory}")
            _each_load(twin, options, measured, who, given)


def _each_load(
    twin: Twin, options: Options, measured: Measurements, who: str, given: Sequence[str]
) -> None:
    bench = _OneProfile(twin, options, who)
    _deploy(twin, *given)
    slow = WORKER_CONNECTIONS * int(twin.ssh(twin.names[0], "nproc")) * 3 // 2
    those = ("--slow", slow, "--slow-from", _near(twin, SLOW_FROM))
    measured.rows += bench.rows(f"{slow} clients that send nothing", *those, "--silent")
    measured.rows += bench.rows(f"{slow} slow clients", *those)
    twin.ssh_all(MAKE_HEAVY)
    capacity = _capacity(twin)
    flood = round(TOO_MUCH * capacity)
    measured.notes.append(
        f"{who}: nginx compresses {capacity:.0f} pages a second; the flood asks for {flood}, each "
        "with a connection of its own."
    )
    what = f"{TOO_MUCH} × the requests it can answer"
    measured.rows += bench.rows(what, "--each-second", flood)
    twin.ssh_all("rm -r /usr/html/heavy")
    _deploy(twin, *given, LIMITED)
    measured.rows += bench.rows(f"{slow} slow clients of one address, {LIMITED}", *those)


def _deploy(twin: Twin, *settings: str) -> None:
    twin.deploy(*settings)
    twin.verify(*settings, "wait=60")


def _capacity(twin: Twin) -> float:
    """Requests that nginx answers in a second."""
    found = _ask(twin, CAPACITY_SECONDS, "--without-pause", 8, "--patience", CAPACITY_SECONDS)
    if not found["flood_served"]:
        raise CannotMeasure("nginx compresses nothing in time")
    return found["flood_served"] / CAPACITY_SECONDS


@dataclass(frozen=True)
class _OneProfile:
    """The machines as they are deployed, and what they are called."""

    twin: Twin
    options: Options
    who: str

    def rows(self, what: str, *kind: object) -> list[Comparison]:
        """The moves under that load, and whom nginx has served meanwhile."""
        progress(f"{self.who}: {what}")
        moves, shares = [], []
        for _ in range(self.options.repeats):
            before = _transitions(self.twin)
            found = _ask(self.twin, QUICK_SECONDS if self.options.quick else SECONDS, *kind)
            moves.append(float(_transitions(self.twin) - before))
            shares.append(round(100 * found["served"] / found["asked"], 1))
            time.sleep(SETTLE_S)
        served = Series(self.who, "%", tuple(shares))
        return [
            Comparison(f"{what}: moves", Series(self.who, "moves", tuple(moves)), goal=at_most(0)),
            Comparison(f"{what}: well-behaved requests served", served, better=Better.HIGHER),
        ]


def _near(twin: Twin, last: str) -> str:
    """The address of the machines' network that ends so."""
    return f"{twin.lab.machines[0].address.rpartition('.')[0]}.{last}"


def _ask(twin: Twin, seconds: int, *more: object) -> dict[str, int]:
    """What the clients have counted."""
    own = (word for last in OWN for word in ("--own", _near(twin, last)))
    words = (_near(twin, "254"), 80, seconds, "--flood-port", HEAVY_PORT, *own, *more)
    output = twin.run([*CLIENTS, *map(str, words)]).output
    counts: dict[str, int] = json.loads(output.splitlines()[-1])
    return counts


def _transitions(twin: Twin) -> int:
    """How often a node has taken the address, all in all."""
    count = "journalctl -q -u keepalived -o cat | grep -c 'Entering MASTER STATE' || true"
    return sum(map(int, twin.ssh_all(count).values()))


if __name__ == "__main__":
    run_bench("too many clients: the address stays, and nginx serves whom it can", measure)
