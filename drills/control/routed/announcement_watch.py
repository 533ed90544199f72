"""Writes down from when till when this machine's BIRD announces the address to a router.

    python3 announcement_watch.py SOCKET INTERVAL_S

Runs on a machine, with whatever Python 3 that has (3.6 on), and imports nothing of Tandem's: it
asks BIRD through its control socket, and prints a line, of the moment and 1 or 0, whenever the
answer is another one than before. 1: one of vip_serves* is up, and so is a session with a router.
"""

import contextlib
import select
import socket
import sys
import time
from collections.abc import Callable

ANSWER_TIMEOUT_S = 1.0


def announces(answer: "list[str]") -> bool:
    """Whether these lines of `show protocols` say so."""
    serves = reaches = False
    for line in answer:
        row = (line[5:] if line[:4].isdigit() else line).split()
        if len(row) > 3 and row[0].startswith("vip_serves"):
            serves = serves or row[3] == "up"
        elif row and row[0].startswith("router_"):
            reaches = reaches or "Established" in row
    return serves and reaches


def read_answer(connection: socket.socket) -> "list[str]":
    """The lines of an answer to its end: a code with a space behind it."""
    received = b""
    until_s = time.monotonic() + ANSWER_TIMEOUT_S
    while True:
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not select.select([connection], [], [], left_s)[0]:
            raise OSError("BIRD does not answer")
        data = connection.recv(65536)
        if not data:
            raise OSError("BIRD has ended")
        received += data
        lines = received.decode(errors="replace").split("\n")
        for line in lines[:-1]:
            if line[:4].isdigit() and line[4:5] == " ":
                return lines


def connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        read_answer(connection)  # it says that it is ready
    except OSError:
        connection.close()
        raise
    return connection


def watch(path: str, interval_s: float, write: "Callable[[str], object]") -> None:
    """Until this process is ended."""
    connection: socket.socket | None = None
    before: bool | None = None
    while True:
        try:
            if connection is None:
                connection = connected(path)
            connection.sendall(b"show protocols\n")
            now = announces(read_answer(connection))
        except OSError:
            if connection is not None:
                connection.close()
            connection, now = None, False
        if now != before:
            write(f"{time.time():.6f} {now:d}\n")
            before = now
        time.sleep(interval_s)


def main() -> None:
    def write(line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()

    with contextlib.suppress(KeyboardInterrupt):
        watch(sys.argv[1], float(sys.argv[2]), write)


if __name__ == "__main__":
    main()
