"""An SSH transport that loses no time, and notices that the other side has gone.

Without it a command waits for ever for a machine that has lost its power: nothing is sent, so that
TCP notices nothing, and pyinfra has no limit of its own.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from paramiko import Message, SSHException, Transport
from paramiko.common import cMSG_GLOBAL_REQUEST

# After so long without a packet the machine is asked for one, and so many times in vain.
ASK_EVERY_S = 5
UNANSWERED = 3
SILENCE_S = ASK_EVERY_S * (UNANSWERED + 1)

# What paramiko logs, with a traceback, it raises as well; without a handler all of it would be
# printed, at whatever moment its thread gets to it: behind the words for a person.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class SilentMachine(EOFError):
    """Nothing has come from the machine for `SILENCE_S`.

    An EOFError, because paramiko prints a traceback for whatever else ends its reading thread.
    """


class WatchedTransport(Transport):
    """A paramiko transport without Nagle's delay that ends when the other side is silent.

    Requests are counted, not only the time: a controller that was suspended, or too busy to read,
    must not take its own silence for the machine's. They are answered by the machine's sshd itself,
    so that a jump host in between, whose TCP goes on, hides nothing.
    """

    def __init__(self, sock: Any, **options: Any) -> None:
        # It may be the channel of a jump host, or a ProxyCommand's pipe, without such options.
        if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_S * 1000)
        super().__init__(sock, **options)
        self._unanswered = 0
        self._noted = time.monotonic()
        read = self.packetizer.read_message

        def read_and_note() -> Any:
            packet = read()
            self._unanswered = 0
            self._noted = time.monotonic()
            return packet

        self.packetizer.read_message = read_and_note  # type: ignore[method-assign]
        # Whenever nothing comes for a moment. paramiko's own reads the clock of the wall: set back
        # by an hour, this machine would wait for an hour.
        self.packetizer._check_keepalive = self._ask_if_due  # type: ignore[attr-defined]

    def start_client(self, event: Event | None = None, timeout: float | None = None) -> None:
        """As paramiko has it, which goes on after `timeout` as if there were a session."""
        super().start_client(event, timeout)
        if event is None and not self.initial_kex_done:
            self.close()
            raise SSHException(
                f"it accepts connections, and says nothing for {timeout} s: "
                "does the machine hang, or does another service than SSH listen there?"
            )

    def set_keepalive(self, interval: float) -> None:
        """Does nothing: a `ServerAliveInterval` of ssh_config would replace what asks already."""

    @property
    def is_silent(self) -> bool:
        """Whether the machine owes more than one answer: it has gone, or soon counts as gone."""
        return self._unanswered > 1

    def _ask_if_due(self) -> None:
        """Called in the reading thread, many times a second while nothing comes."""
        if time.monotonic() > self._noted + ASK_EVERY_S and self.is_authenticated():
            self._noted = time.monotonic()
            self._ask()  # before that paramiko has limits of its own

    def _ask(self) -> None:
        """Nothing was read for `ASK_EVERY_S`."""
        if self._unanswered >= UNANSWERED:
            raise SilentMachine(f"nothing was heard from it for {SILENCE_S} s")
        self._unanswered += 1
        # Not in this thread: whoever writes to a machine that takes nothing any more holds a lock.
        Thread(target=self._send_request, daemon=True).start()

    def _send_request(self) -> None:
        request = Message()
        request.add_byte(cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)  # it wants a reply, as OpenSSH's own ServerAliveInterval does
        with suppress(Exception):  # it goes unanswered, then
            self._send_user_message(request)  # type: ignore[attr-defined]
