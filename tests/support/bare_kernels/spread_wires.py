"""Nodes that all have the address, behind a router that spreads connections over some of them.

As in `wires.py`: namespaces on a bridge, each with the hand-over's program and an echo. The test is
the router's mind: it says which nodes are next hops.
"""

from __future__ import annotations

import re
import shlex
import socket
import struct
from collections.abc import Iterable
from ipaddress import ip_interface
from itertools import permutations
from pathlib import Path
from typing import Any

from settings import Cluster
from settings.network import mesh_addresses
from tasks.handover import forwarding, second_chance
from tests.support import programs
from tests.support.bare_kernels.wires import Wires, inside, sh
from tests.support.clients.segments import ACK, PORT, checksum, segment

VIP, VIP6 = "10.62.0.80", "fd62:9::80"
SOURCES = tuple(f"10.63.0.{host}" for host in range(2, 34))
ROUTER_MAC = "02:00:00:00:00:01"


class SpreadWires(Wires):
    """`count` nodes, all of them next hops at first; a client behind the router."""

    vips = (VIP, VIP6)
    clients = (SOURCES[0], "fd63:9::2")

    def __init__(self, count: int, directory: Path, **settings_: Any):
        super().__init__(count, directory, **settings_)
        vips = {"vip": ip_interface(f"{VIP}/32"), "vip6": ip_interface(f"{VIP6}/128")}
        nodes = tuple(node.model_copy(update=vips) for node in self.cluster.nodes)
        self.cluster = Cluster(name=self.cluster.name, nodes=nodes)

    @property
    def places(self) -> range:
        return range(1, len(self.cluster.nodes) + 1)

    def _build(self) -> None:
        for netns in ("lan", "router", "client"):
            sh("ip", "netns", "add", self.netns(netns))
            self.ip(netns, "link", "set", "lo", "up")
        self.ip("lan", "link", "add", "lan", "type", "bridge", "mcast_snooping", 0)
        self.ip("lan", "link", "set", "lan", "up")
        self._wire_router()
        for place in self.places:
            sh("ip", "netns", "add", self.netns(place))
            self.ip(place, "link", "set", "lo", "up")
            self.wire(place)
        for place in self.places:
            self.start_echo(place, PORT)
            self.start_program(place)
        handover = self.node(1).handover
        for place in self.places:
            self.until(lambda place=place: self.on_lo(place) == [*self.vips])
            self.until(lambda place=place: not handover or self._is_heard(place))
        for place in self.places:
            self.spread([place])
            for vip in self.vips:
                self.until(lambda vip=vip: self._answers(vip), 20)
        self.spread(self.places)

    def _answers(self, vip: str) -> bool:
        """Whether a client is answered: who looks for a neighbour for the first time may do so for
        a second, in which the client asks again, and the router may have chosen another node."""
        try:
            return bool(self.connect(vip).ask())
        except OSError:
            return False

    def _is_heard(self, place: int) -> bool:
        return self.hears(place % len(self.cluster.nodes) + 1, place)

    def wire(self, place: int | str) -> None:
        super().wire(place)
        self.ip(place, "route", "add", "default", "via", "10.61.0.1")
        self.ip(place, "-6", "route", "add", "default", "via", "fd61:9::1")

    def _wire_router(self) -> None:
        peer = ("peer", "name", "eth0", "address", ROUTER_MAC, "netns", self.netns("router"))
        self.ip("lan", "link", "add", "portrouter", "type", "veth", *peer)
        self.ip("lan", "link", "set", "portrouter", "master", "lan", "up")
        outside = ("type", "veth", "peer", "name", "eth0", "netns", self.netns("client"))
        self.ip("router", "link", "add", "outside", *outside)
        for device, *addresses in (
            ("eth0", "10.61.0.1/24", "fd61:9::1/64"),
            ("outside", "10.63.0.1/24", "fd63:9::1/64"),
        ):
            self._address("router", device, *addresses)
        self._address("client", "eth0", *(f"{source}/24" for source in SOURCES), "fd63:9::2/64")
        self.ip("client", "route", "add", "default", "via", "10.63.0.1", "src", SOURCES[0])
        self.ip("client", "-6", "route", "add", "default", "via", "fd63:9::1")
        for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            self.at("router", "sysctl", "-qw", f"net.{name}=1")
        for family in ("ipv4", "ipv6"):
            # By addresses and ports.
            self.at("router", "sysctl", "-qw", f"net.{family}.fib_multipath_hash_policy=1")

    def _address(self, netns: str, device: str, *addresses: str) -> None:
        self.ip(netns, "link", "set", device, "up")
        for address in addresses:
            nodad = ("nodad",) if ":" in address else ()
            self.ip(netns, "address", "add", address, "dev", device, *nodad)

    def program(self, place: int) -> list[str]:
        own = self.directory / str(place)
        own.mkdir(exist_ok=True)
        self.serves(place)
        rules = own / "handover.nft"
        rules.write_text(second_chance.rules(self.node(place), self.cluster))
        clients = own / "clients.nft"
        clients.write_text(second_chance.client_rules(self.node(place), self.cluster))
        words = shlex.split(second_chance.command(self.node(place), self.cluster))
        paths = {
            second_chance.CLIENTS: str(clients),
            forwarding.PROGRAM: str(programs.placed("handover/handover", own)),
            forwarding.TABLES: str(rules),
        }
        more = ["--directory", str(own)]
        for name in ("failed", "announced", "drained"):
            more += [f"--{name}", str(own / name)]
        return [*(paths.get(word, word) for word in words), *more]

    # --- doing -----------------------------------------------------------------------------

    def serves(self, place: int, it_does: bool = True) -> None:
        """The watch's part: whether a node may get new connections."""
        for file, value in {"failed": not it_does, "announced": it_does}.items():
            (self.directory / str(place) / file).write_text(f"{int(value)}\n")

    def end(self, place: int, name: str) -> None:
        """As systemd ends it, where `stop` has it killed."""
        process = self.processes.pop((place, name))
        process.terminate()
        process.wait(timeout=10)

    def spread(self, places: Iterable[int]) -> None:
        """From now on the router has these next hops."""
        places = tuple(places)
        for family, vip, network in (("-4", VIP, "10.61.0."), ("-6", VIP6, "fd61:9::")):
            hops = (("nexthop", "via", f"{network}{10 + place}") for place in places)
            words = [word for hop in hops for word in hop]
            self.ip("router", family, "route", "replace", vip, *words)

    def as_at_first(self) -> None:
        """All cables are in, all nodes serve, and all are next hops."""
        for talk in self.talks:
            talk.close()
        self.talks.clear()
        for place in self.places:
            self.ip("lan", "link", "set", f"port{place}", "up")
            if (place, f"echo{PORT}") not in self.processes:
                self.start_echo(place, PORT)
            self.serves(place)
        self.spread(self.places)

    def say_yes(self, netns: int | str, target: int, port: int) -> None:
        """Say to a node, in node 1's name, that it knows what comes from a client's port."""
        cards = (mesh_addresses.mac(self.node(place).address) for place in (target, 1))
        frame = b"".join(bytes.fromhex(card.replace(":", "")) for card in cards) + b"\x08\x00"
        tcp = segment(self.clients[0], VIP, ACK, port)
        tos = second_chance.WORDS["yes"] << 2
        fields = (0x45, tos, 20 + len(tcp), 1, 0, 64, socket.IPPROTO_TCP)
        ends = socket.inet_aton(self.clients[0]) + socket.inet_aton(VIP)
        head = struct.pack("!BBHHHBB", *fields)
        head += struct.pack("!H", checksum(head + b"\x00\x00" + ends)) + ends
        vxlan = struct.pack("!II", 0x08 << 24, mesh_addresses.VNI << 8)
        own = str(self.node(target).address)
        with inside(self.netns(netns)), socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(vxlan + frame + head + tcp, (own, mesh_addresses.UDP_PORT))

    # --- looking ---------------------------------------------------------------------------

    def hears(self, place: int, other: int) -> bool:
        """Whether a node hears of another one that it serves, in both families."""
        shown = (
            self.at(place, "nft", "list", "table", family, "tandem_handover", check=False)
            for family in ("ip", "ip6")
        )
        return all(re.search(rf"set serves_{other} {{[^}}]*elements", text) for text in shown)

    def all_hear(self) -> bool:
        """Whether every node hears of every other one that it serves."""
        return all(self.hears(place, other) for place, other in permutations(self.places, 2))

    def mesh_segments(self) -> int:
        """How many segments nodes have sent each other so far, and their beats."""
        shown = (self.ip(place, "-s", "link", "show", "tandem") for place in self.places)
        return sum(int(text.split("TX:")[1].splitlines()[1].split()[1]) for text in shown)
