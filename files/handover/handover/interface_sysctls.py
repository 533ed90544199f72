"""The interfaces' sysctls while an address is on `lo`, and what they were before.

Only the holder may answer who has the address, and nobody else may ask in its name, or neighbours
would learn the wrong MAC. And an interface that goes down and up must not lose this machine's IPv6
address, which nobody would set again (`ip link set down`).
"""

import os

from common.journal import say_once
from common.machine_files import read, write

_IPV4 = {"arp_ignore": "1", "arp_announce": "2"}
_IPV6 = {"keep_addr_on_down": "1"}


def wanted(ipv6):
    """The sysctls by name; ipv6: whether an IPv6 address moves."""
    return {**_IPV4, **_IPV6} if ipv6 else _IPV4


def _path(interface, name):
    family = "ipv6" if name in _IPV6 else "ipv4"
    return f"/proc/sys/net/{family}/conf/{interface}/{name}"


def _saved(interfaces, saved):
    """{(interface, name): value} of the file. (An earlier version has written down those of one
    interface, without its name.)"""
    found = {}
    for line in read(saved).splitlines():
        place, value = line.split()
        interface, _, name = place.rpartition("/")
        found[interface or interfaces[0], name] = value
    return found


def _save(values, saved):
    lines = ["{}/{} {}\n".format(*place, value) for place, value in values.items()]
    write(saved, "".join(lines).encode())


def apply(interfaces, values, saved):
    """Set the sysctls, having saved in the file `saved` what they were the first time."""
    before = {(each, name): read(_path(each, name)) for each in interfaces for name in values}
    # Where there is no such interface (yet) there is nothing to be set.
    there = {place: value for place, value in before.items() if value}
    known = _saved(interfaces, saved)
    if set(there) - set(known):
        known = {**there, **known}
        _save(known, saved)
    for interface, name in there:
        _set(interface, name, values[name])


def restore_former(interfaces, saved):
    """Set those of an interface that is not among `interfaces` any more to what they were.

    When the service begins, and not later: a deploy writes down what those of a new interface are
    before it restarts the service.
    """
    known = _saved(interfaces, saved)
    former = [place for place in known if place[0] not in interfaces]
    for place in former:
        _set(*place, known.pop(place))
    if former:
        _save(known, saved)


def restore(interfaces, saved):
    """Set the sysctls to what the file `saved` says, and remove it."""
    for place, value in _saved(interfaces, saved).items():
        _set(*place, value)
    if os.path.exists(saved):
        os.remove(saved)


def _set(interface, name, value):
    path, trouble = _path(interface, name), ""
    try:
        if read(path) != value:
            with open(path, "w") as file:
                file.write(value)
    except OSError as error:
        trouble = error.strerror
    say_once(path, trouble)
