"""What a drill needs of the machines, before anything is broken."""

from __future__ import annotations

from drills.control.cluster_control import ClusterControl
from drills.control.fault_injection import has_nft
from drills.scenarios import many_clients
from drills.scenarios.scenario import Drill

IN_CONTAINER = (
    "systemd-detect-virt --container --quiet || [ -f /run/systemd/container ] || "
    "grep -qsz '^container=' /proc/1/environ"
)


def missing(drill: Drill, control: ClusterControl) -> str:
    """Why this drill cannot be done here; "" when it can. Raises `MachineError`."""
    machines, in_lab = control.machines, control.lab_here is not None
    if drill.needs == "lab" and not in_lab:
        return "this can only be done in the lab"
    if drill.needs == "older" and not in_lab:
        return "an older nginx, to change from, is only put onto the lab's machines"
    if drill.needs == "nft" and not in_lab:
        without = [name for name in machines.names if not has_nft(machines, name)]
        if without:
            return f"there is no nft on {', '.join(without)}: install nftables"
    if drill.needs == "room":
        return many_clients.too_many(control)
    if drill.needs == "clock":
        name = control.cluster.preferred.name
        if machines.ask(name, IN_CONTAINER)[0] == 0:
            return f"{name} is a container, which has no clock of its own to set"
    return ""
