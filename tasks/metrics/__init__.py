"""What Prometheus can read of a node."""

from tasks.metrics.exporters import FOOTPRINT, SERVICES, TABLE, configure, remove, run_installed

__all__ = ["FOOTPRINT", "SERVICES", "TABLE", "configure", "remove", "run_installed"]
