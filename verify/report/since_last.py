"""What has changed since the last report that was written into the same directory. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from report import wording
from verify.checks.check import Outcome
from verify.judge import VerifierVerdict

# The better comes first; what is not judged has no rank.
_RANKS = {
    outcome.key: rank
    for rank, outcome in enumerate((Outcome.OK, Outcome.WARN, Outcome.UNKNOWN, Outcome.FAIL))
}


class _Key(NamedTuple):
    """What identifies a finding in every report. `host` is None across a cluster."""

    id: str
    cluster: str
    host: str | None

    def __str__(self) -> str:
        return f"{self.id} on {self.host or f'cluster {self.cluster}'}"


class _EarlierFinding(BaseModel):
    id: str
    cluster: str
    host: str | None
    outcome: str


class _EarlierReport(BaseModel):
    """As much of a report.json as is compared."""

    started: str
    findings: tuple[_EarlierFinding, ...]


@dataclass(frozen=True)
class Changes:
    """Findings by what became of them since the report of `started`, ISO 8601.

    `new`: what is worse than it was (warnings count). `gone`: what was bad and is good now.
    `still`: what was bad and still is. What only one of the two runs has judged is in none of them.
    """

    started: str
    new: tuple[str, ...]
    gone: tuple[str, ...]
    still: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """In one line: `Since the report of …: 1 new (X-01 on …), 2 gone (…), none still there.`"""
        named = {"new": self.new, "gone": self.gone, "still there": self.still}
        parts = [
            f"{len(found) or 'none'} {word}" + (f" ({', '.join(found)})" if found else "")
            for word, found in named.items()
        ]
        return f"Since the report of {wording.moment(self.started)}: {', '.join(parts)}."


def changes(earlier_report: str, verdict: VerifierVerdict) -> Changes | None:
    """By the text of the earlier report.json; None where that is none."""
    try:
        earlier = _EarlierReport.model_validate_json(earlier_report)
    except ValidationError:
        return None
    ranks = {_Key(f.id, f.cluster, f.host): _RANKS.get(f.outcome) for f in earlier.findings}
    new, gone, still = list[str](), list[str](), list[str]()
    for finding in verdict.findings:
        key = _Key(finding.id, finding.cluster, finding.host)
        before, now = ranks.get(key), _RANKS.get(finding.outcome.key)
        if before is None or now is None:
            continue
        if now > before:
            new.append(str(key))
        elif now:
            still.append(str(key))
        elif before:
            gone.append(str(key))
    return Changes(earlier.started, tuple(new), tuple(gone), tuple(still))
