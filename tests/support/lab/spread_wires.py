"""Nodes that all have the address, behind a router that spreads connections over some of them.

As in `wires.py`: namespaces on a bridge, each with the hand-over's program and an echo. The test is
the router's mind: it says which nodes are next hops.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterable
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from settings import Cluster
from tasks.handover import second_chance
from tests.support import programs
from tests.support.clients.echo import Conversation
from tests.support.lab.wires import Wires, inside

VIP, VIP6 = "10.62.0.80", "fd62:9::80"


class SpreadWires(Wires):
    """`count` nodes, all of them next hops at first; a client two hops away."""

    def __init__(self, count: int, directory: Path, **settings_: Any):
        super().__init__(count, directory, **settings_)
        vips = {"vip": ip_interface(f"{VIP}/32"), "vip6": ip_interface(f"{VIP6}/128")}
        nodes = tuple(node.model_copy(update=vips) for node in self.cluster.nodes)
        self.cluster = Cluster(name=self.cluster.name, nodes=nodes)

    @property
    def places(self) -> range:
        return range(1, len(self.cluster.nodes) + 1)

    def _build(self) -> None:
        """The router has the address that nodes know as the client's; the client is behind it."""
        from tests.support.lab.wires import PORT, sh

        sh("ip", "netns", "add", self.netns("lan"))
        self.ip("lan", "link", "add", "lan", "type", "bridge", "mcast_snooping", 0)
        self.ip("lan", "link", "set", "lan", "up")
        sh("ip", "netns", "add", self.netns("client"))
        for place in ("router", *self.places):
            sh("ip", "netns", "add", self.netns(place))
            self.ip(place, "link", "set", "lo", "up")
            self.wire(place)
        self._route()
        for place in self.places:
            self.ip(place, "route", "add", "default", "via", "10.61.0.1")
            self.ip(place, "-6", "route", "add", "default", "via", "fd61:9::1")
            self.start_echo(place, PORT)
            self.start_program(place)
            (self.directory / str(place) / "failed").write_text("0\n")
        for place in self.places:
            self.until(lambda place=place: self.on_lo(place) == [VIP, VIP6])
            self.until(lambda place=place: "goto mesh" in self.table(place) or not self.node(1).handover)
        self.spread(self.places)

    def _route(self) -> None:
        """Between the client and the nodes, as routers spread flows: by addresses and ports."""
        self.ip("client", "link", "set", "lo", "up")
        peer = ("peer", "name", "eth0", "netns", self.netns("client"))
        self.ip("router", "link", "add", "outside", "type", "veth", *peer)
        self.ip("router", "link", "set", "outside", "up")
        self.ip("client", "link", "set", "eth0", "up")
        for number in range(1, 33):
            self.ip("client", "address", "add", f"10.63.0.{number + 1}/24", "dev", "eth0")
        self.ip("client", "address", "add", "fd63:9::2/64", "dev", "eth0", "nodad")
        self.ip("router", "address", "add", "10.63.0.1/24", "dev", "outside")
        self.ip("router", "address", "add", "fd63:9::1/64", "dev", "outside", "nodad")
        self.ip("client", "route", "add", "default", "via", "10.63.0.1")
        self.ip("client", "-6", "route", "add", "default", "via", "fd63:9::1")
        for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            self.at("router", "sysctl", "-qw", f"net.{name}=1")
        for family in ("ipv4", "ipv6"):
            self.at("router", "sysctl", "-qw", f"net.{family}.fib_multipath_hash_policy=1")

    def wire(self, place: int | str) -> None:
        # (What is the client's there is the router's here.)
        port_of = {"router": "client"}
        super().wire(place) if place not in port_of else self._wire_router()

    def _wire_router(self) -> None:
        port = ("peer", "name", "eth0", "address", "02:00:00:00:00:01", "netns", self.netns("router"))
        self.ip("lan", "link", "add", "portrouter", "type", "veth", *port)
        self.ip("lan", "link", "set", "portrouter", "master", "lan", "up")
        self.ip("router", "link", "set", "eth0", "up")
        self.ip("router", "address", "add", "10.61.0.1/24", "dev", "eth0")
        self.ip("router", "address", "add", "fd61:9::1/64", "dev", "eth0", "nodad")

    def _remove(self) -> None:
        super()._remove()
        from tests.support.lab.wires import sh

        sh("ip", "netns", "delete", self.netns("router"), check=False)

    def program(self, place: int) -> list[str]:
        own = self.directory / str(place)
        own.mkdir(exist_ok=True)
        rules = own / "handover.nft"
        rules.write_text(second_chance.rules(self.node(place), self.cluster))
        words = shlex.split(second_chance.command(self.node(place), self.cluster))
        paths = {
            second_chance.PROGRAM: str(programs.placed("handover/handover", own)),
            second_chance.TABLES: str(rules),
        }
        more = ["--directory", str(own), "--failed", str(own / "failed")]
        more += ["--drained", str(own / "drained")]
        return [*(paths.get(word, word) for word in words), *more]

    def spread(self, places: Iterable[int]) -> None:
        """From now on the router has these next hops."""
        hops = [("nexthop", "via", f"10.61.0.{10 + place}") for place in places]
        hops6 = [("nexthop", "via", f"fd61:9::{10 + place}") for place in places]
        self.ip("router", "route", "replace", VIP, *(word for hop in hops for word in hop))
        self.ip("router", "-6", "route", "replace", VIP6, *(word for hop in hops6 for word in hop))

    def connect(
        self, address: str = VIP, port: int = 80, own_port: int = 0, source: str = ""
    ) -> Conversation:
        own = (source or ("::" if ":" in address else "0.0.0.0"), own_port)
        with inside(self.netns("client")):
            talk = Conversation(socket.create_connection((address, port), 2, own))
        self.talks.append(talk)
        return talk

    def on_lo(self, place: int) -> list[str]:
        shown = self.ip(place, "-o", "address", "show", "dev", "lo")
        return [vip for vip in (VIP, VIP6) if f" {vip}/" in shown]
