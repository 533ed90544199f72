"""A session of MQTT 3.1.1 that stays: a subscriber and a publisher, each on one connection.

    mqtt_session.py ADDRESS PORT SECONDS [CA NAME]     over TLS with a CA's file and a name

Prints "ready" once the first message has come, then publishes (QoS 1) every 0.05 s until its
standard input ends, or for SECONDS. Last a line of JSON: how many were published, acknowledged and
received, and what went wrong ("" for nothing). It connects once and never again.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import sys
import threading
import time

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13
EVERY_S, SILENCE_S = 0.05, 5.0


def text(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


class Session:
    """One connection, with its packets."""

    def __init__(self, way: socket.socket, name: str):
        self._way, self._received = way, b""
        way.settimeout(SILENCE_S)
        head = text(b"MQTT") + bytes([4, 2]) + struct.pack("!H", 60)
        self.send(CONNECT << 4, head + text(name.encode()))
        assert self.packet()[0] >> 4 == CONNACK

    def send(self, first: int, body: bytes) -> None:
        assert len(body) < 128
        self._way.sendall(bytes([first, len(body)]) + body)

    def packet(self) -> tuple[int, bytes]:
        """The next one: its first byte, and what comes after its length. Those here are short."""
        first, length = self._bytes(2)
        return first, self._bytes(length)

    def _bytes(self, count: int) -> bytes:
        while len(self._received) < count:
            data = self._way.recv(4096)
            if not data:
                raise ConnectionError("closed")
            self._received += data
        taken, self._received = self._received[:count], self._received[count:]
        return taken


class Subscriber(threading.Thread):
    """Counts what comes, acknowledges it, and pings once a second."""

    def __init__(self, session: Session, topic: bytes):
        super().__init__(daemon=True)
        self.session, self.numbers, self.pongs, self.problem = session, list[int](), 0, ""
        body = struct.pack("!H", 1) + text(topic) + b"\x01"
        session.send(SUBSCRIBE << 4 | 2, body)
        assert session.packet()[0] >> 4 == SUBACK

    def run(self) -> None:
        pinged = time.monotonic()
        try:
            while True:
                first, body = self.session.packet()
                if first >> 4 == PINGRESP:
                    self.pongs += 1
                    continue
                at = 2 + struct.unpack("!H", body[:2])[0]
                self.session.send(PUBACK << 4, body[at : at + 2])
                self.numbers.append(int(body[at + 2 :]))
                if time.monotonic() > pinged + 1:
                    self.session.send(PINGREQ << 4, b"")
                    pinged = time.monotonic()
        except (OSError, AssertionError) as error:
            self.problem = f"subscriber after {len(self.numbers)}: {error or type(error).__name__}"


def main() -> None:
    address, port, seconds, *trust = sys.argv[1:]

    def connection() -> socket.socket:
        way = socket.create_connection((address, int(port)), 5)
        if trust:
            return ssl.create_default_context(cafile=trust[0]).wrap_socket(
                way, server_hostname=trust[1]
            )
        return way

    topic = f"tandem/{port}".encode()
    subscriber = Subscriber(Session(connection(), f"subscriber{port}"), topic)
    subscriber.start()
    publisher = Session(connection(), f"publisher{port}")
    published = acknowledged = 0
    problem = ""
    end = time.monotonic() + float(seconds)
    try:
        while time.monotonic() < end and not subscriber.problem:
            published += 1
            number = struct.pack("!H", published % 65535 + 1)
            publisher.send(PUBLISH << 4 | 2, text(topic) + number + str(published).encode())
            first, body = publisher.packet()
            assert (first >> 4, body) == (PUBACK, number)
            acknowledged += 1
            if published == 1:
                print("ready", flush=True)
            if select.select([sys.stdin], [], [], EVERY_S)[0]:
                break
    except (OSError, AssertionError) as error:
        problem = f"publisher after {published}: {error or type(error).__name__}"
    deadline = time.monotonic() + SILENCE_S
    while len(subscriber.numbers) < acknowledged and time.monotonic() < deadline:
        time.sleep(0.05)
    right = subscriber.numbers == list(range(1, acknowledged + 1))
    said = {
        "published": published,
        "acknowledged": acknowledged,
        "received": len(subscriber.numbers),
        "in_order": right,
        "pongs": subscriber.pongs,
        "problem": problem or subscriber.problem,
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
