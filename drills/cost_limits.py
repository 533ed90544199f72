"""What a drill may cost: its median repeat (`Budget`), and its worst one (`Ceiling`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """What a drill's seconds are."""

    OUTAGE = "longest outage"
    RECOVERY = "from the way back being open until answered"


@dataclass(frozen=True)
class Budget:
    """What a drill may cost in the median; None where that is not limited.

    Of the long-lived load: `failed` keep-alive requests, `cut` downloads, `reconnected` clients.
    `timed`: whether seconds are judged, and what is lost while the address moves, which are the
    same at a fixed rate; otherwise they are only shown, since a busy controller takes longer.
    """

    seconds: float | None = None
    lost: int | None = None
    moves: int | None = None
    one_holder_s: float | None = None
    failed: int | None = None
    cut: int | None = None
    reconnected: int | None = None
    timed: bool = True

    @property
    def loss_is_time(self) -> bool:
        """Whether requests may be lost for as long as the address moves, or cannot be reached."""
        return self.seconds is not None or not (self.moves == 0 or self.cut is not None)

    def __str__(self) -> str:
        limits = (
            (self.seconds, "≤ {:g} s"),
            (self.lost, "{} lost"),
            (self.moves, "≤ {} move" if self.moves else "no move"),
            (self.one_holder_s, "1 holder in {:g} s"),
            (self.failed, "{} failed"),
            (self.cut, "{} cut"),
            (self.reconnected, "{} reconnected"),
        )
        words = ", ".join(text.format(most) for most, text in limits if most is not None) or "none"
        return words if self.timed else f"{words} (time not judged)"


@dataclass(frozen=True)
class Ceiling:
    """What no repeat may exceed, not even once: every drill limits all three.

    `seconds`: as measured; `lost`: requests, but for those that no machine was there to answer;
    `slowest_s`: the slowest answer.
    """

    seconds: float
    lost: int
    slowest_s: float

    def __str__(self) -> str:
        time = f"≤ {self.seconds:g} s, " if self.seconds else ""
        return f"{time}{self.lost} lost, slowest {self.slowest_s:g} s"


@dataclass(frozen=True)
class Theory:
    """What the protocol alone costs by arithmetic, and how that was computed.

    What processes need to run, and packets to travel, comes on top.
    """

    expected_s: float
    low_s: float
    high_s: float
    how: str
