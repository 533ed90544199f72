"""Which drills there are for a cluster: by how its address is spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from drills.scenarios.catalogue import DRILLS, GROUPS
from drills.scenarios.routed.routed_catalogue import ROUTED_DRILLS, ROUTED_GROUPS
from drills.scenarios.scenario import Drill
from settings import Cluster


@dataclass(frozen=True)
class Catalogue:
    """All drills for one kind of cluster, and what groups of them are called."""

    drills: tuple[Drill, ...]
    groups: Mapping[str, tuple[str, ...]]

    @cached_property
    def by_name(self) -> dict[str, Drill]:
        return {drill.name: drill for drill in self.drills}

    @property
    def names(self) -> tuple[str, ...]:
        """Of drills and groups: what `drills=` takes."""
        return (*self.by_name, *self.groups)

    def chosen(self, names: Iterable[str]) -> tuple[Drill, ...]:
        """The drills of those names and groups, each once, in that order; without those that there
        are for another kind of cluster alone."""
        found = [one for name in names for one in self.groups.get(name, (name,))]
        return tuple(self.by_name[name] for name in dict.fromkeys(found) if name in self.by_name)


VRRP = Catalogue(DRILLS, GROUPS)
ROUTED = Catalogue(ROUTED_DRILLS, ROUTED_GROUPS)


def of(cluster: Cluster) -> Catalogue:
    return ROUTED if cluster.routed else VRRP


def of_each(clusters: Iterable[Cluster]) -> tuple[Catalogue, ...]:
    """Those of all these clusters, each once; VRRP's where nothing is known of any."""
    found = [of(cluster) for cluster in clusters] or [VRRP]
    return tuple(each for each in (VRRP, ROUTED) if each in found)
