"""One question to nginx on this machine, which may be answered late."""

import errno
import select
import socket
import time

from common.health_request import REQUEST, is_success
from watch.nginx_answer import ANSWERED, CLOSED, REFUSED, SILENT, WRONG


class HealthQuestion:
    """Asked when it is made, and never waits by itself. `answer` is SILENT until there is one.

    target: the path of a socket, or (address, port).
    """

    def __init__(self, target):
        self.answer = SILENT
        self.is_asked = False
        family = socket.AF_UNIX if isinstance(target, str) else socket.AF_INET
        self.connection = None
        try:
            self.connection = socket.socket(family)
        except OSError:
            return  # this machine has no descriptor left: no answer, which is not nginx's fault
        self.connection.setblocking(False)
        code = self.connection.connect_ex(target)
        if code == 0:
            self._ask()
        elif code == errno.EAGAIN:
            self.close()  # its queue is full: a silence that no answer can end
        elif code != errno.EINPROGRESS:
            self._end(REFUSED)

    @property
    def is_open(self):
        return self.connection is not None

    def close(self):
        if self.is_open:
            self.connection.close()
        self.connection = None

    def _end(self, answer):
        self.answer = answer
        self.close()

    def _ask(self):
        self.is_asked = True
        try:
            self.connection.sendall(REQUEST)
        except OSError:
            self._end(CLOSED)

    def wanted_event(self):
        return select.POLLIN if self.is_asked else select.POLLOUT

    def go_on(self):
        """What is to be done when its event is there."""
        if not self.is_asked:
            if self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._end(REFUSED)
            else:
                self._ask()
            return
        try:
            text = self.connection.recv(64)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        answer = ANSWERED if is_success(text) else WRONG
        self._end(answer if text else CLOSED)


def wait(questions, until_s):
    """Wait until one is answered with success, all have an answer, or it is `until_s`."""
    while not any(each.answer == ANSWERED for each in questions):
        by_number = {each.connection.fileno(): each for each in questions if each.is_open}
        # (One whose queue is full has no answer, and is not open.)
        if not by_number and all(each.answer != SILENT for each in questions):
            return
        poll = select.poll()
        for number, each in by_number.items():
            poll.register(number, each.wanted_event())
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            return
        for number, _ in poll.poll(left_s * 1000):
            by_number[number].go_on()
