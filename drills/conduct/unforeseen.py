"""What becomes of a drill around which something went wrong that nobody foresaw."""

from __future__ import annotations

from collections.abc import Sequence

from drills.mishaps import Foreseen
from drills.results import Audit, DrillResult, DrillVerdict, Repeat
from drills.scenarios.scenario import Drill
from settings import Cluster


class Unmeasured(Foreseen):
    """What went wrong in a repeat, all of it, so that there is nothing to judge."""


def failed(
    drill: Drill,
    cluster: Cluster,
    profile: str,
    reason: str,
    made: Sequence[Repeat],
    before: Audit,
) -> DrillResult:
    """The result of a drill around which something went wrong that nobody foresaw."""
    return DrillResult(
        name=drill.name,
        title=drill.title,
        breaks=drill.breaks,
        sentence=f"{drill.title}: {reason}",
        cluster=cluster.name,
        profile=profile,
        measure=drill.measure,
        theory=None,
        budget=drill.budget,
        verdict=DrillVerdict.FAILED,
        reasons=(reason,),
        repeats=tuple(made),
        before=before,
    )
