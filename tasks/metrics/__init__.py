"""What Prometheus can read of a node."""

from tasks.metrics.exporters import (
    FOOTPRINT,
    TABLE,
    configure,
    packages,
    remove,
    run_installed,
    services,
)

__all__ = [
    "FOOTPRINT",
    "TABLE",
    "configure",
    "packages",
    "remove",
    "run_installed",
    "services",
]
