"""Nodes without machines: namespaces on a bridge, each with the hand-over's program and an echo.

Booting guests takes seconds and this takes a tenth of one, so that every way a segment may take
can be tried, and as many nodes as one likes. Nothing here but the kernel is asked what it does.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import shlex
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import settings
from settings import Cluster, Node
from tasks.handover import forwarding
from tests.support import fakes, programs
from tests.support.clients.echo import ECHO, Conversation
from tests.support.clients.segments import ACK, ETH_P_ALL, PORT, Sniffer, checksum, segment

VIP, VIP6 = "10.61.0.254", "fd61:9::254"
CLIENT, CLIENT6 = "10.61.0.1", "fd61:9::1"
_CLONE_NEWNET = 0x40000000
_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


def sh(*words: object, check: bool = True) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert not check or done.returncode == 0, (words, done.stderr)
    return done.stdout


@contextmanager
def inside(netns: str) -> Iterator[None]:
    """This thread in another network namespace: sockets that are made here belong to it."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        assert _libc.setns(there, _CLONE_NEWNET) == 0
        yield
    finally:
        assert _libc.setns(here, _CLONE_NEWNET) == 0
        os.close(here)
        os.close(there)


class Wires:
    """`count` nodes and a client on one bridge; node 1 holds the addresses at first."""

    vips = (VIP, VIP6)
    clients = (CLIENT, CLIENT6)

    def __init__(self, count: int, directory: Path, **settings_: Any):
        self.tag = f"wires{os.getpid()}x{next(_numbers)}"
        self.directory = directory
        self.cluster = _cluster(count, settings_)
        self.talks: list[Conversation] = []
        self.processes: dict[tuple[int, str], subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        assert os.geteuid() == 0, "network namespaces need root: make test-all asks for it"
        self._stack = ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove)
            self._build()
            self._stack = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- building --------------------------------------------------------------------------

    def netns(self, place: int | str) -> str:
        return f"{self.tag}-{place}"

    def node(self, place: int) -> Node:
        return self.cluster.nodes[place - 1]

    def ip(self, place: int | str, *words: object, check: bool = True) -> str:
        return sh("ip", "-n", self.netns(place), *words, check=check)

    def at(self, place: int | str, *words: object, check: bool = True) -> str:
        """A command's output in a namespace."""
        return sh("ip", "netns", "exec", self.netns(place), *words, check=check)

    def _build(self) -> None:
        sh("ip", "netns", "add", self.netns("lan"))
        self.ip("lan", "link", "add", "lan", "type", "bridge", "mcast_snooping", 0)
        self.ip("lan", "link", "set", "lan", "up")
        for place in ("client", *range(1, len(self.cluster.nodes) + 1)):
            sh("ip", "netns", "add", self.netns(place))
            self.ip(place, "link", "set", "lo", "up")
            self.wire(place)
        for place in range(1, len(self.cluster.nodes) + 1):
            self.start_echo(place, PORT)
        self.give(1)
        for place in range(1, len(self.cluster.nodes) + 1):
            self.start_program(place)
        self.until(lambda: self.on_lo(1) == [*self.vips] or not self.node(1).handover)
        if self.node(1).handover:
            for place in range(1, len(self.cluster.nodes) + 1):
                self.until(lambda place=place: self.table(place) != "")
        time.sleep(0.7)  # what the tables take for granted at first is over

    def wire(self, place: int | str) -> None:
        """Make the interface of a node, or of the client, and give it its own addresses."""
        mac = f"02:00:00:00:00:{1 if place == 'client' else 10 + int(place):02x}"
        port = ("peer", "name", "eth0", "address", mac, "netns", self.netns(place))
        self.ip("lan", "link", "add", f"port{place}", "type", "veth", *port)
        self.ip("lan", "link", "set", f"port{place}", "master", "lan", "up")
        self.ip(place, "link", "set", "eth0", "up")
        host = 1 if place == "client" else 10 + int(place)
        self.ip(place, "address", "add", f"10.61.0.{host}/24", "dev", "eth0")
        self.ip(place, "address", "add", f"fd61:9::{host}/64", "dev", "eth0", "nodad")

    def unwire(self, place: int | str) -> None:
        """Delete the interface, with all that it has."""
        self.ip("lan", "link", "delete", f"port{place}")

    def _remove(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        for netns in sh("ip", "netns", "list").split():
            if netns.startswith(f"{self.tag}-"):
                sh("ip", "netns", "delete", netns)

    # --- doing -----------------------------------------------------------------------------

    def start(self, place: int, name: str, words: list[str]) -> None:
        command = ["ip", "netns", "exec", self.netns(place), *words]
        self.processes[place, name] = subprocess.Popen(command, text=True)

    def start_echo(self, place: int, port: int) -> None:
        echo = [sys.executable, "-c", ECHO, f"node{place}", str(port)]
        self.start(place, f"echo{port}", echo)
        self.until(lambda: f"[::]:{port} " in self.at(place, "ss", "-Hltn"))

    def stop(self, place: int, name: str) -> None:
        process = self.processes.pop((place, name))
        process.kill()
        process.wait()

    def program(self, place: int) -> list[str]:
        """The program's command line, as the unit has it but for its paths."""
        own = self.directory / str(place)
        own.mkdir(exist_ok=True)
        rules = own / "handover.nft"
        rules.write_text(forwarding.rules(self.node(place), self.cluster))
        words = shlex.split(forwarding.command(self.node(place), self.cluster))
        paths = {
            forwarding.PROGRAM: str(programs.placed("handover/handover", own)),
            forwarding.TABLES: str(rules),
        }
        return [*(paths.get(word, word) for word in words), "--directory", str(own)]

    def start_program(self, place: int) -> None:
        self.start(place, "handover", self.program(place))

    def give(self, place: int) -> None:
        """The holder's part of keepalived: have the addresses, and everybody knows it."""
        self.ip(place, "address", "add", f"{VIP}/24", "dev", "eth0", "label", "eth0:0")
        self.ip(place, "address", "add", f"{VIP6}/64", "dev", "eth0", "nodad", "preferred_lft", 0)
        for other in ("client", *range(1, len(self.cluster.nodes) + 1)):
            self.ip(other, "neighbour", "flush", "dev", "eth0", "to", VIP)
            self.ip(other, "neighbour", "flush", "dev", "eth0", "to", VIP6)

    def take(self, place: int) -> None:
        self.ip(place, "address", "delete", f"{VIP}/24", "dev", "eth0")
        self.ip(place, "address", "delete", f"{VIP6}/64", "dev", "eth0")

    def move(self, source: int, target: int) -> None:
        self.take(source)
        self.give(target)

    def client_believes(self, address: str, place: int) -> None:
        """The client has this node's MAC for the address, until the next `give`."""
        shown = self.ip(place, "-o", "link", "show", "dev", "eth0")
        mac = shown.partition("link/ether ")[2].split()[0]
        entry = (address, "lladdr", mac, "dev", "eth0", "nud", "reachable")
        self.ip("client", "neighbour", "replace", *entry)

    def as_at_first(self) -> None:
        """Node 1 holds the addresses, nobody else carries, every cable is in."""
        for talk in self.talks:
            talk.close()
        self.talks.clear()
        for place in range(1, len(self.cluster.nodes) + 1):
            self.ip("lan", "link", "set", f"port{place}", "up")
            for prefix in (f"{VIP}/24", f"{VIP6}/64"):
                self.ip(place, "address", "delete", prefix, "dev", "eth0", check=False)
            if (place, f"echo{PORT}") not in self.processes:
                self.start_echo(place, PORT)
        self.give(1)
        for place in range(2, len(self.cluster.nodes) + 1):
            self.until(lambda place=place: self.on_lo(place) == [])
        time.sleep(0.7)

    def unplug(self, place: int) -> None:
        self.ip("lan", "link", "set", f"port{place}", "down")

    def connect(
        self, address: str = "", port: int = PORT, own_port: int = 0, source: str = ""
    ) -> Conversation:
        address = address or self.vips[0]
        own = (source or ("::" if ":" in address else "0.0.0.0"), own_port)
        with inside(self.netns("client")):
            talk = Conversation(socket.create_connection((address, port), 2, own))
        self.talks.append(talk)
        return talk

    def send(self, target: str, flags: int, port: int = 45678) -> None:
        """A stray segment from the client."""
        source = self.clients[":" in target]
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with (
            inside(self.netns("client")),
            socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw,
        ):
            raw.sendto(segment(source, target, flags, port), (target, 0))

    def send_too_big(self, vip: str, port: int) -> None:
        """A router's word that the VIP's segments to this port of the client do not fit."""
        client = self.clients[":" in vip]
        tcp = struct.pack("!HHIIBBHHH", PORT, port, 1000, 2000, 5 << 4, ACK, 1024, 0, 0)
        if ":" in vip:
            head = struct.pack("!IHBB", 6 << 28, len(tcp), socket.IPPROTO_TCP, 64)
            head += socket.inet_pton(socket.AF_INET6, vip)
            head += socket.inet_pton(socket.AF_INET6, client)
            family, protocol, word = socket.AF_INET6, socket.IPPROTO_ICMPV6, (2, 0, 0, 1300)
        else:
            fields = (0x45, 0, 20 + len(tcp), 1, 0x4000, 64, socket.IPPROTO_TCP, 0)
            head = struct.pack("!BBHHHBBH", *fields)
            head += socket.inet_aton(vip) + socket.inet_aton(client)
            family, protocol, word = socket.AF_INET, socket.IPPROTO_ICMP, (3, 4, 0, 1300)
        message = struct.pack("!BBHI", *word) + head + tcp
        if ":" not in vip:  # for IPv6 the kernel does it
            message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        with inside(self.netns("client")), socket.socket(family, socket.SOCK_RAW, protocol) as raw:
            raw.sendto(message, (vip, 0))

    @contextmanager
    def sniffer(self) -> Iterator[Sniffer]:
        """Listens to every cable until it is left."""
        with inside(self.netns("lan")):
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        with tap:
            yield Sniffer(tap)

    # --- looking ---------------------------------------------------------------------------

    def on_lo(self, place: int) -> list[str]:
        shown = self.ip(place, "-o", "address", "show", "dev", "lo")
        return [vip for vip in self.vips if f" {vip}/" in shown]

    def table(self, place: int) -> str:
        return self.at(place, "nft", "list", "ruleset", check=False)

    def carriers(self, place: int, address: str) -> set[int]:
        """Whom a node believes to carry the address."""
        family = "ip6" if ":" in address else "ip"
        shown = self.at(place, "nft", "list", "table", family, "tandem_handover")
        sets = re.findall(r"set carries_(\d+) \{(.*?)\n\t\}", shown, re.DOTALL)
        return {int(number) for number, text in sets if "elements" in text}

    @staticmethod
    def until(condition: Any, seconds: float = 5.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.02)


def _cluster(count: int, settings_: dict[str, Any]) -> Cluster:
    hosts = {
        f"@fake/host{place}": {
            "ssh_hostname": f"10.61.0.{10 + place}",
            "address6": f"fd61:9::{10 + place}",
            "priority": 200 - place,
            "page": f"node{place}",
        }
        for place in range(1, count + 1)
    }
    group = {"vip": f"{VIP}/24", "vip6": f"{VIP6}/64"} | settings_
    (cluster,) = settings.load(fakes.inventory(hosts, group))
    return cluster
