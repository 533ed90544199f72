"""Clients that ask through the VIP while something is changed, and tell what they lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from drills.clients.prober import ProberSpec
from drills.outcomes import RequestOutcome
from drills.records import Request
from lab.twin import Lab

VIP = "172.16.12.254"
PAGES = {"master.wangej.com": "host1", "slaves.wangej.com": "host2"}
BIG = "/usr/html/big"


@dataclass
class Seen:
    """What came of it, once it is over."""

    outcomes: Counter[str] = field(default_factory=Counter)
    requests: list[Request] = field(default_factory=list)
    began_s: float = 0.0  # of time.monotonic(); requests count from here
    downloads: list[str] = field(default_factory=list)

    @property
    def lost(self) -> dict[str, int]:
        return {name: count for name, count in self.outcomes.items() if name != RequestOutcome.OK}


@contextmanager
def asking(
    lab: Lab,
    *,
    address: str = VIP,
    rate: float = 150,
    downloads: int = 0,
    pages: Mapping[str, str] = PAGES,
    tls: bool = False,
    longest_s: float = 500,
) -> Iterator[Seen]:
    """Ask for the page at `rate` a second, each time anew, beside slow downloads of `BIG`."""
    port = 443 if tls else 80
    spec = ProberSpec(address, port, rate, longest_s=longest_s, pages=dict(pages), tls=tls)
    asker = subprocess.Popen(
        lab.run_command([sys.executable, "-m", "drills.clients.prober", spec.to_json()]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    url = f"-k https://{VIP}" if tls else f"http://{VIP}"
    slow = f"curl -sS --limit-rate 1M {url}/{BIG.rpartition('/')[2]} 2>&1 | sha256sum"
    loads = [
        subprocess.Popen(lab.run_command(["sh", "-c", slow]), stdout=subprocess.PIPE, text=True)
        for _ in range(downloads)
    ]
    seen = Seen()
    time.sleep(1)
    try:
        yield seen
        time.sleep(0.5)
    finally:
        said, _ = asker.communicate()
        lines = [json.loads(line) for line in said.splitlines()]
        seen.began_s = lines[0]["t0"]
        seen.requests = sorted(Request(*line) for line in lines if isinstance(line, list))
        seen.outcomes.update(str(request.outcome) for request in seen.requests)
        seen.downloads = [load.communicate()[0].split()[0] for load in loads]
    assert seen.outcomes[RequestOutcome.OK] > 0
