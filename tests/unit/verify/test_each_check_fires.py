"""Every check fires, alone where it can, when the thing that it checks is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.broken_upkeep import UPKEEP
from tests.support.snapshots import (
    BOTH,
    HANDOVER,
    LIMITS,
    METRICS,
    OWN,
    ROUTING,
    STREAMS,
    WATCH,
    WEB,
    Spoiled,
    bad,
)
from verify.checks.check import Outcome
from verify.judge import every_check

OTHER_MAC = "02:00:00:00:00:99"
VIP = "172.16.12.254"


def _second_vip(spoiled: Spoiled) -> Spoiled:
    return spoiled.link("host2", lambda link: link["addr_info"].append(_vip()))


def _vip() -> dict[str, object]:
    its = {"prefixlen": 16, "scope": "global", "label": "eth0:0", "valid_life_time": 2**32 - 1}
    return {"family": "inet", "local": VIP} | its


def _label_gone(link: dict[str, list[dict[str, object]]]) -> None:
    for address in link["addr_info"]:
        address["label"] = "eth0"


def _other_page_once(spoiled: Spoiled) -> Spoiled:
    spoiled.data["from_here"]["web"][3]["body"] = "slaves.wangej.com\n"
    return spoiled


def _offset(lag_s: str) -> str:
    return f"2026-11-28 09:15:11.777838 (+0000) {lag_s} +/- 0.001000 172.16.0.1 s8 no-leap"


def _mac(spoiled: Spoiled) -> str:
    return spoiled.says("host2", "heard").split("arp ")[1].split("\n")[0]


def _everywhere(probe: str, old: str, new: str) -> Callable[[Spoiled], Spoiled]:
    def change(spoiled: Spoiled) -> Spoiled:
        for host in BOTH:
            spoiled.replace(host, probe, old, new)
        return spoiled

    return change


def _keepalived_unit(host: str, old: str, new: str) -> Callable[[Spoiled], Spoiled]:
    def change(spoiled: Spoiled) -> Spoiled:
        nginx, keepalived, *others = spoiled.says(host, "units").split("\n\n")
        assert old in keepalived
        told = "\n\n".join((nginx, keepalived.replace(old, new), *others))
        return spoiled.answer(host, "units", told)

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
CASES: dict[str, tuple[Callable[[Spoiled], Spoiled], set[str]]] = UPKEEP | {
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
        {"X-19"},  # host1 is not in it
    ),
    "X-10": (lambda s: s.replace("host2", "page:vip", "master", "slaves"), set()),
    "X-11": (_other_page_once, set()),
    "X-12": (lambda s: s.replace("host2", "keepalived_conf", "rise      1", "rise 3"), set()),
    "X-16": (lambda s: s.replace("host2", "nginx_version", "1.26.3", "1.26.2"), {"NGX-01"}),
    "X-17": (
        lambda s: s.answer("host2", "offset", _offset("-2.500000")),
        {"TIME-01"},
    ),
    "X-18": (lambda s: s.add("host1", "heard", "vrrp 172.16.12.99 2 61 50"), set()),
    "X-20": (
        lambda s: s.replace(
            "host1",
            "keepalived_conf",
            "    track_script {",
            "unicast_peer {\n172.16.1.1\n}\ntrack_script {",
        ),
        set(),
    ),
    "X-24": (
        lambda s: s.answer(
            "host1",
            "named_files",
            "missing - auth_basic_user_file /etc/nginx/htpasswd conf.d/a.conf\n1 named",
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
    "NGX-05": (lambda s: s.answer("host1", "nginx_packages", "un  nginx\nii  nginx-core"), set()),
    "NGX-06": (
        lambda s: s.answer(
            "host1",
            "nginx_dump",
            'nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:1\n'
            "nginx: configuration file /etc/nginx/nginx.conf test failed",
            1,
        ),
        set(),
    ),
    "NGX-07": (
        lambda s: s.replace(
            "host1", "nginx_dump", "worker_connections  4096", "worker_connections 64"
        ),
        {"X-13"},
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
        lambda s: s.replace("host1", "nginx_processes", "8704   ", "1024   ", count=4),
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
        lambda s: s.vrrp_twice("host1", state=1, wantstate=1),
        {"KA-09", "NET-02", "X-02", "X-05"},
    ),
    "KA-09": (
        lambda s: s.answer("host2", "vrrp_before", s.says("host2", "vrrp")),
        set(),
    ),
    "KA-10": (lambda s: s.vrrp("host1", auth_failure=2), set()),
    "KA-12": (lambda s: s.answer("host1", "keepalived_secret", "different 8\n1 secrets"), set()),
    "KA-13": (
        lambda s: s.replace("host1", "keepalived_scripts", "-rwxr-x--- root", "-rwxr-x-w- root"),
        set(),
    ),
    "KA-14": (
        lambda s: s.answer(
            "host1", "keepalived_checks", "1 3 /usr/bin/killall -0 nginx --ns 1\n1 scripts"
        ),
        set(),
    ),
    "KA-16": (_keepalived_unit("host1", "Restart=always", "Restart=no"), set()),
    "KA-18": (
        lambda s: s.replace("host1", "keepalived_conf", "priority           101", "priority 110"),
        set(),
    ),
    "KA-20": (lambda s: s.replace("host1", "keepalived_files", "640 ", "644 "), set()),
    "KA-24": (lambda s: s.answer("host1", "hooks", "called master.d/a\n1 lines"), set()),
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
    "SYS-04": (
        lambda s: s.answer("host1", "speakers_table", "Error: No such file or directory", 1),
        set(),
    ),
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
        lambda s: s.answer("host2", "offset", _offset("-0.200000")),
        set(),
    ),
}


def test_every_check_has_a_case() -> None:
    # tests/unit/tasks/test_metrics.py has those of the metrics, test_client_connections.py those of
    # the limits, checks/routing/ those of a routed cluster. KA-19, KA-25, NGX-24, SYS-11, X-23 and
    # X-25 only warn.
    others = (
        {"KA-19", "KA-25", "NGX-22", "NGX-23", "NGX-24", "SYS-11", "X-23", "X-25"}
        | STREAMS
        | WATCH
        | ROUTING
        | HANDOVER
        | METRICS
        | LIMITS
        | OWN
        | WEB
    )
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
