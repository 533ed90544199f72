"""Settings that follow from the machines' network where nothing else is said."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_interface
from typing import Any

# What it is where the network tells nothing.
OTHERWISE = {"ntp_server": "", "smtp_server": "localhost"}


def of(data: Mapping[str, Any]) -> dict[str, str]:
    """Those of the settings in `data`, a machine's, that are None or not there."""
    wanted = [name for name in OTHERWISE if data.get(name) is None]
    first = _first_address(data) if wanted else ""
    return {name: first or OTHERWISE[name] for name in wanted}


def _first_address(data: Mapping[str, Any]) -> str:
    """The first of the VIP's network; "" where that is not IPv4, cannot be read, or is taken by the
    machine or the VIP."""
    try:
        vip = ip_interface(str(data.get("vip")))
    except ValueError:
        return ""
    if not isinstance(vip.network, IPv4Network) or vip.network.num_addresses < 4:
        return ""
    first = vip.network.network_address + 1
    return "" if str(first) in (str(vip.ip), str(data.get("address"))) else str(first)
