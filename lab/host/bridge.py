"""The lab's networks: a namespace with a bridge for each, and a veth pair to every machine there.

Interfaces are created inside the namespaces and never appear on the host, so that the lab's
addresses exist nowhere else. machine.sh creates a machine's cards at each boot.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.host.process import run
from lab.plan import Card, LabMachine, LabPlan

NAMESPACES = Path("/run/netns")
# Locally administered: no real card has one. A bridge's place among all follows.
GATEWAY_MACS = "02:00:00:00:00"


def exists(netns: str) -> bool:
    return (NAMESPACES / netns).exists()


def inside(netns: str) -> tuple[str, ...]:
    """The command prefix that enters the network namespace."""
    return ("nsenter", f"--net={NAMESPACES / netns}", "--")


def create_gateway(plan: LabPlan) -> None:
    """Create the gateway's namespace with the bridges and its addresses; it has no other link."""
    netns = plan.gateway_netns
    run(["ip", "netns", "add", netns])
    commands = ["link set lo up"]
    for number, network in enumerate(plan.networks, start=1):
        bridge = network.bridge
        # No snooping: it would filter multicast. A fixed MAC address: by default a bridge takes
        # its lowest port's, which changes with each boot; machines keep the old one for seconds.
        commands += [
            f"link add {bridge} address {GATEWAY_MACS}:{number:02x} type bridge stp_state 0 "
            "forward_delay 0 mcast_snooping 0",
            *(
                f"address add {address} dev {bridge}{' nodad' if ':' in address else ''}"
                for address in network.gateway_addresses
            ),
            f"link set {bridge} up",
        ]
    run(["ip", "-n", netns, "-batch", "-"], stdin="\n".join(commands))


def set_port(plan: LabPlan, card: Card, state: str) -> None:
    """Set the bridge's end of a cable "up" or "down"; a machine without power has none."""
    if has_link(plan, card.port):
        run(["ip", "-n", plan.gateway_netns, "link", "set", card.port, state])


def is_up(plan: LabPlan, port: str) -> bool:
    """Whether a cable is in a port of a bridge."""
    links = _ip_json(plan.gateway_netns, "link")
    return any(link["ifname"] == port and "UP" in link["flags"] for link in links)


def remove_cards(plan: LabPlan, machine: LabMachine) -> None:
    """Delete the machine's cards and namespace with all their network state."""
    for card in machine.cards:
        # Otherwise the port would disappear some time after the namespace.
        take_card(plan, card)
    if exists(machine.netns):
        run(["ip", "netns", "delete", machine.netns])


def take_card(plan: LabPlan, card: Card) -> None:
    """Take the card out of a machine that is on: its interface is gone."""
    if has_link(plan, card.port):
        run(["ip", "-n", plan.gateway_netns, "link", "delete", card.port])


def give_card(plan: LabPlan, machine: LabMachine, card: Card, cable: str) -> None:
    """A card for a machine that has none: the same name, MAC and addresses, another interface.

    `cable`: "up" or "down". A machine with its card keeps it.
    """
    if has_link(plan, card.port):
        return
    name = card.interface
    ends = f"{card.port} netns {plan.gateway_netns} type veth peer name {name}"
    run(["ip", "link", "add", *ends.split(), "address", card.mac, "netns", machine.netns])
    port = ["link", "set", card.port, "master", card.bridge, cable]
    run(["ip", "-n", plan.gateway_netns, *port])
    commands = [
        *(
            f"address add {address} {'nodad' if ':' in address else 'brd +'} dev {name}"
            for address in card.addresses
        ),
        f"link set {name} up",
        *(
            f"route replace {'::/0' if ':' in router else 'default'} via {router} dev {name} onlink"
            for router in card.routers
        ),
    ]
    run(["ip", "-n", machine.netns, "-batch", "-"], stdin="\n".join(commands))


def connect(plan: LabPlan, bridge: str, port: str, pid: int, card: str, mac: str) -> None:
    """A cable from a bridge into the network of a process that has one of its own.

    It disappears with that network, which ends with the process.
    """
    if has_link(plan, port):  # the kernel takes a while to clear away what a process has left
        run(["ip", "-n", plan.gateway_netns, "link", "delete", port])
    ends = f"{port} type veth peer name {card} address {mac} netns {pid}"
    run(["ip", "-n", plan.gateway_netns, "link", "add", *ends.split()])
    run(["ip", "-n", plan.gateway_netns, "link", "set", port, "master", bridge, "up"])


def has_link(plan: LabPlan, port: str) -> bool:
    """Whether the gateway's namespace has that port, or bridge."""
    return port in {link["ifname"] for link in _ip_json(plan.gateway_netns, "link")}


def remove_all(tag: str) -> None:
    """Delete every namespace of the lab; after the last on this machine, also /run/netns."""
    for path in sorted(NAMESPACES.glob(f"{tag}[.-]*")):
        run(["ip", "netns", "delete", path.name])
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        if os.path.ismount(NAMESPACES):
            run(["umount", NAMESPACES])
        with suppress(OSError):  # another process has just created one
            NAMESPACES.rmdir()


def addresses(machine: LabMachine) -> list[str]:
    """The addresses on the machine's cards, like "172.16.12.254/16 (eth0:0)"; [] if it is off."""
    try:
        links = {link["ifname"]: link for link in _ip_json(machine.netns, "address", "show")}
    except LabError:
        return []  # the machine is off
    plain = {"", machine.interface}
    return [
        f"{each['local']}/{each['prefixlen']}" + (f" ({where})" if where not in plain else "")
        for card in machine.cards
        for each in links.get(card.interface, {}).get("addr_info", [])
        for where in [each.get("label", card.interface)]
        if each.get("scope") != "link"
    ]


def listening(netns: str) -> set[tuple[str, int]]:
    """Protocol and port of every listening socket in the namespace; sends no packet."""
    return parse_listening(run([*inside(netns), "ss", "-Hlntu"]))


def parse_listening(output: str) -> set[tuple[str, int]]:
    """The same from the output of `ss -Hlntu`."""
    rows = (line.split() for line in output.splitlines())
    return {(row[0], int(row[4].rpartition(":")[2])) for row in rows if len(row) > 4}


def _ip_json(netns: str, *words: str) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = json.loads(run(["ip", "-json", "-n", netns, *words]))
    return links
