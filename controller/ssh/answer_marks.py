"""Tells what a command prints from what a login prints before it.

~/.bashrc, /etc/bash.bashrc, ~/.ssh/rc, sudo and PAM may all print on either stream before the
command begins. So each command begins with a mark, and whatever came before the mark is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyinfra.api import StringCommand

MARK = "@ tandem's answer"
# On a line of its own, also after noise that does not end its line. What ends a line of the
# command's own (a here-document) must go on standing alone, hence the last newline.
_BEGIN = f'{{ printf "\\n{MARK}\\n"; printf "\\n{MARK}\\n" >&2; '
_END = "\n}"


def marked(command: str | StringCommand) -> StringCommand:
    """`command`, which says on both streams when it begins; its exit status stays its own."""
    return StringCommand(_BEGIN, command, _END, _separator="")


def after_mark(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that follow the mark; all of them where there is no mark.

    Then the command has not begun, and what was printed instead (by sudo, say) is the reason.
    """
    before: list[bytes] | None = []
    for line in lines:
        if before is None:
            yield line
        elif line.rstrip(b"\r\n") == MARK.encode():
            before = None
        else:
            before.append(line)
    yield from before or ()
