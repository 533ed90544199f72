"""The verdict as gauges for Prometheus, in the format of node_exporter's textfile collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from verify.checks.check import Outcome
from verify.judge import VerifierVerdict
from verify.report.whereabouts import has_vip

# Name, help, and samples (labels and value). A sample has no timestamp: the collector refuses files
# with any. The moment of the snapshot is a gauge of its own, to alert on when it is old.
Metric = tuple[str, str, Sequence[tuple[dict[str, str], float]]]


def text(verdict: VerifierVerdict) -> str:
    """The contents of tandem.prom."""
    return "".join(_lines(verdict))


def _lines(verdict: VerifierVerdict) -> Iterator[str]:
    for name, help, samples in _metrics(verdict):
        yield f"# HELP {name} {help}\n# TYPE {name} gauge\n"
        for labels, value in samples:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{name}{{{inside}}} {value:.15g}\n" if inside else f"{name} {value:.15g}\n"


def _metrics(verdict: VerifierVerdict) -> Iterator[Metric]:
    snapshot, findings = verdict.snapshot, verdict.findings
    yield (
        "tandem_holds",
        "1: all that must hold in this cluster does (warnings allowed). 0: not so, or not known.",
        [
            ({"cluster": name}, verdict.holds_in(name))
            for name in dict.fromkeys(f.cluster for f in findings)
        ],
    )
    counts = Counter((f.cluster, f.host, f.outcome) for f in findings)
    yield (
        "tandem_findings",
        "How many findings: ok, warn, fail, unknown or skip; without host: across the cluster.",
        [
            ({**_place(*where), "outcome": outcome.key}, counts[*where, outcome])
            for where in dict.fromkeys((f.cluster, f.host) for f in findings)
            for outcome in Outcome
        ],
    )
    yield (
        "tandem_check_holds",
        "1: it holds, or is only a warning. 0: it fails or cannot be told. Absent: skipped.",
        [
            ({**_place(f.cluster, f.host), "check": f.id}, not f.bad)
            for f in findings
            if f.outcome is not Outcome.SKIP
        ],
    )
    yield (
        "tandem_vip_held",
        "1: this machine holds the VIP, or announces it as one that serves. Absent: not known.",
        [
            (_place(cluster.name, node.name), held)
            for cluster in snapshot.views
            for node in cluster.nodes
            if (held := has_vip(verdict, cluster, node.name)) is not None
        ],
    )
    started_s = datetime.fromisoformat(snapshot.started).timestamp()
    asked = "When the machines were asked, in seconds since 1970."
    yield "tandem_verify_started_seconds", asked, [({}, started_s)]
    yield "tandem_verify_seconds", "How long it took.", [({}, snapshot.seconds)]


def _place(cluster: str, host: str | None) -> dict[str, str]:
    return {"cluster": cluster} | ({"host": host} if host else {})


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
