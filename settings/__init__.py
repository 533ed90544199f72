"""The inventory as typed, frozen, checked values. Other rooms use what stands here, and the plain
values of `site`, `releases`, `content`, `certificates`, `election`, `nginx_paths`, `run_options`
and `values`.
"""

from settings.cluster import Cluster
from settings.loading import (
    IN_LAB,
    LAB_CONNECTION,
    as_far_as_readable,
    clusters,
    connect_as_in_lab,
    doubts,
    load,
    login_data,
    of,
    options,
    ssh_address,
    ssh_login,
    unused_groups,
)
from settings.mistakes.cluster_mistakes import warnings
from settings.mistakes.mistake import Bars, Mistake, Refused, SettingsError, TypedMistake
from settings.network.routed_settings import Router
from settings.node import Node
from settings.run_options import RunOptions
from settings.values import Interface, in_url

__all__ = [
    "IN_LAB",
    "LAB_CONNECTION",
    "Bars",
    "Cluster",
    "Interface",
    "Mistake",
    "Node",
    "Refused",
    "Router",
    "RunOptions",
    "SettingsError",
    "TypedMistake",
    "as_far_as_readable",
    "clusters",
    "connect_as_in_lab",
    "doubts",
    "in_url",
    "load",
    "login_data",
    "of",
    "options",
    "ssh_address",
    "ssh_login",
    "unused_groups",
    "warnings",
]
