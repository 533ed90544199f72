"""Addresses that nginx is to listen on and another program has: nginx's own test passes them over,
because it may be nginx itself that listens there already."""

import contextlib
import errno
import os
import re
import socket

from apply_nginx import nginx_paths
from common.linux_processes import stat
from common.machine_files import read

_LISTEN = re.compile(r"(?:(\[[0-9a-fA-F:.]+\]|[\d.]+|\*):)?(\d+)\Z")
# For each protocol the kind of its sockets, and the kernel's word for one that listens (in
# /proc/net/PROTOCOL).
_PROTOCOLS = {"tcp": (socket.SOCK_STREAM, "0A"), "udp": (socket.SOCK_DGRAM, "07")}


def faults(files):
    """What the configuration wants of others, a line each. files: [(file, its text)]."""
    found = []
    for file, text in files:
        for one in _listens(nginx_paths.directives(text)):
            address = _LISTEN.match(one.words[1])
            if not address:
                continue
            host, port = address.group(1) or "*", int(address.group(2))
            protocol = "udp" if "udp" in one.words or "quic" in one.words else "tcp"
            if not _is_taken(host, port, protocol):
                continue
            others = _who_listens(port, protocol)
            if "nginx" in others.values():
                continue
            who = ", ".join(f"{name} (pid {pid})" for pid, name in sorted(others.items()))
            found.append(
                f"{file}:{one.line}: listen {one.words[1]}: {who or 'another program'} has port "
                f"{port}: end that, or give another port"
            )
    return found


def _listens(block):
    for one in block:
        if one.words[0] == "listen" and one.words[1:]:
            yield one
        yield from _listens(one.block)


def _is_taken(host, port, protocol):
    """Whether nothing more can listen there. The kernel knows what excludes what."""
    six = host.startswith("[")
    family, (kind, _) = socket.AF_INET6 if six else socket.AF_INET, _PROTOCOLS[protocol]
    with contextlib.closing(socket.socket(family, kind)) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if six:
            asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            asking.bind(("" if host == "*" else host.strip("[]"), port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _who_listens(port, protocol):
    """The processes that listen on a port, {pid: name}."""
    inodes = set()
    _, listens = _PROTOCOLS[protocol]
    for table in ("/proc/net/" + protocol, "/proc/net/" + protocol + "6"):
        for line in read(table).splitlines()[1:]:
            words = line.split()
            if words[3] == listens and int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended
            directory = f"/proc/{pid}/fd"
            if any(os.readlink(f"{directory}/{each}") in inodes for each in os.listdir(directory)):
                found[int(pid)] = stat(pid).name or "a container's process"
    return found
