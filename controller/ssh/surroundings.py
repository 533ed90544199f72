"""How a command is put to a machine, so that it is the same whoever logs in there, and however.

What a login brings along differs: its shell (fish and csh read quotes in their own ways), its
umask, a PATH without sbin, a language, a proxy for the web, a TMPDIR that is not there, BASH_ENV,
and what TAR_OPTIONS, POSIXLY_CORRECT and their like make of programs.
"""

from __future__ import annotations

import re

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Who one is; and what apt and dnf may need to reach their mirrors (curl is told to pass it over).
KEPT = (
    *("HOME", "USER", "LOGNAME"),
    *(f"{of}_proxy" for of in ("http", "https", "ftp", "all", "no")),
    *(f"{of}_PROXY" for of in ("HTTP", "HTTPS", "FTP", "ALL", "NO")),
)
_KEPT = " ".join(f'${{{name}+"{name}=${name}"}}' for name in KEPT)
# What carries out every command on a machine, once sudo or doas has made it root's. Files and
# directories get the modes that they have to have, also under a umask that keeps others out.
SHELL = f"""sh -c 'umask 022; PATH={PATH}; exec env -i PATH=$PATH LC_ALL=C {_KEPT} "$0" "$@"' sh"""

# What stands in single quotes for each login shell, and in double quotes for sh.
_SPECIAL = re.compile(rb"""[^ -~]|[!"$'\\`]""")
# The kernel takes no longer word.
_LONGEST = (1 << 17) - 1


def for_any_shell(command: str, reads: str = "") -> str:
    """`command`, which is sh's, for a login shell that may be any.

    + reads: the name of a variable that it finds in its environment, and that no list of processes
      shows: its value is the first line on the standard input. "" for none.
    """
    if reads:
        command = f"IFS= read -r {reads}; export {reads}; {command}"
    # Each byte that a shell may read in its own way is written as its number, in octal.
    words = _SPECIAL.sub(lambda found: b"\\0%03o" % found[0][0], command.encode()).decode()
    whole = f"""sh -c 'eval "$(printf %b "{words}")"'"""
    return whole if len(whole) < _LONGEST else command
