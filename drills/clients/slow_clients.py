"""Many clients that each hold half a request: a process of its own, as the prober is.

    python -m drills.clients.slow_clients SPEC

Each connects, sends the beginning of a request and then one more letter of a header every second,
so that the server waits for the rest. One that the server has closed begins anew. It ends after
`hold_s`, or when its standard input does.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from drills.clients.client_process import ClientSpec, Output
from drills.clients.idle_clients import AT_ONCE, OWN_FILES, have_files

LETTER_S = 1.0


@dataclass(frozen=True)
class SlowSpec(ClientSpec):
    """What to do: so many connections, for so long."""

    connections: int
    hold_s: float


class SlowClients:
    """The connections. `closed`: how often the server has closed one, which then began anew."""

    def __init__(self, spec: SlowSpec):
        self.spec = spec
        self.closed = 0
        self.open: set[socket.socket] = set()
        self._half = f"{spec.opening}GET / HTTP/1.1\r\nHost: {spec.host}\r\nX-Slow: ".encode()

    def fill(self) -> None:
        """Begin as many anew as are missing, at most a batch of them."""
        missing = self.spec.connections - len(self.open)
        for _ in islice(range(missing), AT_ONCE):
            one = socket.socket(self.spec.family, socket.SOCK_STREAM)
            one.settimeout(1.0)
            try:
                one.connect((self.spec.address, self.spec.port))
                one.sendall(self._half)
            except OSError:
                one.close()
                return  # the server has its reasons; later again
            one.setblocking(False)
            self.open.add(one)

    def letter(self) -> None:
        """One more letter on each; whatever the server has closed is closed here, too."""
        for one in tuple(self.open):
            try:
                one.send(b"x")
                answered = one.recv(4096)  # an answer to half a request, or the end
            except BlockingIOError:
                continue
            except OSError:
                answered = b""
            del answered
            self.closed += 1
            self.open.discard(one)
            one.close()


def run(spec: SlowSpec, stop: int = 0, output: int = 1) -> None:
    out = Output(output)
    slow = SlowClients(spec)
    began = time.monotonic()
    end, next_s, said = began + spec.hold_s, began + LETTER_S, False
    while time.monotonic() < end:
        slow.fill()
        full = len(slow.open) == spec.connections
        if full and not said:
            out.write([json.dumps({"slow": len(slow.open)})])
            said, end = True, time.monotonic() + spec.hold_s
        if time.monotonic() >= next_s:
            slow.letter()
            next_s = time.monotonic() + LETTER_S
        wait_s = max(0.0, next_s - time.monotonic()) if full else 0.0
        if select.select([stop], [], [], wait_s)[0]:
            break
    out.write([json.dumps({"done": True, "held": len(slow.open), "closed": slow.closed})])
    out.finish()


if __name__ == "__main__":
    known = SlowSpec.from_json(sys.argv[1])
    have_files(known.connections + OWN_FILES)
    with suppress(BrokenPipeError, KeyboardInterrupt):
        run(known)
