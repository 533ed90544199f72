"""What a drill leaves in counters that machines keep for ever, and the verifier warns of.

What was counted before the drill stays, and so does more than the drill has caused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from drills.control.machines import MachineError, Machines
from drills.control.undo_log import AppliedFault
from drills.results import Audit

# The check that warns of it, by a fault's key: systemd counts how often it had to start nginx
# again, and keepalived which adverts it has refused.
WARNS = {"nginx": "NGX-09", "rogue": "KA-10"}
# Makes the machine forget what the drill has caused `count` times, and fails where it was more.
FORGET = {
    "NGX-09": '[ "$(systemctl show --value -p NRestarts nginx)" -le {count} ] && '
    "systemctl reset-failed nginx",
    "KA-10": "kill -s $(keepalived --signum=STATS_CLEAR) $(cat /run/keepalived.pid)",
}


class Traces:
    """How often one drill has caused what the verifier warns of, by "NGX-09 host1"."""

    def __init__(self) -> None:
        self._caused: Counter[str] = Counter()

    def note(self, faults: Iterable[AppliedFault]) -> None:
        """Count what one repeat has broken."""
        self._caused.update(
            f"{WARNS[applied.fault.key]} {applied.node}"
            for applied in faults
            if applied.fault.key in WARNS
        )

    def forget(self, machines: Machines, before: Audit, after: Audit) -> Audit:
        """Have the machines forget what is new since `before`; `after` without that."""
        new = sorted(set(after.warned) - set(before.warned))
        forgotten: set[str] = set()
        for each in new:
            check, host = each.split()
            if count := self._caused[each]:
                answer = machines.answers({host: FORGET[check].format(count=count)})[host]
                forgotten |= set() if isinstance(answer, MachineError) else {each}
        return replace(after, warned=tuple(w for w in after.warned if w not in forgotten))
