"""Processes of ours that measure: started with a SPEC, they say in lines of JSON what they find.

Each ends when its standard input does, so that none outlives whoever started it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 10.0


class ProbeError(Exception):
    """One of them could not do its work."""


class Child:
    """A process that runs. `name`: what a person calls it."""

    def __init__(self, name: str, module: str, spec: str):
        self._name = name
        self._done = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, spec],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A Ctrl-C is for the runner, which still needs what was found.
            start_new_session=True,
        )
        self._reader = gevent.spawn(self._read)

    def _take(self, said: Any) -> None:
        """One line of what it says; the last has "done"."""
        raise NotImplementedError

    def _until(self, begun: Callable[[], object], timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait for its beginning. Raises `ProbeError`."""
        deadline = time.monotonic() + timeout_s
        while not begun():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ProbeError(self._why())
            gevent.sleep(0.005)

    def _why(self) -> str:
        alive = self._process.poll() is None
        self._process.kill()
        _, errors = self._process.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        otherwise = f"nothing in {START_TIMEOUT_S:.0f} s" if alive else "without a word"
        return f"{self._name} ended: {lines[-1] if lines else otherwise}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self._take(said)
            if isinstance(said, dict) and "done" in said:
                self._done = True

    def stop(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """End it and have all it knows. Raises `ProbeError` if it had ended by itself."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._reader.join(timeout=timeout_s)
        if not self._done:
            raise ProbeError(self._why())
        self._process.wait()

    def kill(self) -> None:
        """Whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
