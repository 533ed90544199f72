"""Servers behind streams: of TCP and of UDP, which say back what they hear.

    stream_echo.py ADDRESS TCP_PORT UDP_PORT

Prints "ready". That of TCP says every line back, one of PROXY protocol among them; that of UDP each
datagram, behind the address that it came from.
"""

from __future__ import annotations

import socket
import sys
import threading


def serve(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            connection.sendall(line)


def datagrams(way: socket.socket) -> None:
    while True:
        data, (address, _) = way.recvfrom(2048)
        way.sendto(f"{address} ".encode() + data, (address, _))


def main() -> None:
    address, tcp, udp = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    server = socket.create_server((address, tcp), backlog=100)
    way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    way.bind((address, udp))
    threading.Thread(target=datagrams, args=(way,), daemon=True).start()
    print("ready", flush=True)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
