"""The lab's network: a namespace with a bridge, and a veth pair to every machine.

Interfaces are created inside the namespaces and never appear on the host, so that the lab's
addresses exist nowhere else. machine.sh creates a machine's card at each boot.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.host.process import run
from lab.plan import BRIDGE, LabMachine, LabPlan

NAMESPACES = Path("/run/netns")
# Locally administered: no real card has it.
GATEWAY_MAC = "02:00:00:00:00:01"


def exists(netns: str) -> bool:
    return (NAMESPACES / netns).exists()


def inside(netns: str) -> tuple[str, ...]:
    """The command prefix that enters the network namespace."""
    return ("nsenter", f"--net={NAMESPACES / netns}", "--")


def create_gateway(plan: LabPlan) -> None:
    """Create the gateway's namespace with the bridge and its addresses; it has no other link."""
    netns = plan.gateway_netns
    run(["ip", "netns", "add", netns])
    commands = [
        "link set lo up",
        # No snooping: it would filter multicast. A fixed MAC address: by default a bridge takes
        # its lowest port's, which changes with each boot; machines keep the old one for seconds.
        f"link add {BRIDGE} address {GATEWAY_MAC} type bridge stp_state 0 "
        "forward_delay 0 mcast_snooping 0",
        *(
            f"address add {address} dev {BRIDGE}{' nodad' if ':' in address else ''}"
            for address in plan.gateway_addresses
        ),
        f"link set {BRIDGE} up",
    ]
    run(["ip", "-n", netns, "-batch", "-"], stdin="\n".join(commands))


def set_port(plan: LabPlan, machine: LabMachine, state: str) -> None:
    """Set the bridge's end of the cable "up" or "down"; a machine without power has none."""
    if _has_port(plan, machine):
        run(["ip", "-n", plan.gateway_netns, "link", "set", machine.port, state])


def remove_card(plan: LabPlan, machine: LabMachine) -> None:
    """Delete the machine's card and namespace with all their network state."""
    if _has_port(plan, machine):
        # Otherwise the port would disappear some time after the namespace.
        run(["ip", "-n", plan.gateway_netns, "link", "delete", machine.port])
    if exists(machine.netns):
        run(["ip", "netns", "delete", machine.netns])


def take_card(plan: LabPlan, machine: LabMachine) -> None:
    """Take the card out of a machine that is on: its interface is gone."""
    if _has_port(plan, machine):
        run(["ip", "-n", plan.gateway_netns, "link", "delete", machine.port])


def give_card(plan: LabPlan, machine: LabMachine, cable: str) -> None:
    """A card for a machine that has none: the same name, MAC and addresses, another interface.

    `cable`: "up" or "down". A machine with its card keeps it.
    """
    if _has_port(plan, machine):
        return
    ends = f"{machine.port} netns {plan.gateway_netns} type veth peer name {machine.interface}"
    run(["ip", "link", "add", *ends.split(), "address", machine.mac, "netns", machine.netns])
    port = ["link", "set", machine.port, "master", BRIDGE, cable]
    run(["ip", "-n", plan.gateway_netns, *port])
    commands = [
        f"address add {machine.address}/{machine.prefix_length} brd + dev {machine.interface}",
        f"link set {machine.interface} up",
        f"route replace default via {machine.gateway} dev {machine.interface} onlink",
    ]
    if machine.address6:
        commands += [
            f"address add {machine.address6} dev {machine.interface} nodad",
            f"route replace ::/0 via {machine.gateway6} dev {machine.interface} onlink",
        ]
    run(["ip", "-n", machine.netns, "-batch", "-"], stdin="\n".join(commands))


def connect(plan: LabPlan, port: str, pid: int, card: str, mac: str) -> None:
    """A cable from the bridge into the network of a process that has one of its own.

    It disappears with that network, which ends with the process.
    """
    if _there(plan, port):  # the kernel takes a while to clear away what a process has left
        run(["ip", "-n", plan.gateway_netns, "link", "delete", port])
    ends = f"{port} type veth peer name {card} address {mac} netns {pid}"
    run(["ip", "-n", plan.gateway_netns, "link", "add", *ends.split()])
    run(["ip", "-n", plan.gateway_netns, "link", "set", port, "master", BRIDGE, "up"])


def _has_port(plan: LabPlan, machine: LabMachine) -> bool:
    return _there(plan, machine.port)


def _there(plan: LabPlan, port: str) -> bool:
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
    """The addresses on the machine's card, like "172.16.12.254/16 (eth0:0)"; [] if it is off."""
    try:
        links = _ip_json(machine.netns, "address", "show", "dev", machine.interface)
    except LabError:
        return []  # no card: the machine is off
    plain = {None, machine.interface}
    return [
        f"{each['local']}/{each['prefixlen']}"
        + (f" ({each['label']})" if each.get("label") not in plain else "")
        for link in links
        for each in link.get("addr_info", [])
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
