"""The interface's sysctls while an address is on `lo`, and what they were before.

Only the holder may answer who has the address, and nobody else may ask in its name, or neighbours
would learn the wrong MAC. And an interface that goes down and up must not lose this machine's IPv6
address, which nobody would set again (`ip link set down`).
"""

import os

from common.journal import say
from common.machine_files import read, write

_IPV4 = {"arp_ignore": "1", "arp_announce": "2"}
_IPV6 = {"keep_addr_on_down": "1"}


def wanted(ipv6):
    """The sysctls by name; ipv6: whether an IPv6 address moves."""
    return {**_IPV4, **_IPV6} if ipv6 else _IPV4


def _path(interface, name):
    family = "ipv6" if name in _IPV6 else "ipv4"
    return f"/proc/sys/net/{family}/conf/{interface}/{name}"


def apply(interface, values, saved):
    """Set the sysctls, having saved in the file `saved` what they were the first time."""
    before = {name: read(_path(interface, name)) for name in values}
    if not all(before.values()):
        return  # there is no such interface (yet)
    known = dict(line.split() for line in read(saved).splitlines())
    if set(values) - set(known):
        lines = [f"{name} {value}\n" for name, value in {**before, **known}.items()]
        write(saved, "".join(lines).encode())
    for name, value in values.items():
        _set(interface, name, value)


def restore(interface, saved):
    """Set the sysctls to what the file `saved` says, and remove it."""
    for line in read(saved).splitlines():
        _set(interface, *line.split())
    if os.path.exists(saved):
        os.remove(saved)


def _set(interface, name, value):
    path = _path(interface, name)
    if read(path) == value:
        return
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        say(str(error))
