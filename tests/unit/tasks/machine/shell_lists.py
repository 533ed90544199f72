"""Shell text as lists of commands: finds `a || b && c`, which nobody reads as the shell does.

The shell gives `||` and `&&` the same rank: c follows a success of a, too, although b has not made
what c needs. In braces it is plain which was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# What ends a list of commands, or begins another one inside it; quoted text counts as a word.
TOKENS = re.compile(
    r"""
    \\. | '[^']*' | "(?:\\.|\$\((?:[^()]|\([^()]*\))*\)|[^"\\])*"   # quoted
    | \$\(\( (?:[^()]|\([^()]*\))* \)\)                              # arithmetic
    | (?<!\S)\#[^\n]*                                                # a comment
    | \|\| | && | ;; | [;\n(){}]
    """,
    re.VERBOSE | re.DOTALL,
)
# A word of the grammar that begins a list of its own.
WORDS = re.compile(r"(?:^|(?<=[\s;]))(?:if|then|elif|else|while|until|do|case|in)(?=\s)")


def ambiguous(text: str) -> Iterator[str]:
    """The lists of `text` in which `&&` follows `||` without braces, each from its begin."""
    # For each nesting: whether a `||` was seen in this list, and where the list began.
    levels: list[tuple[bool, int]] = [(False, 0)]
    place = 0
    while found := TOKENS.search(text, place):
        between, word = text[place : found.start()], found[0]
        if began := list(WORDS.finditer(between)):
            levels[-1] = (False, place + began[-1].end())
        place = found.end()
        # A parameter's braces belong to its word, as in ${name##*/}.
        if word == "{" and text[found.start() - 1 : found.start()] == "$":
            depth = 1
            while depth and place < len(text):
                depth += {"{": 1, "}": -1}.get(text[place], 0)
                place += 1
        elif word.startswith('"'):
            for inner in re.findall(r"\$\(((?:[^()]|\([^()]*\))*)\)", word):
                yield from ambiguous(inner)
        elif word in ("{", "("):
            levels.append((False, place))
        elif word in ("}", ")"):
            if len(levels) > 1:
                levels.pop()
            else:  # a pattern of `case`
                levels = [(False, place)]
        elif word in (";", "\n", ";;"):
            joined = re.search(r"(\|\||&&|\|)\s*$", text[: found.start()])
            if word != "\n" or not joined:
                levels[-1] = (False, place)
        elif word == "||":
            levels[-1] = (True, levels[-1][1])
        elif word == "&&" and levels[-1][0]:
            yield text[levels[-1][1] : place].strip()
            levels[-1] = (False, place)
