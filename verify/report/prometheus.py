"""The verdict as gauges for Prometheus, in the format of node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from verify.checks.check import Outcome
from verify.judge import VerifierVerdict

# Name, help, and samples (labels and value). A sample has no timestamp: the collector refuses files
# with any. The moment of the snapshot is a gauge of its own, to alert on when it is old.
Metric = tuple[str, str, Sequence[tuple[dict[str, str], float]]]


def text(verdict: VerifierVerdict) -> str:
    """The contents of tandem.prom."""
    return "".join(_lines(verdict))


def _lines(verdict: VerifierVerdict) -> Iterator[str]:
    for name, help, samples in (
        _holds(verdict),
        _findings(verdict),
        _checks(verdict),
        _held(verdict),
        _when(verdict),
        ("tandem_verify_seconds", "How long it took.", [({}, verdict.snapshot.seconds)]),
    ):
        yield f"# HELP {name} {help}\n# TYPE {name} gauge\n"
        for labels, value in samples:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{name}{{{inside}}} {value:.15g}\n" if inside else f"{name} {value:.15g}\n"


def _holds(verdict: VerifierVerdict) -> Metric:
    help = "1: all that must hold in this cluster does (warnings allowed). 0: something does not."
    bad = {finding.cluster for finding in verdict.bad}
    names = dict.fromkeys(finding.cluster for finding in verdict.findings)
    return "tandem_holds", help, [({"cluster": name}, name not in bad) for name in names]


def _findings(verdict: VerifierVerdict) -> Metric:
    help = "How many findings: ok, warn, fail, unknown or skip; without host: across the cluster."
    counts: dict[tuple[str, str | None], dict[Outcome, int]] = {}
    for finding in verdict.findings:
        place = counts.setdefault((finding.cluster, finding.host), dict.fromkeys(Outcome, 0))
        place[finding.outcome] += 1
    return (
        "tandem_findings",
        help,
        [
            ({**_place(*where), "outcome": outcome.key}, number)
            for where, found in counts.items()
            for outcome, number in found.items()
        ],
    )


def _checks(verdict: VerifierVerdict) -> Metric:
    help = "1: it holds, or is only a warning. 0: it fails or cannot be told. Absent: skipped."
    return (
        "tandem_check_holds",
        help,
        [
            ({**_place(finding.cluster, finding.host), "check": finding.id}, not finding.bad)
            for finding in verdict.findings
            if finding.outcome is not Outcome.SKIP
        ],
    )


def _held(verdict: VerifierVerdict) -> Metric:
    help = "1: this machine holds the VIP. Absent: not known."
    samples = [
        (_place(cluster.name, node.name), bool(held))
        for cluster in verdict.snapshot.views
        for node in cluster.nodes
        if (held := verdict.addresses(cluster, node.name)) is not None
    ]
    return "tandem_vip_held", help, samples


def _when(verdict: VerifierVerdict) -> Metric:
    help = "When the machines were asked, in seconds since 1970."
    started = datetime.fromisoformat(verdict.snapshot.started).timestamp()
    return "tandem_verify_started_seconds", help, [({}, started)]


def _place(cluster: str, host: str | None) -> dict[str, str]:
    return {"cluster": cluster} | ({"host": host} if host else {})


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
