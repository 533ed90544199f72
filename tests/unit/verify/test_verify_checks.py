"""Every check passes on a healthy pair, and fires, alone where it can, when its thing is broken."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from tests.support.snapshots import BARE, BOTH, DEFAULT, HEALTHY, Spoiled, bad
from verify.checks.check import Finding, Outcome
from verify.judge import every_check
from verify.read.keepalived_output import instances
from verify.report import terminal_report

# The classic profile has none.
METRICS = {"MET-01", "MET-02"}
HANDOVER = {"HO-01", "HO-02", "HO-03", "HO-04", "HO-05", "HO-06"}
# Without TLS and sites; tests/unit/verify/test_verify_tls.py has them.
WEB = {"TLS-01", "TLS-02", "TLS-03", "X-14", "X-15"}
OTHER_MAC = "02:00:00:00:00:99"
VIP = "172.16.12.254"


def _second_vip(spoiled: Spoiled) -> Spoiled:
    return spoiled.link("host2", lambda link: link["addr_info"].append(_vip()))


def _vip() -> dict[str, object]:
    return {"family": "inet", "local": VIP, "prefixlen": 16, "label": "eth0:0"}


def _label_gone(link: dict[str, list[dict[str, object]]]) -> None:
    for address in link["addr_info"]:
        address["label"] = "eth0"


def _other_page_once(spoiled: Spoiled) -> Spoiled:
    spoiled.data["from_here"]["web"][3]["body"] = "slaves.wangej.com\n"
    return spoiled


def _mac(spoiled: Spoiled) -> str:
    return str(spoiled.section("host2", "heard")["text"]).split("arp ")[1].split("\n")[0]


def _both_vrrp(spoiled: Spoiled, host: str, **values: int) -> Spoiled:
    return spoiled.vrrp(host, "vrrp_before", **values).vrrp(host, **values)


def _everywhere(probe: str, old: str, new: str) -> Callable[[Spoiled], Spoiled]:
    def change(spoiled: Spoiled) -> Spoiled:
        for host in BOTH:
            spoiled.replace(host, probe, old, new)
        return spoiled

    return change


def _keepalived_unit(host: str, old: str, new: str) -> Callable[[Spoiled], Spoiled]:
    def change(spoiled: Spoiled) -> Spoiled:
        section = spoiled.section(host, "units")
        nginx, keepalived = section["text"].split("\n\n")
        assert old in keepalived
        section["text"] = f"{nginx}\n\n{keepalived.replace(old, new)}"
        return spoiled

    return change


def _other_binary(spoiled: Spoiled) -> Spoiled:
    section = spoiled.section("host1", "nginx_made")
    section["text"] = "0" * 64 + section["text"][64:]
    return spoiled


def _strict(spoiled: Spoiled) -> Spoiled:
    """nginx 1.26.3 has known vulnerabilities; usually that warns."""
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["strict"] = True
    return spoiled


# The check, what is broken, and which other checks that fault explains.
CASES: dict[str, tuple[Callable[[Spoiled], Spoiled], set[str]]] = {
    "HOST-01": (lambda s: s.lose("host2"), set()),
    "X-01": (_second_vip, {"KA-06", "NET-02", "X-02"}),
    "X-02": (lambda s: s.vrrp("host2", state=2, wantstate=2), {"KA-06", "KA-09", "X-21"}),
    "X-03": (lambda s: s.vrrp("host2", effective_priority=105), {"KA-05"}),
    "X-04": (lambda s: s.vrrp("host2", vrid=62), {"KA-18"}),
    "X-05": (lambda s: s.vrrp("host2", master_priority=250), set()),
    "X-06": (lambda s: s.replace("host2", "vrrp", "label eth0:0", ""), set()),
    "X-07": (lambda s: s.add("host2", "heard", f"arp {OTHER_MAC}"), {"X-08"}),
    "X-08": (lambda s: s.replace("host2", "heard", _mac(s), OTHER_MAC), set()),
    "X-09": (
        lambda s: s.answer(
            "host2", "neighbours", f'[{{"dst":"{VIP}","dev":"eth0","lladdr":"{OTHER_MAC}"}}]'
        ),
        set(),
    ),
    "X-10": (lambda s: s.replace("host2", "page:vip", "master", "slaves"), set()),
    "X-11": (_other_page_once, set()),
    "X-12": (lambda s: s.replace("host2", "keepalived_conf", "rise      1", "rise 3"), set()),
    "X-16": (lambda s: s.replace("host2", "nginx_version", "1.26.3", "1.26.2"), {"NGX-01"}),
    "X-17": (
        lambda s: s.answer("host2", "offset", "-2.500000 +/- 0.001000 172.16.0.1"),
        {"TIME-01"},
    ),
    "X-18": (lambda s: s.add("host1", "heard", "vrrp 172.16.12.99 255 2 61 50 1"), set()),
    "X-20": (
        lambda s: s.replace(
            "host1",
            "keepalived_conf",
            "    track_script {",
            "unicast_peer {\n172.16.1.1\n}\ntrack_script {",
        ),
        set(),
    ),
    "X-21": (lambda s: s.replace("host2", "nginx_page", "200 OK", "503 No"), set()),
    "NGX-01": (_everywhere("nginx_version", "nginx/1.26.3", "nginx/1.26.2"), set()),
    "NGX-02": (lambda s: s.replace("host1", "nginx_version", "--with-http_flv_module", ""), set()),
    "NGX-03": (
        lambda s: s.answer(
            "host1", "nginx_installed", "/usr/lib/tandem/nginx/1.26.3-000000000000/nginx"
        ).answer("host1", "nginx_places", "/usr/lib/tandem/nginx/1.26.3-000000000000/nginx"),
        set(),
    ),
    "NGX-04": (
        lambda s: s.add("host1", "nginx_libraries", "\tlibpcre2-8.so.0 => not found"),
        {"NGX-21"},
    ),
    "NGX-05": (lambda s: s.add("host1", "nginx_packages", "ii  nginx-core"), set()),
    "NGX-06": (
        lambda s: s.answer("host1", "nginx_test", 'nginx: [emerg] unknown directive "x"', 1),
        set(),
    ),
    "NGX-07": (
        lambda s: s.replace(
            "host1", "nginx_dump", "worker_connections  4096", "worker_connections 64"
        ),
        set(),
    ),
    "NGX-08": (
        lambda s: s.replace("host1", "nginx_files", "640 root:root 17", "640 root:root 27"),
        set(),
    ),
    "NGX-09": (
        lambda s: s.replace(
            "host1", "units", "UnitFileState=enabled", "UnitFileState=disabled", count=1
        ),
        set(),
    ),
    "NGX-10": (lambda s: s.replace("host1", "units", "MainPID=", "MainPID=1", count=1), set()),
    "NGX-11": (
        lambda s: s.add(
            "host1", "listeners", 'LISTEN 0 5 *:443 *:* users:(("apache2",pid=77,fd=4))'
        ),
        set(),
    ),
    "NGX-12": (
        lambda s: s.replace("host1", "nginx_processes", "Uid:\t999\t999", "Uid:\t0\t0", count=1),
        set(),
    ),
    "NGX-13": (
        lambda s: s.replace("host1", "nginx_processes", "8192   ", "1024   ", count=4),
        {"SYS-03"},  # the master's, too
    ),
    "NGX-14": (lambda s: s.replace("host2", "page:host1", "master", "other"), set()),
    "NGX-15": (lambda s: s.replace("host1", "nginx_missing", "404 Not Found", "200 OK"), set()),
    "NGX-16": (
        lambda s: s.replace("host1", "nginx_page", "Server: nginx", "Server: nginx/1.26.3"),
        set(),
    ),
    "NGX-17": (lambda s: s.replace("host2", "status:host1", "403 Forbidden", "200 OK"), set()),
    "NGX-20": (
        lambda s: s.replace("host1", "nginx_files", "640 root:root", "644 root:root"),
        set(),
    ),
    "NGX-21": (_other_binary, set()),
    "KA-01": (
        _keepalived_unit("host1", "UnitFileState=enabled", "UnitFileState=disabled"),
        set(),
    ),
    "KA-02": (
        lambda s: s.answer("host1", "keepalived_test", "Unknown keyword 'x'", 5),
        set(),
    ),
    "KA-03": (lambda s: s.replace("host1", "keepalived_version", " JSON ", " "), set()),
    "KA-04": (lambda s: s.vrrp("host2", wantstate=2), set()),
    "KA-05": (lambda s: s.vrrp("host2", effective_priority=98), set()),
    "KA-06": (
        lambda s: _both_vrrp(s, "host1", state=1, wantstate=1),
        {"KA-09", "NET-02", "X-02", "X-05"},
    ),
    "KA-09": (
        lambda s: s.answer("host2", "vrrp_before", s.section("host2", "vrrp")["text"]),
        set(),
    ),
    "KA-10": (lambda s: s.vrrp("host1", auth_failure=2), set()),
    "KA-12": (lambda s: s.answer("host1", "keepalived_secret", "different 8"), set()),
    "KA-13": (
        lambda s: s.replace("host1", "keepalived_scripts", "-rwxr-x--- root", "-rwxr-x-w- root"),
        set(),
    ),
    "KA-14": (
        lambda s: s.answer("host1", "keepalived_checks", "1 3 /usr/bin/killall -0 nginx"),
        set(),
    ),
    "KA-16": (_keepalived_unit("host1", "Restart=always", "Restart=no"), set()),
    "KA-18": (
        lambda s: s.replace("host1", "keepalived_conf", "priority           101", "priority 110"),
        set(),
    ),
    "KA-20": (lambda s: s.replace("host1", "keepalived_files", "640 ", "644 "), set()),
    "NET-01": (lambda s: s.link("host1", _label_gone), set()),
    "NET-02": (
        _keepalived_unit("host1", "ActiveState=active", "ActiveState=failed"),
        {"KA-01"},
    ),
    "NET-03": (lambda s: s.link("host2", lambda link: link["flags"].remove("MULTICAST")), set()),
    "SYS-03": (
        lambda s: s.replace("host2", "kernel_limits", "somaxconn:4096", "somaxconn:128"),
        set(),
    ),
    "SYS-04": (lambda s: s.answer("host1", "speakers_table", "No such file", 1), set()),
    "SYS-05": (
        lambda s: s.answer("host1", "failed_units", "cron.service loaded failed failed Cron"),
        set(),
    ),
    "NGX-19": (_strict, set()),
    "SYS-08": (
        lambda s: s.add("host1", "secret_files", "644 root:root f /etc/nginx/site.key"),
        set(),
    ),
    "SYS-07": (lambda s: s.replace("host1", "log_rotation_file", "-USR1", "-HUP"), set()),
    "TIME-01": (
        lambda s: s.answer("host2", "offset", "-0.200000 +/- 0.001000 172.16.0.1"),
        set(),
    ),
}


@pytest.mark.parametrize(
    ("pair", "not_of_this_profile"),
    [
        (HEALTHY, {"KA-21", "NGX-22"} | HANDOVER | METRICS | WEB),
        (DEFAULT, {"KA-12", "HO-05", "NGX-22"} | METRICS | WEB),
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


@pytest.mark.parametrize(
    ("host", "probe", "old", "new"),
    [
        ("host2", "watch_says", "0", "1"),
        ("host1", "units", "Id=tandem-watch.service", "Id=gone.service"),
    ],
)
def test_a_watch_that_is_gone_or_says_that_nginx_failed_is_found(
    host: str, probe: str, old: str, new: str
) -> None:
    verdict = Spoiled(DEFAULT).replace(host, probe, old, new).judge()
    assert bad(verdict) == {"KA-21"}


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
    """The default pair with a cache, as it would be asked and would answer."""
    spoiled = Spoiled(DEFAULT)
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["upstreams"] = {"app": ["172.16.0.1:8101"]}
        node["proxy"] = {"/app/": "app"}
        node["cache"] = {"path": "/var/cache/nginx"}
    for host in BOTH:
        user = spoiled.section(host, "nginx_user")["text"].strip()
        masters = re.findall(
            r"/proc/(\d+)/cmdline:nginx: master", spoiled.section(host, "nginx_processes")["text"]
        )
        place = "/proc/99999"
        for line in (
            f"{place}/status:PPid:\t{masters[0]}",
            f"{place}/status:Uid:\t{user}\t{user}\t{user}\t{user}",
            f"{place}/status:CapEff:\t0000000000000000",
            f"{place}/limits:Max open files            8192                 8192       files",
            f"{place}/stat:99999 (nginx) S 1" + " 1" * 17 + " 100000000 1",
            f"{place}/cmdline:nginx: cache manager process",
        ):
            spoiled.add(host, "nginx_processes", line)
        spoiled.replace(
            host, "nginx_dump", "http {", "http {\nproxy_cache_path /var/cache/nginx x;", count=1
        )
        spoiled.data["looks"][host]["sections"]["nginx_cache"] = {
            "command": "stat",
            "status": 0,
            "text": "700 nginx:nginx directory",
        }
    return spoiled


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s.replace("host1", "nginx_processes", "cache manager", "cache loader"), "no ca"),
        (lambda s: s.answer("host2", "nginx_cache", "stat: cannot statx", 1), "there is no /var"),
        (lambda s: s.answer("host2", "nginx_cache", "755 root:root directory"), "755 root:root"),
        (lambda s: s.replace("host1", "nginx_dump", "proxy_cache_path", "#"), "nginx has no cache"),
    ],
)
def test_a_cache_that_nobody_keeps_is_found(spoil: Callable[[Spoiled], Spoiled], said: str) -> None:
    healthy = _cached().judge()
    assert healthy.passed, healthy.bad
    assert {f.outcome for f in healthy.findings if f.id == "NGX-22"} == {Outcome.OK}
    (finding,) = spoil(_cached()).judge().bad
    assert finding.id == "NGX-22"
    assert said in finding.answer.actual


def test_a_queue_that_was_made_before_the_limit_was_raised_is_found() -> None:
    verdict = Spoiled(DEFAULT).replace("host1", "listeners", " 511 ", " 128 ").judge()
    assert bad(verdict) == {"SYS-03"}
    assert "on 0.0.0.0:80 128 may wait, not 511" in verdict.bad[0].answer.actual


def test_a_binary_without_a_manifest_is_found() -> None:
    spoiled = Spoiled()
    section = spoiled.section("host1", "nginx_made")
    section["text"] = section["text"].split("{")[0]
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
        lambda s: s.answer("host1", "speakers_table", "No such file", 1),
        lambda s: s.replace("host2", "speakers_table", "172.16.12.61", "172.16.12.71"),
        lambda s: s.replace("host2", "speakers_table", "0x3d", "0x3e"),
        lambda s: s.replace("host1", "speakers_table", "drop", "accept"),
        lambda s: s.replace("host1", "speakers_table", "ttl 255", "ttl 1"),
    ],
)
def test_who_may_speak_vrrp_is_checked(
    healthy: dict[str, Any], spoil: Callable[[Spoiled], Spoiled]
) -> None:
    assert bad(spoil(Spoiled(healthy)).judge()) == {"SYS-04"}


def test_a_stranger_that_was_turned_away_is_named() -> None:
    elements = "timeout 1m\n\t\telements = { 172.16.0.9 expires 59s996ms }\n"
    verdict = Spoiled(DEFAULT).replace("host1", "speakers_table", "timeout 1m\n", elements).judge()
    assert bad(verdict) == {"X-18"}
    assert "172.16.0.9 (turned away by host1)" in verdict.bad[0].answer.actual


@pytest.mark.parametrize(
    ("check_id", "spoil"),
    [
        ("HO-01", lambda s: s.replace("host1", "units", "Id=tandem-handover", "Id=gone")),
        ("HO-02", lambda s: s.answer("host1", "handover_table", "No such file", 1)),
        (
            "HO-02",
            lambda s: s.replace("host1", "handover_table", "dup to 172.16.12.62", "dup to 1"),
        ),
        (
            "HO-02",
            lambda s: s.replace("host1", "handover_table", "priority raw", "priority filter"),
        ),
        ("HO-03", lambda s: s.replace("host2", "handover_sysctls", "arp_ignore:1", "arp_ignore:0")),
        (
            "HO-04",
            lambda s: s.replace("host1", "addresses", '254","prefixlen":32', '9","prefixlen":32'),
        ),
        ("HO-06", lambda s: s.replace("host2", "handover_table", "elements", "nothing")),
    ],
)
def test_what_is_wrong_with_the_handover_is_found(
    check_id: str, spoil: Callable[[Spoiled], Spoiled]
) -> None:
    verdict = spoil(Spoiled(DEFAULT)).judge()
    assert bad(verdict) == {check_id}


def test_a_node_that_carries_asks_the_vip_of_itself_and_is_not_asked() -> None:
    carrying = Spoiled(DEFAULT)
    lo = Spoiled(DEFAULT).section("host1", "addresses")["text"]
    links = json.loads(carrying.section("host2", "addresses")["text"])
    here = json.loads(lo)
    links[0] = next(link for link in here if link["ifname"] == "lo")
    carrying.answer("host2", "addresses", json.dumps(links))
    carrying.replace("host2", "page:vip", "master", "slaves")
    assert carrying.judge().passed


def test_every_check_has_a_case() -> None:
    # tests/unit/tasks/test_metrics.py has those of the metrics.
    others = {"KA-21", "NGX-22"} | HANDOVER | METRICS | WEB
    assert set(CASES) | others == {check.id for check in every_check()}


@pytest.mark.parametrize("check_id", CASES)
def test_a_check_fires_when_its_thing_is_broken(check_id: str) -> None:
    spoil, explained = CASES[check_id]
    verdict = spoil(Spoiled()).judge()
    found = {finding.id for finding in verdict.bad if finding.outcome is Outcome.FAIL}
    assert check_id in found
    assert bad(verdict) <= {check_id} | explained


@pytest.mark.parametrize("check_id", CASES)
def test_every_finding_that_fails_says_what_to_do(check_id: str) -> None:
    for finding in CASES[check_id][0](Spoiled()).judge(only=check_id).bad:
        assert finding.command and finding.answer.expected and finding.answer.actual
        assert finding.check.reason and finding.check.remedy


def test_bare_machines_fail_without_a_traceback_and_skip_what_has_no_ground() -> None:
    verdict = Spoiled(BARE).judge()
    assert {"NGX-01", "NGX-09", "NGX-10", "KA-01", "KA-03", "X-01"} <= bad(verdict)
    unknown = {f.id for f in verdict.findings if f.outcome is Outcome.UNKNOWN}
    assert unknown == {"TIME-01"}
    assert _finding(Spoiled(BARE), "NGX-06").answer.actual == "nginx is not installed (NGX-01)"


def test_what_needs_a_running_nginx_is_skipped_when_none_runs() -> None:
    stopped = Spoiled().answer("host1", "nginx_processes", "", 1)
    verdict = stopped.judge(only="NGX")
    assert bad(verdict) == {"NGX-10"}
    skipped = {f.id for f in verdict.findings if f.outcome is Outcome.SKIP}
    assert {"NGX-03", "NGX-08", "NGX-11", "NGX-13", "NGX-16"} <= skipped


def test_a_lost_machine_is_one_finding_and_the_others_are_judged() -> None:
    verdict = Spoiled().lose("host1").judge(skip="NGX-19")
    assert bad(verdict) == {"HOST-01", "X-01", "X-02"}
    assert all(
        f.outcome in (Outcome.OK, Outcome.SKIP) for f in verdict.findings if f.host == "host2"
    )


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
    drained = Spoiled().answer("host2", "keepalived_down", "/etc/keepalived/down", 0)
    drained.vrrp("host2", effective_priority=98)
    drained.answer("host2", "keepalived_checks", "1 2 /usr/bin/test ! -e /etc/keepalived/down")
    verdict = drained.judge(skip="NGX-19")
    assert verdict.passed
    warned = {finding.id for finding in verdict.findings if finding.outcome is Outcome.WARN}
    assert warned == {"KA-05", "KA-14", "X-21"}


def test_old_errors_warn_and_new_ones_fail() -> None:
    old = Spoiled()
    _both_vrrp(old, "host1", ip_ttl_err=7)
    assert _outcome(old.judge().findings, "KA-10") is Outcome.WARN


def test_keepalived_unable_to_write_its_state_is_unknown() -> None:
    verdict = Spoiled().answer("host2", "vrrp", "", 5).judge()
    assert {"KA-04", "KA-06", "KA-09"} <= bad(verdict)
    assert _outcome(verdict.findings, "KA-04", "host2") is Outcome.UNKNOWN


def test_both_forms_of_keepaliveds_json_are_read() -> None:
    text = HEALTHY["looks"]["host1"]["sections"]["vrrp"]["text"]
    assert instances(f'{{"vrrp":{text}}}') == instances(text)


def test_without_perl_and_python_the_neighbour_tables_tell_whose_mac_it_is() -> None:
    deaf = Spoiled()
    for host in BOTH:
        deaf.answer(host, "heard", "", 127)
    verdict = deaf.judge(only="X-07,X-08")
    assert verdict.passed


def _finding(spoiled: Spoiled, check_id: str) -> Finding:
    return spoiled.judge(only=check_id).findings[0]


def _outcome(findings: tuple[Finding, ...], check_id: str, host: str | None = None) -> Outcome:
    return next(
        f.outcome for f in findings if f.id == check_id and (host is None or f.host == host)
    )
