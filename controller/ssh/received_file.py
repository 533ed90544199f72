"""A file that comes from a machine, on a controller whose disk may be full."""

from __future__ import annotations

from typing import IO, Any


class ReceivedFile:
    """Takes all that comes, also where it cannot be kept: who sends would wait otherwise."""

    def __init__(self, into: IO[Any]) -> None:
        self._into = into
        self._error: OSError | None = None

    def write(self, data: bytes) -> None:
        """Keep `data`; an error is raised by `finish`, and nothing more is kept after it."""
        if not self._error:
            try:
                self._into.write(data)
            except OSError as error:
                self._error = error

    def finish(self) -> None:
        """Have it on the disk. Raises OSError if it could not be kept."""
        if self._error:
            raise self._error
        self._into.flush()
