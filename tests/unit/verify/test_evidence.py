"""No verdict is reached without its evidence: who is silent makes unknown what needs its word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.snapshots import (
    BOTH,
    DEFAULT,
    EVERYTHING,
    HEALTHY,
    ROUTED,
    SEVERAL,
    Spoiled,
    bad,
)
from verify.checks.check import FROM_HERE, Check, Outcome
from verify.judge import Conclusion, VerifierVerdict, every_check
from verify.report import prometheus, report_files

ACROSS = [check for check in every_check() if check.across]
OF_MACHINES = [check for check in every_check() if not check.across]
PAIRS = {"classic": HEALTHY, "default": DEFAULT, "routed": ROUTED}
GOOD = (Outcome.OK, Outcome.WARN)


def _ids(checks: list[Check]) -> list[str]:
    return [check.id for check in checks]


def _outcomes(verdict: VerifierVerdict, check: Check) -> dict[str | None, Outcome]:
    return {f.host: f.outcome for f in verdict.findings if f.id == check.id}


@pytest.mark.parametrize("area", ["KA", "NGX", "SYS", "NET", "X"])
def test_machines_that_are_off_never_hold_whatever_is_asked(area: str) -> None:
    verdict = Spoiled().lose("host1").lose("host2").judge(only=area)
    assert verdict.conclusion is Conclusion.FAILS
    assert {(f.id, f.host) for f in verdict.causes} == {("HOST-01", host) for host in BOTH}
    # Of other profiles, and of what is not asked for.
    assert not verdict.count(Outcome.SKIP) or area != "NET"


def test_one_machine_that_is_off_fails_a_run_that_asks_about_nginx_alone() -> None:
    verdict = Spoiled().lose("host2").judge(only="NGX", skip="NGX-19")
    assert verdict.conclusion is Conclusion.FAILS
    assert [(f.id, f.host) for f in verdict.causes] == [("HOST-01", "host2")]


def test_host_01_is_judged_where_it_matters_also_when_it_was_skipped() -> None:
    verdict = Spoiled().lose("host2").judge(skip="HOST,NGX-19")
    assert [(f.id, f.host) for f in verdict.causes] == [("HOST-01", "host2")]
    assert all(f.id != "HOST-01" for f in Spoiled().judge(only="NGX-01").findings)


def test_where_nothing_was_judged_nothing_holds() -> None:
    verdict = Spoiled().judge(only="TLS,MET")
    assert {finding.outcome for finding in verdict.findings} == {Outcome.SKIP}
    assert verdict.conclusion is Conclusion.UNKNOWN and not verdict.passed


def test_a_premise_that_fails_is_no_reason_to_pass() -> None:
    """Also where the check that finds the cause was not asked for."""
    stopped = Spoiled().answer("host1", "nginx_processes", "none", 1)
    verdict = stopped.judge(only="NGX-03,NGX-06,SYS-05")
    assert verdict.conclusion is Conclusion.UNKNOWN
    assert {(f.id, f.host, f.outcome) for f in verdict.bad} == {
        ("NGX-03", "host1", Outcome.UNKNOWN)
    }


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("check", ACROSS, ids=_ids(ACROSS))
def test_no_comparison_is_good_while_a_member_is_silent(check: Check, pair: dict[str, Any]) -> None:
    healthy = _outcomes(Spoiled(pair).judge(), check)
    for host in BOTH:
        verdict = Spoiled(pair).lose(host).judge(only=check.id)
        for place, outcome in _outcomes(verdict, check).items():
            if set(check.reads) == {FROM_HERE}:
                assert outcome is healthy[place]
            else:
                assert outcome not in GOOD, (check.id, host)
        named = [f for f in verdict.findings if f.outcome is Outcome.UNKNOWN and f.id == check.id]
        assert all(host in f.answer.actual or "HOST-01" in f.answer.actual for f in named)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("check", OF_MACHINES, ids=_ids(OF_MACHINES))
def test_no_check_of_a_machine_is_good_while_it_is_silent(
    check: Check, pair: dict[str, Any]
) -> None:
    healthy = _outcomes(Spoiled(pair).judge(), check)["host2"]
    found = _outcomes(Spoiled(pair).lose("host2").judge(only=check.id), check)["host2"]
    if check.id == "HOST-01":
        assert found is Outcome.FAIL
    else:
        assert found is (Outcome.SKIP if healthy is Outcome.SKIP else Outcome.UNKNOWN)


def test_a_probe_that_one_member_did_not_answer_is_named() -> None:
    silent = Spoiled()
    del silent.data["looks"]["host2"]["sections"]["keepalived_conf"]
    verdict = silent.judge(only="X-12")
    assert bad(verdict) == {"X-12"}
    assert verdict.conclusion is Conclusion.UNKNOWN
    assert verdict.causes[0].answer.actual.startswith("host2 cannot tell: ")


def test_what_fails_with_half_of_the_evidence_fails() -> None:
    from tests.unit.verify.test_each_check_fires import CASES

    spoil, _ = CASES["X-18"]
    verdict = spoil(Spoiled()).lose("host2").judge(only="X-18")
    assert _outcomes(verdict, next(c for c in ACROSS if c.id == "X-18"))[None] is Outcome.FAIL


def test_a_further_vip_is_not_judged_by_the_first_ones_answer() -> None:
    silent = Spoiled(SEVERAL)
    for host in BOTH:
        del silent.data["looks"][host]["sections"]["speakers_table@1"]
    verdict = silent.judge(only="SYS-04")
    found = {(f.cluster, f.outcome) for f in verdict.findings}
    assert ("web", Outcome.OK) in found and ("web 172.16.12.253", Outcome.UNKNOWN) in found
    assert verdict.conclusion is Conclusion.UNKNOWN


def _on_lo_of_both(spoiled: Spoiled) -> Spoiled:
    """host2 still carries connections: it has the VIP on lo, as the holder has."""
    lo = json.loads(spoiled.says("host1", "addresses"))[0]
    links = json.loads(spoiled.says("host2", "addresses"))
    return spoiled.answer("host2", "addresses", json.dumps([lo, *links[1:]]))


def test_the_holders_own_word_is_not_enough_for_its_page() -> None:
    carrying = _on_lo_of_both(Spoiled(DEFAULT))
    assert carrying.judge(only="X-10").conclusion is Conclusion.HOLDS  # the controller got it
    carrying.data["from_here"]["web"] = []
    assert carrying.judge(only="X-10").conclusion is Conclusion.UNKNOWN


def test_nobody_who_answers_for_the_vip_is_not_the_holder() -> None:
    deaf = Spoiled(DEFAULT)
    for host in BOTH:
        lines = [line for line in deaf.says(host, "heard").split("\n") if line.startswith("vrrp")]
        deaf.answer(host, "heard", "\n".join([*lines, f"heard {len(lines)}"]))
    assert {(f.id, f.outcome) for f in deaf.judge(only="X-07,X-08").findings} == {
        ("X-07", Outcome.FAIL),
        ("X-08", Outcome.UNKNOWN),
    }


def test_certificates_that_nobody_serves_are_not_alike() -> None:
    refused = Spoiled(EVERYTHING)
    for host in BOTH:
        for probe in refused.data["looks"][host]["sections"]:
            if probe.startswith("tls_served:"):
                refused.answer(host, probe, refused.says(host, "tls_1_1"), 1)
    assert refused.judge(only="X-15").conclusion is Conclusion.UNKNOWN


def test_one_request_is_not_many() -> None:
    once = Spoiled()
    del once.data["from_here"]["web"][1:]
    assert once.judge(only="X-11").conclusion is Conclusion.UNKNOWN


def test_a_machine_that_answers_nothing_has_not_answered() -> None:
    mute = Spoiled()
    mute.data["looks"]["host2"]["sections"] = {}
    verdict = mute.judge(only="HOST")
    assert [(f.host, f.answer.actual) for f in verdict.bad] == [("host2", "it answered nothing")]


def test_a_cluster_in_which_nothing_was_judged_does_not_hold_in_any_report() -> None:
    verdict = Spoiled().judge(only="TLS")
    assert report_files.as_data(verdict)["clusters"][0]["passed"] is False
    assert 'tandem_holds{cluster="web"} 0' in prometheus.text(verdict)


def test_a_lost_machine_is_one_finding_also_where_there_are_several_vips() -> None:
    verdict = Spoiled(SEVERAL).lose("host2").judge(skip="NGX-19")
    # host2 holds the other two, as far as anybody knows.
    assert {(f.id, f.host) for f in verdict.causes if f.outcome is Outcome.FAIL} == {
        ("HOST-01", "host2")
    }
    assert {f.id for f in verdict.causes} == {"HOST-01"}


def test_a_lost_machine_is_nothing_that_settles() -> None:
    assert not Spoiled().lose("host2").judge(skip="NGX-19").may_settle
