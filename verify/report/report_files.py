"""The reports as files: JSON, JUnit, HTML, Prometheus gauges, and the snapshot itself."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pydantic_core import to_json

from verify.checks.check import Finding, Outcome
from verify.judge import VerifierVerdict
from verify.report import prometheus, verifier_page
from verify.report.since_last import Changes, changes
from verify.report.terminal_report import sentence
from verify.snapshot import saved

FORMAT = 1


REPORT, SNAPSHOT = "report.json", "gathering.json"
# Whole configurations are in it: it is for whoever may read those on the machines.
MODES = {SNAPSHOT: 0o600}
MODE = 0o644


def write(verdict: VerifierVerdict, directory: Path) -> Changes | None:
    """Write every report into `directory`, each beside its place first and then renamed.

    Returns what has changed since the report that was there, None where there was none. Raises
    `OSError` where it cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    since = _since(directory / REPORT, verdict)
    contents = {
        REPORT: to_json(as_data(verdict, since), indent=1).decode() + "\n",
        "report.xml": junit(verdict),
        "report.html": verifier_page.page(verdict, since),
        "tandem.prom": prometheus.text(verdict),
        SNAPSHOT: saved(verdict.snapshot) + "\n",
    }
    for name, content in contents.items():
        beside = directory / f".{name}.new"
        beside.unlink(missing_ok=True)
        # Never for a moment with more rights than it is to have.
        with open(beside, "x", encoding="utf-8", opener=_opener(MODES.get(name, MODE))) as file:
            file.write(content)
        beside.rename(directory / name)
    return since


def _opener(mode: int) -> Callable[[str, int], int]:
    return lambda path, flags: os.open(path, flags, mode)


def _since(earlier: Path, verdict: VerifierVerdict) -> Changes | None:
    return changes(earlier.read_text(errors="replace"), verdict) if earlier.is_file() else None


def as_data(verdict: VerifierVerdict, since: Changes | None = None) -> dict[str, Any]:
    """The verdict as plain data. `host` is null for a finding across a cluster, `since` without an
    earlier report."""
    snapshot = verdict.snapshot
    return {
        "format": FORMAT,
        "started": snapshot.started,
        "seconds": snapshot.seconds,
        "passed": verdict.passed,
        "exit": verdict.conclusion.value,
        "verdict": sentence(verdict),
        "since": since,
        "counts": _counts(verdict.findings),
        "clusters": [
            {
                "name": cluster.name,
                "vip": str(cluster.vip),
                "hosts": [node.name for node in cluster.nodes if node.name in snapshot.hosts],
                "passed": verdict.holds_in(cluster.name),
                "counts": _counts(f for f in verdict.findings if f.cluster == cluster.name),
            }
            for cluster in snapshot.views
        ],
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _counts(findings: Iterable[Finding]) -> dict[str, int]:
    counts = Counter(finding.outcome for finding in findings)
    return {outcome.key: counts[outcome] for outcome in Outcome}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "area": finding.check.area,
        "cluster": finding.cluster,
        "host": finding.host,
        "outcome": finding.outcome.key,
        "because": finding.answer.because,
        "severity": "failure",  # of every check: what only warns says so in its outcome
        "title": finding.check.title,
        "command": finding.command,
        "expected": finding.answer.expected,
        "actual": finding.answer.actual,
        "reason": finding.check.reason,
        "remedy": finding.check.remedy,
    }


def junit(verdict: VerifierVerdict) -> str:
    """A suite for each machine and one for each cluster; what cannot be told is an error."""
    suites: dict[str, list[Finding]] = {}
    for finding in verdict.findings:
        suites.setdefault(finding.host or finding.cluster, []).append(finding)
    root = ElementTree.Element("testsuites", {"name": "tandem", **_counted(verdict.findings)})
    for name, findings in suites.items():
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            {"name": name, **_counted(findings)},
            timestamp=verdict.snapshot.started,
            time=str(verdict.snapshot.seconds),
        )
        for finding in findings:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{name}.{finding.check.area}",
                name=" ".join(filter(None, (finding.id, finding.vip, finding.check.title))),
                time="0",
            )
            _result(case, finding)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counted(findings: Sequence[Finding]) -> dict[str, str]:
    counts = _counts(findings)
    named = {"failures": counts["fail"], "errors": counts["unknown"], "skipped": counts["skip"]}
    return {name: str(count) for name, count in {"tests": len(findings), **named}.items()}


def _result(case: ElementTree.Element, finding: Finding) -> None:
    actual, expected = _printable(finding.answer.actual), _printable(finding.answer.expected)
    full = (
        f"command   {_printable(finding.command)}\nexpected  {expected}\n"
        f"actual    {actual}\nremedy    {finding.check.remedy}"
    )
    match finding.outcome:
        case Outcome.FAIL:
            message = f"expected {expected}, found {actual}"
            ElementTree.SubElement(case, "failure", message=message).text = full
        case Outcome.UNKNOWN:
            ElementTree.SubElement(case, "error", message=f"cannot tell: {actual}").text = full
        case Outcome.SKIP:
            ElementTree.SubElement(case, "skipped", message=actual)
        case Outcome.WARN:
            ElementTree.SubElement(case, "system-out").text = f"warning\n{full}"


def _printable(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(char for char in text if char in "\t\n" or char >= " ")
