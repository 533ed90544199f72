"""What is recorded during a drill: requests, connections, holders, faults, outages.

All times are seconds since the prober's first request was due; see drills/results.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from drills.outcomes import Kind, RequestOutcome


class Request(NamedTuple):
    """One request on a new connection; an array in JSON, because there are very many.

    `lag_s`: how late the prober itself sent it. `connect_s`, `total_s`: from sending; None where
    it did not come to that. `node`: whose page came back, "" without one.
    """

    due_s: float
    lag_s: float
    connect_s: float | None
    total_s: float | None
    outcome: RequestOutcome
    node: str


class HolderSample(NamedTuple):
    """From `at_s` until the next sample the address is held by exactly `holders`."""

    at_s: float
    holders: tuple[str, ...]


@dataclass(frozen=True)
class FaultInterval:
    """Something was broken from `from_s` until it was undone at `to_s`. `node`: where."""

    label: str
    node: str
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Event:
    """Something that happened at one moment, in words."""

    at_s: float
    text: str


@dataclass(frozen=True)
class Sight:
    """What one machine showed while a fault was there, in words; `bit`: whether it shows that."""

    node: str
    bit: bool
    text: str


@dataclass(frozen=True)
class FaultEvidence:
    """Whether a fault has bitten, and by what one sees it, in words."""

    bit: bool
    text: str


@dataclass(frozen=True)
class Window:
    """One outage: from the last good request to the first good one, in due time.

    `moved_at_s`: when another node took the address within it; None where none did. `open`: there
    was no good request after it (or before it), so that it has no end (or no beginning).
    """

    from_s: float
    to_s: float
    lost: dict[RequestOutcome, int]
    moved_at_s: float | None = None
    open: bool = False

    @property
    def outage_s(self) -> float:
        return self.to_s - self.from_s

    @property
    def detection_s(self) -> float | None:
        """Until another node took the address."""
        return None if self.moved_at_s is None else max(0.0, self.moved_at_s - self.from_s)

    @property
    def takeover_s(self) -> float | None:
        """From then until it answered."""
        return None if self.moved_at_s is None else max(0.0, self.to_s - self.moved_at_s)


@dataclass(frozen=True)
class LongLived:
    """One connection of the long-lived load: a client that asks again and again, or a download.

    `cut`: how it was broken (an outcome), "" if it was not. `reconnected`: the server closed it
    between two requests, and a new connection took its place; no request failed by that. With a
    `cut` as well: a reset said so, and its request was answered on the new connection.
    `node`: whose page was the answer, "" where that is unknown. `slowest_s`: its longest wait.
    """

    kind: Kind
    from_s: float
    to_s: float
    requests: int
    received_bytes: int
    cut: str = ""
    reconnected: bool = False
    node: str = ""
    client_port: int = 0
    slowest_s: float = 0.0


@dataclass(frozen=True)
class NotPutBack:
    """What could not be undone: on which `node` ("" for a whole cluster), why, and the command that
    undoes it by hand, there or here."""

    what: str
    cluster: str
    node: str
    why: str
    by_hand: str

    def __str__(self) -> str:
        return f"{self.what} on {self.node or f'cluster {self.cluster}'}"
