"""One question to a machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """A command, run by `sh`. `shown` replaces it in reports where it is not fit for a person."""

    name: str
    command: str
    shown: str = ""

    @property
    def text(self) -> str:
        """What a person is shown."""
        return self.shown or self.command
