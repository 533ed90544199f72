"""What goes wrong around a drill, in words: an error that nobody foresaw is a result like others.

Whoever puts something back, or goes on with the next drill, catches `MISHAPS` and tells them with
`told`. `Interrupted` is none of them: a person's wish to stop is never mistaken for a failure.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import gevent

# Whatever code may raise. gevent's own time-out is no `Exception`, nor is what `sys.exit` raises.
MISHAPS = (Exception, gevent.Timeout, SystemExit)
ROOT = Path(__file__).resolve().parents[1]


class Foreseen(Exception):
    """An error whose text says by itself what was wrong, and on which machine."""


def told(error: BaseException, *, placed: bool = False) -> str:
    """The error in a line, with the place in Tandem's own code where it came from.

    What was foreseen names its machine instead, unless it has to be `placed`, too.

    >>> told(ValueError("no figure"))  # raised by steps in drills/scenarios/failures.py
    'ValueError: no figure (drills/scenarios/failures.py, line 55, link_cut)'
    """
    text = " ".join(str(error).split())
    if isinstance(error, Foreseen) and not placed:
        return text
    if not isinstance(error, Foreseen):
        name = type(error).__name__
        text = f"{name}: {text}" if text else name
    where = _place(error)
    return f"{text} ({where})" if where else text


def _place(error: BaseException) -> str:
    """File, line and function; "" where none of Tandem's own code was passed through."""
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        inside = path.is_relative_to(ROOT) and ".venv" not in path.relative_to(ROOT).parts
        # What only runs others' commands is passed by: the scenario that asked for it tells more.
        if inside and path.name not in ("machines.py", "own_commands.py"):
            found = f"{path.relative_to(ROOT)}, line {frame.lineno}, {frame.name}"
    return found
