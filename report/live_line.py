"""What goes on while something takes long: one line that changes on a terminal, else signs of life.

On a terminal the line stands below all that is printed and is gone when its stage is over. It
hides no cursor and is left at its beginning, so that whatever ends this process leaves nothing to
be put right, and whatever else this process prints on standard error takes its place. Elsewhere
(a pipe, a file, TERM=dumb) a stage is a line once, and a line again and again while it lasts.
It is all on standard error; standard output is for answers.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import time
from contextlib import suppress
from io import TextIOWrapper
from textwrap import shorten
from threading import RLock, Thread
from typing import Any, TextIO

# A shorter stage is not worth a line that changes, nor loading rich, which is slow.
APPEARS_S = 0.7
REDRAWN_S = 0.2
# Where it is no terminal: after so long a sign of life, after these again and again.
SIGN_S = 10.0
LATER_SIGN_S = 60.0
# At most so many characters of what machines, or pip, say.
SIGN_LENGTH = 160
ERASE = "\x1b[K"
FRAMES = "|/-\\"


class LiveLine:
    """The stage that goes on, and how far it is: on the whole, or for each of its parts.

    A thread of its own draws it (in pyinfra's process that is a greenlet).

    + stream: where to; by default whatever standard error is at that time.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._own = stream
        # Taken again by a signal's handler.
        self._lock = RLock()
        self._stage = ""
        self._parts: dict[str, str] = {}
        self._since = 0.0
        self._signs = 0
        self._drawn = False
        self._ticking = False
        self._console: Any = None

    def begin(self, stage: str, *, said: bool = False) -> None:
        """Another stage goes on from now on. `said`: whoever begins it has printed its name."""
        with self._lock:
            self.end()
            self._stage, self._since, self._signs = _printable(stage), time.monotonic(), 0
            if not said and not self._live():
                self._write(f"{self._stage}\n")
            self._tick()

    def part(self, text: str, of: str = "") -> None:
        """How far the stage is, by now; `of`: for this one, such as a machine. "" takes it away."""
        with self._lock:
            if not self._stage and not self._parts:
                self._since, self._signs = time.monotonic(), 0
            if text:
                self._parts[of] = _printable(text)
                self._tick()
            elif self._parts.pop(of, None) and not self._stage and not self._parts:
                self.end()

    def end(self) -> None:
        """Nothing goes on any more, or something else is about to be printed."""
        with self._lock:
            self._stage = ""
            self._parts.clear()
            if self._drawn:
                self._write(f"\r{ERASE}")
            self._drawn = False

    def say(self, text: str) -> None:
        """Print a line that stays. The stage is over."""
        with self._lock:
            self.end()
            self._write(f"{text}\n")

    # --- drawing ---------------------------------------------------------------------------------

    @property
    def _stream(self) -> TextIO | None:
        return self._own or sys.stderr  # which is None where somebody has closed it

    def _live(self) -> bool:
        stream = self._stream
        with suppress(OSError, ValueError):
            return bool(stream and stream.isatty()) and os.environ.get("TERM") not in (
                *("dumb", "unknown", "", None),
            )
        return False

    def _tick(self) -> None:
        if not self._ticking:
            self._ticking = True
            Thread(target=self._draw_on, name="live line", daemon=True).start()

    def _draw_on(self) -> None:
        while True:
            time.sleep(REDRAWN_S)
            with self._lock:
                if not self._stage and not self._parts:
                    self._ticking = False
                    return
                self._draw(time.monotonic() - self._since)

    def _draw(self, passed_s: float) -> None:
        if not self._live():
            # 10, 20, … 60 s, and every minute after that.
            early = int(min(passed_s, LATER_SIGN_S) / SIGN_S)
            due = early + int(max(0.0, passed_s - LATER_SIGN_S) / LATER_SIGN_S)
            if due > self._signs:
                self._signs = due
                told = "; ".join(self._told())
                self._write(f"    after {passed_s:.0f} s: {shorten(told, SIGN_LENGTH)}\n")
        elif passed_s >= APPEARS_S:
            # What is printed next, by whomever, first erases this: the code for that waits in
            # Python's own buffer of a line.
            self._write(f"\r{ERASE}{self._rendered(passed_s)}\r", waiting=ERASE)
            self._drawn = True

    def _told(self) -> list[str]:
        """The parts, those that are alike together; the stage where it has none."""
        alike: dict[str, list[str]] = {}
        for of, text in self._parts.items():
            alike.setdefault(text, []).append(of)
        told = [
            f"{names}: {text}" if (names := ", ".join(filter(None, sorted(ofs)))) else text
            for text, ofs in alike.items()
        ]
        return told or [self._stage]

    def _rendered(self, passed_s: float) -> str:
        frame = FRAMES[int(passed_s / REDRAWN_S) % len(FRAMES)]
        head = f"  {frame} {passed_s:.0f} s  "
        try:  # here, because hardly any run needs it
            from rich.console import Console
            from rich.text import Text
        except ImportError:  # setup has yet to install it
            return f"{head}{'; '.join(self._told())}"[: shutil.get_terminal_size().columns - 1]
        if self._console is None or self._console.file is not self._stream:
            self._console = Console(file=self._stream, highlight=False, emoji=False, markup=False)
        # The last column stays free: some terminals go to the next line with it.
        columns = max(1, self._console.width - 1)
        told = [Text(each) for each in self._told()]
        share = (columns - len(head)) // len(told) - len("; ")
        if sum(each.cell_len + len("; ") for each in told) > columns - len(head) and share > 0:
            for each in told:
                each.truncate(share, overflow="ellipsis")
        line = Text.assemble((head, "cyan"), Text("; ").join(told))
        line.truncate(columns, overflow="ellipsis")
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True)
        return str(captured.get())

    def _write(self, text: str, waiting: str = "") -> None:
        """Print `text` now, and `waiting` with whatever is printed next."""
        with suppress(OSError, ValueError):  # the terminal is gone: work goes on without
            if stream := self._stream:
                stream.write(text)
                stream.flush()
                if waiting:
                    if isinstance(stream, TextIOWrapper):  # with PYTHONUNBUFFERED nothing waits
                        stream.reconfigure(line_buffering=True, write_through=False)
                    stream.write(waiting)


def _printable(text: str) -> str:
    """One line, without what a terminal would obey: machines say it, too."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


# There is one terminal, and so there is one line.
_line = LiveLine()
begin, part, end, say = _line.begin, _line.part, _line.end, _line.say
# A thread that writes while Python ends would end it with an error.
atexit.register(end)
