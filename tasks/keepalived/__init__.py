"""keepalived: its configuration, and where the VIPs are."""

from tasks.keepalived.configuration import (
    DRAIN_FILE,
    FOOTPRINT,
    SERVICE,
    SPEAKERS,
    TELL_DRAIN,
    apply,
    files,
    stage,
)

__all__ = [
    "DRAIN_FILE",
    "FOOTPRINT",
    "SERVICE",
    "SPEAKERS",
    "TELL_DRAIN",
    "apply",
    "files",
    "stage",
]
