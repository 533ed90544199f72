"""tandem-handover: keeps connections alive when the VIP moves."""

from tasks.handover.forwarding import FOOTPRINT, READY, SERVICE, configure, ports, remove

__all__ = ["FOOTPRINT", "READY", "SERVICE", "configure", "ports", "remove"]
