"""Clients that stay: a slow download and a connection with many requests, both on one address.

    python -m tests.support.clients.long_lived_clients ADDRESS SECONDS SHA256
                                       says in JSON what went wrong; nothing is what is right

Reads /big at a pace that makes it last for SECONDS, and asks for / on one connection until then.
Once stdin is closed both come to their end: the rest of /big as fast as it comes, and a few more
requests.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import threading
import time

from tests.support.clients import told_to_end


def connection(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    # What is on its way when the address moves is little, so that most is still to come.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    made.settimeout(5)
    made.connect((address, 80))
    return made


def download(address: str, seconds: float, checksum: str) -> str:
    with connection(address) as client:
        client.sendall(b"GET /big HTTP/1.0\r\nHost: vip\r\n\r\n")
        answer = client.makefile("rb")
        size = 0
        for line in iter(answer.readline, b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                size = int(line.split()[1])
        digest, got, began = hashlib.sha256(), 0, time.monotonic()
        while got < size and (part := answer.read(min(65536, size - got))):
            digest.update(part)
            got += len(part)
            told_to_end.pause(began + seconds * got / size - time.monotonic())
    if digest.hexdigest() != checksum:
        return f"download: {got} of {size} bytes, checksum {digest.hexdigest()[:8]}"
    return ""


def ask(address: str, seconds: float) -> str:
    with connection(address) as client:
        answer = client.makefile("rb")
        # (nginx ends a connection after a thousand requests.)
        for count in told_to_end.numbers(seconds, 0.05):
            client.sendall(b"GET / HTTP/1.1\r\nHost: vip\r\n\r\n")
            status = answer.readline()
            if b" 200 " not in status:
                return f"request {count}: {status!r}"
            length = 0
            for line in iter(answer.readline, b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split()[1])
            answer.read(length)
    return ""


def main() -> None:
    address, seconds, checksum = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    problems: list[str] = []

    def note(work: object, *words: object) -> None:
        try:
            if problem := work(*words):  # type: ignore[operator]
                problems.append(problem)
        except OSError as error:
            problems.append(f"{work.__name__}: {error!r}")  # type: ignore[attr-defined]

    threads = [
        threading.Thread(target=note, args=(download, address, seconds, checksum)),
        threading.Thread(target=note, args=(ask, address, seconds)),
    ]
    print("running", flush=True)
    for thread in threads:
        thread.start()
    told_to_end.listen()
    for thread in threads:
        thread.join()
    print(json.dumps(problems), flush=True)


if __name__ == "__main__":
    main()
