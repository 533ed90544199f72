"""Have BIRD announce the address, or not, as this node may serve.

BIRD is told through its control socket, which stays open; it is never waited for longer than a few
milliseconds. What it does is asked each round: one that was started anew, or has read its
configuration again, announces nothing until it is told.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import time

from common.bird_control import SOCKET, UP, BirdReply, states
from common.journal import say
from common.machine_files import read
from watch.announcement import NOTHING, SERVES, YIELDS

# It answers within a millisecond, and takes a new connection as soon.
WAIT_S = 0.005
# One that has not answered for so long is asked on a connection of its own.
SILENT_S = 1.0
# And one that has not for so long hangs: its unit starts another one.
HANGS_S = 5.0
SHOW = "show protocols"
# What comes is enabled before what goes is disabled: routers hear of no moment without either.
COMMANDS = {
    SERVES: ('enable "vip_serves*"', 'disable "vip_yields*"'),
    YIELDS: ('enable "vip_yields*"', 'disable "vip_serves*"'),
    NOTHING: ('disable "vip_*"',),
}
_TOLD = {
    SERVES: "announces the address",
    YIELDS: "announces the address behind all other nodes",
    NOTHING: "withdraws the address",
}


class BirdRoutes:
    """What BIRD announces, by its protocols vip_serves* and vip_yields*."""

    def __init__(self, path=SOCKET, wait_s=WAIT_S, silent_s=SILENT_S, hangs_s=HANGS_S):
        self.path = path
        self.wait_s = wait_s
        self.silent_s = silent_s
        self.hangs_s = hangs_s
        self.deaf_since_s = None
        self.connection = None
        # Of each command that is not answered yet, in their order.
        self.asked = []
        self.reply = BirdReply()
        self.asked_s = 0.0
        self.wanted = None
        # How many routers there is a session with.
        self.sessions = 0
        self.trouble = ""

    def news(self):
        """What becomes readable when it has ended."""
        return [self.connection] if self.connection else []

    def want(self, announcement):
        """Have this announced from now on; said at once. It is what `go_on` holds it to."""
        if announcement != self.wanted:
            self.wanted = announcement
            self._tell()  # before the journal, which may be slow
            say("BIRD: " + _TOLD[announcement])

    def go_on(self):
        """Once a round: see that it is so; connect again to a BIRD that was away."""
        self._take()
        if self.connection and self.asked and self._now_s() - self.asked_s > self.silent_s:
            self._suspect()
        if self.connection is None and not self._connect():
            return
        if not self.asked:
            self._send(SHOW)
            self._wait()

    def _suspect(self):
        """It has not answered: ask anew, and end one that never does. Routers notice its silence,
        so that nobody is served from here until another one runs."""
        if self.deaf_since_s is None:
            self.deaf_since_s = self.asked_s
        if self._now_s() - self.deaf_since_s > self.hangs_s:
            self.deaf_since_s = None
            if end(peer_of(self.connection)):
                say(f"BIRD has not answered for {self.hangs_s:g} s: killed")
        self._lose("does not answer")

    def _tell(self):
        if self.connection is None:
            self._connect()
            return
        self._send(*COMMANDS[self.wanted])
        self._wait()

    def _connect(self):
        """Whether there is a connection now; what is wanted is told on it."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.setblocking(False)
            connection.connect(self.path)
        except OSError as error:
            connection.close()
            self.deaf_since_s = None
            self._complain(f"is not there ({error.strerror})")
            return False
        self.connection, self.reply = connection, BirdReply()
        self.asked, self.asked_s = [""], self._now_s()  # it says that it is ready
        if self.wanted:
            self._send(*COMMANDS[self.wanted])
            self._wait()
        return self.connection is not None

    def _send(self, *commands):
        try:
            self.connection.sendall("".join(f"{each}\n" for each in commands).encode())
        except OSError as error:
            # (Full: it has not read for long.)
            self._lose(f"takes no commands ({error.strerror})")
            return
        if not self.asked:
            self.asked_s = self._now_s()
        self.asked += commands

    def _wait(self):
        """Take what it answers, for a moment."""
        until_s = self._now_s() + self.wait_s
        while self.connection and self.asked:
            left_s = until_s - self._now_s()
            if left_s <= 0 or not _readable(self.connection, left_s):
                return
            self._take()

    def _take(self):
        """Take what has come."""
        while self.connection:
            try:
                data = self.connection.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(f"is gone ({error.strerror})")
                return
            if not data:
                self._lose("has ended")
                return
            for line in data.splitlines(True):
                if self.reply.take(line):
                    self._answered()

    def _answered(self):
        reply, self.reply = self.reply, BirdReply()
        command = self.asked.pop(0) if self.asked else ""
        self.asked_s, self.deaf_since_s = self._now_s(), None
        refused = reply.refusal()
        if refused:
            self._complain(f"{command}: {refused}")
        elif command == SHOW:
            self._complain("")
            self._compare(states(reply.text()))
        elif command:
            self._complain("")

    def _compare(self, found):
        """Tell it again where it does something else, and is not just being told."""
        self.sessions = list(found.values()).count("Established")
        if self.wanted is None or self.asked:
            return
        wrong = [
            name
            for name, state in found.items()
            if name.startswith("vip_")
            and (state == UP) != (self.wanted != NOTHING and name.startswith(f"vip_{self.wanted}"))
        ]
        if wrong:
            say(f"BIRD: {', '.join(sorted(wrong))}: not as told, told again ({self.wanted})")
            self._send(*COMMANDS[self.wanted])

    def _lose(self, why):
        with contextlib.suppress(OSError):
            self.connection.close()
        self.connection, self.asked, self.sessions = None, [], 0
        self._complain(why)

    def _complain(self, trouble):
        """Say what is wrong with it, once, and that it is well again."""
        if trouble != self.trouble:
            say(f"BIRD {trouble}" if trouble else "BIRD is there again, and is told")
            self.trouble = trouble

    @staticmethod
    def _now_s():
        return time.monotonic()


def peer_of(connection):
    """The process that listens at the other end."""
    size = struct.calcsize("3i")
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", found)[0]


def end(pid):
    """Kill it, if it is a BIRD; whether it was."""
    if read(f"/proc/{pid}/comm") != "bird":
        return False
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    return True


def _readable(connection, timeout_s):
    return bool(select.select([connection], [], [], timeout_s)[0])
