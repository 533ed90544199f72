"""Whether nginx answers, and what its error log says when it does not."""

import time

from apply_nginx import layout
from common.health_request import problem
from common.machine_files import read

# How long nginx may take to answer: after a start, and when it shares the live sockets.
START_TIMEOUT_S = 15.0
PROOF_TIMEOUT_S = 3.0
_REQUESTS = 5
_REQUEST_TIMEOUT_S = 1.0


def current_problem(port):
    """Why nginx on this machine is not healthy, "" if it is."""
    return problem("127.0.0.1", port, _REQUEST_TIMEOUT_S)


def is_healthy(port, timeout_s):
    """Whether nginx answers several times in a row, within the time."""
    deadline_s = time.monotonic() + timeout_s
    in_a_row = 0
    while True:
        in_a_row = 0 if current_problem(port) else in_a_row + 1
        if in_a_row == _REQUESTS:
            return True
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01 if in_a_row else 0.1)


def serious_errors():
    """The last lines of the error log that are serious, as one text."""
    serious = ("[emerg]", "[alert]", "[crit]")
    lines = read(layout.ERROR_LOG).splitlines()
    return "\n".join([line for line in lines if any(level in line for level in serious)][-5:])
