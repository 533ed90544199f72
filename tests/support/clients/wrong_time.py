"""A time server that is wrong, for the self-test: wrong_time.py AHEAD_S

Answers on UDP 123; runs on a machine, with Python's standard library.
"""

import socket
import struct
import sys
import time

NTP_EPOCH = 2208988800  # 1970 in NTP's time


def main(ahead_s: str) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", 123))
    while True:
        question, client = server.recvfrom(512)
        now = time.time() + NTP_EPOCH + float(ahead_s)
        stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
        head = struct.pack("!BBbb11s", 0x24, 2, 6, -20, b"\0\0\0\0\0\0\0\0LOC")
        answer = head.ljust(16, b"\0") + stamp + question[40:48] + stamp + stamp
        server.sendto(answer, client)


if __name__ == "__main__":
    main(*sys.argv[1:])
