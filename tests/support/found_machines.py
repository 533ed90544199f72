"""AskableMachines that a first inventory has asked: what they have said, without any machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from first_inventory.findings import (
    HeardRouter,
    MachineDetails,
    MachineFindings,
    NetworkServices,
)
from first_inventory.machine_questions import NotAsked
from first_inventory.shared_networks import SharedNetwork
from settings import Mistake
from tasks.machine.survey import parse_survey
from tests.support import fakes

GATEWAY = "10.20.0.1"


def found(
    host: str = "10.20.0.11",
    *own: str,
    hostname: str = "",
    interface: str = "ens18",
    heard: Iterable[HeardRouter] | None = (),
    clock_s: float = 0.0,
    time_service: str = "chrony",
    time_servers: Sequence[str] = (),
    port_80: str = "",
    foreign_nginx: bool = False,
    **surveyed: Any,
) -> MachineFindings:
    """A machine that has `own` ("INTERFACE ADDRESS/PREFIX"), or else the address `host` in a /24.

    surveyed: what tests.support.fakes.survey takes beside addresses.
    """
    text = fakes.survey(**surveyed).split("\n@\n")
    links: dict[str, list[dict[str, Any]]] = {"lo": [_address("127.0.0.1/8")]}
    for place in own or (f"{interface} {host}/24",):
        name, _, address = place.partition(" ")
        links.setdefault(name, []).append(_address(address))
    text[9] = json.dumps([{"ifname": name, "addr_info": each} for name, each in links.items()])
    text[7] = "/usr/sbin/nginx" if foreign_nginx else ""
    machine = parse_survey("\n@\n".join(text))
    details = MachineDetails(
        hostname=hostname or f"machine-{host.rpartition('.')[2]}",
        clock_s=clock_s,
        gateway=GATEWAY,
        gateway_interface=interface,
        time_service=time_service,
        time_servers=tuple(time_servers),
        port_80=port_80,
    )
    ssh_address = host if host[0].isdigit() else ""
    return MachineFindings(
        host, ssh_address, machine, details, None if heard is None else frozenset(heard)
    )


def _address(text: str) -> dict[str, Any]:
    local, _, prefix = text.partition("/")
    return {"family": "inet", "local": local, "prefixlen": int(prefix)}


def pair(**both: Any) -> list[MachineFindings]:
    """Two machines of 10.20.0.0/24, alike."""
    return [found("10.20.0.11", **both), found("10.20.0.12", **both)]


class PretendedNetwork:
    """What `machine_questions.AskedMachines` would be, of these machines.

    taken: the MAC of each address that somebody else has. services: of every machine.
    """

    def __init__(
        self,
        machines: Sequence[MachineFindings],
        *,
        taken: Mapping[str, str] | None = None,
        services: NetworkServices | None = None,
        refuses: Sequence[Mistake] = (),
    ):
        self.machines = list(machines)
        self.taken = dict(taken or {})
        self.serving = services or NetworkServices({GATEWAY: 0.0}, frozenset({GATEWAY}))
        self.refuses = refuses
        self.login: Mapping[str, Any] = {}

    def __call__(self, names: Sequence[str], login: Mapping[str, Any]) -> PretendedNetwork:
        self.login = dict(login)
        assert [machine.host for machine in self.machines] == list(names)
        return self

    def __enter__(self) -> PretendedNetwork:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def connect(self) -> None:
        if self.refuses:
            raise NotAsked(self.refuses)

    def ask_all(self, listen_s: float) -> list[MachineFindings]:
        return self.machines

    def owners(
        self, network: SharedNetwork, addresses: Iterable[IPv4Address]
    ) -> dict[str, dict[str, str]]:
        every = {str(each) for each in addresses}
        others = {str(own.ip): f"02:{host}" for host, (_, own) in network.places.items()}
        others |= {address: mac for address, mac in self.taken.items() if address in every}
        return {
            host: {address: mac for address, mac in others.items() if address != str(own.ip)}
            for host, (_, own) in network.places.items()
        }

    def services(self, addresses: Sequence[str]) -> dict[str, NetworkServices]:
        times = {each: off for each, off in self.serving.time.items() if each in addresses}
        found = NetworkServices(times, self.serving.mail & set(addresses))
        return {machine.host: found for machine in self.machines}
