"""Resilient groups beside a router's own routes: which flows change hands as machines come and go.

The routes are set by hand, as BIRD sets them; the kernel is asked where it would send each flow.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from lab.gateway import resilient_routes
from lab.gateway.resilient_routes import IDLE_S, METRIC, UNBALANCED_S

VIP = {4: "198.51.100.80", 6: "2001:db8::80"}
NETWORK = {4: "10.61.0.{}", 6: "fd61:9::{}"}
FLOWS = 400


class Router:
    """A namespace with one card, and the program beside what would be BIRD's routes."""

    def __init__(self, version: int):
        self.version, self.netns = version, f"resilient{os.getpid()}"

    def ip(self, *words: object, netns: bool = True) -> str:
        into = ["ip", "netns", "exec", self.netns] if netns else []
        command = [*into, "ip", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def machine(self, number: int) -> str:
        return NETWORK[self.version].format(10 + number)

    def spread(self, *machines: int) -> None:
        """As BIRD does it."""
        hops = [word for each in machines for word in ("nexthop", "via", self.machine(each))]
        route = (VIP[self.version], "proto", "bird", "metric", 32)
        self.ip(
            f"-{self.version}", "route", *(("replace", *route, *hops) if hops else ("del", *route))
        )
        until(lambda: self._members() == set(map(self.machine, machines)))

    def _members(self) -> set[str]:
        """Of the route that is preferred."""
        route = (VIP[self.version], "metric", METRIC)
        return set(re.findall(r"via (\S+)", self.ip(f"-{self.version}", "route", "show", *route)))

    def hops(self) -> list[str]:
        """By flow, the machine that its segments would be sent to now."""
        script = "".join(
            f"ip route get {VIP[self.version]} ipproto tcp sport {port} dport 80\n"
            for port in range(40000, 40000 + FLOWS)
        )
        words = ["ip", "netns", "exec", self.netns, "sh", "-c", script]
        return re.findall(
            r" via (\S+)", subprocess.run(words, capture_output=True, text=True).stdout
        )


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not become so"
        time.sleep(0.05)


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def router(request: pytest.FixtureRequest) -> Iterator[Router]:
    made = Router(request.param)
    made.ip("netns", "add", made.netns, netns=False)
    program = None
    try:
        made.ip("link", "add", "nodes", "type", "veth", "peer", "name", "other")
        for device in ("lo", "nodes", "other"):
            made.ip("link", "set", device, "up")
        made.ip(
            "address",
            "add",
            f"{made.machine(-9)}/64" if made.version == 6 else "10.61.0.1/24",
            "dev",
            "nodes",
            *(["nodad"] if made.version == 6 else []),
        )
        sysctl = f"net.ipv{made.version}.fib_multipath_hash_policy=1"
        words = ["ip", "netns", "exec", made.netns]
        subprocess.run([*words, "sysctl", "-qw", sysctl], check=True)
        program = subprocess.Popen(
            [*words, sys.executable, "-m", resilient_routes.__name__], start_new_session=True
        )
        yield made
    finally:
        if program:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
        made.ip("netns", "delete", made.netns, netns=False)


def test_who_leaves_takes_its_own_flows_along_and_no_others(router: Router) -> None:
    router.spread(1, 2, 3, 4)
    before = router.hops()
    assert len(before) == FLOWS and min(Counter(before).values()) > FLOWS / 8
    router.spread(2, 3, 4)
    after = router.hops()
    moved = [was for was, now in zip(before, after, strict=True) if was != now]
    assert moved and set(moved) == {router.machine(1)}
    assert len(moved) == before.count(router.machine(1))


def test_who_comes_gets_what_nobody_uses(router: Router) -> None:
    router.spread(1, 2)
    before = router.hops()
    router.spread(1, 2, 3)
    # All are in use: `ip route get` counts as that.
    assert router.hops() == before
    until(lambda: router.machine(3) in router.hops(), UNBALANCED_S + IDLE_S + 10)


def test_a_vip_that_nobody_announces_any_more_is_not_routed(router: Router) -> None:
    router.spread(1, 2)
    router.spread()
    assert not re.search(r"\d+ group", router.ip("nexthop", "show"))
    router.spread(2)
    assert set(router.hops()) == {router.machine(2)}
