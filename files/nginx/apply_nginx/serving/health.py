"""Whether nginx answers, and what its error log says when it does not."""

import time

from apply_nginx import layout
from apply_nginx.serving import masters
from common.health_request import first_bytes, problem
from common.machine_files import read

# How long nginx may take to answer: after a start, and when it shares the live sockets.
START_TIMEOUT_S = 15.0
PROOF_TIMEOUT_S = 3.0
_REQUESTS = 5
_REQUEST_TIMEOUT_S = 1.0
# A process that ends closes its connections a moment before it is seen to have ended.
_END_IS_SEEN_S = 0.02


def current_problem(port):
    """Why nginx on this machine is not healthy, "" if it is."""
    return problem("127.0.0.1", port, _REQUEST_TIMEOUT_S)


def is_healthy(port, timeout_s, may_be_full=True):
    """Whether nginx answers several times in a row, within the time.

    may_be_full: it counts as an answer, too, that it has no room for one. A change that gives it
    more would be undone otherwise, by the clients that it is for.
    """
    deadline_s = time.monotonic() + timeout_s
    in_a_row = 0
    while True:
        well = not current_problem(port) or (may_be_full and _is_full(port))
        in_a_row = in_a_row + 1 if well else 0
        if in_a_row == _REQUESTS:
            return True
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01 if in_a_row else 0.1)


def _is_full(port):
    """Whether nginx closes without a word; not because its worker ends, which crashes do, too."""
    serving = set(masters.accepting(masters.new()))
    try:
        if first_bytes("127.0.0.1", port, _REQUEST_TIMEOUT_S):
            return False
    except OSError:
        return False
    time.sleep(_END_IS_SEEN_S)
    return bool(serving) and serving <= set(masters.accepting(masters.new()))


def serious_errors():
    """The last lines of the error log that are serious, as one text."""
    serious = ("[emerg]", "[alert]", "[crit]")
    lines = read(layout.ERROR_LOG).splitlines()
    return "\n".join([line for line in lines if any(level in line for level in serious)][-5:])
