"""Messages for the journal, or for the person at the terminal."""

import contextlib
import sys


def say(text):
    """Print a line. The reader may have disconnected; do not let that interrupt the program."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
