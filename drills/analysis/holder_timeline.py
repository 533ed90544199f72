"""Who holds the address when: `ip monitor` of every node, as one timeline. Pure.

Events instead of samples every 0.1 s: the kernel tells the exact moment, and nothing has to run
on machines that are about to be starved of their CPU.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

from drills.results import HolderSample

# Passing an address on, both nodes (or none) have it for a moment: no steady state, and no harm.
TRANSIT_S = 0.1
# After so long with one holder it is settled: what comes then is another move.
SETTLED_S = 0.5

# What happens on other interfaces leaves its timestamp, and nothing else, at a line's beginning.
_LINE = re.compile(
    r"^(?:\[[\d:T.-]+\]\s+)*\[(?P<at>[\d:T.-]+)\]\s+(?P<deleted>Deleted )?"
    r"\d+: \S+\s+inet6? (?P<ip>[\da-f.:]+)/"
)


def changes(monitor: str, address: IPv4Address | IPv6Address) -> Iterator[tuple[float, bool]]:
    """When `address` came and went, by the output of `TZ=UTC ip -ts -o monitor address`.

    Times are seconds since the epoch on the machine's own clock.
    """
    for line in monitor.splitlines():
        found = _LINE.match(line)
        if found and found["ip"] == str(address):
            at = datetime.fromisoformat(found["at"]).replace(tzinfo=UTC).timestamp()
            yield at, not found["deleted"]


def shown(addresses: str, address: IPv4Address | IPv6Address) -> bool:
    """Whether `ip -o address show` lists it."""
    return f" {address}/" in addresses


def timeline(
    by_node: Mapping[str, Iterable[tuple[float, bool]]], from_s: float = 0.0
) -> tuple[HolderSample, ...]:
    """The nodes' changes as one line of samples, the first at `from_s`; nodes keep their order."""
    every = sorted(
        (at, order, node, held)
        for order, (node, found) in enumerate(by_node.items())
        for at, held in found
    )
    state = dict.fromkeys(by_node, False)
    samples: list[HolderSample] = []
    for at, _, node, held in every:
        state[node] = held
        sample = HolderSample(
            max(at, from_s), tuple(name for name, holds in state.items() if holds)
        )
        if samples and samples[-1].at_s == sample.at_s:
            samples[-1] = sample
        elif not samples or samples[-1].holders != sample.holders:
            samples.append(sample)
    return tuple(samples)


def gains(samples: Sequence[HolderSample]) -> tuple[tuple[float, str], ...]:
    """When which node took the address; who had it at the beginning did not take it."""
    return tuple(
        (after.at_s, node)
        for before, after in itertools.pairwise(samples)
        for node in after.holders
        if node not in before.holders
    )


def stretches(
    samples: Sequence[HolderSample], from_s: float, to_s: float
) -> Iterator[tuple[float, float, tuple[str, ...]]]:
    """Who held the address from when till when, cut to what is asked for."""
    for index, sample in enumerate(samples):
        end = samples[index + 1].at_s if index + 1 < len(samples) else to_s
        begin, end = max(sample.at_s, from_s), min(end, to_s)
        if begin < end:
            yield begin, end, sample.holders


def one_holder_s(samples: Sequence[HolderSample], from_s: float, to_s: float) -> float | None:
    """From `from_s` until there was one holder, for good; None if there was not, by `to_s`.

    A later exchange, with two or none for less than `TRANSIT_S`, does not count.
    """
    settled = from_s
    for begin, end, names in stretches(samples, from_s, to_s):
        if len(names) != 1 and (end - begin > TRANSIT_S or begin - settled < SETTLED_S):
            settled = end
    return settled - from_s if samples and settled < to_s else None


def fewest_and_most(
    samples: Sequence[HolderSample], intervals: Iterable[tuple[float, float]]
) -> tuple[int, int]:
    """The fewest and the most holders at a time in `intervals`, exchanges aside."""
    counts = {
        len(names)
        for from_s, to_s in intervals
        for begin, end, names in stretches(samples, from_s, to_s)
        if len(names) == 1 or end - begin > TRANSIT_S
    }
    return (min(counts), max(counts)) if counts else (1, 1)
