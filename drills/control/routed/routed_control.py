"""What the scenarios of a routed cluster act through: all of its nodes announce the address."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import gevent

from drills.clients.bgp_stranger import CARD, BgpStrangerSpec
from drills.control import lab_control
from drills.control.cluster_control import ClusterControl
from drills.control.faults import Fault
from drills.control.holder_monitor import HolderMonitor
from drills.control.lab_control import Guard
from drills.control.processes.child_process import ChildProcess
from drills.control.routed import routed_faults
from drills.control.routed.announcement_monitor import AnnouncementMonitor
from drills.control.undo_journal import Way
from drills.records import Sight
from settings import Node

ROUTER_DEAD = Fault("router", "BIRD of a router dead", "")
STRANGER = Fault("stranger", "a stranger calls by BGP", "")
STRANGER_PORT = "stranger"
# So long a router is asked for a node's route that is to go.
LOOK_S, PASSED_OVER_S = 0.02, 5.0
CALLS_TIMEOUT_S = 30.0


class BgpStrangerProcess(ChildProcess):
    """A stranger that speaks BGP, in a network of its own that has no card yet."""

    mac = "02:00:00:57:ea:07"

    def __init__(self, spec: BgpStrangerSpec):
        prefix = ["unshare", "--net", "--"]
        super().__init__("the stranger", "drills.clients.bgp_stranger", spec.to_json(), prefix)
        self._wait_for("pid")

    def called(self) -> dict[str, str]:
        """By address, what became of its call, once all are over."""
        self._wait_for("calls", CALLS_TIMEOUT_S)
        found: dict[str, str] = self.said["calls"]
        return found


@dataclass(eq=False)
class RoutedControl(ClusterControl):
    """One repeat of one drill on one routed cluster. `holder`: the node that it is done to."""

    monitor_kind: ClassVar[type[HolderMonitor]] = AnnouncementMonitor

    def _state_script(self, node: Node) -> str:
        return routed_faults.state(node)

    def _not_as_before(self, states: dict[str, str]) -> str:
        return routed_faults.unsteady(states) or self._routers_lack()

    @property
    def _asked_for(self) -> str:
        return ""  # any node's answer is a good one

    # --- routers, which only the lab lets us ask --------------------------------------------

    def _routers_lack(self) -> str:
        """Which node's route a router has not, in words; "" where all have all."""
        hops: dict[str, set[str]] = {}
        for node in self.cluster.nodes:
            for router in self._routers_of(node):
                if router not in hops:  # once, however many nodes there are
                    hops[router] = self._next_hops(router)
                if not hops[router] & self._addresses(node):
                    return f"{router} has no route by {node.name} yet"
        return ""

    def _routers_of(self, node: Node) -> tuple[str, ...]:
        """Those that a node announces the VIP to; none where they cannot be asked."""
        lab = self.lab_here
        found = node.routers_of(self.cluster.vip.version) if lab else ()
        return tuple(lab.router_at(each.address) for each in found) if lab else ()

    def _sends_to(self, router: str, node: Node) -> bool:
        """Whether a router's kernel would send something for the VIP to that node."""
        return bool(self._next_hops(router) & self._addresses(node))

    def _next_hops(self, router: str) -> set[str]:
        return self.lab.next_hops(router, self.cluster.vip.ip)

    @staticmethod
    def _addresses(node: Node) -> set[str]:
        return {str(each) for each in (node.address, node.address6) if each}

    def passed_over(self, node: Node) -> None:
        """Wait until no router sends anything to a node any more."""
        routers = left = self._routers_of(node)
        began_at = time.monotonic()
        while left and time.monotonic() - began_at < PASSED_OVER_S:
            left = tuple(name for name in left if self._sends_to(name, node))
            gevent.sleep(LOOK_S)
        if not routers:
            return
        said = f"{', '.join(left)} still sends to it" if left else "no router sends to it any more"
        self.sights.append(Sight(node.name, not left, said))
        if not left:
            self.mark(f"no router sends anything to {node.name}")

    def restart_router(self) -> None:
        """Kill the BIRD of the node's first router, without a goodbye, and start it again."""
        name = self._routers_of(self.holder)[0]
        before = self._booted_at(name)
        words = ("restart-router", name)
        guard = Guard(lab_control.command(*words), self.keeping)
        record = self._record(ROUTER_DEAD.label, Way.LAB, words, f"lab {' '.join(words)}", None)
        undo = partial(self.lab.restart_router, name)
        applied = self._guarded(ROUTER_DEAD, None, guard, undo, record)
        self.reference_at = self.reference_at or applied.from_at
        self.heal(ROUTER_DEAD)
        anew = self._booted_at(name) != before
        said = f"{name}'s BIRD is {'another one' if anew else 'the same'}"
        self.sights.append(Sight("", anew, said))

    def _booted_at(self, router: str) -> str:
        answer = self.lab.ask_router(router, "show status")
        return next(line for line in answer.splitlines() if "Last reboot" in line)

    # --- strangers ---------------------------------------------------------------------------

    def call_by_bgp(self, targets: list[str], source: str) -> None:
        """A stranger on the machines' network offers the VIP to each target, by BGP."""
        node = self.holder
        asn = node.asn or 0
        spec = BgpStrangerSpec(source, tuple(targets), asn, str(node.vip.ip))
        caller = self.started(BgpStrangerProcess(spec))
        applied = self._note(STRANGER, None)
        self.lab.connect(node, STRANGER_PORT, caller.said["pid"], CARD, caller.mac)
        calls = caller.called()
        applied.to_at = time.monotonic()
        for target, outcome in calls.items():
            self.sights.append(Sight("", outcome != "unheard", f"{target}: {outcome}"))
            if outcome == "established":
                self.problems.append(f"{target} has taken a stranger's session")
        own = source.partition("/")[0]
        for router in dict.fromkeys(
            name for node in self.cluster.nodes for name in self._routers_of(node)
        ):
            if own in self.lab.ask_router(router, "show route all"):
                self.problems.append(f"{router} has a route of the stranger's")
        for name, text in self.machines.everywhere(
            f"timeout 5 birdcl -r -s {routed_faults.SOCKET} show route all"
        ).items():
            if own in text:
                self.problems.append(f"{name} has a route of the stranger's")
        caller.stop()
