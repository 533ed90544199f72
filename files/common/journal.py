"""Messages for the journal, or for the person at the terminal."""

import contextlib
import sys


def say(text):
    """Print a line. The reader may have disconnected; do not let that interrupt the program."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


_lasting = {}  # what was said last of each trouble that is not over


def say_once(subject, trouble):
    """Say what is wrong with `subject`, once: until it is something else, or over (`trouble` is
    empty). For what is tried again and again."""
    if trouble and _lasting.get(subject) != trouble:
        say(f"{subject}: {trouble}")
    if trouble:
        _lasting[subject] = trouble
    else:
        _lasting.pop(subject, None)
