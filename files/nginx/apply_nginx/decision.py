"""Decide what has to happen so that the wanted nginx is in service. Pure.

Everything is decided by what is observed, nothing by what an earlier run may have done: killed at
any moment, the next run finishes what it finds, or undoes it.
"""

import collections

Observed = collections.namedtuple(
    "Observed",
    [
        "active",  # its unit runs
        "tracked",  # and the service manager knows the right process
        "unit_same",  # nothing in the wanted unit needs a restart
        "binary_same",  # it runs the wanted build
        "two_masters",  # an upgrade has stopped half way
        "files_same",  # /etc/nginx is as wanted
        "files_read",  # and nginx has read it
        # Link and unit are in place and enabled, systemd has read the unit, no change is under
        # way, and the generation is recorded as current.
        "recorded",
    ],
)


def decide(observed):
    """(action, reason). A restart interrupts: it is only for what nothing else achieves."""
    if not observed.active:
        return "start", "it is not running"
    if not observed.tracked:
        return "restart", "its unit does not know its process"
    if not observed.unit_same:
        return "restart", "its unit has changed since it was started"
    if not observed.binary_same:
        return "upgrade", "it runs another binary than the wanted one"
    if observed.two_masters:
        return "upgrade", "an upgrade has stopped half way"
    if not observed.files_read or not observed.files_same:
        return "reload", "its configuration has changed"
    if not observed.recorded:
        return "confirm", "it has not been seen healthy yet"
    return "none", ""
