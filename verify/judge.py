"""Applies the checks to a snapshot. Pure: the same snapshot gives the same findings.

No check is taken for good without its evidence: where a machine that was to be asked is silent, or
an answer is missing, empty or cut off, the finding is "unknown", and so is the verdict.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

from settings import Cluster, Mistake, SettingsError
from verify import rollback_explains
from verify.checks.check import (
    CHECKS,
    FROM_HERE,
    FROM_ROUTERS,
    Across,
    Answer,
    Check,
    Finding,
    Here,
    Outcome,
    skipped,
    unknown,
)
from verify.observe.probe import of_vip
from verify.observe.routing.asked_routers import questions
from verify.read.machine_view import CannotTell, MachineView
from verify.snapshot import HostAnswers, Snapshot

# Judged wherever a machine could not be asked, also when it was not asked for.
REACHED = "HOST-01"
# Where one of these fails, it is likely to be why others do; the likeliest first.
EXPLAINS_OTHERS = (
    *("HOST-01", "SYS-06", "NET-05", "NGX-01", "KA-03", "NGX-06", "NGX-10", "KA-01", "KA-02"),
    *("RT-01", "RT-02", "RT-11", "RT-03", "RT-06", "HO-01", "RT-14"),
    *("KA-22", "X-18", "X-04", "KA-12", "NET-02", "KA-04", "KA-09", "X-01"),
)
# What concerns everybody first, then from the web server down to the machine.
AREAS = {
    "HOST": "Reachable",
    "X": "Across the machines",
    "NGX": "nginx",
    "TLS": "TLS",
    "KA": "keepalived",
    "RT": "Routing",
    "HO": "Hand-over",
    "NET": "Network",
    "SYS": "System",
    "MET": "Metrics",
    "TIME": "Clock",
}


def every_check() -> tuple[Check, ...]:
    """All checks, in the one order that every list and report has."""
    areas = list(AREAS)
    return tuple(sorted(CHECKS.values(), key=lambda check: (areas.index(check.area), check.id)))


def select(only: str, skip: str) -> tuple[Check, ...]:
    """The checks that `only` names, or all, without those that `skip` names.

    Both are ids and areas, separated by commas. Raises `SettingsError` with every unknown name, and
    when no check is left.
    """
    mistakes: list[Mistake] = []
    wanted = _named("only", only, mistakes) if only.strip(", ") else set(CHECKS)
    unwanted = _named("skip", skip, mistakes)
    chosen = tuple(check for check in every_check() if check.id in wanted - unwanted)
    if not mistakes and not chosen:
        mistakes.append(Mistake("--data", "skip", skip, "leaves nothing to check"))
    if mistakes:
        raise SettingsError(mistakes)
    return chosen


def find(id: str) -> Check:
    """The check with this id. Raises `SettingsError` when there is none."""
    found = CHECKS.get(id.strip().upper())
    if found is None:
        raise SettingsError([_unknown("explain", id)])
    return found


def _named(option: str, text: str, mistakes: list[Mistake]) -> set[str]:
    found: set[str] = set()
    for name in filter(None, (part.strip() for part in text.split(","))):
        ids = {check.id for check in CHECKS.values() if name.upper() in (check.id, check.area)}
        if not ids:
            mistakes.append(_unknown(option, name))
        found |= ids
    return found


def _unknown(option: str, name: str) -> Mistake:
    known = [*CHECKS, *{check.area for check in CHECKS.values()}]
    close = difflib.get_close_matches(name.upper(), known, n=1)
    hint = f"did you mean {close[0]}?" if close else "--data list=1 shows them all"
    return Mistake("--data", option, name, f"there is no such check; {hint}")


class Conclusion(IntEnum):
    """What all findings come to; the value is the exit code."""

    HOLDS = 0
    FAILS = 1
    # Nothing fails, but something that matters is not known, or nothing at all was judged.
    UNKNOWN = 3


def conclusion(findings: Iterable[Finding]) -> Conclusion:
    """What they come to. Warnings are allowed; where nothing was ok, nothing is known."""
    outcomes = {finding.outcome for finding in findings}
    if Outcome.FAIL in outcomes:
        return Conclusion.FAILS
    judged = outcomes & {Outcome.OK, Outcome.WARN}
    return Conclusion.HOLDS if judged and Outcome.UNKNOWN not in outcomes else Conclusion.UNKNOWN


@dataclass(frozen=True)
class VerifierVerdict:
    """Every finding of one snapshot."""

    snapshot: Snapshot
    findings: tuple[Finding, ...]

    @cached_property
    def bad(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.bad)

    @cached_property
    def warned(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.outcome is Outcome.WARN)

    @cached_property
    def _found(self) -> set[tuple[str, str]]:
        """What is bad, by cluster and check."""
        return {(finding.whole_cluster, finding.id) for finding in self.bad}

    def _is_explained(self, finding: Finding) -> bool:
        because = finding.answer.because
        return because != finding.id and (finding.whole_cluster, because) in self._found

    @cached_property
    def explained(self) -> tuple[Finding, ...]:
        """What cannot be told only because of what another finding has found."""
        return tuple(filter(self._is_explained, self.bad))

    @cached_property
    def causes(self) -> tuple[Finding, ...]:
        """What is bad by itself."""
        return tuple(finding for finding in self.bad if not self._is_explained(finding))

    @property
    def begin_with(self) -> Finding:
        """The bad finding that most likely explains the others."""
        found = {finding.id: finding for finding in reversed(self.causes)}
        return next((found[id] for id in EXPLAINS_OTHERS if id in found), self.causes[0])

    @cached_property
    def conclusion(self) -> Conclusion:
        return conclusion(self.findings)

    @property
    def passed(self) -> bool:
        """Whether all holds, as far as this run was to look."""
        return self.conclusion is Conclusion.HOLDS

    def holds_in(self, cluster: str) -> bool:
        """The same of one cluster."""
        found = (finding for finding in self.findings if finding.cluster == cluster)
        return conclusion(found) is Conclusion.HOLDS

    @property
    def may_settle(self) -> bool:
        """Whether something is wrong that may only be a cluster whose VIP is just moving."""
        return any(finding.check.settles for finding in self.causes)

    def count(self, outcome: Outcome) -> int:
        """How many findings have this outcome."""
        return sum(finding.outcome is outcome for finding in self.findings)


def judge(snapshot: Snapshot, checks: Iterable[Check]) -> VerifierVerdict:
    """By cluster: findings across it, then each machine's, then those of its other VIPs."""
    checks = tuple(checks)
    told = any(check.id == rollback_explains.ROLLED_BACK for check in checks)
    findings: list[Finding] = []
    for cluster in snapshot.views:
        due = tuple(check for check in checks if check.each_vip or not cluster.place)
        if any(node.name in snapshot.hosts for node in cluster.nodes):
            findings += _judge_cluster(cluster, snapshot, due, told)
    return VerifierVerdict(snapshot, tuple(rollback_explains.with_what_follows(findings)))


def _judge_cluster(
    cluster: Cluster, snapshot: Snapshot, checks: tuple[Check, ...], told: bool
) -> Iterator[Finding]:
    nodes = [node for node in cluster.nodes if node.name in snapshot.hosts]
    hosts = {node.name: snapshot.hosts[node.name] for node in nodes}
    machines = {name: MachineView(host, cluster.place) for name, host in hosts.items()}
    reached = {name: machine for name, machine in machines.items() if not machine.problem}
    silent = {
        name: CannotTell("it could not be asked", REACHED)
        for name, machine in machines.items()
        if machine.problem
    }
    left_out = tuple(node.name for node in cluster.nodes if node.name not in hosts)
    from_here = snapshot.from_here.get(cluster.name, ())
    views = snapshot.router_views.get(cluster.name, ())
    contexts: dict[str | None, Here | Across] = {
        None: Across(cluster, reached, from_here, left_out, silent, views)
    }
    for node in nodes:
        others = {name: machine for name, machine in reached.items() if name != node.name}
        mute = {name: problem for name, problem in silent.items() if name != node.name}
        contexts[node.name] = Here(cluster, node, machines[node.name], others, left_out, mute)
    own = str(cluster.vip.ip) if cluster.place else ""
    for host, context in contexts.items():
        due = checks
        if host in silent and not cluster.place and CHECKS[REACHED] not in checks:
            due = (CHECKS[REACHED], *checks)
        for check in due:
            if check.across == (host is None):
                found = _answer(check, context)
                yield Finding(
                    check=check,
                    cluster=cluster.name,
                    host=host,
                    answer=rollback_explains.excused(check.id, context, found, told=told),
                    vip=own,
                    command=_command(check, cluster, host or next(iter(reached), ""), hosts),
                )


def _answer(check: Check, context: Here | Across) -> Answer:
    """A program that prints what nobody expected must not end the verifier."""
    if isinstance(context, Across):
        if context.left_out:
            return skipped(f"this run leaves out {', '.join(context.left_out)}")
        context = replace(context, silent=dict(context.silent))
    unreached = _unreached(check, context)
    try:
        for premise in check.needs:
            answer = premise(context)
            if answer and answer.outcome is Outcome.UNKNOWN:
                return unreached or _silent(check, context) or answer
            if answer:
                return answer
        return unreached or _with_evidence(check, context, check.judge(context))
    except CannotTell as error:
        return unreached or _silent(check, context) or unknown(str(error), error.because)
    except (ValueError, LookupError, TypeError) as error:
        shown = f"an answer could not be read: {type(error).__name__}: {error}"
        return unreached or unknown(shown)


def _unreached(check: Check, context: Here | Across) -> Answer | None:
    """The answer where nobody is there who could tell."""
    if isinstance(context, Here):
        if context.machine.problem and check.reads:
            return unknown(f"{context.node.name} could not be asked ({REACHED})", REACHED)
    elif check.asks_others and not context.machines:
        return unknown(f"no machine could be asked ({REACHED})", REACHED)
    return None


def _with_evidence(check: Check, context: Here | Across, answer: Answer) -> Answer:
    """What fails with half of the evidence fails; what is good with half of it is not known."""
    good = answer.outcome in (Outcome.OK, Outcome.WARN)
    return (_silent(check, context) if good else None) or answer


def _silent(check: Check, context: Here | Across) -> Answer | None:
    """The answer where machines are silent whose evidence the check needs."""
    if not context.silent or not check.asks_others:
        return None
    names = ", ".join(context.silent)
    causes = {error.because for error in context.silent.values()}
    because = causes.pop() if len(causes) == 1 else ""
    if because == REACHED:
        return unknown(f"{names} could not be asked ({REACHED})", REACHED)
    why = "; ".join(dict.fromkeys(map(str, context.silent.values())))
    return unknown(f"{names} cannot tell: {why}", because)


def _command(check: Check, cluster: Cluster, host: str, hosts: dict[str, HostAnswers]) -> str:
    """What the check has read, to be pasted: as it was run on `host`, or on another for it."""
    commands: list[str] = []
    outputs = hosts[host].outputs if host else {}
    for probe in check.reads:
        if probe == FROM_HERE:
            node = cluster.preferred
            options = "-k " * node.tls + "--haproxy-protocol " * node.proxy_protocol
            commands.append(f"curl -i {options}{node.url(cluster.vip.ip)}   (from here)")
        elif probe == FROM_ROUTERS:
            commands += [f"{each.command}   (from here)" for each in questions(cluster)]
        elif probe.endswith(":*"):
            commands += [
                output.command
                for name, output in outputs.items()
                if name.startswith(probe.removesuffix("*"))
            ]
        elif "{name}" in probe:
            commands += [
                f"{other.outputs[name].command}   (on {other.host})"
                for other in hosts.values()
                if (name := probe.format(name=host)) in other.outputs
            ]
        else:
            own = of_vip(probe, cluster.place)
            commands += [outputs[own].command] if own in outputs else []
    return "\n".join(dict.fromkeys(commands)) or (f"ssh {host}" if host else "")
