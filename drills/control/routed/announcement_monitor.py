"""Records on every node, during one repeat, from when till when it announces the address.

announcement_watch.py runs on each node; what it prints becomes moments of this machine's
CLOCK_MONOTONIC as the holder monitor's lines do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from drills.control import holder_monitor
from drills.control.holder_monitor import CATCH_UP_STEPS, LONGEST_S, HolderMonitor
from drills.control.routed import announcement_watch
from drills.control.routed.routed_faults import SERVES, SOCKET
from drills.control.self_undo import DIRECTORY
from settings import Node

INTERVAL_S = 0.02
# Python starts on a busy machine.
STARTS_LOOKS, LOOK_S = 100, 0.05
_LINE = re.compile(r"^(?P<at>\d+\.\d+) (?P<announces>[01])$", re.MULTILINE)
_PROGRAM = Path(announcement_watch.__file__)


def start_script() -> str:
    """Starts the watch, and prints the clock, then whether the node announces the address."""
    run = f"exec timeout {LONGEST_S} python3 {DIRECTORY}/watch.py {SOCKET} {INTERVAL_S}"
    return (
        f"mkdir -p -m 700 {DIRECTORY}; "
        f"printf %s {quote(_PROGRAM.read_text())} >{DIRECTORY}/watch.py; "
        f"setsid --fork sh -c 'echo $$ >{DIRECTORY}/watch.pid; {run}' "
        f">{DIRECTORY}/watch 2>{DIRECTORY}/watch.err </dev/null; "
        f"for look in $(seq {STARTS_LOOKS}); do [ ! -s {DIRECTORY}/watch ] || break; "
        f"sleep {LOOK_S}; done; date +%s.%N; tail -n 1 {DIRECTORY}/watch"
    )


def stop_script(held: bool) -> str:
    """Ends it and prints its lines, as `holder_monitor.stop_script` does."""
    return (
        f"for try in $(seq {CATCH_UP_STEPS}); do {SERVES} && now=1 || now=0; "
        f"last=$(tail -n 1 {DIRECTORY}/watch | cut -d ' ' -f 2); last=${{last:-{int(held)}}}; "
        "[ $now = $last ] && break; sleep 0.1; done; "
        f"kill $(cat {DIRECTORY}/watch.pid) 2>/dev/null && alive=1 || alive=0; "
        f"cat {DIRECTORY}/watch; "
        f'echo "{holder_monitor.END} alive=$alive now=$now last=$last" '
        f"$(tail -n 1 {DIRECTORY}/watch.err)"
    )


class AnnouncementMonitor(HolderMonitor):
    """A node holds the address, as the timeline says, while it announces it."""

    what = "what is announced"

    def _start_script(self, node: Node) -> str:
        return start_script()

    def _stop_script(self, node: Node, held: bool) -> str:
        return stop_script(held)

    def _holds(self, listing: str) -> bool:
        return listing.strip().endswith(" 1")

    def _changes(self, text: str, node: Node) -> Iterator[tuple[float, bool]]:
        for found in _LINE.finditer(text):
            yield float(found["at"]), found["announces"] == "1"

    def start(self, names: tuple[str, ...] | None = None, late: bool = False) -> None:
        """Others than before it were not announced by anybody: nothing is dated back."""
        super().start(names)
