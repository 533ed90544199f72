"""One address on every machine: what more machines bring, and what a second chance costs.

    python -m bench.spread [--quick] [--repeats 5] [--report DIR]

Growth: pages to compress, asked for in a closed loop, of 1, 2, 4 and 8 machines that announce the
address, each nginx with a tenth of a CPU. Cost: requests at a fixed rate on connections that live
on one machine, as they come from the router, and as another machine gives them to it: what all CPUs
of this computer do more, for each segment that is given on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from statistics import median

from bench.machinery import cpu_share
from bench.machinery.bench_command import CannotMeasure, Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import ROUTED, Twin, busy_s, lab_of
from bench.machinery.guest_processes import pids_of
from bench.report.bench_result import Better, Comparison, Series, at_least
from bench.serve import parse

VIP = "198.51.100.80"
SIZES = (1, 2, 4, 8)
SHARE, GROWTH_GOAL = 0.1, 0.85
WRK = ("wrk", "-t1", "-c64", "--latency", "-d6s", "-H", "Accept-Encoding: gzip")
HEAVY = "/usr/html/heavy.html"
# Text that takes a core more than half a millisecond to compress.
MAKE_HEAVY = f"head -c 24000 /dev/urandom | base64 >{HEAVY}"
# Connections, requests per second on all of them, and seconds of each look at the CPUs.
CONNECTIONS, RATE, LOOK_S, QUICK_LOOK_S = 32, 2000, 5.0, 2.0
DRAIN = "/etc/keepalived/down"
ANNOUNCES = "birdc show protocols | grep -q 'vip_serves4.* up '"
SETTLES_S = 1.5
# To each other machine ten in each family.
BEATS_PER_S = 20


def measure(options: Options, measured: Measurements) -> None:
    """The growth with up to eight machines, then the cost with two of them."""
    sizes = [size for size in SIZES if options.may_have(max(1, size // 2))]
    pairs = max(1, max(sizes) // 2)
    with lab_of(pairs, ROUTED) as twin:
        twin.deploy("gzip=text", f"keepalive_requests={10**9}")
        twin.ssh_all(f"{ANNOUNCES} && {MAKE_HEAVY}")
        _growth(twin, sizes, options, measured)
        _cost(twin, options, measured)


def _growth(twin: Twin, sizes: list[int], options: Options, measured: Measurements) -> None:
    served: dict[int, list[float]] = {size: [] for size in sizes}
    with ExitStack() as limits:
        for name in twin.names:
            pids = pids_of(twin.lab, twin.lab.machine(name), b"nginx: worker process")
            limits.enter_context(cpu_share.limited(f"tandem-bench-{name}", pids, SHARE))
        for _ in range(options.repeats):
            for size in sizes:
                progress(f"{size} of {len(twin.names)} machines announce the address")
                _announce(twin, twin.names[:size])
                run = twin.run([*WRK, f"http://{VIP}/{HEAVY.rpartition('/')[2]}"])
                served[size].append(round(parse(run.output)[0], 1))
    _announce(twin, twin.names)
    alone = median(served[1])
    for size in sizes:
        per_s = Series("Tandem", "requests/s", tuple(served[size]))
        what = f"served by {size} of {len(twin.names)} machines"
        measured.rows.append(Comparison(what, per_s, better=Better.HIGHER))
        if size > 1:
            growth = Series("Tandem", "×", tuple(round(each / alone, 2) for each in served[size]))
            goal = at_least(round(GROWTH_GOAL * size, 2))
            row = Comparison(f"{size} machines beside one", growth, None, goal, Better.HIGHER)
            measured.rows.append(row)


def _cost(twin: Twin, options: Options, measured: Measurements) -> None:
    """The connections live on the first machine; the second gives it their segments, or not."""
    first, second = twin.names[:2]
    look_s = QUICK_LOOK_S if options.quick else LOOK_S
    _announce(twin, [first])
    looks: dict[str, list[_Look]] = {first: [], second: []}
    with _steady(twin, options.repeats * 2 * (look_s + 6) + 5):
        for _ in range(options.repeats):
            for name in (first, second):
                who = "as the router sends them" if name == first else "given on"
                progress(f"{RATE} requests/s, {who}")
                _announce(twin, [name])
                looks[name].append(_look(twin, second, look_s))
    _announce(twin, twin.names)
    direct, given = looks[first], looks[second]
    if any(each.segments > RATE * look_s / 10 for each in direct):
        raise CannotMeasure("segments were given on that should have come directly")
    more = [
        (b.busy_s - a.busy_s) / max(1, b.segments - a.segments) * 1e6
        for a, b in zip(direct, given, strict=True)
    ]
    for who, its in (("as the router sends them", direct), ("given on by another machine", given)):
        each = tuple(round(look.busy_s / (RATE * look_s) * 1e6, 1) for look in its)
        measured.rows.append(
            Comparison(f"a request, {who}: all CPUs", Series("Tandem", "µs", each))
        )
    cost = Series("Tandem", "µs", tuple(round(each, 2) for each in more))
    measured.rows.append(Comparison("a segment that is given on: more", cost))
    share = median(b.busy_s for b in given) / median(a.busy_s for a in direct) - 1
    measured.notes.append(
        f"Where every segment of a client is given on, a request takes {share:.0%} more of all "
        "CPUs: those of clients, router and machines."
    )


class _Look:
    """What the CPUs have done in a while, and how many segments were given on meanwhile."""

    def __init__(self, busy: float, segments: int):
        self.busy_s, self.segments = busy, segments


def _look(twin: Twin, giver: str, seconds: float) -> _Look:
    seen: list[tuple[float, int, float]] = []
    for pause_s in (seconds, 0.0):
        seen.append((busy_s(), _given_by(twin, giver), time.monotonic()))
        time.sleep(pause_s)
    ((busy, packets, took_s),) = (
        (b[0] - a[0], b[1] - a[1], b[2] - a[2]) for a, b in pairwise(seen)
    )
    beats = BEATS_PER_S * (len(twin.names) - 1) * took_s
    return _Look(busy, max(0, round(packets - beats)))


def _given_by(twin: Twin, name: str) -> int:
    """Packets that a machine has sent into the mesh; its beats are among them."""
    return int(twin.ssh(name, "cat /sys/class/net/tandem/statistics/tx_packets"))


def _announce(twin: Twin, names: list[str] | tuple[str, ...]) -> None:
    """Have these machines announce the address, and no others."""
    for name in twin.names:  # those that begin before those that end
        if name in names:
            twin.ssh(
                name,
                f"rm -f {DRAIN}; for look in $(seq 100); do {ANNOUNCES} && exit 0; "
                "sleep 0.1; done; exit 1",
            )
    for name in twin.names:
        if name not in names:
            twin.ssh(name, f"mkdir -p {DRAIN.rpartition('/')[0]} && touch {DRAIN}")
    time.sleep(SETTLES_S)


@contextmanager
def _steady(twin: Twin, seconds: float) -> Iterator[None]:
    """The requests go on meanwhile. Raises `CannotMeasure` if any has failed."""
    words = (VIP, str(CONNECTIONS), str(RATE), str(seconds))
    program = (sys.executable, "-m", "bench.machinery.steady_requests", *words)
    process = subprocess.Popen(
        twin.lab.run_command(list(program)), cwd=twin.tree, stdout=subprocess.PIPE, text=True
    )
    try:
        time.sleep(1)
        yield
        said = json.loads(process.communicate(timeout=seconds + 30)[0])
        if said["problems"] or not said["answered"]:
            raise CannotMeasure(f"requests failed: {said['problems'][:3]}")
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    run_bench("one address on every machine: growth, and the cost of a second chance", measure)
