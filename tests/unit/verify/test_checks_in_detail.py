"""What single checks find beyond their one case: builds, caches, queues, tables, the hand-over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.snapshots import BOTH, DEFAULT, EVERYTHING, HEALTHY, Spoiled, bad
from verify.checks.check import Outcome

# The end of the VIP's entry there, and not on the holder's own interface.
ON_LO = '","prefixlen":32,"scope":"host","label":"lo"'


@pytest.mark.parametrize(
    ("host", "probe", "old", "new"),
    [
        ("host2", "watch_says", "failed 0", "failed 1"),
        ("host1", "units", "Id=tandem-watch.service", "Id=gone.service"),
    ],
)
def test_a_watch_that_is_gone_or_says_that_nginx_failed_is_found(
    host: str, probe: str, old: str, new: str
) -> None:
    verdict = Spoiled(DEFAULT).replace(host, probe, old, new).judge()
    assert bad(verdict) == {"KA-21"}


@pytest.mark.parametrize(
    ("old", "new", "told_of"),
    [
        ("listen       unix:/run/nginx/health.sock;", "listen 80;", "does not listen on unix:/run"),
        ("client_header_timeout  10s", "client_header_timeout 1s", "client_header_timeout is 1s"),
        ("http {", "http {\nlimit_conn c 5;", "limit_conn is c 5, not unset"),
        (
            "http {",
            "http {\nlimit_req_zone k zone=z rate=5r/s;",
            "limit_req_zone z has k rate=5r/s, not any",
        ),
    ],
)
def test_what_clients_are_granted_is_what_the_settings_say(
    old: str, new: str, told_of: str
) -> None:
    spoiled = Spoiled(DEFAULT)
    for host in BOTH:
        spoiled.replace(host, "nginx_dump", old, new, count=1)
    found = spoiled.judge(only="NGX-07").bad
    assert [told_of in finding.answer.actual for finding in found] == [True, True]


@pytest.mark.parametrize("said", ["no", ""])
def test_a_service_whose_condition_is_not_known_to_hold_is_found(said: str) -> None:
    new = f"ConditionResult={said}" if said else "Result=success"
    verdict = Spoiled().replace("host2", "units", "ConditionResult=yes", new).judge()
    assert {"KA-01", "NGX-09"} <= bad(verdict)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"version": "1.26.3"', '"version": "1.26.2"', "built from nginx 1.26.2"),
        ('"--with-http_flv_module", ', "", "built with other flags"),
    ],
)
def test_a_build_of_something_else_is_found_whatever_the_binary_says(
    old: str, new: str, said: str
) -> None:
    verdict = Spoiled().replace("host2", "nginx_made", old, new, count=1).judge()
    (finding,) = verdict.bad
    assert (finding.id, finding.answer.actual) == ("NGX-21", said)


def _cached() -> Spoiled:
    """A pair with a cache."""
    return Spoiled(EVERYTHING)


def _without_cache(spoiled: Spoiled) -> Spoiled:
    for host in BOTH:
        spoiled.replace(host, "nginx_dump", "proxy_cache_path", "#")
    return spoiled


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s.replace("host1", "nginx_processes", "cache manager", "cache loader"), "no ca"),
        (
            lambda s: s.answer(
                "host2", "nginx_cache", "stat: cannot statx: No such file or directory", 1
            ),
            "there is no /var",
        ),
        (lambda s: s.answer("host2", "nginx_cache", "755 root:root directory"), "755 root:root"),
        (_without_cache, "nginx has no cache"),
    ],
)
def test_a_cache_that_nobody_keeps_is_found(spoil: Callable[[Spoiled], Spoiled], said: str) -> None:
    healthy = _cached().judge()
    assert healthy.passed, healthy.bad
    assert {f.outcome for f in healthy.findings if f.id == "NGX-22"} == {Outcome.OK}
    finding, *more = spoil(_cached()).judge().bad
    assert {finding.id, *(each.id for each in more)} == {"NGX-22"}
    assert said in finding.answer.actual


def test_a_queue_that_was_made_before_the_limit_was_raised_is_found() -> None:
    verdict = Spoiled(DEFAULT).replace("host1", "listeners", " 511 ", " 128 ").judge()
    assert bad(verdict) == {"SYS-03"}
    assert "on 0.0.0.0:80 128 may wait, not 511" in verdict.bad[0].answer.actual


def test_a_binary_without_a_manifest_is_found() -> None:
    spoiled = Spoiled()
    made = spoiled.says("host1", "nginx_made").split("{")[0]
    spoiled.answer("host1", "nginx_made", f"{made}\n1 binaries")
    (finding,) = spoiled.judge().bad
    assert "there is no MANIFEST.json beside /usr/lib/tandem/nginx/" in finding.answer.actual


def test_a_missing_library_is_named_with_its_package() -> None:
    line = "\tlibpcre2-8.so.0 => not found"
    verdict = Spoiled().add("host1", "nginx_libraries", line).judge(only="NGX-21")
    assert verdict.bad[0].answer.actual == "libpcre2-8.so.0 of package libpcre2-8-0 is not there"


@pytest.mark.parametrize("healthy", [HEALTHY, DEFAULT])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.answer("host1", "speakers_table", "Error: No such file or directory", 1),
        lambda s: s.replace("host2", "speakers_table", "172.16.12.61", "172.16.12.71"),
        lambda s: s.replace("host2", "speakers_table", '"right": 61}', '"right": 62}'),
        lambda s: s.replace("host1", "speakers_table", '"drop"', '"accept"'),
        lambda s: s.replace("host1", "speakers_table", '"right": 255', '"right": 1'),
    ],
)
def test_who_may_speak_vrrp_is_checked(
    healthy: dict[str, Any], spoil: Callable[[Spoiled], Spoiled]
) -> None:
    assert bad(spoil(Spoiled(healthy)).judge()) == {"SYS-04"}


def test_a_stranger_that_was_turned_away_is_named() -> None:
    elements = '"timeout": 60, "elem": [{"elem": {"val": "172.16.0.9", "expires": 59}}]'
    verdict = Spoiled(DEFAULT).replace("host1", "speakers_table", '"timeout": 60', elements).judge()
    assert bad(verdict) == {"X-18"}
    assert "172.16.0.9 (turned away by host1)" in verdict.bad[0].answer.actual


@pytest.mark.parametrize(
    ("check_id", "spoil"),
    [
        ("HO-01", lambda s: s.replace("host1", "units", "Id=tandem-handover", "Id=gone")),
        (
            "HO-02",
            lambda s: s.answer("host1", "handover_table", "Error: No such file or directory", 1),
        ),
        (
            "HO-02",
            lambda s: s.replace(
                "host1", "handover_table", '"addr": "172.16.12.62"', '"addr": "172.16.12.1"'
            ),
        ),
        (
            "HO-02",
            lambda s: s.replace("host1", "handover_table", '"prio": -300', '"prio": 0'),
        ),
        ("HO-03", lambda s: s.replace("host2", "handover_sysctls", "arp_ignore:1", "arp_ignore:0")),
        (
            "HO-04",
            lambda s: s.replace("host1", "addresses", f"254{ON_LO}", f"9{ON_LO}"),
        ),
        ("HO-06", lambda s: s.replace("host2", "handover_table", '"elem": [{', '"none": [{')),
    ],
)
def test_what_is_wrong_with_the_handover_is_found(
    check_id: str, spoil: Callable[[Spoiled], Spoiled]
) -> None:
    verdict = spoil(Spoiled(DEFAULT)).judge()
    assert bad(verdict) == {check_id}


def test_a_node_that_carries_asks_the_vip_of_itself_and_is_not_asked() -> None:
    carrying = Spoiled(DEFAULT)
    links = json.loads(carrying.says("host2", "addresses"))
    here = json.loads(carrying.says("host1", "addresses"))
    links[0] = next(link for link in here if link["ifname"] == "lo")
    carrying.answer("host2", "addresses", json.dumps(links))
    # (It may have carried, and so answered itself, when it was recorded.)
    if "master" in carrying.section("host2", "page:vip")["text"]:
        carrying.replace("host2", "page:vip", "master", "slaves")
    assert carrying.judge().passed


@pytest.mark.parametrize(
    ("probe", "check"), [("speakers_table", "SYS-04"), ("handover_table", "HO-02")]
)
def test_an_nft_without_json_is_no_evidence(probe: str, check: str) -> None:
    spoiled = Spoiled(DEFAULT).answer("host1", probe, "JSON support not compiled-in", 1)
    (finding,) = spoiled.judge(check).bad
    assert (finding.host, finding.outcome) == ("host1", Outcome.UNKNOWN)
    assert "nft on host1 cannot print JSON" in finding.answer.actual


def test_a_table_in_nfts_own_language_is_no_evidence() -> None:
    spoiled = Spoiled(DEFAULT).answer("host1", "speakers_table", "table ip tandem_vrrp {\n}")
    (finding,) = spoiled.judge("SYS-04").bad
    assert finding.outcome is Outcome.UNKNOWN
    assert finding.answer.actual.startswith("host1 answered '}'")


def test_a_controller_without_a_way_to_the_vip_is_one_finding_that_can_be_skipped() -> None:
    spoiled = Spoiled()
    asked = spoiled.data["from_here"]["web"]
    problem = "the controller has no IPv6 route to it"
    spoiled.data["from_here"]["web"] = [asked[0] | {"status": None, "body": "", "problem": problem}]
    (finding,) = spoiled.judge().bad
    assert (finding.id, finding.answer.actual) == ("X-11", f"1: {problem}")
    assert "skip=X-11" in finding.check.remedy
    assert spoiled.judge(skip="X-11").passed


def test_pages_of_two_nodes_at_the_controller_are_its_own_finding() -> None:
    spoiled = Spoiled()
    spoiled.data["from_here"]["web"][3]["body"] = "slaves.wangej.com\n"
    (finding,) = spoiled.judge().bad
    assert (finding.id, finding.answer.actual) == ("X-11", "19 by host1, 1 by host2")
