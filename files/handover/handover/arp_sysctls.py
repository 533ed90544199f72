"""The interface's sysctls about ARP while an address is on `lo`, and what they were before.

Only the holder may answer who has the address, and nobody else may ask in its name, or neighbours
would learn the wrong MAC.
"""

import os

from common.journal import say
from common.machine_files import read, write

WANTED = {"arp_ignore": "1", "arp_announce": "2"}


def _path(interface, name):
    return f"/proc/sys/net/ipv4/conf/{interface}/{name}"


def apply(interface, saved):
    """Set the sysctls, having saved in the file `saved` what they were the first time."""
    before = {name: read(_path(interface, name)) for name in WANTED}
    if not all(before.values()):
        return  # there is no such interface (yet)
    if not os.path.exists(saved):
        write(saved, "".join(f"{name} {value}\n" for name, value in before.items()).encode())
    for name, value in WANTED.items():
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
