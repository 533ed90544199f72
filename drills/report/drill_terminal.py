"""The report on the terminal: a line per drill, then what has failed, in words."""

from __future__ import annotations

import statistics
import sys
import textwrap

from rich.console import Console
from rich.table import Table
from rich.text import Text

from drills.analysis.long_lived_counts import count_long_lived
from drills.report import drill_wording
from drills.results import MEANING, UNKNOWN, Against, DrillResult, DrillVerdict, Report
from drills.scenarios.catalogues import VRRP, Catalogue
from report import wording

STYLES = {
    DrillVerdict.PASSED: "green",
    DrillVerdict.FAILED: "bold red",
    DrillVerdict.SKIPPED: "dim",
    DrillVerdict.VOID: "magenta",
}
# By exit code.
ENDINGS = {0: "bold green", UNKNOWN: "bold magenta"}
WIDTH_WITHOUT_TERMINAL = 120
NEEDS = {
    "lab": "the lab",
    "nft": "nft or the lab",
    "clock": "a clock of its own",
    "older": "the lab",
    "room": "room for them",
    "slow": "room for them",
    "systemd": "systemd",
    "rules": "the hand-over",
    "ipv4": "IPv4",
    "vip6": "vip6",
    "apart": "vrrp_interface",
    "routers": "two routers",
}


def console() -> Console:
    """Standard output; a fixed width where that is no terminal, however wide the log is."""
    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(highlight=False, width=width)


def _columns() -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("drill", no_wrap=True)
    return table


def listing(out: Console, catalogue: Catalogue = VRRP) -> None:
    """Every drill in a line."""
    table = _columns()
    table.add_column("what it breaks", ratio=1)
    table.add_column("needs", no_wrap=True)
    for drill in catalogue.drills:
        table.add_row(drill.name, drill.breaks, ", ".join(NEEDS[need] for need in drill.all_needs))
    out.print(table)
    groups = ", ".join(f"drills={name}" for name in catalogue.groups)
    out.print(
        f"\n--data drills=NAME,NAME or {groups}; --data repeats=5 --data report=DIR\n"
        "Everything that is broken is put back."
    )


def report(report: Report, out: Console) -> None:
    """Print everything that was found."""
    names = {drill.cluster for drill in report.drills}
    for cluster in dict.fromkeys(drill.cluster for drill in report.drills):
        drills = [drill for drill in report.drills if drill.cluster == cluster]
        if len(names) > 1:
            out.print(Text(cluster, style="bold"))
        out.print(_table(drills, report.against))
    _evidence(report, out)
    _long_lived(report, out)
    out.print()
    for drill in report.drills:
        if drill.verdict is not DrillVerdict.PASSED:
            _in_full(drill, out)
    _classes(report, out)
    said = f"{drill_wording.sentence(report)} It took {wording.duration(report.seconds)}."
    out.print(Text(said, style=ENDINGS.get(report.exit_code, "bold red")))


def _table(drills: list[DrillResult], against: Against | None) -> Table:
    """Of each drill the median of the repeats, and below it the worst of each. One unit a column:
    seconds, but for what is lost."""
    table = _columns()
    table.add_column("", no_wrap=True)
    for name in ("theory\ns", "outage\ns", "lost\nrequests", "slowest\ns"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("found\ns", "taken\ns"):
        table.add_column(name, justify="right", no_wrap=True)
    if against:
        table.add_column(f"{against.profile}\ns", justify="right", no_wrap=True)
        table.add_column("ratio", justify="right", no_wrap=True)
    table.add_column("allowed", ratio=1)
    table.add_column("verdict", no_wrap=True)
    for drill in drills:
        more = _against(drill, against) if against else []
        theory = seconds(drill.theory.expected_s) if drill.theory else "-"
        verdict = Text(drill.verdict.value, style=STYLES[drill.verdict])
        median, worst = _measured(drill)
        table.add_row(drill.name, "median", theory, *median, *more, str(drill.budget), verdict)
        if drill.spread is not None:
            rest = [""] * len(more)
            table.add_row("", "worst", "", *worst, *rest, str(drill.ceiling or ""), "")
    return table


def _evidence(report: Report, out: Console) -> None:
    """By what one sees that each fault has bitten, in how many repeats."""
    seen = {
        drill_wording.named(drill, report): text
        for drill in report.drills
        if (text := drill_wording.evidence(drill))
    }
    width = max(map(len, seen), default=0)
    if seen:
        out.print("\nWhat shows that it happened, in how many repeats:")
    for name, text in seen.items():
        out.print(Text(f"{name:<{width}}  {text}"), soft_wrap=True)


def _long_lived(report: Report, out: Console) -> None:
    """The results of the connections and downloads during the drills."""
    loaded = [drill for drill in report.drills if drill.loads]
    width = max((len(drill_wording.named(drill, report)) for drill in loaded), default=0)
    if loaded:
        out.print("\nMeanwhile:")
    for drill in loaded:
        out.print(
            f"{drill_wording.named(drill, report):<{width}}  {count_long_lived(*drill.loads)}",
            soft_wrap=True,
        )


def _measured(drill: DrillResult) -> tuple[list[str], list[str]]:
    """Outage, lost, slowest, found and taken: of the median, and of the worst repeat."""
    found = drill.spread
    if found is None:
        return ["-"] * 5, []
    parts = [
        (repeat.detection_s, repeat.takeover_s)
        for repeat in drill.counted
        if repeat.detection_s is not None and repeat.takeover_s is not None
    ]
    phases = [list(values) for values in zip(*parts, strict=True)]
    slowest_s = drill_wording.slowest(drill)
    median = [
        seconds(found.median_s),
        f"{drill.lost_median:g}",
        "",
        *([seconds(statistics.median(values)) for values in phases] or ["-", "-"]),
    ]
    worst = [
        seconds(found.max_s),
        drill_wording.most_limited(drill),
        "-" if slowest_s is None else seconds(slowest_s),
        *([seconds(max(values)) for values in phases] or ["-", "-"]),
    ]
    return median, worst


def _against(drill: DrillResult, against: Against) -> list[str]:
    base = against.of(drill)
    theirs = seconds(base.spread.median_s) if base and base.spread else "-"
    return [theirs, drill_wording.against(drill, base) or "-"]


def seconds(value: float) -> str:
    """Milliseconds where they matter."""
    return "0" if value == 0 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _in_full(drill: DrillResult, out: Console) -> None:
    out.print(
        Text.assemble(
            (drill.verdict.value, STYLES[drill.verdict]),
            " ",
            (f"{drill.name} on {drill.cluster}", "bold"),
            f": {drill.breaks}",
        ),
        soft_wrap=True,
    )
    lines = [*drill.reasons]
    if drill.theory and drill.verdict is DrillVerdict.FAILED:
        lines.append(f"theory: {drill.theory.how}")
    for line in lines:
        wrapped = textwrap.wrap(line, out.width - 4) or [""]
        out.print(Text("  - " + "\n    ".join(wrapped)), soft_wrap=True)
    out.print()


def _classes(report: Report, out: Console) -> None:
    """What was lost over all drills, by class, and what each class means."""
    if not report.lost:
        return
    repeats = sum(len(drill.counted) for drill in report.drills)
    within = "" if repeats == 1 else f" in all {repeats} repeats together"
    out.print(f"Requests lost{within}, by how they ended:")
    for outcome, count in sorted(report.lost.items(), key=lambda item: -item[1]):
        out.print(f"  {count:>6} {outcome:<16} {MEANING[outcome]}")
    out.print()
