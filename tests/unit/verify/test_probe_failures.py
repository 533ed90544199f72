"""Every probe's answer spoiled in every way: no check is content with what is no evidence.

Generated from all probes, all checks and what each of them `reads`. `SIZE` has how many cases there
are, `DOES_WITHOUT` what may be spoiled all the same, and why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.snapshots import BOTH, DEFAULT, EVERYTHING, HEALTHY, ROUTED, SEVERAL
from tests.support.spoiled_answers import SPOILS, probes_of, raw_round_trip, read_by, spoiled
from verify import judge
from verify.checks.check import Check, Finding, Outcome
from verify.judge import VerifierVerdict, every_check
from verify.observe.probe import END, HttpProbe, ShellProbe
from verify.read.answers import Answers
from verify.snapshot import ClockOffset, HostAnswers, Snapshot

PROFILES: dict[str, dict[str, Any]] = {
    "classic": HEALTHY,
    "default": DEFAULT,
    "several": SEVERAL,
    "everything": EVERYTHING,
    "routed": ROUTED,
}
# Profiles, probes, ways to spoil one, on one machine or on both: it grows with them, and must not
# shrink unnoticed.
SIZE = 4500
ANY = frozenset(SPOILS)
LATER = frozenset({"without its last line", "cut in the middle", "cut at a line's end"})
# Without its status being another one.
SAME_STATUS = frozenset(
    {"empty", "white space", "cut in the middle", "cut at a line's end", "without its last line"}
    | {"garbage"}
)
# What a check may be content without: check, probe, ways. Everything else is a fault.
DOES_WITHOUT: dict[tuple[str, str], tuple[frozenset[str], str]] = {
    ("KA-14", "keepalived_down"): (ANY, "of interest only where a script has failed"),
    ("KA-11", "vrrp"): (ANY, "of interest only where nothing keeps keepalived's log"),
    ("NET-02", "units"): (ANY, "of interest only where the machine has the VIP"),
    ("NET-02", "vrrp"): (ANY, "of interest only where the machine has the VIP"),
    ("X-07", "neighbours"): (ANY, "of interest only where no machine can listen"),
    ("X-08", "neighbours"): (ANY, "of interest only where no machine can listen"),
    ("X-07", "heard"): (frozenset({"program missing"}), "then the kernels' tables tell"),
    ("X-08", "heard"): (frozenset({"program missing"}), "then the kernels' tables tell"),
    ("X-09", "neighbours"): (frozenset({"other JSON []"}), "how `ip` says that there is none"),
    ("X-17", "offset"): (ANY, "then the controller has measured both clocks itself"),
    ("NGX-15", "nginx_missing"): (LATER, "the head is whole, and nothing else is judged"),
    ("MET-01", "metrics_nginx"): (LATER, "the line that is asked for is whole"),
    ("MET-01", "metrics_node"): (LATER, "the line that is asked for is whole"),
    ("MET-02", "metrics_nginx:{name}"): (SAME_STATUS, "curl's status says that it was refused"),
    ("MET-02", "metrics_node:{name}"): (SAME_STATUS, "curl's status says that it was refused"),
}
# With these, all checks are made: what else changes is "unknown", or skipped for what is.
WIDELY = ("empty", "garbage that ends", "program missing")


@cache
def _snapshot(profile: str) -> Snapshot:
    """With clocks as the controller reads them that is not busy, which it may have been."""
    snapshot = Snapshot.model_validate(PROFILES[profile])
    clock = ClockOffset(offset_s=0, error_s=0.01)
    hosts = {
        name: host.model_copy(update={"clock": clock}) for name, host in snapshot.hosts.items()
    }
    return snapshot.model_copy(update={"hosts": hosts})


OF_ROUTED = {
    *("addresses", "units", "watch_says", "keepalived_down", "handover_table", "handover_table6"),
    *("page:vip", "page6:vip", "heard", "nginx_processes", "handover_sysctls"),
}


def _cases() -> list[tuple[str, str]]:
    """Profiles and probes; of `default`, `several` and `routed` only what the others are not asked,
    and what is read otherwise in a routed cluster."""
    found: list[tuple[str, str]] = []
    known: set[str] = set()
    for profile in ("classic", "everything", "default", "several", "routed"):
        names = {name for asked in _asked(profile).values() for name in asked}
        found += [
            (profile, name)
            for name in sorted(names)
            if name not in known
            or profile in ("classic", "everything")
            or (profile == "routed" and name in OF_ROUTED)
        ]
        known |= names
    return found


@cache
def _asked(profile: str) -> dict[str, dict[str, ShellProbe]]:
    return probes_of(_snapshot(profile))


@cache
def _healthy(profile: str) -> tuple[Finding, ...]:
    return judge.judge(_snapshot(profile), every_check()).findings


CASES = _cases()


def test_a_healthy_snapshot_answers_every_probe_and_is_well() -> None:
    for profile in PROFILES:
        snapshot = _snapshot(profile)
        for host, asked in _asked(profile).items():
            assert asked.keys() == snapshot.hosts[host].outputs.keys(), profile
        assert judge.judge(snapshot, every_check()).passed, profile


def test_every_answer_of_a_shell_says_where_it_ends() -> None:
    for profile in PROFILES:
        for asked in _asked(profile).values():
            for probe in asked.values():
                assert isinstance(probe, HttpProbe) or END in probe.command, probe.name
                # It would not come to its end.
                assert "exec " not in probe.command, probe.name


def test_the_matrix_has_its_size() -> None:
    size = len(CASES) * len(SPOILS) * 2
    print(f"{len(CASES)} probes, {len(SPOILS)} ways, one machine or both: {size} cases")
    assert size >= SIZE


def test_a_check_names_all_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[tuple[str, str]] = set()
    judging: list[Check] = []
    given = Answers._given

    def recorded(self: Answers, probe: str) -> Any:
        if judging:
            own = f"{probe}@{self._place}"
            asked.add((self.name, own if own in self._answers.outputs else probe))
        return given(self, probe)

    def watched(check: Check) -> Check:
        def judged(context: Any) -> Any:
            judging.append(check)
            try:
                return check.judge(context)
            finally:
                judging.clear()

        return dataclasses.replace(check, judge=judged)

    monkeypatch.setattr(Answers, "_given", recorded)
    faults = set()
    for profile in PROFILES:
        snapshot = _snapshot(profile)
        for check in every_check():
            asked.clear()
            verdict = judge.judge(snapshot, (watched(check),))
            named = set().union(*(read_by(finding, snapshot) for finding in verdict.findings))
            faults |= {f"{check.id}: {probe}" for _, probe in asked - named}
    assert not faults


def _pattern(check: Check, probe: str) -> str:
    """How the check has it in `reads`."""
    name = probe.partition("@")[0]
    kind = f"{name.partition(':')[0]}:{{name}}"
    return kind if kind in check.reads else name


# host1 holds the VIP in all samples: what only a standby is asked for, it need not answer.
HOLDER = BOTH[0]
OF_STANDBYS = {
    ("X-21", "keepalived_down"),
    ("X-21", "nginx_page"),
    ("HO-06", "handover_table"),
}


def _content(finding: Finding, verdict: VerifierVerdict) -> bool:
    """Whether nothing is wrong for it, nor for what it is skipped for."""
    if finding.outcome is Outcome.SKIP:
        return not any(bad.id in finding.answer.actual for bad in verdict.bad)
    return not finding.bad


def _faults(profile: str, probe: str, kind: str, hosts: tuple[str, ...]) -> list[str]:
    """The findings based on that answer which are content with it, spoiled on `hosts`."""
    snapshot, healthy, asked = _snapshot(profile), _healthy(profile), _asked(profile)
    there = {(host, probe) for host in hosts if probe in asked[host]}
    readers = {
        finding.check
        for finding in healthy
        if read_by(finding, snapshot) & there
        and not (hosts == (HOLDER,) and (finding.id, probe) in OF_STANDBYS)
    }
    checks = every_check() if kind in WIDELY and len(hosts) > 1 else tuple(readers)
    changed = spoiled(snapshot, (host for host, _ in there), probe, SPOILS[kind], asked)
    verdict = judge.judge(changed, checks)
    before = {(one.id, one.where): one for one in healthy}
    faults = []
    for finding in verdict.findings:
        was = before[finding.id, finding.where]
        reads = finding.check in readers and read_by(finding, snapshot) & there
        ways, _ = DOES_WITHOUT.get((finding.id, _pattern(finding.check, probe)), (frozenset(), ""))
        if was.outcome is Outcome.SKIP or (finding.outcome is was.outcome and not reads):
            continue
        if reads and kind not in ways and _content(finding, verdict):
            faults.append(f"{finding.id} {finding.where}: {finding.outcome}, {finding.answer}")
        if not reads and (finding.outcome is Outcome.FAIL or _content(finding, verdict)):
            faults.append(f"{finding.id} {finding.where} does not read it: {finding.answer}")
    return faults


@pytest.mark.parametrize(("profile", "probe"), CASES)
def test_no_check_is_content_with_an_answer_that_is_no_evidence(profile: str, probe: str) -> None:
    for kind in SPOILS:
        for hosts in ((BOTH[0],), BOTH):
            assert not _faults(profile, probe, kind, hosts), f"{probe}, {kind}, on {hosts}"


def test_every_exception_is_one() -> None:
    """A reader that has become stricter does not keep its excuse."""
    used = set()
    for (check_id, pattern), (ways, _) in DOES_WITHOUT.items():
        for profile, probe in CASES:
            snapshot = _snapshot(profile)
            check = next(check for check in every_check() if check.id == check_id)
            if _pattern(check, probe) != pattern or (check_id, pattern) in used:
                continue
            asked = _asked(profile)
            for kind in ways:
                hosts = [host for host in BOTH if probe in asked[host]]
                changed = spoiled(snapshot, hosts, probe, SPOILS[kind], asked)
                verdict = judge.judge(changed, (check,))
                if any(
                    not finding.bad and read_by(finding, snapshot) & {(h, probe) for h in hosts}
                    for finding in verdict.findings
                ):
                    used.add((check_id, pattern))
    assert used == DOES_WITHOUT.keys()


# --- the whole round, as it comes over the network ---------------------------------------------

RawSpoil = Callable[[str], str]


def _cuts() -> dict[str, RawSpoil]:
    def at(part: float) -> RawSpoil:
        return lambda raw: raw[: int(len(raw) * part)]

    return {f"cut at {part}/40": at(part / 40) for part in range(40)}


RAW_SPOILS: dict[str, RawSpoil] = _cuts() | {
    "empty": lambda raw: "",
    "garbage": lambda raw: "?! \x01 {[ nonsense\n" * 1000,
    "its middle is lost": lambda raw: raw[: len(raw) // 3] + raw[len(raw) // 3 * 2 :],
    "its first half is lost": lambda raw: raw[len(raw) // 2 :],
    "each end of line is lost": lambda raw: raw.replace("\n", " "),
    "not UTF-8": lambda raw: raw.encode().decode("utf-16-le", "replace"),
}


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of each machine its round trip, and what it prints."""
    place: Path = tmp_path_factory.mktemp("answers")
    snapshot = _snapshot("everything")
    return {host: raw_round_trip(answers, place / host) for host, answers in snapshot.hosts.items()}


def test_a_round_is_read_as_it_was_gathered(rounds: dict[str, Any]) -> None:
    snapshot = _snapshot("everything")
    for host, (asked, raw) in rounds.items():
        outputs = asked.read(raw)
        for name, output in snapshot.hosts[host].outputs.items():
            assert (outputs[name].status, outputs[name].text) == (output.status, output.text), name


@pytest.mark.parametrize("way", RAW_SPOILS)
def test_a_round_that_was_spoiled_is_no_evidence(rounds: dict[str, Any], way: str) -> None:
    snapshot = _snapshot("everything")
    hosts = dict(snapshot.hosts)
    for host, (asked, raw) in rounds.items():
        hosts[host] = HostAnswers(
            host=host, clock=hosts[host].clock, outputs=asked.read(RAW_SPOILS[way](raw))
        )
    changed = snapshot.model_copy(update={"hosts": hosts})
    verdict = judge.judge(changed, every_check())
    assert not verdict.passed
    for finding, was in zip(verdict.findings, _healthy("everything"), strict=True):
        lost = {
            (host, probe)
            for host, probe in read_by(was, snapshot)
            if (its := hosts[host].outputs.get(probe)) is None
            or its.text != snapshot.hosts[host].outputs[probe].text
        }
        excused = {
            (host, probe)
            for host, probe in lost
            if (finding.id, _pattern(finding.check, probe)) in DOES_WITHOUT
        }
        silent = {host for host, _ in lost - excused}
        if was.outcome is not Outcome.SKIP and silent and (finding.host or silent == {*BOTH}):
            assert not _content(finding, verdict), f"{finding.id} {finding.where}: {lost}"
