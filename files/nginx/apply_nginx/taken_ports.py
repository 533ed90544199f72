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
_LISTENS = "0A"  # the kernel's word for it, in /proc/net/tcp


def faults(files):
    """What the configuration wants of others, a line each. files: [(file, its text)]."""
    found = []
    for file, text in files:
        for one in _listens(nginx_paths.directives(text)):
            address = _LISTEN.match(one.words[1])
            if not address or "quic" in one.words or "udp" in one.words:
                continue
            host, port = address.group(1) or "*", int(address.group(2))
            if not _is_taken(host, port):
                continue
            others = _who_listens(port)
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


def _is_taken(host, port):
    """Whether nothing more can listen there. The kernel knows what excludes what."""
    six = host.startswith("[")
    with contextlib.closing(socket.socket(socket.AF_INET6 if six else socket.AF_INET)) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if six:
            asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            asking.bind(("" if host == "*" else host.strip("[]"), port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _who_listens(port):
    """The processes that listen on a port, {pid: name}."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read(table).splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended
            directory = f"/proc/{pid}/fd"
            if any(os.readlink(f"{directory}/{each}") in inodes for each in os.listdir(directory)):
                found[int(pid)] = stat(pid).name or "a container's process"
    return found
