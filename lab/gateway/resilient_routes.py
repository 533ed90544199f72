"""Keeps flows where they are when a router's set of next hops changes: resilient nexthop groups.

Runs in a router's namespace, beside its BIRD, which knows no such groups:

    python -m lab.gateway.resilient_routes [clear]

To each of BIRD's routes it adds one that is preferred, to a group with a table of buckets
(docs.kernel.org, networking/nexthop-group-resilient). Of a next hop that leaves, the buckets alone
are given to others; one that comes gets those that nobody has used for a while.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

# For each VIP. A next hop more than this has no bucket.
BUCKETS = 128
# A bucket in which nothing was sent for so long may be given to a next hop that has come; and after
# so long without its share that one gets others, too.
IDLE_S, UNBALANCED_S = 2, 10
# By its number `ip route` tells these routes from BIRD's (12, "bird"); the lower metric is taken.
PROTOCOL, METRIC = 71, 1
# Whatever no notice was had of is seen by then.
LOOK_S = 1.0

# By VIP, the next hops: address and interface.
Routes = dict[str, frozenset[tuple[str, str]]]


def routes_of(shown: list[dict[str, Any]]) -> Routes:
    """Those that `ip -j route show` has named, with a next hop at least."""
    found: Routes = {}
    for route in shown:
        hops = route.get("nexthops", [route])
        # A next hop of the other family is named "via".
        named = frozenset((hop["gateway"], hop["dev"]) for hop in hops if "gateway" in hop)
        if named:
            found[route["dst"]] = named
    return found


class Groups:
    """The groups as the kernel has them, by the commands that it was given."""

    def __init__(self) -> None:
        self.routes: Routes = {}
        self._numbers: dict[object, int] = {}

    def become(self, wanted: Mapping[str, frozenset[tuple[str, str]]]) -> list[str]:
        """What `ip -batch` has to do, in this order."""
        commands = [*self._changes(dict(wanted))]
        self.routes = dict(wanted)
        return commands

    def _changes(self, wanted: Routes) -> Iterator[str]:
        before, after = (
            {hop for hops in routes.values() for hop in hops} for routes in (self.routes, wanted)
        )
        for vip in sorted(self.routes.keys() - wanted.keys()):
            yield f"route del {vip} proto {PROTOCOL} metric {METRIC}"
            yield f"nexthop del id {self._number(vip)}"
        for address, interface in sorted(after - before):
            number = self._number((address, interface))
            yield f"nexthop replace id {number} via {address} dev {interface}"
        for vip, hops in sorted(wanted.items()):
            if self.routes.get(vip) == hops:
                continue
            members = "/".join(str(self._number(hop)) for hop in sorted(hops))
            yield (
                f"nexthop replace id {self._number(vip)} group {members} type resilient "
                f"buckets {BUCKETS} idle_timer {IDLE_S} unbalanced_timer {UNBALANCED_S}"
            )
            number = self._number(vip)
            yield f"route replace {vip} nhid {number} proto {PROTOCOL} metric {METRIC}"
        for hop in sorted(before - after):
            yield f"nexthop del id {self._number(hop)}"

    def _number(self, of: object) -> int:
        return self._numbers.setdefault(of, len(self._numbers) + 1)


def _ip(*words: str, stdin: str = "") -> str:
    done = subprocess.run(["ip", *words], input=stdin, text=True, capture_output=True)
    if done.returncode:
        print(f"ip {' '.join(words)}: {done.stderr.strip()}", flush=True)
    return done.stdout


def clear() -> None:
    """Leave BIRD's own routes alone."""
    for family in ("-4", "-6"):
        _ip(family, "route", "flush", "proto", str(PROTOCOL))
    _ip("nexthop", "flush")


def follow() -> None:
    """Follow BIRD's routes until it is killed."""
    groups = Groups()
    with subprocess.Popen(["ip", "-o", "monitor", "route"], stdout=subprocess.PIPE) as monitor:
        assert monitor.stdout
        while monitor.poll() is None:
            shown = [
                route
                for family in ("-4", "-6")
                for route in json.loads(_ip("-j", family, "route", "show", "proto", "bird") or "[]")
            ]
            if commands := groups.become(routes_of(shown)):
                _ip("-force", "-batch", "-", stdin="\n".join(commands))
            if select.select([monitor.stdout], [], [], LOOK_S)[0]:
                os.read(
                    monitor.stdout.fileno(), 65536
                )  # which routes does not matter: all are looked at


if __name__ == "__main__":
    clear()
    if sys.argv[1:] != ["clear"]:
        follow()
