"""Another profile's report, reduced to the figures that are compared with this one's."""

from __future__ import annotations

from pathlib import Path

from drills.results import Against, Baseline, DrillResult, from_json
from settings import Mistake, SettingsError

FILE = "drills.json"


def load(directory: Path) -> Against:
    """The report in `directory`. Raises `SettingsError` when there is none."""
    path = directory / FILE
    try:
        report = from_json(path.read_bytes())
    except OSError as error:
        remedy = f"has no readable {FILE} ({error.strerror}); give report=DIR of an earlier run"
    except ValueError:
        remedy = f"its {FILE} is no report of this Tandem; write it again"
    else:
        drills = tuple(_baseline(drill) for drill in report.drills)
        return Against(report.profile, report.started, drills)
    raise SettingsError([Mistake("--data", "against", str(directory), remedy)])


def _baseline(drill: DrillResult) -> Baseline:
    return Baseline(
        name=drill.name,
        cluster=drill.cluster,
        verdict=drill.verdict,
        spread=drill.spread,
        lost_median=drill.lost_median or 0.0,
        max_holders=max((repeat.max_holders for repeat in drill.counted), default=0),
    )
