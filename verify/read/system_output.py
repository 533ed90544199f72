"""Reads what the kernel and the system's own tools print. Pure; text in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
)
from typing import Any

from verify.read.lists import listed
from verify.read.nginx_output import STARTED_AT, TICKS_PER_S
from verify.snapshot import ClockOffset

# An address with one of these cannot be used, or not yet, or not for long.
UNSURE = ("deprecated", "tentative", "dadfailed", "dynamic")
# As `ip` prints a lifetime without end.
FOREVER = 2**32 - 1


@dataclass(frozen=True)
class System:
    """The machine itself: `now`, in seconds since the epoch, and what /proc says of the start of a
    process that began then."""

    cpus: int
    now: float
    now_in_proc_s: float

    def began(self, in_proc_s: float) -> float:
        """When a process began, in seconds since the epoch, from what /proc says of its start."""
        return self.now - (self.now_in_proc_s - in_proc_s)


def system(text: str) -> System:
    """Lines of number of CPUs, /proc/PID/stat of a process that has just begun, and the time."""
    cpus, stat, now = text.splitlines()
    ticks = stat.rpartition(")")[2].split()[STARTED_AT]
    return System(int(cpus), float(now), int(ticks) / TICKS_PER_S)


@dataclass(frozen=True)
class Address:
    """One address as the kernel carries it. IPv6 has no labels: there it is the interface.

    `flags` are those of UNSURE that it has; `valid_s` is how long it stays, None for good;
    `secondary`: another address of its network was there before it.
    """

    ip: IPv4Address | IPv6Address
    prefix: int
    interface: str
    label: str
    flags: frozenset[str] = frozenset()
    valid_s: int | None = None
    scope: str = "global"
    secondary: bool = False

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """What it has in common with the addresses of its group."""
        return ip_interface(f"{self.ip}/{self.prefix}").network


@dataclass(frozen=True)
class Interface:
    """One network interface as the kernel has it."""

    name: str
    flags: frozenset[str]
    mac: str
    addresses: tuple[Address, ...]
    mtu: int = 0


def interfaces(text: str) -> dict[str, Interface]:
    """`ip -j address show` by interface. Raises ValueError where there is none: there is always
    `lo`."""
    found = {
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
                    entry["scope"],
                    # (Of an IPv6 address it says "temporary".)
                    entry.get("secondary", False),
                )
                for entry in link.get("addr_info", ())
                if entry.get("family") in ("inet", "inet6")
            ),
            link["mtu"],
        )
        for link in _objects(text)
    }
    if not found:
        raise ValueError("no interface")
    return found


def _seconds_left(lifetime: int) -> int | None:
    return None if lifetime == FOREVER else lifetime


def neighbours(text: str) -> dict[IPv4Address | IPv6Address, str]:
    """The MACs that a machine has in use for its neighbours, from `ip -j neighbour show`."""
    return {
        ip_address(entry["dst"]): entry["lladdr"] for entry in _objects(text) if "lladdr" in entry
    }


def _objects(text: str) -> list[dict[str, Any]]:
    # In some versions `ip -j` prints {} holes where there is nothing to show.
    found = json.loads(text)
    if not isinstance(found, list):
        raise ValueError("no list")
    return [entry for entry in found if entry != {}]


@dataclass(frozen=True)
class Listener:
    """One listening TCP socket."""

    address: str
    port: int
    programs: tuple[tuple[str, int], ...]  # (name, pid)
    backlog: int  # what the kernel lets wait there


# A name may have anything in it, also what looks like another program.
_USERS = re.compile(r'users:\(((?:\("(?:.*?)",pid=\d+,fd=\d+\),?)+)\)')
_USER = re.compile(r'\("(.*?)",pid=(\d+),fd=\d+\)(?:,|$)')


def listeners(text: str) -> tuple[Listener, ...]:
    """`ss -Hltnp`, or "none". Raises ValueError for what is no listening socket."""
    return _sockets(text, "LISTEN")


def udp_sockets(text: str) -> tuple[Listener, ...]:
    """`ss -Hlunp`, or "none". Raises ValueError for what is none that waits for datagrams."""
    return _sockets(text, "UNCONN")


def _sockets(text: str, wanted: str) -> tuple[Listener, ...]:
    found = []
    for line in listed(text):
        state, _, backlog, local, _, *users = line.split(None, 5)
        address, _, port = local.rpartition(":")
        if state != wanted:
            raise ValueError(line)
        programs = tuple(_programs(users[0].strip())) if users and users[0].strip() else ()
        found.append(Listener(address, int(port), programs, int(backlog)))
    return tuple(found)


def _programs(users: str) -> Iterator[tuple[str, int]]:
    whole = _USERS.match(users)
    named = list(_USER.finditer(whole[1])) if whole else []
    if not whole or "".join(user[0] for user in named) != whole[1]:
        raise ValueError(users)
    for user in named:
        yield user[1], int(user[2])


def units(text: str) -> dict[str, Mapping[str, str]]:
    """`systemctl show` of several units, by unit, without ".service". Raises ValueError or
    LookupError for anything else."""
    found: dict[str, Mapping[str, str]] = {}
    for paragraph in text.strip("\n").split("\n\n"):
        values = dict(line.split("=", 1) for line in paragraph.splitlines())
        name = values["Id"].removesuffix(".service")
        if name in found:
            raise ValueError(f"{name} twice")
        found[name] = values
    return found


def failed_units(text: str) -> tuple[str, ...]:
    """The units in `systemctl list-units --state=failed`, or "none". Raises ValueError."""
    found = []
    for line in listed(text):
        unit, *states = line.split()[:4]
        if len(states) != 3 or "failed" not in states:
            raise ValueError(line)
        found.append(unit)
    return tuple(found)


@dataclass(frozen=True)
class File:
    """One file; `mode` is a number, `owner` user:group, `modified` in seconds since the epoch."""

    mode: int
    owner: str
    modified: float
    kind: str
    path: str


# What find says of a place that is not there, or of a file that has just gone.
_GONE = re.compile(r"find: .+: No such file or directory")


def _found(text: str) -> Iterator[str]:
    return (line for line in listed(text) if not _GONE.fullmatch(line))


def files(text: str) -> tuple[File, ...]:
    """find's `%m %u:%g %T@ %y %p`. Raises ValueError where there is none, and for what find could
    not look at."""
    found = []
    for line in _found(text):
        mode, owner, modified, kind, path = line.split(" ", 4)
        found.append(File(int(mode, 8), owner, float(modified), kind, path))
    if not found:
        raise ValueError("no file")
    return tuple(found)


def owned(text: str) -> tuple[File, ...]:
    """The same without the time, of which there may be "none"."""
    found = []
    for line in _found(text):
        mode, owner, kind, path = line.split(" ", 3)
        found.append(File(int(mode, 8), owner, 0.0, kind, path))
    return tuple(found)


def one_owned(text: str) -> tuple[int, str]:
    """stat's `%a %U:%G …`: mode and owner."""
    (line,) = text.splitlines()
    mode, owner, *_ = line.split(" ")
    if ":" not in owner:
        raise ValueError(line)
    return int(mode, 8), owner


# NTPsec's ntpdate, which names the server it has chosen; and sntp.pl, which does not say when.
_NTPSEC = re.compile(
    r"^(?:\S+ \S+ \([+-]\d{4}\) )?([+-]\d+\.\d+) \+/- (\d+\.\d+)(?: \S+){1,2} s(\d+) (\S+)$",
    re.M,
)
# The classic one has a line for each server, and at the end one for the server it has chosen.
_EACH = re.compile(r"^server (\S+), stratum (\d+), offset [+-]?\d+\.\d+, delay (\d+\.\d+)$", re.M)
_CHOSEN = re.compile(
    r"ntpdate\[\d+\]: (?:adjust|step) time server (\S+) offset ([+-]?\d+\.\d+) sec$", re.M
)
_CHRONY = re.compile(r"System clock wrong by (-?\d+\.\d+) seconds \(ignored\)")
# 0 is a server that did not answer, 16 one that does not know the time itself.
_STRATA = range(1, 16)
# chronyd does not say how sure it is.
_CHRONY_ERROR_S = 0.01


def offset(text: str) -> ClockOffset:
    """What ntpdate -q (NTPsec's and the classic one) or chronyd -Q prints.

    Each prints how much the clock has to be moved, which is the machine's lag. Raises ValueError
    when there is no measurement: no server answered, or none that knows the time.
    """
    if ntpsec := _NTPSEC.search(text):
        if int(ntpsec[3]) not in _STRATA or ntpsec[4] == "unsync":
            raise ValueError("the server does not know the time")
        lag_s, error_s = float(ntpsec[1]), float(ntpsec[2])
    elif chosen := _CHOSEN.search(text):
        each = {server: (int(its), float(delay)) for server, its, delay in _EACH.findall(text)}
        stratum, delay_s = each.get(chosen[1], (0, 0.0))
        if stratum not in _STRATA or not delay_s:
            raise ValueError("no server answered")
        lag_s, error_s = float(chosen[2]), delay_s / 2
    elif chrony := _CHRONY.search(text):
        lag_s, error_s = float(chrony[1]), _CHRONY_ERROR_S
    else:
        raise ValueError("no measurement")
    return ClockOffset(offset_s=-lag_s, error_s=error_s)


def sysctls(text: str) -> dict[str, str]:
    """`grep .` of files under /proc/sys: their values by path."""
    return dict(line.split(":", 1) for line in listed(text))


def numbers(text: str) -> dict[str, int]:
    """The same of files that hold a number each. Raises ValueError where one does not."""
    return {path: int(value) for path, value in sysctls(text).items()}
