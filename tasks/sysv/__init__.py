"""Services where PID 1 is not systemd."""

from tasks.sysv.supervision import FOOTPRINT, configure, remove

__all__ = ["FOOTPRINT", "configure", "remove"]
