"""Lists that machines print: what says that there is nothing, and how many there are. Pure."""

from __future__ import annotations


def listed(text: str) -> list[str]:
    """The lines, of which there may be "none": that is said, and silence says nothing. Raises
    ValueError for silence."""
    if text.strip() == "none":
        return []
    lines = text.splitlines()
    if not lines or not all(line.strip() for line in lines):
        raise ValueError("a line without anything")
    return lines


def counted(text: str, last: str) -> list[str]:
    """The lines before the last, which counts them: `last` with their number for "{}". Raises
    ValueError where it does not."""
    *lines, count = text.splitlines() or [""]
    if count != last.format(len(lines)):
        raise ValueError(f"not {last.format(len(lines))!r} at the end")
    return lines
