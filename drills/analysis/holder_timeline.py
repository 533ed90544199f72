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
from typing import NamedTuple

from drills.results import HolderSample

# While the address changes hands, both nodes (or none) have it for a moment: no steady state, and
# no harm.
TRANSIT_S = 0.1
# After so long with one holder it is settled: what comes then is another move.
SETTLED_S = 0.5

# What `ip monitor` does not print leaves its timestamp, and nothing else, at a line's beginning.
_LINE = re.compile(
    r"^(?:\[[\d:T.-]+\]\s+)*\[(?P<at>[\d:T.-]+)\]\s+(?P<deleted>Deleted )?"
    r"\d+: (?P<interface>\S+)\s+inet6? (?P<ip>[\da-f.:]+)/"
)


def changes(
    monitor: str, address: IPv4Address | IPv6Address, interface: str
) -> Iterator[tuple[float, bool]]:
    """When `address` came and went there, by the output of `TZ=UTC ip -ts -o monitor address`.

    Times are seconds since the epoch on the machine's own clock.
    """
    for line in monitor.splitlines():
        found = _LINE.match(line)
        # The hand-over keeps it on lo, too.
        if found and (found["ip"], found["interface"]) == (str(address), interface):
            at = datetime.fromisoformat(found["at"]).replace(tzinfo=UTC).timestamp()
            yield at, not found["deleted"]


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


def void(samples: Sequence[HolderSample], answers: Sequence[tuple[float, str]] = ()) -> str:
    """Why nothing follows from this timeline; "" when something does.

    `answers`: as in `fewest_and_most`. Clients reach a node only once it has announced the address:
    one that has answered for a while has held it, or its monitor was deaf.
    """
    if not samples:
        return "nobody recorded who held the address"
    if (first_s := samples[0].at_s) > 0:
        return f"nobody recorded who held the address before {first_s:.2f} s"
    held = {node for sample in samples for node in sample.holders}
    for node in sorted({node for _, node in answers} - held - {""}):
        moments = [sent_s for sent_s, by in answers if by == node]
        if moments[-1] - moments[0] > SETTLED_S:
            return (
                f"{node} has answered from {moments[0]:.2f} s to {moments[-1]:.2f} s, and nobody "
                "recorded that it held the address"
            )
    return ""


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
    answers: Sequence[tuple[float, str]] = (),
) -> tuple[int, int]:
    """The fewest and the most nodes that held the address at a time, in the `steady` intervals.

    Exactly one is right, except while the address changes hands. keepalived's next holder adds it
    and sends an advert, by which the old one removes it; or the old one says goodbye (priority 0)
    and removes it, and the next one adds it after its skew. Which of the two nodes is first
    depends on who gets its CPU first: for some milliseconds both have the address, or none has. So
    what lasts for `TRANSIT_S` at the most does not count. Two holders count from then on. None
    counts from then on, too, except while a move is under way (one node held the address before,
    another one does afterwards): then only if that takes longer than `move_s`.

    How long a move takes is not left to the monitor, whose line may be late. `answers` says when
    requests were sent and which node answered, in order of time. The first one that the next
    holder answered, after the old one had, ends the move: clients reach it only once it has
    announced the address. An answer by the old holder is no evidence, because with the hand-over
    it answers also when the address is nowhere. So however busy the machines are, a late line is
    no fault; and an address that no node takes in time is one, with or without lost requests.

    All times are in seconds; (1, 1) where nothing counts.
    """
    counts: set[int] = set()
    for from_s, to_s in steady:
        for begin, end, names in stretches(samples, from_s, to_s):
            if not names and (move := _move(samples, begin)):
                taken_s = _taken_s(move, answers)
                if taken_s - move.began_s <= move_s:
                    continue
                end = min(end, taken_s)
            if len(names) == 1 or end - begin > TRANSIT_S:
                counts.add(len(names))
    return (min(counts), max(counts)) if counts else (1, 1)


class _Move(NamedTuple):
    """From one holder to another; between them, from `began_s` on, are none or several."""

    before: HolderSample
    after: HolderSample
    began_s: float


def _move(samples: Sequence[HolderSample], at_s: float) -> _Move | None:
    """The move that is under way at `at_s`; None where it is none."""
    single = [sample for sample in samples if len(sample.holders) == 1]
    before = next((sample for sample in reversed(single) if sample.at_s <= at_s), None)
    after = next((sample for sample in single if sample.at_s > at_s), None)
    if before is None or after is None or before.holders == after.holders:
        return None
    return _Move(before, after, samples[samples.index(before) + 1].at_s)


def _taken_s(move: _Move, answers: Sequence[tuple[float, str]]) -> float:
    """When the next holder had the address: by its answers, or by the monitor if it was earlier."""
    old_answered = False
    for sent_s, node in answers:
        if move.before.at_s <= sent_s < move.after.at_s:
            old_answered |= node in move.before.holders
            if old_answered and node in move.after.holders:
                return sent_s
    return move.after.at_s
