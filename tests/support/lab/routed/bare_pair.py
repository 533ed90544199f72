"""A routed cluster's machines without the machines: namespaces with BIRD, the mesh and its rules.

Each node has a network and a mount namespace, so that BIRD and the hand-over have their own
/etc/bird and /run there. There is no nginx, and no watch: the caller says what is announced.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.gateway import bird
from settings import Cluster, Node
from tasks.bird import bird_configuration
from tasks.handover import forwarding, second_chance
from tests.support import programs

# The script that asks routers, in a pair's directory.
ASK = "ask-router"
# How long the prefixes of the network's own addresses are.
PREFIXES = {4: 16, 6: 64}
SBIN = Path("/usr/sbin")


def _environment() -> dict[str, str]:
    """What BIRD needs, where it is the lab's own."""
    return os.environ | bird.environment()


def sh(*words: object, check: bool = True) -> str:
    done = subprocess.run(
        [str(word) for word in words], env=_environment(), capture_output=True, text=True
    )
    assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


class BarePair:
    """`cluster`'s nodes and routers on one bridge. To be used with `with`."""

    def __init__(self, cluster: Cluster, directory: Path):
        self.cluster, self.directory = cluster, directory
        self.tag = f"barepair{os.getpid()}"
        self._inside: dict[str, tuple[str, ...]] = {}
        self._handovers: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> BarePair:
        assert os.geteuid() == 0, "network namespaces need root"
        bird.ensure()
        with ExitStack() as undo:
            self._undo = undo
            self._build()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def at(self, place: str, *words: object, check: bool = True) -> str:
        """A command's output in a node's or a router's namespaces."""
        return sh(*self._inside[place], *words, check=check)

    def printed(self, place: str, script: str) -> str:
        """What a script prints there, whatever becomes of it."""
        words = [*self._inside[place], "sh", "-c", script]
        return subprocess.run(words, env=_environment(), capture_output=True, text=True).stdout

    def birdc(self, place: str, *command: str) -> str:
        """What BIRD says there; patterns of names are to be in its own quotes."""
        return self.at(place, "birdc", *command)

    def announce(self, node: Node, kind: str = "serves", instead_of: str = "yields") -> None:
        """The watch's part."""
        self.birdc(node.name, "enable", f'"vip_{kind}*"')
        self.birdc(node.name, "disable", f'"vip_{instead_of}*"')

    def change_router(self, name: str, change: Callable[[str], str]) -> None:
        """Have a router's BIRD read its file as it is now, or changed."""
        file = self.directory / name / "bird.conf"
        file.write_text(change(file.read_text()))
        self.birdc(name, "configure")

    def reconfigure(self, node: Node, change: Callable[[str], str] = str) -> None:
        """Have BIRD read its file, as a deploy writes it, or changed."""
        text = change(bird_configuration.configuration(node, self.cluster))
        (self.directory / node.name / "bird.conf").write_text(text)
        self.birdc(node.name, "configure")
        self.announce(node)

    def is_well(self) -> bool:
        """Whether all sessions are there, and every node hears the others in both families."""
        return all(map(self._is_ready, self.cluster.nodes))

    # --- building --------------------------------------------------------------------------

    def _build(self) -> None:
        sh("ip", "netns", "add", f"{self.tag}-lan")
        self._undo.callback(sh, "ip", "netns", "delete", f"{self.tag}-lan")
        lan = ("ip", "-n", f"{self.tag}-lan")
        sh(*lan, "link", "add", "lan", "type", "bridge", "mcast_snooping", 0)
        sh(*lan, "link", "set", "lan", "up")
        routers = self._routers()
        for number, (name, addresses) in enumerate(routers.items(), 1):
            self._wire(name, addresses, 200 + number)
            self._start_router(name, addresses)
        for number, node in enumerate(self.cluster.nodes, 1):
            self._wire(node.name, [str(own) for own in node.own_addresses], 10 + number)
        for node in self.cluster.nodes:
            for version in (4, 6):
                first = next((r for r in node.routers_of(version)), None)
                if first:
                    words = (f"-{version}", "route", "add", "default", "via", first.address)
                    self.at(node.name, "ip", *words)
            self._start_node(node)
        for node in self.cluster.nodes:
            self.announce(node)
        (self.directory / ASK).write_text(self._asking())
        self.until(self.is_well)

    def _asking(self) -> str:
        """A router's `view_command`: its name and the VIP are given."""
        cases = "".join(
            f"{name}) at='{shlex.join(self._inside[name])}' ;;\n" for name in self._routers()
        )
        libraries = " ".join(f"{name}={value}" for name, value in bird.environment().items())
        question = 'show route where net.ip = "$2"'
        return f"case $1 in\n{cases}esac\nexec $at env {libraries} birdc {question}\n"

    def _routers(self) -> dict[str, list[str]]:
        """Names and addresses: a node's n-th router of IPv4 and its n-th of IPv6 are one."""
        node = self.cluster.preferred
        pairs: dict[str, list[str]] = {}
        for version in (4, 6):
            for number, router in enumerate(node.routers_of(version), 1):
                pairs.setdefault(f"router{number}", []).append(str(router.address))
        return pairs

    def _wire(self, name: str, addresses: list[str], number: int) -> None:
        (self.directory / name).mkdir()
        holder = subprocess.Popen(["unshare", "-n", "-m", "-u", "sleep", "infinity"])
        self._undo.callback(holder.wait)
        self._undo.callback(holder.kill)
        self._inside[name] = ("nsenter", "-t", str(holder.pid), "-n", "-m", "-u")
        self.until(
            lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net")
        )
        self.until(lambda: Path(f"/proc/{holder.pid}/comm").read_text() == "sleep\n")
        self.at(name, "hostname", name)
        self.at(name, "mount", "-t", "tmpfs", "tmpfs", "/run")
        # Of this network's interfaces.
        self.at(name, "mount", "-t", "sysfs", "sysfs", "/sys")
        self.at(name, "mount", "--bind", self.directory / name, "/etc/bird")
        self.at(name, "mkdir", "/run/bird", "/run/tandem")
        # Where a machine has it, and the verifier's probes call it.
        place = Path(bird.path("bird")).parent
        if place != SBIN:
            layers = f"lowerdir={place}:{SBIN}"
            self.at(name, "mount", "-t", "overlay", "overlay", "-o", layers, SBIN)
        mac = f"02:00:00:00:00:{number:02x}"
        port = ("peer", "name", "eth0", "address", mac, "netns", str(holder.pid))
        sh("ip", "-n", f"{self.tag}-lan", "link", "add", f"port{number}", "type", "veth", *port)
        sh("ip", "-n", f"{self.tag}-lan", "link", "set", f"port{number}", "master", "lan", "up")
        for device in ("lo", "eth0"):
            self.at(name, "ip", "link", "set", device, "up")
        for address in addresses:
            version = 6 if ":" in address else 4
            more = ["nodad"] if version == 6 else []
            own = f"{address}/{PREFIXES[version]}"
            self.at(name, "ip", "address", "add", own, "dev", "eth0", *more)

    def _start_bird(self, name: str, text: str) -> None:
        (self.directory / name / "bird.conf").write_text(text)
        (self.directory / name / "bird.conf").chmod(0o640)
        # In real time, as its unit has it: a busy host is not to look like a dead router.
        files = ("-c", "/etc/bird/bird.conf", "-s", "/run/bird/bird.ctl")
        self._start(name, "chrt", "--rr", 20, "bird", "-f", *files)
        self.until(lambda: "BIRD" in self.at(name, "birdc", "show", "status", check=False))

    def _start(self, name: str, *words: object) -> subprocess.Popen[bytes]:
        log = (self.directory / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [*self._inside[name], *map(str, words)], env=_environment(), stdout=log, stderr=log
        )
        self._undo.callback(process.wait)
        self._undo.callback(process.terminate)
        return process

    def _start_router(self, name: str, addresses: list[str]) -> None:
        lines = [f"router id {addresses[0]};", "protocol device {}", "protocol bfd {}"]
        for node in self.cluster.nodes:
            for number, router in enumerate(node.routers):
                if str(router.address) not in addresses:
                    continue
                version = router.address.version
                own = node.address if version == 4 else node.address6
                password = router.password.get_secret_value()
                far = router.hops > 1
                timing = f"interval {node.bfd_interval_ms} ms; multiplier {node.bfd_misses};"
                lines += [
                    f"protocol bgp {node.name}_{number} {{",
                    f"    local {router.address} as {router.asn};",
                    f"    neighbor {own} as {node.asn};",
                    f"    multihop {router.hops};" if far else "    ttl security;",
                    "    passive; connect delay time 1; error wait time 1, 2;",
                    f'    password "{password}";' if password else "",
                    f"    bfd {{ {timing} }};" if router.bfd else "",
                    f"    ipv{version} {{ import all; export none; }};",
                    "}",
                ]
        self._start_bird(name, "\n".join(lines) + "\n")

    def _start_node(self, node: Node) -> None:
        self._start_bird(node.name, bird_configuration.configuration(node, self.cluster))
        own = self.directory / node.name
        rules = own / "handover.nft"
        rules.write_text(second_chance.rules(node, self.cluster))
        paths = {
            forwarding.PROGRAM: str(programs.placed("handover/handover", own)),
            forwarding.TABLES: str(rules),
        }
        for file, value in {"failed": 0, "last-resort": 0, "announced": 1}.items():
            self.at(node.name, "sh", "-c", f"echo {value} >/run/tandem/{file}")
        words = shlex.split(second_chance.command(node, self.cluster))
        words = [paths.get(word, word) for word in words]
        self._handovers[node.name] = self._start(node.name, *words, "--directory", own)

    @contextmanager
    def handover_stands_still(self, name: str) -> Iterator[None]:
        """It mends nothing meanwhile."""
        self._handovers[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._handovers[name].send_signal(signal.SIGCONT)

    # --- looking ---------------------------------------------------------------------------

    def _is_ready(self, node: Node) -> bool:
        shown = self.birdc(node.name, "show", "protocols")
        heard = [
            self.at(node.name, "nft", "list", "table", family, "tandem_handover", check=False)
            for family in ("ip", "ip6")
        ]
        established = shown.count("Established") == len(node.routers)
        return established and all("serves_" in text and "expires" in text for text in heard)

    def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it does not become so"
            time.sleep(0.1)
