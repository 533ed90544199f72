"""Faults that undo themselves: scripts that a machine runs also after its controller has died.

The script that undoes a fault is stored on the machine before the fault is injected, and runs there
after `OUTLIVES_S` unless it has run before. So a drill whose controller dies leaves no machine
broken. Pure: these functions only make the scripts.
"""

from __future__ import annotations

from shlex import quote

DIRECTORY = "/run/tandem-drill"
OUTLIVES_S = 60

# The clock before and after, because a command may take its time.
_CLOCK = "date +at=%s.%N"


def inject(key: str, fault: str, undo: str, outlives_s: int = OUTLIVES_S) -> str:
    """Arm the undoing, then break something. Prints when that began and when it was done.

    `key`: a name for this fault, of letters and hyphens.
    """
    arm = "true"
    if undo:
        file = f"{DIRECTORY}/{key}.undo"
        later = (
            f"echo $$ >{DIRECTORY}/{key}.pid; sleep {outlives_s}; sh {file}; "
            f"rm -f {DIRECTORY}/{key}.*"
        )
        arm = (
            f"mkdir -p -m 700 {DIRECTORY} && printf '%s\\n' {quote(undo)} >{file} && "
            f"setsid --fork sh -c {quote(later)} >/dev/null 2>&1 </dev/null"
        )
    return f"{arm} && {_CLOCK} && {{ {fault}\n}} && {_CLOCK}"


def undo(key: str) -> str:
    """Undo a fault now, if it still has to be undone."""
    file = f"{DIRECTORY}/{key}"
    return (
        f"[ -e {file}.undo ] || exit 0; sh {file}.undo; status=$?; "
        f"kill -- -$(cat {file}.pid) 2>/dev/null; rm -f {file}.*; exit $status"
    )


def undo_everything() -> str:
    """Undo whatever an earlier run has left, and remove every trace of it."""
    return (
        f"for file in {DIRECTORY}/*.undo; do [ ! -e $file ] || sh $file; done; "
        f"for file in {DIRECTORY}/*.pid; do "
        "[ ! -e $file ] || kill -- -$(cat $file) 2>/dev/null; done; "
        f"rm -rf {DIRECTORY}"
    )


def times(output: str) -> list[float]:
    """The moments that `inject` prints, seconds since the epoch on the machine's clock."""
    return [float(line[3:]) for line in output.splitlines() if line.startswith("at=")]
