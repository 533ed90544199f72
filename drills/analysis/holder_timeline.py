"""Who holds the address when: `ip monitor` of every node, as one timeline. Pure.

Each node's `ip` writes a line, with that machine's clock, when it reads the kernel's message. So
the times are exact while `ip` gets its CPU at once, and late on a machine that is short of it: the
new holder's "added" can be stamped long after the old one's "deleted", or the other way round,
although the address moved within milliseconds. `fewest_and_most` allows for that.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

from drills.results import HolderSample

# While the address changes hands, both nodes (or none) have it for a moment: no steady state, and
# no harm.
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


def listed(addresses: str, address: IPv4Address | IPv6Address) -> bool:
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
    samples: Sequence[HolderSample],
    steady: Iterable[tuple[float, float]],
    *,
    move_s: float = 0.0,
    answered_s: Sequence[float] = (),
) -> tuple[int, int]:
    """The fewest and the most nodes that held the address at a time, in the `steady` intervals.

    Exactly one is right, except while the address changes hands. By protocol the next holder adds
    it after it has heard that the old one gives it up, or has heard nothing for long enough; the
    old one removes it when it stops, or when it hears the next one's advert. Which comes first
    depends on who gets its CPU first: for some milliseconds both have the address, or none has.
    So whatever lasts for `TRANSIT_S` at the most does not count. Two holders count from then on.
    None counts from then on, too; but while a move is under way (one node held the address before,
    another one does afterwards) only when it is nowhere for longer than `move_s`.

    `answered_s`: when answered requests were sent, in order. No node answers for an address that
    is nowhere. So a time without a holder is cut at these moments, and only its longest part is
    judged: at its ends the address was there, so that the monitor's line was late and not the
    holder. It does not matter how late a busy machine's monitor is; and where the address
    is really nowhere, no request is answered. All times are in seconds; (1, 1) where nothing
    counts.
    """
    counts: set[int] = set()
    for from_s, to_s in steady:
        for begin, end, names in stretches(samples, from_s, to_s):
            if names:
                counts_here = len(names) == 1 or end - begin > TRANSIT_S
            else:
                move = _move(samples, begin)
                counts_here = _longest_gap(begin, end, answered_s) > TRANSIT_S and (
                    move is None or _longest_gap(*move, answered_s) > move_s
                )
            if counts_here:
                counts.add(len(names))
    return (min(counts), max(counts)) if counts else (1, 1)


def _longest_gap(begin: float, end: float, moments: Sequence[float]) -> float:
    """How long the longest part of an interval is that has none of these moments in it."""
    inside = (moment for moment in moments if begin < moment < end)
    return max(later - earlier for earlier, later in itertools.pairwise((begin, *inside, end)))


def _move(samples: Sequence[HolderSample], at_s: float) -> tuple[float, float] | None:
    """From when till when the move lasts that is under way at `at_s`; None where it is none.

    It goes from one holder to another one; between them are none or several.
    """
    single = [sample for sample in samples if len(sample.holders) == 1]
    before = next((sample for sample in reversed(single) if sample.at_s <= at_s), None)
    after = next((sample for sample in single if sample.at_s > at_s), None)
    if before is None or after is None or before.holders == after.holders:
        return None
    return samples[samples.index(before) + 1].at_s, after.at_s
