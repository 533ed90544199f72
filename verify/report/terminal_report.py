"""The report a person reads: what is wrong last and in full, and calm when nothing is."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from report import wording
from settings import Cluster
from verify.checks.check import Check, Finding, Outcome
from verify.judge import Conclusion, VerifierVerdict
from verify.report.since_last import Changes
from verify.report.whereabouts import holding

# The worst first: what a row of many machines is summed up by.
STYLES = {
    Outcome.FAIL: "bold red",
    Outcome.UNKNOWN: "magenta",
    Outcome.WARN: "yellow",
    Outcome.SKIP: "dim",
    Outcome.OK: "green",
}
COLOURS = {Conclusion.HOLDS: "green", Conclusion.FAILS: "red", Conclusion.UNKNOWN: "magenta"}
TITLE_WIDTH_MIN = 30
# A check's id with the gap behind it, a machine's column, and the gap in front of that.
ID_WIDTH, NARROWEST, GAP = 9, 7, 2
MACHINES = "machines"
WIDTH_WITHOUT_TERMINAL = 80


def console() -> Console:
    """Standard output; 80 columns where that is no terminal, however wide the log is."""
    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = WIDTH_WITHOUT_TERMINAL
    return found


def report(verdict: VerifierVerdict, out: Console, since: Changes | None = None) -> None:
    """Print everything that was found; `since`: what has changed since an earlier report."""
    several = len({finding.cluster for finding in verdict.findings}) > 1
    for cluster in verdict.snapshot.views:
        findings = [finding for finding in verdict.findings if finding.cluster == cluster.name]
        if findings:
            _cluster(cluster, verdict, findings, out)
        if findings and several:
            style = "green" if verdict.holds_in(cluster.name) else "bold red"
            out.print(Text(f"{cluster.name}: {counted(findings)}\n", style=style))
    told: dict[tuple[str, str], list[Finding]] = {}
    causes = {id(finding) for finding in verdict.causes}
    for finding in verdict.findings:
        if id(finding) in causes or finding.outcome is Outcome.WARN:
            alike = finding.outcome is Outcome.UNKNOWN
            reason = finding.answer.actual if alike else finding.id
            told.setdefault((finding.where, reason), []).append(finding)
    for first, *others in told.values():
        _in_full(first, out, others)
    _explained(verdict, out)
    if since:
        out.print(Text("\n".join(textwrap.wrap(since.sentence, out.width))))
    out.print(counts(verdict))
    out.print(Text(sentence(verdict), style=f"bold {COLOURS[verdict.conclusion]}"))


def _cluster(
    cluster: Cluster, verdict: VerifierVerdict, findings: list[Finding], out: Console
) -> None:
    """One row per check; a column per machine where they fit, else how many are well."""
    hosts = list(dict.fromkeys(finding.host for finding in findings if finding.host))
    rows: dict[Check, dict[str | None, Finding]] = {}
    for finding in findings:
        rows.setdefault(finding.check, {})[finding.host] = finding
    # (Where only checks of the whole cluster were asked for, there is no host, and one column.)
    widths = [max(len(host), NARROWEST) for host in hosts] or [NARROWEST]
    title_width = out.width - ID_WIDTH - sum(width + GAP for width in widths)
    columns, heads = hosts, hosts
    if title_width < TITLE_WIDTH_MIN:
        columns, heads, widths = [], [MACHINES], [NARROWEST]
        longest = max(len(_summed_up(found)) for found in rows.values())
        title_width = out.width - ID_WIDTH - GAP - max(longest, len(MACHINES))
    # Lines and not a table of rich's, which takes longer to be laid out than all the checks.
    lines = [_row("check", "", [Text(head) for head in heads], widths, title_width)]
    lines[0].stylize("bold")
    for check, found in rows.items():
        places = [None] if check.across else columns
        cells = [_word(found[host]) if host in found else Text() for host in places]
        lines.append(_row(check.id, check.title, cells or [_summed_up(found)], widths, title_width))
    out.print(Text(f"{cluster.name}: {holding(cluster, verdict)}", style="bold"))
    out.print(Text("\n").join(lines), soft_wrap=True)
    out.print()


def _row(
    name: str, title: str, cells: Sequence[Text], widths: Sequence[int], title_width: int
) -> Text:
    """One check's line, or more of them where its title does not fit."""
    first, *more = textwrap.wrap(title, title_width) or [""]
    row = Text(f"{name:<{ID_WIDTH}}{first:<{title_width}}")
    for cell, width in zip(cells, widths, strict=False):
        row.append(" " * GAP).append_text(cell)
        row.append(" " * (width - len(cell)))
    for line in more:
        row.append(f"\n{'':<{ID_WIDTH}}{line}")
    return row


def _word(finding: Finding) -> Text:
    return Text(finding.outcome, style=STYLES[finding.outcome])


def _summed_up(found: dict[str | None, Finding]) -> Text:
    counts = Counter(finding.outcome for finding in found.values())
    return Text(" ").join(
        Text(f"{counts[outcome]} {outcome}", style=style)
        for outcome, style in STYLES.items()
        if counts[outcome]
    )


def _in_full(finding: Finding, out: Console, others: Sequence[Finding] = ()) -> None:
    """Everything about one finding, and the `others` that the same is the matter with.

    Lines are not cut, so that a command can be pasted.
    """
    title = f": {finding.check.title}"
    out.print(Text.assemble(_word(finding), f" {finding.id} ", (finding.where, "bold"), title))
    unknown = finding.answer.outcome is Outcome.UNKNOWN
    lines = {
        "command": finding.command,
        "expected": finding.answer.expected,
        "cannot tell" if unknown else "actual": finding.answer.actual,
        "why": finding.check.reason,
        "remedy": finding.check.remedy,
        "the same": ", ".join(other.id for other in others),
    }
    for name, text in lines.items():
        for number, line in enumerate(text.splitlines()):
            label = f"  {name if number == 0 else '':<11} "
            # A command is not wrapped, so that it can be pasted.
            if name != "command":
                wrapped = textwrap.wrap(line, out.width - len(label))
                line = ("\n" + " " * len(label)).join(wrapped)
            out.print(Text(label + line), soft_wrap=True)
    out.print()


def explained(verdict: VerifierVerdict) -> list[tuple[str, str, list[Finding]]]:
    """What cannot be told only because of another failure: where, why, and which checks."""
    by_cause: dict[tuple[str, str], list[Finding]] = {}
    for finding in verdict.explained:
        by_cause.setdefault((finding.where, finding.answer.actual), []).append(finding)
    return [(where, why, findings) for (where, why), findings in by_cause.items()]


def _explained(verdict: VerifierVerdict, out: Console) -> None:
    found = explained(verdict)
    for where, why, findings in found:
        head = Text.assemble(_word(findings[0]), " ", (where, "bold"), f": {why}: ")
        ids = ", ".join(finding.id for finding in findings)
        lines = textwrap.wrap(head.plain + ids, out.width, subsequent_indent="  ")
        out.print(head[: len(lines[0])].append_text(Text(("\n".join(lines))[len(head) :])))
    if found:
        out.print()


COUNTED = {
    Outcome.OK: "ok",
    Outcome.WARN: "warning",
    Outcome.FAIL: "failed",
    Outcome.UNKNOWN: "unknown",
    Outcome.SKIP: "skipped",
}


def counted(findings: Sequence[Finding]) -> str:
    """How many of each."""
    outcomes = [finding.outcome for finding in findings]
    return ", ".join(f"{outcomes.count(outcome)} {word}" for outcome, word in COUNTED.items())


def counts(verdict: VerifierVerdict) -> str:
    """How many of each, and how long it took."""
    machines = wording.count(len(verdict.snapshot.hosts), "machine")
    return f"{counted(verdict.findings)}; {machines} asked in {verdict.snapshot.seconds:.1f} s."


def sentence(verdict: VerifierVerdict) -> str:
    """The verdict, in one sentence."""
    failed, unknown = verdict.count(Outcome.FAIL), verdict.count(Outcome.UNKNOWN)
    begin = (
        f"Begin with {verdict.begin_with.id} on {verdict.begin_with.where}." if verdict.bad else ""
    )
    match verdict.conclusion:
        case Conclusion.FAILS:
            more = f", {unknown} cannot be told" if unknown else ""
            return f"It does not hold: {failed} failed{more}. {begin}"
        case Conclusion.UNKNOWN if unknown:
            return f"It is not known whether it holds: {unknown} cannot be told. {begin}"
        case Conclusion.UNKNOWN:
            reasons = "; ".join(dict.fromkeys(f.answer.actual for f in verdict.findings))
            return f"It is not known whether it holds: nothing was judged ({reasons})."
    warnings = verdict.count(Outcome.WARN)
    warned = f", with {wording.count(warnings, 'warning')} to look at" if warnings else ""
    if left_out := verdict.snapshot.left_out:
        was = "was" if len(left_out) == 1 else "were"
        looked = f"It holds as far as this run has looked{warned}"
        return f"{looked}: {wording.listed(left_out)} {was} left out."
    if warned:
        return f"It holds{warned}."
    return "It holds: nothing to do."


# What each exit code of verify.py means.
EXIT_CODES = {
    Conclusion.HOLDS: "all that was asked holds (warnings are allowed)",
    Conclusion.FAILS: "something does not hold; a machine was not reached; the run is refused",
    Conclusion.UNKNOWN: "nothing fails, but something could not be told, or nothing was judged",
}


def listing(checks: tuple[Check, ...], out: Console) -> None:
    """Every check in a line."""
    heads = (Column("check", no_wrap=True), Column("asked of", no_wrap=True), "what should be so")
    table = Table(*heads, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for check in checks:
        table.add_row(check.id, "the cluster" if check.across else "each machine", check.title)
    out.print(table)
    codes = Table(Column("exit", no_wrap=True), "what it means", box=None, pad_edge=False)
    codes.header_style, codes.padding = "bold", (0, 2, 0, 0)
    for code, meaning in EXIT_CODES.items():
        codes.add_row(str(code.value), meaning)
    codes.add_row("130", "interrupted; nothing was judged")
    out.print()
    out.print(codes)


def explanation(check: Check, commands: list[str], out: Console) -> None:
    """All that there is to say about one check."""
    scope = "each cluster as a whole" if check.across else "each machine"
    out.print(Text(f"{check.id}: {check.title}", style="bold"))
    out.print(f"Asked of {scope}.\n\nWhy      {check.reason}\n\nRemedy   {check.remedy}\n")
    for command in commands:
        out.print(Text(f"Reads    {command}"), soft_wrap=True)
