"""One address on every machine: what more machines bring, how soon one that is dead is withdrawn,
and what a second chance costs.

    python -m bench.spread [--quick] [--repeats 5] [--report DIR]

Growth: pages to compress, asked for in a closed loop, of 1, 2, 4 and 8 machines that announce the
address, each nginx with a tenth of a CPU. Withdrawal: from nginx's death to the router's route
without that machine. Cost: requests on connections that live on one machine, as they come from the
router and as another machine gives them to it: what all CPUs of this computer do more for each
segment that is given on. What they do without any request is taken off.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from bench.machinery import cpu_share
from bench.machinery.bench_command import CannotMeasure, Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import ROUTED, Twin, busy_s, lab_of
from bench.machinery.guest_processes import pids_of
from bench.machinery.withdrawals import withdrawal_ms
from bench.report.bench_result import Better, Comparison, Series, at_least, at_most
from bench.serve import parse

VIP = "198.51.100.80"
SIZES = (1, 2, 4, 8)
SHARE, GROWTH_GOAL, WITHDRAWN_MS = 0.1, 0.85, 20.0
WRK = ("wrk", "-t1", "-c64", "--latency", "-d6s", "-H", "Accept-Encoding: gzip")
HEAVY = "/usr/html/heavy.html"
# Text that takes a core more than half a millisecond to compress.
MAKE_HEAVY = f"head -c 24000 /dev/urandom | base64 >{HEAVY}"
# Connections with one request each at a time (few: the CPUs are not to be busy all the time), and
# seconds of each look at the CPUs.
CONNECTIONS, LOOK_S, QUICK_LOOK_S = 4, 5.0, 2.0
DRAIN = "/etc/keepalived/down"
ANNOUNCES = "birdc show protocols | grep -q 'vip_serves4.* up '"
# For a minute: an nginx that has been started anew is on trial first.
UNTIL_ANNOUNCED = f"for look in $(seq 600); do {ANNOUNCES} && exit 0; sleep 0.1; done; exit 1"
SETTLES_S = 1.5


def measure(options: Options, measured: Measurements) -> None:
    """The growth with up to eight machines, a withdrawal, then the cost with two of them."""
    sizes = [size for size in SIZES if options.may_have(max(1, size // 2))]
    pairs = max(1, max(sizes) // 2)
    with lab_of(pairs, ROUTED) as twin:
        twin.deploy("gzip=text", f"keepalive_requests={10**9}")
        twin.ssh_all(f"{ANNOUNCES} && {MAKE_HEAVY}")
        _growth(twin, sizes, options, measured)
        _withdrawals(twin, options, measured)
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


def _withdrawals(twin: Twin, options: Options, measured: Measurements) -> None:
    name = twin.names[0]
    took_ms = []
    for _ in range(options.repeats):
        progress(f"nginx is killed on {name}")
        took_ms.append(withdrawal_ms(twin, name, VIP))
        twin.ssh(name, UNTIL_ANNOUNCED)
    until = Series("Tandem", "ms", tuple(took_ms))
    what = "nginx's death until the router's route is without it"
    measured.rows.append(Comparison(what, until, goal=at_most(WITHDRAWN_MS)))


def _cost(twin: Twin, options: Options, measured: Measurements) -> None:
    """The connections live on the first machine; the second gives it their segments, or not."""
    first, second = twin.names[:2]
    look_s = QUICK_LOOK_S if options.quick else LOOK_S
    _announce(twin, [first])
    idle = _look(twin, look_s)
    looks: dict[str, list[_Look]] = {first: [], second: []}
    with _steady(twin, options.repeats * 2 * (look_s + 6) + 5):
        for _ in range(options.repeats):
            for name in (first, second):
                who = "as the router sends them" if name == first else "given on"
                progress(f"requests on {CONNECTIONS} connections, {who}")
                _announce(twin, [name])
                looks[name].append(_look(twin, look_s).without(idle))
    _announce(twin, twin.names)
    direct, given = looks[first], looks[second]
    if any(each.given > each.requests / 10 for each in direct):
        raise CannotMeasure("segments were given on that should have come directly")
    if any(each.given < each.requests / 2 for each in given):
        raise CannotMeasure("segments came directly that should have been given on")
    for who, its in (("as the router sends them", direct), ("given on by another machine", given)):
        each = tuple(round(look.each_us, 1) for look in its)
        measured.rows.append(
            Comparison(f"a request, {who}: all CPUs", Series("Tandem", "µs", each))
        )
    more = tuple(
        round((b.each_us - a.each_us) * b.requests / b.given, 2)
        for a, b in zip(direct, given, strict=True)
    )
    cost = Series("Tandem", "µs", more)
    measured.rows.append(Comparison("a segment that is given on: more", cost))
    share = median(b.each_us for b in given) / median(a.each_us for a in direct) - 1
    segments = median(b.given / b.requests for b in given)
    measured.notes.append(
        f"Where every segment of a client is given on ({segments:.1f} for each request), a request "
        f"takes {share:.0%} more of all CPUs: those of clients, router and machines."
    )


@dataclass(frozen=True)
class _Look:
    """What was done in a while: seconds of all CPUs, requests answered by the first machine, and
    packets that the second has sent into the mesh."""

    seconds: float
    busy_s: float
    requests: float
    given: float

    @property
    def each_us(self) -> float:
        """What a request has taken, in µs of all CPUs."""
        return self.busy_s / self.requests * 1e6

    def without(self, idle: _Look) -> _Look:
        """The same without what is done by itself: beats, health questions, the watch."""
        share = self.seconds / idle.seconds
        return _Look(
            self.seconds,
            self.busy_s - idle.busy_s * share,
            self.requests - idle.requests * share,
            max(0.0, self.given - idle.given * share),
        )


def _look(twin: Twin, seconds: float) -> _Look:
    first, second = twin.names[:2]
    seen: list[tuple[float, float, float, float]] = []
    for pause_s in (seconds, 0.0):
        answered = twin.ssh(first, "curl -fsS http://127.0.0.1/nginx_status")
        requests = re.search(r"^ *\d+ +\d+ +(\d+) *$", answered, re.M)
        assert requests, answered
        sent = twin.ssh(second, "cat /sys/class/net/tandem/statistics/tx_packets")
        seen.append((time.monotonic(), busy_s(), float(requests[1]), float(sent)))
        time.sleep(pause_s)
    return _Look(*(b - a for a, b in zip(*seen, strict=True)))


def _announce(twin: Twin, names: list[str] | tuple[str, ...]) -> None:
    """Have these machines announce the address, and no others."""
    for name in twin.names:  # those that begin before those that end
        if name in names:
            twin.ssh(name, f"rm -f {DRAIN}; {UNTIL_ANNOUNCED}")
    for name in twin.names:
        if name not in names:
            twin.ssh(name, f"mkdir -p {DRAIN.rpartition('/')[0]} && touch {DRAIN}")
    time.sleep(SETTLES_S)


@contextmanager
def _steady(twin: Twin, seconds: float) -> Iterator[None]:
    """Requests on the same connections meanwhile. Raises `CannotMeasure` if any has failed."""
    words = ("wrk", "-t1", f"-c{CONNECTIONS}", "--latency", f"-d{seconds:.0f}s", f"http://{VIP}/")
    process = subprocess.Popen(
        twin.lab.run_command(words), cwd=twin.tree, stdout=subprocess.PIPE, text=True
    )
    try:
        time.sleep(1)
        yield
        said = process.communicate(timeout=seconds + 30)[0]
        parse(said)
        if "Socket errors" in said:
            raise CannotMeasure(f"connections broke: {said.strip()[-500:]}")
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    run_bench("one address on every machine: growth, and the cost of a second chance", measure)
