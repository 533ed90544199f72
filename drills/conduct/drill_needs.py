"""What a drill needs of the machines, before anything is broken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from drills.control import faults
from drills.control.cluster_control import ClusterControl
from drills.control.fault_injection import has_nft
from drills.control.network import around_keepalived
from drills.scenarios import burdens, many_clients
from drills.scenarios.scenario import Drill

IN_CONTAINER = (
    "systemd-detect-virt --container --quiet || [ -f /run/systemd/container ] || "
    "grep -qsz '^container=' /proc/1/environ"
)


def missing(drill: Drill, control: ClusterControl) -> str:
    """Why this drill cannot be done here; "" when it can. Raises `MachineError`."""
    for need in drill.all_needs:
        if reason := _NEEDS[need](control):
            return reason
    return ""


def _in_lab(control: ClusterControl) -> bool:
    return control.lab_here is not None


def _lab(control: ClusterControl) -> str:
    return "" if _in_lab(control) else "this can only be done in the lab"


def _older(control: ClusterControl) -> str:
    if _in_lab(control):
        return ""
    return "an older nginx, to change from, is only put onto the lab's machines"


def _nft(control: ClusterControl) -> str:
    machines = control.machines
    without = [name for name in machines.names if not has_nft(machines, name)]
    if _in_lab(control) or not without:
        return ""
    return f"there is no nft on {', '.join(without)}: install nftables"


def _clock(control: ClusterControl) -> str:
    name = control.cluster.preferred.name
    if control.machines.ask(name, IN_CONTAINER)[0] == 0:
        return f"{name} is a container, which has no clock of its own to set"
    return ""


def _everywhere(script: str, otherwise: str, control: ClusterControl) -> str:
    machines = control.machines
    without = [name for name in machines.names if machines.ask(name, script)[0]]
    return f"{', '.join(without)}: {otherwise}" if without else ""


def _ipv4(control: ClusterControl) -> str:
    return "" if control.holder.vip.version == 4 else "the stranger knows IPv4 alone"


def _vip6(control: ClusterControl) -> str:
    moves = any(vip.version == 6 for vip in control.cluster.addresses)
    if moves and all(node.address6 for node in control.cluster.nodes):
        return ""
    return "no IPv6 address moves: set vip6 and address6"


def _apart(control: ClusterControl) -> str:
    if all(node.vrrp.name != node.interface for node in control.cluster.nodes):
        return ""
    return "VRRP is spoken on the interface that has the VIP: see vrrp_interface"


def _routers(control: ClusterControl) -> str:
    if all(len(node.routers_of(node.vip.version)) > 1 for node in control.cluster.nodes):
        return ""
    return "with its only router a node has no clients"


_NEEDS: dict[str, Callable[[ClusterControl], str]] = {
    "lab": _lab,
    "older": _older,
    "nft": _nft,
    "clock": _clock,
    "room": many_clients.too_many,
    "slow": lambda control: many_clients.no_room(control, burdens.SLOW, "slow clients"),
    "systemd": partial(_everywhere, faults.SYSTEMD, "this is done with systemd"),
    "rules": partial(_everywhere, around_keepalived.RULES_THERE, "the hand-over has no tables"),
    "ipv4": _ipv4,
    "vip6": _vip6,
    "apart": _apart,
    "routers": _routers,
}
