"""The verifier's page: the verdict, then what is wrong in full, then everything by machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from report import wording
from report.html import fill
from settings import Cluster
from verify.checks.check import Finding, Outcome
from verify.judge import AREAS, VerifierVerdict
from verify.read.machine_view import CannotTell, MachineView
from verify.report.terminal_report import WORST_FIRST, holding, sentence
from verify.snapshot import Snapshot

WORDS = {
    Outcome.OK: "ok",
    Outcome.WARN: "warning",
    Outcome.FAIL: "failed",
    Outcome.UNKNOWN: "cannot tell",
    Outcome.SKIP: "skipped",
}
# The judge notes behind a command where it ran, when that is not the machine of the finding.
_ELSEWHERE = re.compile(r"(.*\S)\s{2,}\((on \S+|from here)\)")


@dataclass(frozen=True)
class Command:
    """A line to paste, and where. `where` is "" for the machine of the finding."""

    text: str
    where: str


@dataclass(frozen=True)
class Item:
    """One finding, as the page shows it."""

    anchor: str
    id: str
    title: str
    kind: str
    word: str
    where: str
    commands: tuple[Command, ...]
    expected: str
    actual_label: str
    actual: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Group:
    """The findings of one area in one place."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Place:
    """One machine, or what is true across a cluster. `worst` is the kind of its worst finding."""

    anchor: str
    title: str
    note: str
    groups: tuple[Group, ...]
    counts: tuple[tuple[str, int], ...]
    worst: str


@dataclass(frozen=True)
class ClusterSection:
    """One cluster."""

    anchor: str
    name: str
    holding: str
    places: tuple[Place, ...]


def page(verdict: VerifierVerdict) -> str:
    """The whole page as HTML."""
    snapshot = verdict.snapshot
    return fill(
        Path(__file__).with_name("templates"),
        "verifier.html.j2",
        kind=_kind_of(verdict),
        sentence=sentence(verdict),
        totals=[(_kind(o), WORDS[o], verdict.count(o)) for o in Outcome],
        words={_kind(o): WORDS[o] for o in Outcome},
        machines=wording.count(len(snapshot.hosts), "machine"),
        moment=wording.moment(snapshot.started),
        started=snapshot.started,
        seconds=wording.duration(snapshot.seconds),
        left_out=wording.listed(snapshot.left_out),
        troubles=_troubles(verdict),
        sections=[
            _section(cluster, verdict)
            for cluster in snapshot.views
            if any(finding.cluster == cluster.name for finding in verdict.findings)
        ],
    )


def _kind(outcome: Outcome) -> str:
    """The outcome as a class of the stylesheet."""
    return outcome.name.lower()


def _kind_of(verdict: VerifierVerdict) -> str:
    if not verdict.passed:
        return "fail"
    return "warn" if verdict.count(Outcome.WARN) or verdict.snapshot.left_out else "ok"


def _troubles(verdict: VerifierVerdict) -> list[Item]:
    """What is bad, beginning with what explains the rest; then the warnings."""
    first = [verdict.begin_with] if verdict.bad else []
    others = [finding for finding in verdict.bad if finding not in first]
    warnings = [finding for finding in verdict.findings if finding.outcome is Outcome.WARN]
    return [_item(finding) for finding in (*first, *others, *warnings)]


def _section(cluster: Cluster, verdict: VerifierVerdict) -> ClusterSection:
    findings = [finding for finding in verdict.findings if finding.cluster == cluster.name]
    return ClusterSection(
        anchor=_anchor(cluster.name),
        name=cluster.name,
        holding=holding(cluster, verdict.snapshot),
        places=tuple(
            _place(cluster, host, list(found), verdict.snapshot)
            for host, found in groupby(findings, key=lambda finding: finding.host)
        ),
    )


def _place(
    cluster: Cluster, host: str | None, findings: list[Finding], snapshot: Snapshot
) -> Place:
    outcomes = [finding.outcome for finding in findings]
    return Place(
        anchor=_anchor(cluster.name, host or ""),
        title=host or "Across the cluster",
        note=_note(cluster, host, snapshot) if host else "",
        groups=tuple(
            Group(AREAS[area], tuple(_item(finding) for finding in found))
            for area, found in groupby(findings, key=lambda finding: finding.check.area)
        ),
        counts=tuple((_kind(o), outcomes.count(o)) for o in Outcome),
        worst=_kind(next(o for o in WORST_FIRST if o in outcomes)),
    )


def _note(cluster: Cluster, host: str, snapshot: Snapshot) -> str:
    """What there is to know about a machine, in a line."""
    node = next(node for node in cluster.nodes if node.name == host)
    answers = snapshot.hosts[host]
    if answers.problem:
        return f"{node.address}, priority {node.priority}; not reached: {answers.problem}"
    try:
        holder = MachineView(answers).carries(cluster.vip.ip)
        holds = "holds the VIP" if holder else "without the VIP"
    except CannotTell:
        holds = "whether it holds the VIP is not known"
    return f"{node.address}, priority {node.priority}, {holds}"


def _item(finding: Finding) -> Item:
    unknown = finding.answer.outcome is Outcome.UNKNOWN
    return Item(
        anchor=_anchor(finding.cluster, finding.host or "", finding.id),
        id=finding.id,
        title=finding.check.title,
        kind=_kind(finding.outcome),
        word=WORDS[finding.outcome],
        where=finding.where,
        commands=tuple(_command(line) for line in finding.command.splitlines()),
        expected=finding.answer.expected,
        actual_label="cannot tell" if unknown else "actual",
        actual=finding.answer.actual,
        reason=finding.check.reason,
        remedy=finding.check.remedy,
    )


def _command(line: str) -> Command:
    elsewhere = _ELSEWHERE.fullmatch(line)
    return Command(elsewhere[1], elsewhere[2]) if elsewhere else Command(line, "")


def _anchor(*parts: str) -> str:
    """An id for links within the page."""
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part) for part in parts if part)
