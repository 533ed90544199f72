"""How one sees that a fault has bitten: out of what machines showed, requests, and holders. Pure.

A drill whose fault did not bite costs nothing, whatever the cluster is worth: its repeat is void.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drills.analysis import holder_timeline
from drills.results import FaultEvidence, HolderSample, Request, RequestOutcome, Sight

# As much as the report has room for.
WORDS_MAX = 300


@dataclass(frozen=True)
class Observed:
    """What was seen of one repeat. Seconds since its first request was due.

    The fault lasted from `from_s` to `undone_s`; recovery is counted from `reference_s` on, which
    is another moment where the fault was there before.
    """

    sights: tuple[Sight, ...]
    samples: tuple[HolderSample, ...]
    requests: Sequence[Request]
    from_s: float
    reference_s: float
    undone_s: float


Clue = Callable[[Observed], FaultEvidence]


def shown(least: int = 1) -> Clue:
    """Machines showed it: all that were looked at, and so many looks at the least."""

    def clue(observed: Observed) -> FaultEvidence:
        sights = observed.sights
        missed = [sight for sight in sights if not sight.bit]
        if missed:
            return FaultEvidence(False, _said(missed))
        if len(sights) < least:
            return FaultEvidence(False, _said(sights) or "no machine showed anything of it")
        return FaultEvidence(True, _said(sights))

    return clue


def _said(sights: Sequence[Sight]) -> str:
    """`host1: keepalived (812 814) is gone`, each text once, with how often where that is more."""
    texts = [f"{sight.node}: {sight.text}" if sight.node else sight.text for sight in sights]
    counted = {text: texts.count(text) for text in texts}
    words = "; ".join(
        text if count == 1 else f"{text} ({count} times)" for text, count in counted.items()
    )
    return words if len(words) <= WORDS_MAX else f"{words[: WORDS_MAX - 1]}…"


def two_holders(observed: Observed) -> FaultEvidence:
    """Several nodes held the address at a time, and for longer than while it moves."""
    during = (observed.from_s, observed.undone_s)
    found = [
        (end - begin, names)
        for begin, end, names in holder_timeline.stretches(observed.samples, *during)
        if len(names) > 1
    ]
    longest_s, names = max(found, default=(0.0, ()))
    if longest_s <= holder_timeline.TRANSIT_S:
        return FaultEvidence(False, "there were never two holders")
    return FaultEvidence(True, f"{' and '.join(names)} held the address for {longest_s:.2f} s")


def lost_meanwhile(observed: Observed) -> FaultEvidence:
    """Requests were lost before the way back was open, as they must be where nothing serves."""
    lost = [
        request
        for request in observed.requests
        if observed.from_s <= request.due_s < observed.reference_s
        and request.outcome is not RequestOutcome.OK
    ]
    if not lost:
        return FaultEvidence(False, "no request was lost while nothing could serve")
    return FaultEvidence(True, f"{len(lost)} requests were lost while nothing could serve")


def taken_back(observed: Observed) -> FaultEvidence:
    """The address moved after the way back was open."""
    gains = holder_timeline.gains(observed.samples)
    found = [(at, node) for at, node in gains if at >= observed.reference_s]
    if not found:
        return FaultEvidence(False, "no node took the address afterwards")
    at, node = found[-1]
    after_s = at - observed.reference_s
    return FaultEvidence(True, f"{node} took the address {after_s:.2f} s afterwards")


def announced_again(observed: Observed) -> FaultEvidence:
    """A node announced the address after the way back was open."""
    gains = holder_timeline.gains(observed.samples)
    found = [(at, node) for at, node in gains if at >= observed.reference_s]
    if not found:
        return FaultEvidence(False, "no node announced the address anew afterwards")
    at, node = found[0]
    return FaultEvidence(True, f"{node} announced it {at - observed.reference_s:.2f} s afterwards")


def every(*clues: Clue) -> Clue:
    """All of them."""

    def clue(observed: Observed) -> FaultEvidence:
        found = [one(observed) for one in clues]
        missing = [one for one in found if not one.bit]
        return FaultEvidence(not missing, "; ".join(one.text for one in missing or found))

    return clue
