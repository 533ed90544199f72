"""Healthy pairs pass; what is missing, lost or silent is one finding, and no crash."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tests.support.snapshots import (
    BARE,
    BOTH,
    DEFAULT,
    HANDOVER,
    HEALTHY,
    LIMITS,
    METRICS,
    OWN,
    ROUTED,
    ROUTING,
    STREAMS,
    WATCH,
    WEB,
    Spoiled,
    bad,
    said,
)
from verify.checks.check import Finding, Outcome
from verify.judge import every_check
from verify.read.keepalived_output import instances
from verify.report import terminal_report

UNUSED = {"NGX-22"} | METRICS | LIMITS | OWN | STREAMS | WEB
# What is about keepalived, or about the one machine that has the VIP.
OF_ONE_HOLDER = {
    *(f"KA-{number:02}" for number in range(1, 26) if number not in (7, 8, 15, 21)),
    *(f"X-{number:02}" for number in range(1, 11)),
    *("X-12", "X-18", "X-20", "X-21"),
    *("HO-02", "HO-04", "HO-05", "HO-06"),
    *("NET-01", "NET-02", "NET-07", "NET-08", "SYS-04"),
}


@pytest.mark.parametrize(
    ("pair", "not_of_this_profile"),
    [
        (HEALTHY, UNUSED | WATCH | HANDOVER | ROUTING),
        (DEFAULT, UNUSED | {"KA-12", "NET-08", "HO-05"} | ROUTING),
        # No router can be asked.
        (ROUTED, UNUSED | OF_ONE_HOLDER | {"RT-19"}),
    ],
)
def test_a_healthy_pair_passes_every_check_of_its_profile(
    pair: dict[str, Any], not_of_this_profile: set[str]
) -> None:
    verdict = Spoiled(pair).judge()
    assert verdict.passed
    # The sample's nginx is old (NGX-19), and that is all.
    assert {f.id for f in verdict.findings if f.outcome is Outcome.WARN} == {"NGX-19"}
    other = {f.id for f in verdict.findings if f.outcome not in (Outcome.OK, Outcome.WARN)}
    assert other == not_of_this_profile
    assert all(f.outcome is Outcome.SKIP for f in verdict.findings if f.id in other)
    assert {finding.id for finding in verdict.findings} == {check.id for check in every_check()}


def test_bare_machines_fail_without_a_traceback_and_what_has_no_ground_names_the_cause() -> None:
    verdict = Spoiled(BARE).judge()
    assert {"NGX-01", "NGX-09", "NGX-10", "KA-01", "KA-03", "X-01"} <= bad(verdict)
    unknown = {f.id for f in verdict.causes if f.outcome is Outcome.UNKNOWN}
    assert unknown == {"X-18"}  # there is no nft
    valid = _finding(Spoiled(BARE), "NGX-06").answer
    assert (valid.actual, valid.because) == ("nginx is not installed (NGX-01)", "NGX-01")


def test_what_needs_a_running_nginx_is_unknown_because_of_it_when_none_runs() -> None:
    stopped = Spoiled().answer("host1", "nginx_processes", "none")
    verdict = stopped.judge(only="NGX")
    assert bad(verdict) == {"NGX-10"}
    explained = {f.id for f in verdict.explained}
    assert {"NGX-03", "NGX-08", "NGX-11", "NGX-13", "NGX-16"} <= explained


def test_a_lost_machine_is_one_finding_and_the_others_are_judged() -> None:
    verdict = Spoiled().lose("host1").judge(skip="NGX-19")
    assert bad(verdict) == {"HOST-01"}
    others = {f.id for f in verdict.findings if f.host == "host2" and f.bad}
    # host1 alone could have asked host2 for these.
    assert others == {"NGX-14", "NGX-17"}


def test_without_any_machine_the_vip_is_still_judged_from_here() -> None:
    verdict = Spoiled().lose("host1").lose("host2").judge()
    assert bad(verdict) == {"HOST-01"}
    assert _outcome(verdict.findings, "X-11") is Outcome.OK


def test_a_run_limited_to_one_machine_leaves_the_cluster_alone() -> None:
    limited = Spoiled()
    del limited.data["looks"]["host2"]
    verdict = limited.judge()
    assert verdict.passed
    across = [finding for finding in verdict.findings if finding.host is None]
    assert {finding.outcome for finding in across} == {Outcome.SKIP}
    assert across[0].answer.actual == "this run leaves out host2"


def test_a_probe_that_did_not_answer_is_unknown_and_counts() -> None:
    silent = Spoiled()
    del silent.data["looks"]["host1"]["sections"]["failed_units"]
    silent.section("host2", "failed_units")["status"] = 124
    verdict = silent.judge(only="SYS-05")
    assert [finding.outcome for finding in verdict.findings] == [Outcome.UNKNOWN] * 2
    assert not verdict.passed


def test_an_answer_nobody_expected_is_unknown_and_no_crash() -> None:
    for probe in HEALTHY["looks"]["host1"]["sections"]:
        garbled = Spoiled().answer("host1", probe, "?! \x01 {[ nonsense")
        terminal_report.report(garbled.judge(), Console(file=io.StringIO(), width=80))


def test_a_drained_node_is_a_warning_and_passes() -> None:
    drained = Spoiled().replace("host2", "keepalived_down", "absent /etc", "there /etc")
    drained.vrrp("host2", effective_priority=98)
    drained.answer(
        "host2", "keepalived_checks", "1 2 /usr/bin/test ! -e /etc/keepalived/down\n1 scripts"
    )
    verdict = drained.judge(skip="NGX-19")
    assert verdict.passed
    warned = {finding.id for finding in verdict.findings if finding.outcome is Outcome.WARN}
    assert warned == {"KA-05", "KA-14", "X-21"}


def test_old_errors_warn_and_new_ones_fail() -> None:
    old = Spoiled()
    old.vrrp_twice("host1", ip_ttl_err=7)
    assert _outcome(old.judge().findings, "KA-10") is Outcome.WARN


def test_keepalived_unable_to_write_its_state_is_unknown() -> None:
    verdict = Spoiled().answer("host2", "vrrp", "", 5).judge()
    assert {"KA-04", "KA-06", "KA-09"} <= bad(verdict)
    assert _outcome(verdict.findings, "KA-04", "host2") is Outcome.UNKNOWN


def test_both_forms_of_keepaliveds_json_are_read() -> None:
    text = said(HEALTHY, "host1", "vrrp")
    assert instances(f'{{"vrrp":{text}}}') == instances(text)


def test_without_perl_and_python_the_neighbour_tables_tell_whose_mac_it_is() -> None:
    deaf = Spoiled()
    for host in BOTH:
        deaf.answer(host, "heard", "python3: not found", 127)
    verdict = deaf.judge(only="X-07,X-08")
    assert verdict.passed


def _finding(spoiled: Spoiled, check_id: str) -> Finding:
    return spoiled.judge(only=check_id).findings[0]


def _outcome(findings: tuple[Finding, ...], check_id: str, host: str | None = None) -> Outcome:
    return next(
        f.outcome for f in findings if f.id == check_id and (host is None or f.host == host)
    )
