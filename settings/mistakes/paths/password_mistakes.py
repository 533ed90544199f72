"""Lines of a file of names and passwords by which nobody would get in."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CRYPT64 = "[./0-9A-Za-z]"
# What nginx and the C library of Debian and of Red Hat compare a password with, from its beginning
# to its end: what is cut off, or has a space behind it, fits no password.
_HASHES = re.compile(
    r"\{PLAIN\}.+"
    r"|\{SHA\}[+/0-9A-Za-z]{27}="
    # A digest of 20 bytes, and its salt.
    r"|\{SSHA\}[+/0-9A-Za-z]{27,}={0,2}"
    rf"|\$(apr1|1)\$[^$]{{0,8}}\${_CRYPT64}{{22}}"
    rf"|\$2[abxy]\$\d\d\${_CRYPT64}{{53}}"
    rf"|\$5\$(rounds=\d+\$)?[^$]{{0,16}}\${_CRYPT64}{{43}}"
    rf"|\$6\$(rounds=\d+\$)?[^$]{{0,16}}\${_CRYPT64}{{86}}"
    rf"|\$g?y\$[^$]+\$[^$]*\${_CRYPT64}{{43}}"
    rf"|\$7\$[^$]+\${_CRYPT64}{{43}}"
    # DES, which `htpasswd -d` makes.
    rf"|{_CRYPT64}{{13}}"
    # Somebody who is locked out, as in shadow(5).
    r"|[!*].*"
)
TAKEN = "$2y$, $apr1$, $1$, $5$, $6$, $y$, {SHA}, {SSHA} or {PLAIN}"


def faults(text: str) -> Iterator[tuple[int, str]]:
    """Of the file's text the numbers of wrong lines, and what would be right. Nothing of a line is
    in that but where it is: it may be a password."""
    # (nginx reads lines that a line feed ends, and takes a carriage return for the end of a hash.)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.startswith("#") and (why := _fault(line.rstrip("\r"))):
            yield number, why


def _fault(line: str) -> str:
    """What a line should be, "" for one by which somebody gets in."""
    name, _, rest = line.partition(":")
    if not name or not rest:
        return "each line is NAME:PASSWORD's hash, as `htpasswd -B FILE NAME` makes it"
    # A remark may follow a second colon.
    password, *others = rest.split(":")
    if _HASHES.fullmatch(password):
        return ""
    if any(map(_HASHES.fullmatch, others)):
        return "nginx reads a name up to the first colon: give one without"
    return (
        f"nginx takes none of this for a password's hash ({TAKEN}, whole), and nobody would get "
        "in: `htpasswd -B FILE NAME` makes one"
    )
