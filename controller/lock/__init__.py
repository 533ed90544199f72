"""One run at a time changes a cluster: a lock on each of its machines, held over our connection.

`hold` is all that others need, and `drain` for what a run must not leave behind.
"""

from controller.lock.cluster_lock import hold
from controller.lock.lock_owner import DRAIN, drain

__all__ = ["DRAIN", "drain", "hold"]
