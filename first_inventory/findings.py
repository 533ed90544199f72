"""What one machine has said of itself and of its network, as values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from typing import NamedTuple

from settings import Mistake
from tasks.machine.survey import SurveyedMachine

# The last line of what files/first_inventory/ask_network.py says.
END = "end"


class HeardRouter(NamedTuple):
    """Somebody who speaks VRRP: where, with which virtual router's number, and who."""

    interface: str
    router_id: int
    source: str


@dataclass(frozen=True)
class MachineDetails:
    """What a survey for a deploy does not ask, since settings say it then.

    clock_s: how far its clock is ahead of the controller's. time_service: "" where none keeps it;
    time_servers: those that it names. port_80: which program listens there, "" for none.
    """

    hostname: str
    clock_s: float
    gateway: str
    gateway_interface: str
    time_service: str
    time_servers: tuple[str, ...]
    port_80: str


@dataclass(frozen=True)
class MachineFindings:
    """All of it. host: as a person named it. ssh_address: the address that SSH connects to, "" if
    it is behind a proxy. heard: None where it could not listen."""

    host: str
    ssh_address: str
    surveyed: SurveyedMachine
    details: MachineDetails
    heard: frozenset[HeardRouter] | None


@dataclass(frozen=True)
class NetworkServices:
    """Which addresses tell a machine the time (with its offset, in seconds), and take its mail."""

    time: dict[str, float] = field(default_factory=dict)
    mail: frozenset[str] = frozenset()


class MachineProblem(Mistake):
    """What keeps a machine from being asked: `where` and `remedy` are all that is said."""

    @classmethod
    def saying(cls, host: str, what: str) -> MachineProblem:
        """One of a machine that says `what`."""
        return cls(host, "", "", what.rstrip("."))

    def __str__(self) -> str:
        return f"{self.where}: {self.remedy}{'' if self.remedy.endswith('?') else '.'}"


def details_of(text: str, now: float) -> MachineDetails:
    """What `MachineDetailsFact` was answered. now: the controller's clock then, in seconds.

    Raises ValueError.
    """
    parts = [part.strip() for part in re.split(r"^@$", text, flags=re.MULTILINE)]
    hostname, routes, service, servers, listening, clock = parts
    # Of several, the one that is used: the lowest metric.
    default = sorted(json.loads(routes or "[]"), key=lambda route: route.get("metric", 0))
    gateway: dict[str, str] = next((each for each in default if each.get("gateway")), {})
    running = re.search(r"service=(\S+)\.service", service)
    program = re.search(r'users:\(\("([^"]+)"', listening)
    return MachineDetails(
        hostname=hostname.split(".")[0],
        clock_s=float(clock) - now,
        gateway=gateway.get("gateway", ""),
        gateway_interface=gateway.get("dev", ""),
        time_service=running[1] if running else "",
        time_servers=tuple(
            dict.fromkeys(each for each in servers.split() if not each.startswith("127."))
        ),
        port_80=program[1] if program else "somebody" if listening else "",
    )


def answered(lines: Iterable[str]) -> list[str] | None:
    """The answers of ask_network.py; None where it did not come to its end."""
    every = list(lines)
    return every[:-1] if every[-1:] == [END] else None


def heard_in(lines: Iterable[str]) -> frozenset[HeardRouter]:
    """The speakers among the answers to "hear"."""
    parts = (line.split() for line in lines)
    return frozenset(HeardRouter(interface, int(number), who) for interface, number, who in parts)


def services_in(lines: Iterable[str]) -> NetworkServices:
    """What serves, of the answers to "serves"."""
    times, mail = {}, set()
    for address, what, *offset in (line.split() for line in lines):
        if what == "time":
            times[address] = float(offset[0])
        else:
            mail.add(address)
    return NetworkServices(times, frozenset(mail))


def own_addresses(machine: SurveyedMachine) -> Iterable[tuple[str, IPv4Interface]]:
    """Its own IPv4 addresses in networks that others can be in: the first of each, since what
    comes later (a VIP) is no machine's own."""
    seen = set()
    for interface, addresses in machine.interfaces.items():
        for address in addresses:
            if not isinstance(address, IPv4Interface) or address.is_loopback:
                continue
            if address.is_link_local or address.network.num_addresses < 4:
                continue
            if (interface, address.network) not in seen:
                seen.add((interface, address.network))
                yield interface, address
