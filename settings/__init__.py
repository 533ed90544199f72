"""The inventory as typed, frozen, checked values. What other rooms may use stands here."""

from settings.cluster import Cluster
from settings.loading import IN_LAB, clusters, load, of, options
from settings.mistakes.constraints import SECRETS, Mistake, Refused, SettingsError, warnings
from settings.node import Node
from settings.run_options import RunOptions

__all__ = [
    "IN_LAB",
    "SECRETS",
    "Cluster",
    "Mistake",
    "Node",
    "Refused",
    "RunOptions",
    "SettingsError",
    "clusters",
    "load",
    "of",
    "options",
    "warnings",
]
