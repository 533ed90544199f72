"""The verifier's page: the verdict, then what is wrong in full, then everything by machine."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from report import wording
from report.html import fill
from settings import Cluster
from verify.checks.check import Finding, Outcome
from verify.judge import AREAS, Conclusion, VerifierVerdict
from verify.report.since_last import Changes
from verify.report.terminal_report import explained, sentence
from verify.report.whereabouts import about, holding

WORDS = {
    Outcome.OK: "ok",
    Outcome.WARN: "warning",
    Outcome.FAIL: "failed",
    Outcome.UNKNOWN: "cannot tell",
    Outcome.SKIP: "skipped",
}
# The judge notes behind a command where it ran, when that is not the machine of the finding.
_ELSEWHERE = re.compile(r"(.*\S)\s{2,}\((on \S+|from here)\)")


def page(verdict: VerifierVerdict, since: Changes | None = None) -> str:
    """The whole page as HTML; `since`: what has changed since an earlier report."""
    snapshot = verdict.snapshot
    return fill(
        Path(__file__).with_name("templates"),
        "verifier.html.j2",
        kind=_kind_of(verdict),
        sentence=sentence(verdict),
        totals=[(o.key, WORDS[o], verdict.count(o)) for o in Outcome],
        words=WORDS,
        anchor=_anchor,
        commands=_commands,
        machines=wording.count(len(snapshot.hosts), "machine"),
        moment=wording.moment(snapshot.started),
        started=snapshot.started,
        seconds=wording.duration(snapshot.seconds),
        left_out=wording.listed(snapshot.left_out),
        since=since.sentence if since else "",
        explained=explained(verdict),
        troubles=_troubles(verdict),
        sections=[
            _section(cluster, verdict)
            for cluster in snapshot.views
            if any(finding.cluster == cluster.name for finding in verdict.findings)
        ],
    )


def _kind_of(verdict: VerifierVerdict) -> str:
    if verdict.conclusion is not Conclusion.HOLDS:
        return {Conclusion.FAILS: "fail", Conclusion.UNKNOWN: "unknown"}[verdict.conclusion]
    return "warn" if verdict.count(Outcome.WARN) or verdict.snapshot.left_out else "ok"


def _troubles(verdict: VerifierVerdict) -> list[Finding]:
    """What is bad by itself, beginning with what explains the rest; then the warnings."""
    first = [verdict.begin_with] if verdict.bad else []
    others = [finding for finding in verdict.causes if finding not in first]
    warnings = [finding for finding in verdict.findings if finding.outcome is Outcome.WARN]
    return [*first, *others, *warnings]


def _section(cluster: Cluster, verdict: VerifierVerdict) -> dict[str, object]:
    findings = [finding for finding in verdict.findings if finding.cluster == cluster.name]
    return {
        "name": cluster.name,
        "holding": holding(cluster, verdict),
        "places": [
            _place(cluster, host, list(found), verdict)
            for host, found in groupby(findings, key=lambda finding: finding.host)
        ],
    }


def _place(
    cluster: Cluster, host: str | None, findings: list[Finding], verdict: VerifierVerdict
) -> dict[str, object]:
    """One machine, or what is true across a cluster."""
    outcomes = [finding.outcome for finding in findings]
    return {
        "anchor": _anchor(cluster.name, host),
        "title": host or "Across the cluster",
        "note": about(cluster, host, verdict) if host else "",
        "groups": [
            (AREAS[area], list(found))
            for area, found in groupby(findings, key=lambda finding: finding.check.area)
        ],
        "counts": [(o.key, outcomes.count(o)) for o in Outcome],
    }


def _commands(finding: Finding) -> list[tuple[str, str]]:
    """Lines to paste, and where: "" for the machine of the finding."""
    lines = [(line, _ELSEWHERE.fullmatch(line)) for line in finding.command.splitlines()]
    return [(found[1], found[2]) if found else (line, "") for line, found in lines]


def _anchor(*parts: str | None) -> str:
    """An id for links within the page."""
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part) for part in parts if part)
