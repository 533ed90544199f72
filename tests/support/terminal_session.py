"""A command on a terminal of its own: python -m tests.support.terminal_session COLUMNS SIGNAL
COMMAND...

What it writes there goes to standard output. SIGNAL, unless it is 0, is sent to it once it has
written anything. Ends with 0 if the command does, else with 1.
(A process of its own: gevent has part in what a test's process reads and closes.)
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import time


def main(columns: int, number: int, command: list[str]) -> int:
    """Run it to its end; 0 or 1."""
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which is ignored behind a shell's &
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execvp(command[0], command)
    while True:
        try:
            written = os.read(terminal, 1 << 16)
        except OSError:  # nobody has the other end any more
            break
        os.write(1, written)
        if number:
            time.sleep(0.2)
            os.kill(child, number)
            number = 0
    return int(os.waitpid(child, 0)[1] != 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
