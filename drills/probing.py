"""The runner's side of the prober: starts the process, reads what it finds while it runs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gevent

from drills.model import Request, RequestOutcome
from drills.probe import Spec

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 10.0


class ProbeError(Exception):
    """The prober could not do its work."""


class Probe:
    """A prober that runs. Times are seconds since its first request was due."""

    def __init__(self, spec: Spec):
        self.spec = spec
        self.requests: list[Request] = []
        self.t0 = 0.0
        self.wall0 = 0.0
        self._done = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "drills.probe", spec.to_json()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A Ctrl-C is for the runner, which still needs what the prober has found.
            start_new_session=True,
        )
        self._reader = gevent.spawn(self._read)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.t0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ProbeError(self._why())
            gevent.sleep(0.005)

    def _why(self) -> str:
        self._process.kill()
        _, errors = self._process.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        return f"the prober ended: {lines[-1] if lines else 'without a word'}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._take(json.loads(line))

    def _take(self, said: Any) -> None:
        if isinstance(said, list):
            due_s, lag_s, connect_s, total_s, outcome, node = said
            outcome = RequestOutcome(outcome)
            self.requests.append(Request(due_s, lag_s, connect_s, total_s, outcome, node))
        elif "t0" in said:
            self.t0, self.wall0 = said["t0"], said["wall"]
        else:
            self._done = True

    def now_s(self) -> float:
        return time.monotonic() - self.t0

    def good_since(self, node: str = "") -> float:
        """How long ago the last bad request was due (or one that not `node` answered)."""
        last = 0.0
        for request in reversed(self.requests[-2000:]):
            if request.outcome is not RequestOutcome.OK or (node and request.node != node):
                last = max(last, request.due_s)
        newest = max((request.due_s for request in self.requests[-50:]), default=0.0)
        return newest - last

    def lost_since(self, from_s: float) -> bool:
        return any(
            request.outcome is not RequestOutcome.OK and request.due_s >= from_s
            for request in self.requests
        )

    def stop(self) -> None:
        """End it and have every answer. Raises `ProbeError` if it had ended by itself."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._reader.join(timeout=START_TIMEOUT_S)
        if not self._done:
            raise ProbeError(self._why())
        self._process.wait()

    def kill(self) -> None:
        """Whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
