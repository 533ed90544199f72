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
        # way, none that was killed has left anything, and the generation is recorded as current.
        "recorded",
    ],
)


def decide(observed):
    """(action, reason). A restart interrupts: it is only for what nothing else achieves."""
    steps = (
        (not observed.active, "start", "it is not running"),
        (not observed.tracked, "restart", "its unit does not know its process"),
        (not observed.unit_same, "restart", "its unit has changed since it was started"),
        (not observed.binary_same, "upgrade", "it runs another binary than the wanted one"),
        (observed.two_masters, "upgrade", "an upgrade has stopped half way"),
        (not observed.files_read, "reload", "its configuration has changed"),
        (not observed.files_same, "reload", "its configuration has changed"),
        (not observed.recorded, "confirm", "it has not been seen healthy yet"),
    )
    return next(((action, reason) for due, action, reason in steps if due), ("none", ""))
