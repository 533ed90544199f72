"""What the watch has written of nginx's overload. Pure."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("full", "busy")


@dataclass(frozen=True)
class Overload:
    """The last time that nginx was `kind`, "full" or "busy"; `count`: how often it was so since the
    watch was started. `ended_ago_s`: None while it goes on."""

    kind: str
    count: int
    seconds: float
    ended_ago_s: float | None


def overloads(text: str) -> tuple[Overload, ...] | None:
    """What is written of each kind that there was; None where nothing is. Raises ValueError for
    anything else."""
    head, *lines = text.splitlines()
    word, now = head.split()
    if word != "uptime":
        raise ValueError("not for how long the machine has been up")
    if lines == ["none"]:
        return None
    rows = [line.split() for line in lines]
    if tuple(kind for kind, *_ in rows) != KINDS:
        raise ValueError("not the watch's two kinds")
    return tuple(_overload(float(now), *row) for row in rows if int(row[1]))


def _overload(now_s: float, kind: str, count: str, began: str, ended: str) -> Overload:
    ended_s = now_s if ended == "-" else float(ended)
    ago_s = None if ended == "-" else now_s - ended_s
    return Overload(kind, int(count), ended_s - float(began), ago_s)
