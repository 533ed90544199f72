"""Configurations of words, lines and blocks in braces, nginx's and keepalived's alike. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """One line, with the block that follows it."""

    words: tuple[str, ...]
    block: tuple[Block, ...] = ()

    def every(self, *names: str) -> Iterator[Block]:
        """What stands at `names`' path below this block: every("http", "server", "listen")."""
        for inner in self.block:
            if inner.words[:1] == names[:1]:
                if len(names) == 1:
                    yield inner
                else:
                    yield from inner.every(*names[1:])

    def last(self, *names: str) -> str:
        """What follows the last of `names`' path, "" if it is not there."""
        found = [" ".join(block.words[1:]) for block in self.every(*names)]
        return found[-1] if found else ""


def blocks(tokens: re.Pattern[str], text: str) -> Block:
    """A whole file. `tokens` names what it finds: a `mark` (a brace, or the end of a line), a
    `word`, or one in quotes; what has no name separates them. Raises ValueError where braces do not
    match, as in a file that was cut off, and for a block without a name."""
    stack: list[list[Block]] = [[]]
    heads: list[tuple[str, ...]] = []
    words: list[str] = []
    for token in tokens.finditer(text):
        if token.lastgroup == "word":
            words.append(token[0])
        elif token.lastgroup == "quoted":
            words.append(re.sub(r"\\(.)", r"\1", token[0][1:-1]))
        elif token.lastgroup and words and token[0] != "{":
            stack[-1].append(Block(tuple(words)))
            words = []
        if token[0] == "{":
            # A brace on a line of its own belongs to the line before.
            heads.append(stack[-1].pop().words if not words and stack[-1] else tuple(words))
            if not heads[-1]:
                raise ValueError("a block without a name")
            stack.append([])
            words = []
        elif token[0] == "}":
            if not heads:
                raise ValueError("a brace that nothing opens")
            inside = tuple(stack.pop())
            stack[-1].append(Block(heads.pop(), inside))
    if heads:
        raise ValueError(f"nothing closes {' '.join(heads[-1])}")
    return Block((), tuple(stack[0]))
