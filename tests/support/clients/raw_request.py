"""Sends text as it is, and prints what comes back: `raw_request ADDRESS PORT TEXT`."""

from __future__ import annotations

import socket
import sys


def main() -> None:
    address, port, text = sys.argv[1:]
    with socket.create_connection((address, int(port)), 5) as connection:
        connection.sendall(text.encode())
        while data := connection.recv(4096):
            sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
