"""A drill leaves no warning behind, and takes none away that is not its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from drills.conduct.traces import Traces
from drills.control import faults
from drills.control.faults import Fault
from drills.control.machines import MachineError
from drills.control.undo_log import AppliedFault
from drills.results import Audit
from verify.read import keepalived_log


class RememberingMachines:
    """Notes what they are asked; `restarts`: what systemd has counted there."""

    def __init__(self, restarts: int = 1) -> None:
        self.restarts = restarts
        self.asked: list[tuple[str, str]] = []

    def answers(self, scripts: Mapping[str, str]) -> dict[str, str | MachineError]:
        self.asked += scripts.items()
        more = any(
            f"-le {fewer} " in text for fewer in range(self.restarts) for text in scripts.values()
        )
        return {name: MachineError("more") if more else "" for name in scripts}


def after(*warned: str) -> Audit:
    return Audit(True, "It holds.", (), warned)


def caused(*found: tuple[Fault, str]) -> Traces:
    traces = Traces()
    traces.note(AppliedFault(fault, node, 0.0, 0.0, None) for fault, node in found)
    return traces


def test_what_the_drill_has_caused_is_forgotten() -> None:
    machines: Any = RememberingMachines()
    traces = caused((faults.NGINX_KILLED, "host1"), (faults.ROGUE, "host2"))
    left = traces.forget(machines, after(), after("NGX-09 host1", "KA-10 host2", "NGX-19 host1"))
    assert left.warned == ("NGX-19 host1",)
    asked = dict(machines.asked)
    assert "reset-failed nginx" in asked["host1"] and "STATS_CLEAR" in asked["host2"]


@pytest.mark.parametrize(
    ("before", "restarts", "fault"),
    [
        # It was warned of before the drill: nobody has looked at it yet.
        (after("NGX-09 host1"), 2, faults.NGINX_KILLED),
        # nginx has died once more than it was killed.
        (after(), 2, faults.NGINX_KILLED),
        # The drill has nothing to do with it.
        (after(), 1, faults.KEEPALIVED_KILLED),
    ],
)
def test_a_crash_that_is_no_drills_stays(before: Audit, restarts: int, fault: Fault) -> None:
    machines: Any = RememberingMachines(restarts)
    traces = caused((fault, "host1"), (faults.NGINX_KILLED, "host2"))
    left = traces.forget(machines, before, after("NGX-09 host1"))
    assert left.warned == ("NGX-09 host1",)


# --- the log -------------------------------------------------------------------------------------

MOVES = "(VI_1) Entering MASTER STATE"


def journal(*lines: tuple[float, str, str]) -> str:
    shown = "".join(f"{at:.6f} host1 {program}[7]: {text}\n" for at, program, text in lines)
    return f"journal 1000.0\n{shown}"


def test_what_keepalived_says_during_a_drill_is_the_drills() -> None:
    found = keepalived_log.log(
        journal(
            (1001, "Keepalived_vrrp", MOVES),
            (1002, "tandem_drill", "nginx-crash begins"),
            (1003, "Keepalived_vrrp", MOVES),
            (1004, "tandem_drill", "nginx-crash ends"),
            (1005, "Keepalived_vrrp", MOVES),
        )
    )
    assert [line.at for line in found.lines] == [1001, 1005]
    assert found.in_drills == 1


def test_a_drill_that_was_killed_explains_no_more_than_a_while() -> None:
    late = 1002 + keepalived_log.LONGEST_DRILL_S + 1
    found = keepalived_log.log(
        journal(
            (1002, "tandem_drill", "nginx-crash begins"),
            (1003, "Keepalived_vrrp", MOVES),
            (late, "Keepalived_vrrp", MOVES),
        )
    )
    assert [line.at for line in found.lines] == [late]


def test_the_mark_is_the_one_that_the_verifier_reads() -> None:
    assert "-t tandem_drill -- 'nginx-crash begins'" in faults.log_mark("nginx-crash begins")
