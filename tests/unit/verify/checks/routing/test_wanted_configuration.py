"""RT-03: what a deploy writes is what the settings ask for, and every other word is found."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from settings import Cluster
from tasks.bird import bird_configuration
from tests.support import fakes
from tests.support.snapshots import ROUTED, Spoiled
from verify.checks.check import Outcome
from verify.checks.routing.wanted_configuration import otherwise
from verify.read.routing.bird_output import configuration

ROUTER = {"address": "172.16.12.1", "asn": 64512}
ROUTER6 = {"address": "fd61:1::1", "asn": 64512}


def cluster(*routers: dict[str, Any], **given: Any) -> Cluster:
    hosts = {
        name: {"ssh_hostname": f"172.16.12.{61 + n}", "address6": f"fd61:1::{61 + n}", "page": name}
        for n, name in enumerate(("host1", "host2"))
    }
    group = {"spread": "bgp", "vip": "198.51.100.80/32", "asn": 65010, "routers": list(routers)}
    (found,) = settings.clusters(fakes.inventory(hosts, group | given))
    return found


VARIANTS: dict[str, Cluster] = {
    "one router": cluster(ROUTER),
    "with a password": cluster(ROUTER | {"password_command": ("echo", 'a{b};c#d"'[:-1])}),
    "without bfd": cluster(ROUTER | {"bfd": False}),
    "far away": cluster(ROUTER | {"hops": 3, "address": "10.9.9.9"}),
    "one near, one far": cluster(ROUTER, ROUTER | {"hops": 2, "address": "10.9.9.9"}),
    "both families": cluster(ROUTER, ROUTER6, vip6="2001:db8::80/128"),
    "ipv6 alone": cluster(ROUTER6, vip="2001:db8::80/128"),
    "slow": cluster(ROUTER, bfd_interval_ms=300, bfd_misses=5),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_deploy_writes_is_what_is_wanted(variant: str) -> None:
    ours = VARIANTS[variant]
    for node in ours.nodes:
        written = bird_configuration.configuration(node, ours)
        assert not list(otherwise(configuration(written), node, ours))


PASSWORD = 'password "(secret)";'
FAULTS: dict[str, tuple[str, str, str]] = {
    "router id": ("router id 172.16.12.61;", "router id 10.9.9.9;", "router id 10.9.9.9, not id 1"),
    "no router id": ("router id 172.16.12.61;", "", "router id is not given"),
    "ASN": ("local as 65010;", "local as 65011;", "router_1 has local as 65011, not 65010"),
    "neighbour": ("172.16.12.1 as 64512", "172.16.12.9 as 64512", "has neighbor 172.16.12.9 as"),
    "its ASN": (
        "172.16.12.1 as 64512",
        "172.16.12.1 as 64999",
        "neighbor 172.16.12.1 as 64999, not 64512",
    ),
    "no GTSM": ("ttl security on;", "ttl security off;", "router_1 has ttl security off, not on"),
    "far": ("direct;", "multihop 4;", "router_1 has no direct; router_1 has multihop 4 besides"),
    "no link": ("check link on;", "", "router_1 has no check link on"),
    "no password": (PASSWORD, "", "router_1 has no password"),
    "patient": ("bfd on;", "bfd on; hold time 240;", "router_1 has hold time 240 besides"),
    "all are patient": (
        "    hold time 9;",
        "    hold time 240;",
        "template routers has hold time 240, not 9",
    ),
    "no patience": ("keepalive time 3;", "", "template routers has no keepalive time 3"),
    "others of a template": (
        "error forget time 40;",
        "error forget time 40; add paths on;",
        "template routers has add paths on besides",
    ),
    "graceful": ("bfd on;", "bfd on; graceful restart on;", "has graceful restart on besides"),
    "loops": ("bfd on;", "bfd on; allow local as 3;", "has allow local as 3 besides"),
    "quick bfd": ("bfd on;", "bfd { interval 1 s; };", "router_1 has bfd, not bfd on"),
    "more paths": ("next hop self;", "next hop self; add paths tx;", "has add paths tx besides"),
    "a lower limit": (
        "import limit 1 action block;",
        "import limit 100 action block;",
        "router_1 has import limit 100 action block, not 1 action block",
    ),
    "preferred": (
        "ipv4 { preference 100; };",
        "ipv4 { preference 300; };",
        "vip_yields4 has preference 300, not 100",
    ),
    "checked routes": (
        "disabled yes;",
        "disabled yes; check link on;",
        "vip_serves4 has check link on besides",
    ),
    "scans seldom": (
        "scan time 10;",
        "scan time 600;",
        "protocol device1 has scan time 600, not 10",
    ),
    "without a template": (" from routers {", " {", "router_1 is not from routers"),
    "no template": ("template bgp routers", "template bgp r", "no template bgp routers"),
    "two channels": ("    bfd on;", "    bfd on; ipv6 {};", "speaks of ipv6, ipv4, not of ipv4"),
    "idle bfd": (
        "idle tx interval 200 ms;",
        "idle tx interval 5 s;",
        "bfd1 has idle tx interval 5 s, not 200 ms",
    ),
    "passive bfd": ("multiplier 3;", "multiplier 3; passive on;", "bfd1 has passive on besides"),
    "no bfd": ("bfd on;", "bfd off;", "has bfd off, not on"),
    "imports": ("import none;", "import all;", "has import all, not none"),
    "keeps": (
        "import none;",
        "import keep filtered on; import none;",
        "router_1 has import keep filtered on besides",
    ),
    "exports": ("export filter announce4;", "export all;", "has export all, not filter announce4"),
    "next hop": ("next hop self;", "next hop keep;", "has next hop keep, not self"),
    "family": ("    ipv4 {\n        # N", "    ipv6 {\n        # N", "speaks of ipv6, not of ipv4"),
    "bfd interval": (
        "min rx interval 50 ms;",
        "min rx interval 500 ms;",
        "bfd1 has min rx interval 500 ms, not 50 ms",
    ),
    "bfd misses": ("multiplier 3;", "multiplier 30;", "bfd1 has multiplier 30, not 3"),
    "bfd nowhere": ('interface "eth0" {', "neighbors {", "bfd1 has no interface"),
    "kernel": (
        "protocol device",
        "protocol kernel { ipv4; }\nprotocol device",
        "it has protocol ker",
    ),
    "another include": ("log syslog all;", 'include "x.conf";', "it has include x.conf"),
    "a stranger": (
        "template bgp",
        "protocol bgp x { local as 1; }\ntemplate bgp",
        "it has protocol b",
    ),
    "no session": (
        "protocol bgp router_1 ",
        "protocol bgp other ",
        "no protocol bgp router_1 for 17",
    ),
    "another route": (
        "route 198.51.100.80/32 blackhole;",
        "route 198.51.100.80/32 blackhole; route 10.0.0.0/8 blackhole;",
        "vip_serves4 has 198.51.100.80/32 blackhole, 10.0.0.0/8 blackhole, not 198.51.100.80/32",
    ),
    "begins enabled": ("disabled yes;", "", "vip_serves4 begins enabled"),
    "no static": ("static vip_yields4", "static vip_other4", "no protocol static vip_yields4"),
    "no filter": ("filter announce4 {", "filter announce9 {", "no filter announce4"),
    "more than the VIP": (
        "if net != 198.51.100.80/32",
        "if net !~ [ 0.0.0.0/0+ ]",
        "announce4 has: if",
    ),
    "no mark": (
        "bgp_community.add((65535, 0));",
        "",
        "announce4 does not let 198.51.100.80/32 out",
    ),
    "a short way": ("bgp_path.prepend(65010);\n", "", "announce4 does not let"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_word_is_found(fault: str) -> None:
    old, new, words = FAULTS[fault]
    verdict = Spoiled(ROUTED).replace("host1", "bird_conf", old, new, 1).judge(only="RT-03")
    found = {finding.host: finding for finding in verdict.findings}
    assert found["host1"].outcome is Outcome.FAIL and words in found["host1"].answer.actual
    assert found["host2"].outcome is Outcome.OK


def test_what_was_rolled_back_is_no_fault_of_its_own() -> None:
    back = Spoiled(ROUTED).replace("host1", "bird_conf", "bfd on;", "bfd off;")
    back.answer("host1", "rolled_back", "to 20261129-160000\nlooked")
    verdict = back.judge(only="RT-03,X-25")
    assert {finding.id for finding in verdict.warned} == {"X-25"} and not verdict.bad


def test_a_person_may_have_bird_say_more() -> None:
    more = Spoiled(ROUTED).replace(
        "host1", "bird_conf", "log syslog all;", 'log syslog all;\nlog "/tmp/x" all;'
    )
    assert more.judge(only="RT-03").passed
