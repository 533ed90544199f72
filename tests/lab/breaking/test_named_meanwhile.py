"""What the verifier names while a drill's mishap lasts: named_meanwhile.py has it.

(The drills vip-taken-by-stranger and ipv6-lost have the verifier look themselves. A machine that is
away is away, whatever has taken it off the network: two ways of that are enough.)
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote

import pytest

from drills.clients.flood_clients import FloodSpec
from drills.clients.slow_clients import SlowSpec
from drills.control import self_undo
from drills.control.faults import Fault
from drills.control.network import around_keepalived, leaving
from drills.scenarios import burdens
from lab.twin import Lab
from settings import Node
from tests.support.drilling.drill_world import pair
from tests.support.drilling.named_meanwhile import NAMED
from tests.support.lab.breaking import VIP, on, until
from tests.support.lab.pair import wait_until
from tests.support.lab.verifier_runs import verify

# So long that the verifier, which tries to reach the machine, is done.
LASTS_S = 30
HOLDER, STANDBY = pair().nodes

Mishap = Callable[[Lab, ExitStack], object]


def by_itself(make: Callable[[Node], Fault], node: Node) -> Mishap:
    """The machine, which is not reached meanwhile, breaks and mends itself."""

    def begin(lab: Lab, stack: ExitStack) -> None:
        fault = make(node)
        back = f"rm -rf {self_undo.DIRECTORY}"
        stack.callback(on, lab, node.name, f"sh -c {quote(fault.undo)}; {back}")
        stack.callback(wait_until, lambda: reached(lab, node), LASTS_S + 30)
        # What brings it back ends with its unit, which ends with this script.
        script = f"mkdir -p {self_undo.DIRECTORY}; {fault.do}; sleep {LASTS_S + 2}"
        on(lab, node.name, f"systemd-run --quiet --collect sh -c {quote(script)}")
        assert wait_until(lambda: not reached(lab, node), 10)

    return begin


def reached(lab: Lab, node: Node) -> bool:
    try:
        return lab.ssh(node.name, "true", timeout=3).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def by_machines(fault: Fault, *nodes: Node) -> Mishap:
    def begin(lab: Lab, stack: ExitStack) -> None:
        for node in nodes:
            undo = self_undo.undo(fault.key, fault.undo if fault.lasting else "")
            stack.callback(on, lab, node.name, undo)
            on(lab, node.name, self_undo.inject(fault.key, fault.do, fault.undo, 300))

    return begin


def without_card(lab: Lab, stack: ExitStack) -> None:
    stack.callback(lab.give_card, STANDBY.name)
    lab.take_card(STANDBY.name)


def paused(lab: Lab, stack: ExitStack) -> None:
    stack.callback(lab.resume, HOLDER.name)
    lab.pause(HOLDER.name)


def firewalled(lab: Lab, stack: ExitStack) -> None:
    by_machines(around_keepalived.stateful_firewall(STANDBY), STANDBY)(lab, stack)
    # From its first advert on it is a known connection.
    until(lab, "host2", f"! ip -4 address show dev eth0 | grep -q ' {VIP}/'", 20)


@contextmanager
def _clients(lab: Lab, module: str, spec: str) -> Iterator[None]:
    words = [sys.executable, "-m", f"drills.clients.{module}", spec]
    process = subprocess.Popen(
        lab.run_command(words), env=lab.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        time.sleep(3)
        assert process.poll() is None
        yield
    finally:
        process.terminate()
        process.wait()


def slow(lab: Lab, stack: ExitStack) -> None:
    spec = SlowSpec(VIP, 80, burdens.SLOW, LASTS_S)
    stack.enter_context(_clients(lab, "slow_clients", spec.to_json()))


def flood(lab: Lab, stack: ExitStack) -> None:
    spec = FloodSpec(VIP, 80, burdens.FLOOD_RATE, burdens.FLOWS, LASTS_S)
    stack.enter_context(_clients(lab, "flood_clients", spec.to_json()))


MISHAPS: dict[str, Mishap] = {
    "standby-address-lost": by_itself(leaving.own_address_lost, STANDBY),
    "interface-recreated": without_card,
    "vm-pause": paused,
    "rules-flushed": by_machines(around_keepalived.RULES_FLUSHED, HOLDER, STANDBY),
    "resolver-dead": by_machines(around_keepalived.RESOLVER_DEAD, HOLDER, STANDBY),
    "inotify-exhausted": by_machines(around_keepalived.INOTIFY_EXHAUSTED, HOLDER),
    "firewall-without-vrrp": firewalled,
    "slow-clients": slow,
    "request-flood": flood,
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", MISHAPS)
def test_the_verifier_names_a_mishap_while_it_lasts(
    healthy: Lab,
    well_again: Callable[[], str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaving, "AWAY_S", LASTS_S)
    try:
        with ExitStack() as stack:
            MISHAPS[name](healthy, stack)
            time.sleep(1)
            found = verify(healthy, tmp_path)
    finally:
        after = well_again()
    print(name, found.exit_code, sorted(found.ids("fail", "unknown", "warn")), sorted(found.causes))
    named = found.ids("fail") if found.ids("fail") else found.causes
    assert NAMED[name] <= named if NAMED[name] else not found.causes, found.output
    assert after == "well"
