"""A guest's disk: an overlay of its own files over the base."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from uuid import uuid4

from lab.host.mirrors import Mirrors, sources, through
from lab.plan import PROXY_PORT, Card, LabMachine, LabPlan


def files(
    plan: LabPlan, machine: LabMachine, suite: str, mirrors: Mirrors
) -> dict[str, tuple[str, int]]:
    """Content and mode by path: name, network, package sources and sshd of a guest. Pure."""
    proxy = f"http://{machine.gateway}:{PROXY_PORT}"
    hosts = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    hosts += [f"{address} {name}" for name, address in plan.host_names]
    interfaces = [
        "auto lo",
        "iface lo inet loopback",
    ]
    for card in machine.cards:
        interfaces += ["", f"auto {card.interface}", *_stanzas(card)]
    sshd = [
        f"Port {machine.ssh_port}",
        "HostKey /etc/ssh/ssh_host_ed25519_key",
        "PasswordAuthentication no",
        "PermitRootLogin prohibit-password",
    ]
    apt = ['Acquire::Languages "none";', *through(mirrors, proxy)]
    return {
        "etc/hostname": (f"{machine.slug}\n", 0o644),
        "etc/hosts": (_lines(hosts), 0o644),
        "etc/resolv.conf": ("# There are no name servers in the lab.\n", 0o644),
        "etc/network/interfaces": (_lines(interfaces), 0o644),
        "etc/apt/sources.list": (_lines(sources(mirrors, suite)), 0o644),
        "etc/apt/apt.conf.d/90lab": (_lines(apt), 0o644),
        "etc/ssh/sshd_config.d/lab.conf": (_lines(sshd), 0o644),
    }


def _stanzas(card: Card) -> Iterator[str]:
    """What interfaces(5) says about a card's addresses."""
    for address, router in zip_longest(card.addresses, card.routers):
        six = ":" in address
        yield f"iface {card.interface} {'inet6' if six else 'inet'} static"
        yield f"    address {address}"
        if router:
            yield f"    gateway {router}"
        if six:
            # No other machine can have the address; checking would only delay the boot.
            yield "    dad-attempts 0"


def identity(host_key: Path, authorized_key: Path) -> dict[str, tuple[str, int]]:
    """The same for what is secret or random: keys, and a machine-id as in machine-id(5)."""
    return {
        "etc/machine-id": (f"{uuid4().hex}\n", 0o444),
        "etc/ssh/ssh_host_ed25519_key": (host_key.read_text(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (host_key.with_suffix(".pub").read_text(), 0o644),
        "root/.ssh/authorized_keys": (authorized_key.with_suffix(".pub").read_text(), 0o600),
    }


def create(folder: Path, base: Path, content: dict[str, tuple[str, int]]) -> None:
    """Create a disk in `folder`: `content` (as from `files`) over the base."""
    upper = folder / "upper"
    for name in ("upper", "work", "root"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(mode=0o755)
    link = folder / "base"
    link.unlink(missing_ok=True)
    link.symlink_to(base)
    for name, (text, mode) in content.items():
        path = upper / name
        for parent in reversed(path.relative_to(upper).parents):
            directory = upper / parent
            if not directory.exists():
                # The overlay takes the mode of the upper directory: it must equal the base's.
                directory.mkdir()
                directory.chmod(0o700 if parent.parts[:1] == ("root",) else 0o755)
        path.write_text(text)
        path.chmod(mode)


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
