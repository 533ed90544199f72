"""tandem-handover: keeps connections alive when the VIP moves, or routers spread them anew."""

from tasks.handover.handover_service import FOOTPRINT, READY, SERVICE, configure, remove

__all__ = ["FOOTPRINT", "READY", "SERVICE", "configure", "remove"]
