"""Tells what a command prints from what a login prints before and after it.

~/.bashrc, ~/.ssh/rc, sudo, PAM and whatever a ForceCommand runs may all print on either stream, at
both ends, and may make the exit status their own. So each command is put between two marks: what
does not stand between them is dropped, and the second one tells the command's exit status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyinfra.api import StringCommand

MARK = "@ tandem's answer"
# On lines of their own, also after what does not end its line.
_BEGIN = f'{{ printf "\\n{MARK}\\n"; printf "\\n{MARK}\\n" >&2; ('
_STATUS = f'printf "\\n{MARK} %s\\n" $code'
# A subshell, since a command may end it; what ends a line of the command's own (a here-document)
# must go on standing alone, hence the newline.
_END = f"\n); code=$?; {_STATUS}; {_STATUS} >&2; exit $code; }}"


def marked(command: str | StringCommand) -> StringCommand:
    """`command`, which says on both streams when it begins and ends; its exit status is its own."""
    return StringCommand(_BEGIN, command, _END, _separator="")


class MarkedAnswer:
    """What a command prints on one stream, without the noise around it.

    `began`: whether the first mark was seen. `status`: the exit status; None before the last mark.
    """

    def __init__(self) -> None:
        self.began = False
        self.status: int | None = None

    def after_begin(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines that follow the first mark, each at once; all where there is none.

        Then the command has not begun, and what was printed instead (by sudo, say) is the reason.
        """
        before: list[bytes] = []
        for line in lines:
            if self.began:
                yield line
            elif line.rstrip(b"\r\n") == MARK.encode():
                self.began = True
            else:
                before.append(line)
        if not self.began:
            yield from before

    def before_end(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """The lines up to the last mark, without the end of line in front of it, which is ours."""
        held: bytes | None = None
        ends = f"{MARK} ".encode()
        for line in lines:
            status = line.rstrip(b"\r\n").removeprefix(ends)
            if self.began and line.startswith(ends) and status.isdigit():
                self.status = int(status)
                if own := (held or b"").removesuffix(b"\n"):
                    yield own
                break
            if held is not None:
                yield held
            held = line
        else:
            if held is not None:
                yield held
        for _ in lines:
            pass  # whoever prints after the end shall not be held up
