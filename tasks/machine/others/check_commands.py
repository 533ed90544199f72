"""Whether a machine has the commands of a person's own checks, as its keepalived would run them.

keepalived itself says it only to its log, and goes on without the check; its test says it in the
middle of a deploy.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator
from functools import partial
from typing import NamedTuple

from settings import Bars, Mistake, Node
from settings.programs import own_checks
from tasks.machine.quoting import quoted

# Programs of packages that a deploy installs: on a new machine it is what brings them.
BROUGHT = frozenset(
    f"/usr/{place}/{name}"
    for place in ("bin", "sbin")
    for name in (
        *("bridge", "curl", "free", "ip", "killall", "nft", "openssl", "pgrep", "pidof", "ps"),
        *("pstree", "python3", "ss", "vmstat"),
    )
)
# The first release of a distribution whose keepalived (2.3) runs nothing in a directory that is a
# link.
FOLLOWS_NO_LINKS = {"debian": 13, "ubuntu": 25}


class CommandStep(NamedTuple):
    """A directory on the way to a command, a link, or the command itself."""

    mode: int
    uid: int
    gid: int
    path: str

    @property
    def is_for_root_alone(self) -> bool:
        """Whether nobody else can write it, by the rules that keepalived has for this."""
        if stat.S_ISLNK(self.mode):  # which says nothing; where it leads is a step, too
            return not self.uid
        sticky = stat.S_ISDIR(self.mode) and self.mode & stat.S_ISVTX
        by_others = self.mode & stat.S_IWOTH or (self.gid and self.mode & stat.S_IWGRP)
        return not self.uid and (bool(sticky) or not by_others)


class FoundCommand(NamedTuple):
    """What a machine has under the name of a command: the steps to the file that is meant, itself
    first, then those by its name; none where there is nothing. `dos`: whether its first line ends
    as on Windows."""

    name: str
    steps: tuple[CommandStep, ...] = ()
    dos: bool = False


def shell(names: Collection[str]) -> str:
    """Shell that prints what there is of these commands."""
    return (
        f"for it in {quoted(*names)}; do "
        'echo "command $it"; real=$(readlink -e "$it") || continue; '
        'for at in "$real" "$it"; do '
        'while :; do stat -c "step %f %u %g %n" "$at"; [ "$at" != / ] || break; '
        "at=${at%/*}; at=${at:-/}; done; done; "
        'head -c 128 "$real" | head -n 1 | LC_ALL=C grep -aq "^#!.*$(printf \'\\r\')\\$" && '
        "echo dos; done; true"
    )


def commands(text: str) -> tuple[FoundCommand, ...]:
    """What `shell` has printed."""
    found: list[FoundCommand] = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "command":
            found.append(FoundCommand(rest))
        elif word == "dos":
            found[-1] = found[-1]._replace(dos=True)
        elif word == "step":
            mode, uid, gid, path = rest.split(" ", 3)
            step = CommandStep(int(mode, 16), int(uid), int(gid), path)
            found[-1] = found[-1]._replace(steps=(*found[-1].steps, step))
    return tuple(found)


def unfit(
    node: Node, there: Collection[FoundCommand], ident: str, release: int
) -> Iterator[Mistake]:
    """Commands that this machine's keepalived would not run, each with what would be right.

    + ident, release: the distribution and its major version.
    """
    no_links = FOLLOWS_NO_LINKS.get(ident, 0)
    for command in there:
        setting = ", ".join(
            f"checks[{check.name}]" for check in node.checks if check.command[0] == command.name
        )
        wrong = partial(Mistake, node.name, setting, command.name, bars=Bars.DEPLOY)
        if not command.steps:
            if command.name not in BROUGHT:
                remedy = "this machine has no such program: bring it there first, a deploy does not"
                yield wrong(remedy)
            continue
        file = command.steps[0]
        if not stat.S_ISREG(file.mode):
            yield wrong("it is no file: give the program's path")
        elif not file.mode & 0o111:
            yield wrong(f"it is not executable: 'chmod +x {file.path}' there")
        elif command.dos:
            yield wrong("its lines end as on Windows (CR LF), and the kernel finds no such #!")
        for step in dict.fromkeys(command.steps):
            if not step.is_for_root_alone:
                remedy = (
                    "it would run as root, and others than root can write "
                    f"{step.path}: 'chown root:root {step.path}; chmod go-w {step.path}' there"
                )
                yield wrong(remedy)
        links = [step.path for step in command.steps if stat.S_ISLNK(step.mode)]
        if 0 < no_links <= release and set(links) - {command.name}:
            remedy = f"{links[-1]} is a link, and keepalived 2.3 runs nothing behind one: give "
            yield wrong(f"{remedy}{file.path}")
        if why := own_checks.unseen(file.path):
            yield wrong(f"it is {file.path}, and {why}")
