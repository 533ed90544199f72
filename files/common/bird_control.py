"""Speak with BIRD through its control socket, as birdc does.

A command is a line. Its answer is lines of a code and text ("1002-vip_serves4 ..."; a space instead
of the code: as before); the last has a space behind its code. 8xxx and 9xxx are refusals.
"""

import contextlib
import select
import socket
import time

SOCKET = "/run/bird/bird.ctl"
UP = "up"
_LONGEST = 1 << 20


class BirdReply:
    """What came so far: takes bytes, and gives lines away."""

    def __init__(self):
        self.rest = b""
        self.lines = []

    def take(self, data):
        """Add what was received. Whether an answer has come to its end."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in (each.decode(errors="replace") for each in lines):
            self.lines.append(line)
            if _is_last(line):
                return True
        return False

    def text(self):
        """Its lines without the codes."""
        return [line[1:] if line[:1] == " " else line[5:] for line in self.lines]

    def refusal(self):
        """What BIRD did not like, in its words; "" if nothing."""
        found = [line[5:] for line in self.lines if line[:1] in ("8", "9")]
        return "; ".join(found)


def _is_last(line):
    return line[:4].isdigit() and line[4:5] == " "


def states(lines):
    """{protocol: its state} of the answer to `show protocols`: "up", "down", "start", ...

    Of a BGP session that is there, the state is "Established".
    """
    rows = [line.split() for line in lines]
    found = {}
    for row in rows:
        if len(row) > 3 and row[0] != "Name":
            found[row[0]] = "Established" if "Established" in row[4:] else row[3]
    return found


def ask(command, timeout_s, path=SOCKET):
    """The `BirdReply` to one command. Raises OSError where there is none in that time."""
    until_s = time.monotonic() + timeout_s
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(timeout_s)
        connection.connect(path)
        _whole_reply(connection, until_s)  # it says that it is ready
        connection.sendall(command.encode() + b"\n")
        return _whole_reply(connection, until_s)


def _whole_reply(connection, until_s):
    reply = BirdReply()
    while True:
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not select.select([connection], [], [], left_s)[0]:
            raise OSError("BIRD does not answer")
        data = connection.recv(65536)
        if not data or len(reply.rest) > _LONGEST:
            raise OSError("BIRD has closed the connection")
        if reply.take(data):
            return reply
