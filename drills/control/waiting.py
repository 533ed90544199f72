"""Waiting on one cluster: until requests are answered, a node holds the address, all is well."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent

from drills.analysis.expectation import Expectation
from drills.analysis.expected_outage import Timing
from drills.control import faults
from drills.control.lab_control import LabControl
from drills.control.machines import MachineError, Machines, NoAnswer
from drills.control.own_commands import Commands
from drills.control.processes.prober_process import ProberProcess
from settings import Node
from settings.run_options import RunOptions

STEADY_TIMEOUT_S = 60.0
STEADY_STEP_S = 0.1
# An outage is over after so long without a lost request.
RECOVERED_S = 0.4


@dataclass(eq=False)
class ClusterObserver:
    """One cluster as it is observed during one repeat of one drill.

    `options`: what drill.py was given, as `moves`, `idle` and `hold`. `reference_at`: from then on
    recovery is counted (CLOCK_MONOTONIC). `notes`: what was measured beside requests, in words;
    `problems`: what was not as it must be.
    `longest_s`: what the fault should cost at most by arithmetic. `steady_s`: by then one node has
    the address.
    """

    machines: Machines
    lab_here: LabControl | None
    commands: Commands
    options: RunOptions
    timing: Timing
    expectation: Expectation
    say: Callable[[str], None]
    prober: ProberProcess | None = None
    reference_at: float | None = None
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster = self.machines.cluster
        self.steady_s = self.expectation.steady_s
        theory = self.expectation.theory(self.timing)
        self.longest_s = theory.high_s if theory else 0.0

    @property
    def holder(self) -> Node:
        """Who holds the address when all is well, as it is before every scenario."""
        return self.cluster.preferred

    @property
    def standby(self) -> Node:
        """Who takes it next."""
        return self.cluster.nodes[1]

    def reference(self) -> None:
        """Recovery is counted from now on, and not from the first fault."""
        self.reference_at = time.monotonic()

    def anew(self) -> None:
        """Recovery is counted from the next fault on: those before it were prepared."""
        self.reference_at = None

    def beside(self, work: Callable[[], str]) -> Callable[[], str]:
        """Begin something that goes on meanwhile; what waits for its end, and has its answer.

        `work` must not raise: a greenlet would print a traceback.
        """
        return gevent.spawn(work).get

    def wait(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def watch(self) -> None:
        """Wait until requests are answered again, or it is clear that they will not be."""
        assert self.prober is not None and self.reference_at is not None
        # Also an address that moves without an outage has moved by then.
        shortest_s = self.steady_s + 0.3
        longest_s = max(shortest_s, 2 * self.longest_s + 3)
        while (passed := time.monotonic() - self.reference_at) < longest_s:
            lost = self.prober.lost_since(self.reference_at - self.prober.t0 - 0.05)
            if passed > shortest_s and (not lost or self.prober.good_since() > RECOVERED_S):
                return
            gevent.sleep(0.02)

    def wait_holder(self, node: Node, timeout_s: float = 30.0) -> None:
        """Wait until a node holds the address. Raises `MachineError` if that takes too long."""
        deadline = time.monotonic() + timeout_s
        while self.machines.ask(node.name, faults.holds(node))[0]:
            if time.monotonic() > deadline:
                raise MachineError(f"{node.name} did not take the address in {timeout_s:.0f} s")
            gevent.sleep(STEADY_STEP_S)

    def settle(self) -> str:
        """Wait until all is as at the start; what is not after `STEADY_TIMEOUT_S`, in words."""
        deadline = time.monotonic() + STEADY_TIMEOUT_S
        while True:
            reason = self._unsteady()
            if not reason or time.monotonic() > deadline:
                return reason
            self.say(f"waiting: {reason}")
            if self.cluster.stays and "the address" in reason:
                self._bring_home()
            gevent.sleep(STEADY_STEP_S)

    def _bring_home(self) -> None:
        """Have the address come back to where it was at the start: of itself it stays."""
        for node in self.cluster.nodes[1:]:
            with contextlib.suppress(MachineError):
                self.machines.ask(node.name, faults.give_away(node))

    def _unsteady(self) -> str:
        answers = self.machines.answers(
            {node.name: self._state_script(node) for node in self.cluster.nodes}, timeout_s=5
        )
        states = {
            name: "" if isinstance(answer, MachineError) else answer
            for name, answer in answers.items()
        }
        for name, answer in answers.items():
            if isinstance(answer, NoAnswer):
                # Somebody else may have switched it off and on: it needs a new connection.
                self.machines.forget(name)
                with contextlib.suppress(MachineError):
                    self.machines.reconnect(name, 0)
        reason = self._not_as_before(states)
        if not reason and self.prober:
            # Its page tells it from others, or any answer counts.
            asked_for = self._asked_for
            named = asked_for in self.prober.spec.pages.values()
            if self.prober.good_since(asked_for if named else "") < 0.2:
                return f"{asked_for or 'somebody'} does not answer every request yet"
        return reason

    def _state_script(self, node: Node) -> str:
        """What prints a node's state, for `_not_as_before`."""
        return faults.state(node)

    def _not_as_before(self, states: dict[str, str]) -> str:
        """What is not as it was at the start, in words; "" when all is."""
        return faults.unsteady(states, self.holder.name)

    @property
    def _asked_for(self) -> str:
        """The node that has to answer; "" for any."""
        return self.holder.name
