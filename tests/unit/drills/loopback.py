"""Servers on loopback for the drills' clients, and the clients' processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import SHUT_RDWR, SO_LINGER, SOL_SOCKET, create_server, socket
from ssl import SSLContext
from threading import Thread

from drills.clients.client_process import ClientSpec
from tests.support.fakes import ROOT

# What a server does about a connection's request, by how many came on it before. False: no more.
Answer = Callable[[socket, int], bool]


@contextmanager
def server(
    answer: Answer, tls: SSLContext | None = None, *, at_once: bool = False
) -> Iterator[int]:
    """Listens on loopback, a thread for each connection; the port.

    at_once: it answers as soon as somebody connects, and is asked for nothing.
    """

    def serve(connection: socket) -> None:
        connection.settimeout(5)
        with tls.wrap_socket(connection, server_side=True) if tls else connection as connection:
            number = 0
            try:
                while (at_once or connection.recv(4096)) and answer(connection, number):
                    number += 1
            except OSError:
                pass

    with create_server(("127.0.0.1", 0), backlog=64) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                Thread(target=serve, args=(connection,), daemon=True).start()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(SHUT_RDWR)
        thread.join(3)


def reset(connection: socket) -> None:
    """Close a connection with a reset."""
    linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
    connection.setsockopt(SOL_SOCKET, SO_LINGER, linger)
    connection.close()


def client(module: str, spec: ClientSpec) -> subprocess.Popen[str]:
    """A client as the drills start it, with pipes to its standard input and output."""
    return subprocess.Popen(
        [sys.executable, "-m", f"drills.clients.{module}", spec.to_json()],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
