"""The reports as files: JSON, JUnit, HTML, Prometheus gauges, and the snapshot itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pydantic_core import to_json

from verify.checks.check import Finding, Outcome
from verify.judge import VerifierVerdict
from verify.report import prometheus, verifier_page
from verify.report.terminal_report import sentence
from verify.snapshot import saved

FORMAT = 1


def write(verdict: VerifierVerdict, directory: Path) -> tuple[Path, ...]:
    """Write every report into `directory`, each beside its place first and then renamed."""
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.json": to_json(as_data(verdict), indent=1).decode() + "\n",
        "report.xml": junit(verdict),
        "report.html": verifier_page.page(verdict),
        "tandem.prom": prometheus.text(verdict),
        "gathering.json": saved(verdict.snapshot) + "\n",
    }
    for name, content in contents.items():
        beside = directory / f".{name}.new"
        beside.write_text(content, encoding="utf-8")
        beside.rename(directory / name)
    return tuple(directory / name for name in contents)


def as_data(verdict: VerifierVerdict) -> dict[str, Any]:
    """The verdict as plain data. `host` is null for a finding across a cluster."""
    snapshot = verdict.snapshot
    return {
        "format": FORMAT,
        "started": snapshot.started,
        "seconds": snapshot.seconds,
        "passed": verdict.passed,
        "verdict": sentence(verdict),
        "counts": {outcome.key: verdict.count(outcome) for outcome in Outcome},
        "clusters": [
            {
                "name": cluster.name,
                "vip": str(cluster.vip),
                "hosts": [node.name for node in cluster.nodes if node.name in snapshot.hosts],
                "passed": all(f.cluster != cluster.name for f in verdict.bad),
                "counts": {
                    outcome.key: sum(
                        f.cluster == cluster.name and f.outcome is outcome for f in verdict.findings
                    )
                    for outcome in Outcome
                },
            }
            for cluster in snapshot.views
        ],
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "area": finding.check.area,
        "cluster": finding.cluster,
        "host": finding.host,
        "outcome": finding.outcome.key,
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
            {
                "name": name,
                "timestamp": verdict.snapshot.started,
                "time": str(verdict.snapshot.seconds),
                **_counted(findings),
            },
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


def _counted(findings: list[Finding] | tuple[Finding, ...]) -> dict[str, str]:
    outcomes = [finding.outcome for finding in findings]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count(Outcome.FAIL)),
        "errors": str(outcomes.count(Outcome.UNKNOWN)),
        "skipped": str(outcomes.count(Outcome.SKIP)),
    }


def _result(case: ElementTree.Element, finding: Finding) -> None:
    actual, expected = _printable(finding.answer.actual), _printable(finding.answer.expected)
    full = _printable(
        f"command   {finding.command}\nexpected  {finding.answer.expected}\n"
        f"actual    {finding.answer.actual}\nremedy    {finding.check.remedy}"
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
