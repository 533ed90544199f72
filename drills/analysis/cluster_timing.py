"""How fast a cluster is by its settings, whichever way it spreads its address."""

from __future__ import annotations

from drills.analysis import expected_outage, routed_outage
from drills.analysis.expected_outage import Timing
from settings import Cluster


def timing(cluster: Cluster) -> Timing:
    """The cluster's timing."""
    return routed_outage.timing(cluster) if cluster.routed else expected_outage.timing(cluster)
