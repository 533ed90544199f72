"""Clients of a routed cluster in the lab: from 32 addresses anew each time, and some that stay."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from drills.analysis.long_lived_counts import LongLivedCounts, broken, count_long_lived
from drills.clients.long_lived import MIB, SEED, LongLivedSpec
from drills.clients.prober import ProberSpec
from drills.outcomes import RequestOutcome
from drills.records import Request
from drills.results import Kind, LongLived
from lab.twin import Lab

FILE, SIZE = "/usr/html/big", 24 * MIB
PORT = 80


@dataclass
class Served:
    """What came of it, once it is over."""

    fresh: Counter[str] = field(default_factory=Counter)
    # Which machine answered how many of the fresh ones.
    shares: Counter[str] = field(default_factory=Counter)
    stayed: tuple[LongLived, ...] = ()

    @property
    def lost(self) -> dict[str, int]:
        return {name: n for name, n in self.fresh.items() if name != RequestOutcome.OK}

    @property
    def counts(self) -> LongLivedCounts:
        return count_long_lived(self.stayed)

    @property
    def nothing_lost(self) -> bool:
        return not self.lost and not self.counts.failed and not self.counts.cut

    def __str__(self) -> str:
        return (
            f"{sum(self.fresh.values())} fresh requests, lost {self.lost or 'none'}, shares "
            f"{dict(self.shares)}; {self.counts}; {broken(self.stayed)}"
        )


def bring_file(lab: Lab) -> None:
    """The same file on every machine, for the downloads."""
    make = f"import hashlib; open('{FILE}', 'wb').write(hashlib.shake_256({SEED!r}).digest({SIZE}))"
    for machine in lab.machines:
        done = lab.ssh(machine.name, f'python3 -c "{make}" && chmod 644 {FILE}')
        assert done.returncode == 0, done.stderr


@contextmanager
def loaded(lab: Lab, address: str, pages: dict[str, str], rate: float = 200) -> Iterator[Served]:
    """Ask meanwhile: `rate` fresh connections a second, 50 that are kept, ten slow downloads.

    pages: the names of machines, by what their pages say.
    """
    network = lab.plan.client_network
    assert network
    sources = tuple(each for each in network.sources if (":" in each) == (":" in address))
    assert len(sources) == 32
    fresh = ProberSpec(address, PORT, rate, longest_s=900, pages=pages, sources=sources)
    stay = LongLivedSpec(
        address,
        PORT,
        pages=pages,
        path="/" + FILE.rpartition("/")[2],
        longest_s=900,
        keep_alives=50,
        every_s=0.25,
        size=SIZE,
        bytes_per_s=2 * MIB,
        sources=sources,
    )
    processes = [
        subprocess.Popen(
            lab.run_command([sys.executable, "-m", f"drills.clients.{module}", spec.to_json()]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for module, spec in (("prober", fresh), ("long_lived", stay))
    ]
    served = Served()
    time.sleep(2)
    try:
        yield served
        time.sleep(1)
    finally:
        for process in processes:
            assert process.stdin
            process.stdin.close()
        asked, stayed = (_lines(process) for process in processes)
        requests = [Request(*line) for line in asked if isinstance(line, list)]
        served.fresh.update(str(request.outcome) for request in requests)
        served.shares.update(str(request.node) for request in requests)
        served.stayed = tuple(
            LongLived(Kind(line[0]), *line[1:]) for line in stayed if isinstance(line, list)
        )
    assert served.fresh[RequestOutcome.OK] > 0 and served.counts.requests > 0, str(served)


def _lines(process: subprocess.Popen[str]) -> list[object]:
    assert process.stdout
    said = process.stdout.read()
    process.wait(timeout=60)
    return [json.loads(line) for line in said.splitlines()]
