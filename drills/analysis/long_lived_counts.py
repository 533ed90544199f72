"""What became of the long-lived load, in numbers and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drills.results import Budget, Kind, LongLived

# Of ten, and of twenty; some are about to begin again.
DOWNLOADS_LEAST = 5
KEEP_ALIVES_LEAST = 10
# Between one connection and the next that takes its place: a client waits its turn, and longer
# where this process does not get its CPU.
BETWEEN_S = 0.5
# A session that ends in order before has not begun.
SESSION_S = 1.0
# An nginx that ends closes all its idle connections within milliseconds, and each client finds out
# with its next request. So many of them have to end in order within so long for one to be reset,
# and so many for each of several.
CLOSED_AT_ONCE, CLOSED_FOR_EACH = 3, 10
CLOSED_WITHIN_S = 0.5


@dataclass(frozen=True)
class LongLivedCounts:
    """`failed`: keep-alive requests; `cut`: downloads; `reconnected`: closed by the server while
    idle, no request failed by that; `repeated`: those of them that a reset told. `slowest_s`: the
    longest wait for a byte. `sessions`: through streams, but for those that were closed in order
    as soon as they had begun."""

    clients: int
    requests: int
    failed: int
    reconnected: int
    downloads: int
    cut: int
    received_bytes: int
    slowest_s: float
    sessions: int = 0
    sessions_cut: int = 0
    repeated: int = 0

    def __str__(self) -> str:
        by_reset = f", {self.repeated} of them after a reset" if self.repeated else ""
        words = (
            f"{self.failed} of {self.requests} keep-alive requests failed "
            f"({self.reconnected} reconnected{by_reset}), "
            f"{self.cut} of {self.downloads} downloads cut"
        )
        if self.sessions:
            words += f", {self.sessions_cut} of {self.sessions} stream sessions cut"
        return words


def count_long_lived(*loads: Iterable[LongLived]) -> LongLivedCounts:
    """The sums over all connections of one load, or of several that had one time each."""
    works = tuple(map(tuple, loads))
    every = tuple(one for work in works for one in work)
    failed = [one for work in works for one in failures(work)]
    clients = [one for one in every if one.kind is Kind.KEEP_ALIVE]
    downloads = [one for one in every if one.kind is Kind.DOWNLOAD]
    sessions = [one for one in every if one.kind is Kind.SESSION and _was_kept(one)]
    return LongLivedCounts(
        clients=len(clients),
        requests=sum(one.requests for one in clients),
        failed=sum(one in failed for one in clients),
        reconnected=sum(one.reconnected and one not in failed for one in clients),
        downloads=len(downloads),
        cut=sum(one in failed for one in downloads),
        received_bytes=sum(one.received_bytes for one in downloads),
        slowest_s=max((one.slowest_s for one in every), default=0.0),
        sessions=len(sessions),
        sessions_cut=sum(one in failed for one in sessions),
        repeated=sum(bool(one.cut) and one not in failed for one in clients),
    )


def failures(work: Iterable[LongLived]) -> list[LongLived]:
    """Those that were broken by a fault.

    Not a request that was just on its way when nginx closed its idle connections: one that it has
    not read is answered by the kernel with a reset (RFC 9112, 9.6), and a client repeats it. Others
    of this nginx's are closed in order at that moment. A machine that does not know connections
    resets each of them.
    """
    every = tuple(work)
    return [one for one in every if one.cut and not _was_closing(one, every)]


def _was_closing(one: LongLived, every: Iterable[LongLived]) -> bool:
    """Whether its nginx closed its idle connections when it was reset."""
    if not one.reconnected:
        return False
    beside = [
        other.cut
        for other in every
        if other.kind is one.kind
        and other.reconnected
        and other.node == one.node
        and abs(other.to_s - one.to_s) <= CLOSED_WITHIN_S
    ]
    in_order = beside.count("")
    resets = len(beside) - in_order
    return in_order >= CLOSED_AT_ONCE and resets <= max(1, in_order // CLOSED_FOR_EACH)


def _was_kept(session: LongLived) -> bool:
    """Whether it has begun for good: one that is closed at once has met no server, or no client
    that may come in."""
    return bool(session.cut) or session.to_s - session.from_s > SESSION_S


def running(work: Iterable[LongLived], kind: Kind) -> tuple[tuple[float, int], ...]:
    """How many of a kind there are from when on: (seconds, number), in order."""
    steps: dict[float, int] = {}
    for one in work:
        if one.kind is kind:
            steps[one.from_s] = steps.get(one.from_s, 0) + 1
            steps[one.to_s] = steps.get(one.to_s, 0) - 1
    number, found = 0, []
    for at_s in sorted(steps):
        number += steps[at_s]
        found.append((at_s, number))
    return tuple(found)


def fewest(work: Iterable[LongLived], kind: Kind, from_s: float, to_s: float) -> int:
    """The fewest at a time in an interval, apart from the moment between one and its next."""
    steps = [(float("-inf"), 0), *running(work, kind)]
    ends = [*(at_s for at_s, _ in steps[1:]), float("inf")]
    long_s = min(BETWEEN_S, (to_s - from_s) / 2)
    return min(
        (
            number
            for (begin, number), end in zip(steps, ends, strict=True)
            if min(end, to_s) - max(begin, from_s) > long_s
        ),
        default=0,
    )


def described(one: LongLived) -> str:
    """Which connection was broken, how and when, in words."""
    where = f"port {one.client_port}" + (f", {one.node}" if one.node else "")
    if one.kind is Kind.DOWNLOAD:
        return (
            f"download ({where}): {one.cut} at {one.to_s:.2f} s, {one.to_s - one.from_s:.2f} s "
            f"after its beginning, with {one.received_bytes / 2**20:.1f} MiB"
        )
    if one.kind is Kind.SESSION:
        return (
            f"stream session ({where}): {one.cut} at {one.to_s:.2f} s, "
            f"{one.to_s - one.from_s:.2f} s after its beginning"
        )
    return f"keep-alive ({where}): {one.cut} at {one.to_s:.2f} s, its request {one.requests}"


def broken(work: Sequence[LongLived], most: int = 3) -> str:
    """The first that were broken, in words; "" when none was."""
    found = sorted(failures(work), key=lambda one: one.to_s)
    words = [described(one) for one in found[:most]]
    if len(found) > most:
        words.append(f"and {len(found) - most} more")
    return "; ".join(words)


def problems(work: Sequence[LongLived], budget: Budget) -> Iterator[str]:
    """What was not as it must be, in words."""
    found = count_long_lived(work)
    for number, allowed, what, kind in (
        (found.failed, budget.failed, "keep-alive requests failed", Kind.KEEP_ALIVE),
        (found.cut, budget.cut, "downloads cut", Kind.DOWNLOAD),
        (found.sessions_cut, budget.cut, "stream sessions cut", Kind.SESSION),
    ):
        if allowed is not None and number > allowed:
            which = broken([one for one in work if one.kind is kind])
            yield f"{number} {what}, and {allowed} are allowed: {which}"
    if budget.reconnected is not None and found.reconnected > budget.reconnected:
        yield (
            f"{found.reconnected} connections were closed while idle, and {budget.reconnected} "
            "may be: nginx goes on as it is"
        )


def void(work: Sequence[LongLived], from_s: float, to_s: float) -> str:
    """Why nothing follows from this load; "" when something does.

    The change went on from `from_s` to `to_s`, and the load has to have lived as long. What was
    broken by the cluster is no reason: that is counted.
    """
    found = count_long_lived(work)
    if not found.requests:
        return "no keep-alive request was made, so that nothing is known about them"
    for kind, number_broken, least, what in (
        (Kind.KEEP_ALIVE, found.failed, KEEP_ALIVES_LEAST, "keep-alive clients"),
        (Kind.DOWNLOAD, found.cut, DOWNLOADS_LEAST, "downloads"),
    ):
        there = fewest(work, kind, from_s, to_s)
        if not number_broken and there < least:
            return (
                f"only {there} {what} were there at a time, and {least} have to be, or nothing "
                "is known about them"
            )
    return ""
