"""tandem-handover: keeps connections alive when the VIP moves."""

from tasks.handover.forwarding import FOOTPRINT, READY, SERVICE, configure, remove

__all__ = ["FOOTPRINT", "READY", "SERVICE", "configure", "remove"]
