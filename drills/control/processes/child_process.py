"""Client processes: started with a SPEC, they print what they find as lines of JSON.

Each ends when its standard input does, so that none outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent

from drills.mishaps import MISHAPS, Foreseen, told

ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 10.0


class ClientProcessError(Foreseen):
    """A client process could not do its work."""


class ChildProcess:
    """A client process that runs. `name`: what messages call it; `prefix`: what runs it."""

    def __init__(self, name: str, module: str, spec: str, prefix: Sequence[str] = ()):
        # The objects that it has printed, as one. Its arrays go to `_row`.
        self.said: dict[str, Any] = {}
        self._name = name
        # Why its output could not be read any further; "" as long as it can.
        self._unreadable = ""
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", module, spec],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A Ctrl-C is for the runner, which still needs what this one finds.
            start_new_session=True,
        )
        self._reader = gevent.spawn(self._read)

    def _row(self, row: list[Any]) -> None:
        """One array of its output."""

    def _wait_for(self, word: str, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until it has begun, and has said so. Raises `ClientProcessError`.

        Whatever ends the waiting ends the process: nobody would know of it.
        """
        deadline = time.monotonic() + timeout_s
        try:
            while word not in self.said:
                ended = self._unreadable or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise ClientProcessError(self._why())
                gevent.sleep(0.005)
        except BaseException:
            self.kill()
            raise

    def _why(self) -> str:
        # One that has closed its output is ending, whether or not it has been waited for.
        alive = not self._reader.ready() and self._process.poll() is None
        self._process.kill()
        if self._unreadable:
            self._process.wait()
            return f"{self._name} said what is not understood: {self._unreadable}"
        _, errors = self._process.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        otherwise = f"nothing in {START_TIMEOUT_S:.0f} s" if alive else "without a word"
        return f"{self._name} ended: {lines[-1] if lines else otherwise}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                record = json.loads(line)
                if isinstance(record, list):
                    self._row(record)
                else:
                    self.said |= record
        except MISHAPS as error:
            self._unreadable = told(error)

    def stop(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """End it and read the rest of its output.

        Raises `ClientProcessError` if it had ended by itself.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._reader.join(timeout=timeout_s)
        if self._unreadable or "done" not in self.said:
            raise ClientProcessError(self._why())
        # It has said everything.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End it at once, whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
