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


# A machine whose own undoing fails tries again, so often and after so long.
TRIES = 30
TRY_AGAIN_S = 10


def inject(key: str, fault: str, undo: str, outlives_s: int = OUTLIVES_S) -> str:
    """Arm the undoing, then break something. Prints when that began and when it was done.

    `key`: a name for this fault, of letters and hyphens.
    """
    arm = "true"
    if undo:
        file = f"{DIRECTORY}/{key}.undo"
        later = (
            f"echo $$ >{DIRECTORY}/{key}.pid; sleep {outlives_s}; for try in $(seq {TRIES}); do "
            f"sh {file} && {{ rm -f {DIRECTORY}/{key}.*; exit; }}; sleep {TRY_AGAIN_S}; done"
        )
        arm = (
            f"mkdir -p -m 700 {DIRECTORY} && printf '%s\\n' {quote(undo)} >{file} && "
            f"setsid --fork sh -c {quote(later)} >/dev/null 2>&1 </dev/null"
        )
    return f"{arm} && {_CLOCK} && {{ {fault}\n}} && {_CLOCK}"


def undo(key: str, lasting: str = "") -> str:
    """Undo a fault now, if it still has to be undone. What fails stays armed, to be tried again.

    `lasting`: what undoes a fault that outlives a reboot, which the note of it does not; it can be
    run at any time.
    """
    file = f"{DIRECTORY}/{key}"
    return (
        f"[ -e {file}.undo ] || {{ {lasting or 'true'}\nexit\n}}\n"
        f"sh {file}.undo || exit; kill -- -$(cat {file}.pid) 2>/dev/null; rm -f {file}.*"
    )


def undo_everything() -> str:
    """Undo whatever an earlier run has left, and remove every trace of it.

    Fails, with the names of the faults, where something cannot be undone: that stays armed.
    """
    return (
        f"left=; for file in {DIRECTORY}/*.undo; do [ -e $file ] || continue; "
        f'if sh $file; then rm -f $file; else left="$left $(basename $file .undo)"; fi; done; '
        f"for file in {DIRECTORY}/*.pid; do [ ! -e $file ] || [ -e ${{file%.pid}}.undo ] || "
        "{ kill -- -$(cat $file) 2>/dev/null; rm -f $file; }; done; "
        f'[ -z "$left" ] || {{ echo "could not be undone there:$left"; exit 1; }}; '
        f"rm -rf {DIRECTORY}"
    )


def times(output: str) -> list[float]:
    """The moments that `inject` prints, seconds since the epoch on the machine's clock."""
    return [float(line[3:]) for line in output.splitlines() if line.startswith("at=")]
