"""How a machine shows that a fault has bitten there: shell around the fault's own. Pure text.

A sign is looked for by the same command that breaks the machine: what dies may be back at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drills.records import Sight

# A process that was sent a signal needs its CPU once more: looked at every 50 ms, for 1 s.
LOOKS = 20
_BIT = re.compile(r"^bit=(yes|no) ?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Sign:
    """`before` is done ahead of the fault, by the same shell: its variables stay.

    `after` prints what is to be seen, in words, and succeeds only where the fault has bitten.
    """

    after: str
    before: str = "true"


def around(sign: Sign | None, fault: str) -> str:
    """The script that injects a fault, and says afterwards whether that has bitten."""
    if sign is None:
        return fault
    look = f"said=$( {sign.after}\n) && bit=yes || bit=no"
    return f'{sign.before}\n{fault} && {{ {look}; echo "bit=$bit" $said; }}'


def sights(node: str, output: str) -> list[Sight]:
    """What such a script has said."""
    return [
        Sight(node, bit == "yes", text.strip() or "nothing is to be seen of it")
        for bit, text in _BIT.findall(output)
    ]


def _until_all(what: str, states: str, good: str, bad: str) -> str:
    """Wait until every process of $pids is in one of these `states`, a pattern of case."""
    return (
        f"left=none; for look in $(seq {LOOKS}); do left=; for pid in $pids; do "
        "case $(sed 's/.*) \\(.\\).*/\\1/' /proc/$pid/stat 2>/dev/null) in "
        f'{states}) ;; *) left="$left $pid";; esac; done; '
        '[ -z "$left" ] && break; sleep 0.05; done; '
        f'if [ -z "$pids" ]; then echo "there was no process of {what}"; false; '
        f'elif [ -n "$left" ]; then echo "{what} (${{left# }}) {bad}"; false; '
        f'else echo "{what} ("$pids") {good}"; fi'
    )


def ended(what: str, which: str) -> Sign:
    """The processes that `which` names are gone, or wait for nothing but their parent."""
    gone = _until_all(what, "''|Z|X", "is gone", "is still there")
    return Sign(gone, before=f"pids={which}")


def stopped(what: str, which: str) -> Sign:
    """The processes that `which` names are in state T."""
    frozen = _until_all(what, "T", "is stopped (state T)", "is not stopped")
    return Sign(frozen, before=f"pids={which}")


def with_children(parent: str) -> str:
    """A process and its children, for `ended` and `stopped`."""
    return f'"$(parent={parent}; echo $parent $(pgrep -P $parent))"'


# What the clock says is compared with what it said right before.
CLOCK_AHEAD = Sign(
    'ahead=$(($(date +%s) - was)); echo "its clock is $ahead s ahead"; [ $ahead -ge 55 ]',
    before="was=$(date +%s)",
)


def disk_full(master: str, inside: str, directory: str) -> Sign:
    """nginx's master has a file open on the disk of `directory`, to which nothing can be added.

    `inside`: the command that enters the master's view of the disks.
    """
    return Sign(
        f"disk=$({inside} stat -c %d {directory}); open=; "
        f"for look in $(seq {LOOKS}); do for file in /proc/{master}/fd/*; do "
        '[ "$(stat -Lc %d $file 2>/dev/null)" != "$disk" ] || open=yes; done; '
        '[ -z "$open" ] || break; sleep 0.05; done; '
        '[ -n "$open" ] || { echo "nginx has no file open there"; exit 1; }; '
        f"LC_ALL=C {inside} sh -c 'head -c 1 /dev/zero >>{directory}/fill' 2>&1 | "
        f"grep -o 'No space left on device' || {{ echo 'there is room in {directory}'; false; }}"
    )


def packets(listing: str) -> int:
    """How many packets the rules of `nft list` have counted."""
    return sum(int(number) for number in re.findall(r"\bcounter packets (\d+)", listing))


def busy(file: str) -> str:
    """Prints how much CPU the processes have used whose numbers are in `file`.

    Succeeds where they are more than the machine has CPUs, and have got any: everything else has
    to wait for its turn.
    """
    return (
        f"hogs=0 ticks=0; for pid in $(cat {file}); do "
        "set -- $(sed 's/.*) //' /proc/$pid/stat 2>/dev/null); [ \"${1:-}\" = R ] || continue; "
        "hogs=$((hogs + 1)); ticks=$((ticks + ${12} + ${13})); done; cpus=$(nproc); "
        'echo "$hogs busy processes on $cpus CPUs have used" '
        '"$((ticks * 1000 / $(getconf CLK_TCK))) ms"; '
        "[ $hogs -gt $cpus ] && [ $ticks -gt 0 ]"
    )
