"""Reads what the kernel and the system's own tools print. Pure; text in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from verify.snapshot import ClockOffset

# An address with one of these cannot be used, or not yet, or not for long.
UNSURE = ("deprecated", "tentative", "dadfailed", "dynamic")
# As `ip` prints a lifetime without end.
FOREVER = 2**32 - 1


@dataclass(frozen=True)
class System:
    """The machine itself; `boot_time` and `now` in seconds since the epoch."""

    cpus: int
    boot_time: float
    now: float


def system(text: str) -> System:
    """Lines of hostname, number of CPUs, /proc/uptime and the time."""
    _, cpus, uptime, now = text.splitlines()
    return System(int(cpus), float(now) - float(uptime.split()[0]), float(now))


@dataclass(frozen=True)
class Address:
    """One address as the kernel carries it. IPv6 has no labels: there it is the interface.

    `flags` are those of UNSURE that it has; `valid_s` is how long it stays, None for good.
    """

    ip: IPv4Address | IPv6Address
    prefix: int
    interface: str
    label: str
    flags: frozenset[str] = frozenset()
    valid_s: int | None = None


@dataclass(frozen=True)
class Interface:
    """One network interface as the kernel has it."""

    name: str
    flags: frozenset[str]
    mac: str
    addresses: tuple[Address, ...]
    mtu: int = 0


def interfaces(text: str) -> dict[str, Interface]:
    """`ip -j address show` by interface."""
    return {
        link["ifname"]: Interface(
            link["ifname"],
            frozenset(link.get("flags", ())),
            link.get("address", ""),
            tuple(
                Address(
                    ip_address(entry["local"]),
                    entry["prefixlen"],
                    link["ifname"],
                    entry.get("label", link["ifname"]),
                    frozenset(flag for flag in UNSURE if entry.get(flag)),
                    _seconds_left(entry["valid_life_time"]),
                )
                for entry in link.get("addr_info", ())
                if entry.get("family") in ("inet", "inet6")
            ),
            link["mtu"],
        )
        for link in _objects(text)
    }


def _seconds_left(lifetime: int) -> int | None:
    return None if lifetime == FOREVER else lifetime


def neighbours(text: str) -> dict[IPv4Address | IPv6Address, str]:
    """The MACs that a machine has in use for its neighbours, from `ip -j neighbour show`."""
    return {
        ip_address(entry["dst"]): entry["lladdr"] for entry in _objects(text) if "lladdr" in entry
    }


def _objects(text: str) -> list[dict[str, Any]]:
    # `ip -j` prints nothing at all, and in some versions {} holes, where there is nothing to show.
    return [entry for entry in json.loads(text or "[]") if entry]


@dataclass(frozen=True)
class Listener:
    """One listening TCP socket."""

    address: str
    port: int
    programs: tuple[tuple[str, int], ...]  # (name, pid)
    backlog: int  # what the kernel lets wait there


def listeners(text: str) -> tuple[Listener, ...]:
    """`ss -Hltnp`."""
    found = []
    for line in text.splitlines():
        _, _, backlog, local, *_ = line.split()
        address, _, port = local.rpartition(":")
        users = re.findall(r'\("([^"]+)",pid=(\d+)', line)
        programs = tuple((name, int(pid)) for name, pid in users)
        found.append(Listener(address, int(port), programs, int(backlog)))
    return tuple(found)


def units(text: str) -> dict[str, Mapping[str, str]]:
    """`systemctl show` of several units, by unit, without ".service"."""
    found: dict[str, Mapping[str, str]] = {}
    for paragraph in text.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in paragraph.splitlines() if "=" in line)
        if "Id" in values:
            found[values["Id"].removesuffix(".service")] = values
    return found


@dataclass(frozen=True)
class File:
    """One file; `mode` is a number, `owner` user:group, `modified` in seconds since the epoch."""

    mode: int
    owner: str
    modified: float
    kind: str
    path: str


def files(text: str) -> tuple[File, ...]:
    """find's `%m %u:%g %T@ %y %p`."""
    found = []
    for line in text.splitlines():
        if not line.startswith("find: "):
            mode, owner, modified, kind, path = line.split(" ", 4)
            found.append(File(int(mode, 8), owner, float(modified), kind, path))
    return tuple(found)


def offset(text: str) -> ClockOffset:
    """What ntpdate -q (NTPsec's and the classic one) or chronyd -Q prints.

    Both programs print how much the clock has to be moved, which is the machine's lag. Raises
    ValueError when there is no measurement.
    """
    if ntpsec := re.search(r"([+-]\d+\.\d+) \+/- (\d+\.\d+)", text):
        lag_s, error_s = float(ntpsec[1]), float(ntpsec[2])
    # No delay at all is that of a server which did not answer.
    elif classic := re.search(r"offset ([+-]?\d+\.\d+), delay (?!0+\.0+\b)(\d+\.\d+)", text):
        lag_s, error_s = float(classic[1]), float(classic[2]) / 2
    elif chrony := re.search(r"System clock wrong by (-?\d+\.\d+) seconds", text):
        # Its clock is behind by what it calls positive; it does not say how sure it is.
        lag_s, error_s = float(chrony[1]), 0.01
    else:
        raise ValueError("no measurement")
    return ClockOffset(offset_s=-lag_s, error_s=error_s)


def sysctls(text: str) -> dict[str, str]:
    """`grep .` of files under /proc/sys: their values by path."""
    return dict(line.partition(":")[::2] for line in text.splitlines() if ":" in line)


def numbers(text: str) -> dict[str, int]:
    """The same of files that hold a number each. Raises ValueError where one does not."""
    return {path: int(value) for path, value in sysctls(text).items()}
