"""bird.conf as it is rendered. (That BIRD reads it: tests/lab/loopback/test_bird_reads.py.)"""

from __future__ import annotations

import os
import re
import subprocess
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import settings
from controller import rendering
from tasks.bird import bird_configuration
from tasks.machine import firewall, packages, service_state
from tasks.machine.survey import parse_survey
from tasks.watch import health_watch
from tests.support import fakes, programs
from tests.unit.settings.network.test_routed_settings import BGP, BOTH, ROUTER, ROUTER6, cluster
from tests.unit.settings.network.test_routed_settings import hosts as machines

bird_sessions = programs.load("apply_bird.bird_sessions")
loop = programs.load("watch.watch_loop")

PASSWORD = "a pass # word; {%"
FAR = {"address": "10.5.5.5", "asn": 4_200_000_001, "hops": 3}
V6 = {"vip": "2001:db8::80/128", "routers": [ROUTER6]}
PROFILES: dict[str, dict[str, Any]] = {
    "IPv4": BGP,
    "IPv6": BGP | V6,
    "both": BOTH,
    "several": BGP | {"routers": [{**ROUTER, "password_env": "WORD"}, FAR]},
    "far": BGP | {"routers": [FAR]},
    "without BFD": BGP | {"routers": [{**ROUTER, "bfd": False}, {**FAR, "bfd": False}]},
    "slow": BGP | {"bfd_interval_ms": 1000, "bfd_misses": 5},
}


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", PASSWORD)


def rendered(**group: Any) -> str:
    made = cluster(**group)
    return bird_configuration.configuration(made.preferred, made)


def protocols(text: str) -> dict[str, str]:
    """The body of each protocol, filter and template, by its name."""
    return dict(
        re.findall(r"^(?:protocol|filter|template) (?:\w+ )?(\w+).*?\{(.*?)^\}", text, re.M | re.S)
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_is_announced_before_the_watch_says_so(profile: str) -> None:
    text = rendered(**PROFILES[profile])
    statics = re.findall(r"^protocol static (\w+) \{\n( .*)", text, re.MULTILINE)
    versions = {vip.version for vip in cluster(**PROFILES[profile]).addresses}
    names = {f"{kind}{version}" for kind in ("vip_serves", "vip_yields") for version in versions}
    assert {name for name, _ in statics} == names
    assert {first.strip() for _, first in statics} == {"disabled yes;"}
    # What a reload makes of it (apply-bird), where the address is announced.
    for name in names:
        now = bird_sessions.announcing(text, [name])
        assert now.count("disabled yes;") == len(names) - 1
        assert protocols(now)[name] == protocols(text)[name].replace("disabled yes", "disabled no")


@pytest.mark.parametrize("profile", PROFILES)
def test_no_route_comes_in_or_goes_to_the_kernel(profile: str) -> None:
    text = rendered(**PROFILES[profile])
    assert "protocol kernel" not in re.sub("#.*", "", text)
    sessions = [body for name, body in protocols(text).items() if name.startswith("router_")]
    assert len(sessions) == len(cluster(**PROFILES[profile]).preferred.routers)
    for body in sessions:
        assert "import none;" in body and re.search(r"export filter announce[46];", body)


def test_only_the_very_address_leaves_it() -> None:
    found = protocols(rendered(**BOTH))
    assert found["announce4"].split(";")[0].strip() == "if net != 192.0.2.80/32 then reject"
    assert found["announce6"].split(";")[0].strip() == "if net != 2001:db8::80/128 then reject"
    for body in (found["announce4"], found["announce6"]):
        assert body.count("bgp_path.prepend(65010);") == 3
        assert body.count("bgp_community.add((65535, 0));") == 1


def test_a_router_in_its_own_network_is_believed_with_the_highest_ttl_alone() -> None:
    found = protocols(rendered(**PROFILES["several"]))
    assert "ttl security on;" in found["router_1"] and "direct;" in found["router_1"]
    assert f'password "{PASSWORD}";' in found["router_1"]
    assert "multihop 3;" in found["router_2"] and "local 10.1.0.11 as 65010;" in found["router_2"]
    assert "ttl security" not in found["router_2"] and "password" not in found["router_2"]
    assert "neighbor 10.5.5.5 as 4200000001;" in found["router_2"]


def test_each_family_has_its_session() -> None:
    found = protocols(rendered(**BOTH))
    assert "ipv4 {" in found["router_1"] and "ipv6 {" not in found["router_1"]
    assert "ipv6 {" in found["router_2"] and "export filter announce6;" in found["router_2"]
    assert "neighbor fd61:1::1 as 64512;" in found["router_2"]


@pytest.mark.parametrize(
    ("profile", "places"),
    [
        ("IPv4", ["interface"]),
        ("far", ["multihop"]),
        ("several", ["interface", "multihop"]),
        ("without BFD", []),
    ],
)
def test_silence_is_noticed_where_a_router_can(profile: str, places: list[str]) -> None:
    text = rendered(**PROFILES[profile])
    assert re.findall(r"^    (interface|multihop)\b.*\{$", text, re.MULTILINE) == places
    assert ("protocol bfd" in text) == bool(places)


def test_bfd_has_the_settings_of_the_node() -> None:
    found = protocols(rendered(**PROFILES["slow"]))["bfd1"]
    assert "min rx interval 1000 ms;" in found and "multiplier 5;" in found
    assert "idle tx interval 1000 ms;" in found
    assert "idle tx interval 200 ms;" in protocols(rendered())["bfd1"]


def test_one_that_does_not_come_round_ends_before_silence_is_noticed() -> None:
    """Its BFD has a thread of its own, which goes on."""
    text = rendered()
    seconds = re.search(r"^watchdog timeout (\d+) s;$", text, re.MULTILINE)
    hold = re.search(r"^    hold time (\d+);$", text, re.MULTILINE)
    assert seconds and hold and 2 <= int(seconds[1]) < int(hold[1]) - 2


def test_a_router_that_refuses_is_asked_less_and_less() -> None:
    """BIRD waits twice as long after each error, unless the one before is forgotten by then; and
    after the first one of a session that was there it is back soon."""
    found = protocols(rendered())["routers"]
    times = re.search(r"error wait time (\d+), (\d+);\s+error forget time (\d+);", found)
    assert times
    least, most, forgotten = map(int, times.groups())
    waits = [least]
    while waits[-1] < most and len(waits) < 20:
        waits.append(min(waits[-1] * 2, most))
    assert waits[0] <= 1 and waits[-1] == 30
    # (It asks a second after it has waited, and hears the answer.)
    assert forgotten > most + 5


def test_its_comments_are_as_long_as_lines_may_be() -> None:
    for profile in PROFILES.values():
        long = [line for line in rendered(**profile).splitlines() if len(line) > 102]
        assert long == []


# --- what is around it ---------------------------------------------------------------------------


def test_routers_alone_may_speak_bgp_and_bfd() -> None:
    made = cluster(**PROFILES["several"])
    opening, mesh = firewall.openings(made.preferred, made)
    assert (opening.interface, mesh.interface) == ("eth0", "tandem")
    rules = [each for each in opening.entries if each.startswith("rich-rule")]
    start = 'rich-rule=rule family="ipv4" source address='
    assert [each for each in rules if '12" port' not in each] == [
        f'{start}"10.1.0.1" port port="179" protocol="tcp" accept',
        f'{start}"10.1.0.1" port port="3784" protocol="udp" accept',
        f'{start}"10.5.5.5" port port="179" protocol="tcp" accept',
        f'{start}"10.5.5.5" port port="4784" protocol="udp" accept',
    ]
    assert not [each for each in rules if "vrrp" in each]
    assert "port=80/tcp" in opening.entries


def test_other_nodes_alone_may_speak_in_the_mesh() -> None:
    made = cluster(**BOTH)
    opening, _ = firewall.openings(made.preferred, made)
    rules = [each for each in opening.entries if 'protocol="udp"' in each and '"3784"' not in each]
    # By their own IPv4 addresses, between which it is; no beats of VIPs that move.
    start = 'rich-rule=rule family="ipv4" source address='
    assert rules == [f'{start}"10.1.0.12" port port="7113" protocol="udp" accept']


def test_what_comes_out_of_the_mesh_is_let_in_whatever_its_zone_is() -> None:
    """The zone may be another than the interface's: firewalld's default, where none was given."""
    stream = {"listen": 1883, "to": ["10.0.0.11:1883"]}
    given = {"streams": {"mqtt": stream}}
    for more in ({}, given):
        made = cluster(**BOTH, **more)
        opening, mesh = firewall.openings(made.preferred, made)
        web = tuple(each for each in opening.entries if each[:5] == "port=")
        # And to tandem-watch, that a node serves.
        assert mesh.entries == (*web, "port=7114/udp")
        assert "port=80/tcp" in mesh.entries
        assert ("port=1883/tcp" in mesh.entries) is bool(more)


def test_without_hand_over_there_is_no_mesh_to_let_in() -> None:
    made = cluster(**BOTH, handover=False)
    (opening,) = firewall.openings(made.preferred, made)
    assert "7113" not in "".join(opening.entries)


def test_a_router_may_be_in_the_network_of_another_interface() -> None:
    """It is named by a setting (settings.mistakes.routers): all that comes may come by either."""
    made = cluster(**PROFILES["several"])
    wires = (("eth5", (ip_address("10.9.0.2"),)),)
    node = made.preferred.model_copy(update={"more_interfaces": wires})
    found = dict(firewall.openings(node, made))
    assert list(found) == ["eth0", "eth5", "tandem"]
    assert found["eth5"] == found["eth0"]


def test_the_watch_needs_its_own_address_and_a_router_and_tells_bird() -> None:
    made = cluster(**PROFILES["several"])
    machine = parse_survey(fakes.survey())
    unit = health_watch.unit_file(made.preferred, made, machine)
    words = unit.partition("ExecStart=")[2].partition("\n\n")[0].replace("\\\n", " ").split()[2:]
    given = dict.fromkeys(word for word in words if word.startswith("--"))
    assert set(given) <= set(loop.OPTIONS)
    pairs = list(pairwise(words))
    assert ("--own", "10.1.0.11") in pairs and ("--peer", "10.1.0.1") in pairs
    assert ("--peer", "10.5.5.5") in pairs and ("--peer", "10.1.0.12") not in pairs
    assert ("--other", "10.1.0.12") in pairs and ("--bird", "/run/bird/bird.ctl") in pairs
    assert [value for name, value in pairs if name == "--drain"] == [
        "/etc/keepalived/down",
        "/run/tandem/drain",
    ]
    assert "SupplementaryGroups=bird" in unit and "keepalived" not in unit.replace(
        "/etc/keepalived/down", ""
    )


def test_without_routers_the_watch_is_told_of_no_bird() -> None:
    node, made = settings.of(fakes.inventory().get_host("@fake/host1"))
    unit = health_watch.unit_file(node, made, parse_survey(fakes.survey()))
    assert "bird" not in unit.lower() and "Before=keepalived.service" in unit


def test_each_family_has_a_package_with_bird() -> None:
    assert set(packages.BIRD) == set(packages.RUN)


@pytest.mark.parametrize("realtime", [True, False])
def test_bird_runs_behind_walls_and_on_time(realtime: bool) -> None:
    unit = rendering.render("bird/systemd-unit.conf.j2", realtime=realtime)
    assert ("CPUSchedulingPolicy=rr" in unit) == realtime
    # What cannot start is not tried several times a second; what is told a whole table is no hang.
    assert "RestartSec=1\n" in unit and ("LimitRTTIME=10000000\n" in unit) == realtime
    assert "ProtectSystem=strict" in unit and "NoNewPrivileges=yes" in unit
    # A list begins anew before it is given.
    for name in ("ExecStart", "ExecStartPre", "ExecReload"):
        first = re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)
        assert first[0] == "" and len(first) == 2


@pytest.mark.parametrize(("seen", "due"), [("640 root:bird", False), ("644 root:bird", True)])
def test_whoever_may_read_the_passwords_is_looked_at_each_time(
    tmp_path: Path, seen: str, due: bool
) -> None:
    """What is staged is put into service again where its content alone is as it should be."""
    stat = tmp_path / "stat"
    stat.write_text(f"#!/bin/sh\necho {seen}\n")
    stat.chmod(0o755)
    fact = service_state.ServiceStateFact()
    script = fact.command(bird_configuration.SERVICE)
    for path in (bird_configuration.SERVICE.staged, bird_configuration.SERVICE.configuration):
        (tmp_path / path.replace("/", "_")).write_text("the same")
        script = script.replace(f" {path} ", f" {tmp_path / path.replace('/', '_')} ")
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env={"PATH": path})
    found = fact.process([*done.stdout.splitlines(), "Configuration=same"])
    assert found.configuration_same is not due


def test_every_machine_has_a_router_of_its_own() -> None:
    given = machines(2)
    given["host2"]["routers"] = [{"address": "10.1.0.2", "asn": 64514}]
    made = cluster(given)
    text = bird_configuration.configuration(made.nodes[1], made)
    assert "neighbor 10.1.0.2 as 64514;" in text and "10.1.0.1 " not in text


def test_nginx_says_goodbye_to_routers_before_it_ends_and_without_the_watch() -> None:
    node = cluster(health_interval_s=0.3).preferred
    unit = rendering.render("nginx/nginx.service.j2", node=node)
    (stop,) = re.findall(r"^ExecStop=.*sleep ([\d.]+)'$", unit, re.MULTILINE)
    assert float(stop) > 0.3  # a round of the watch
    disable = "timeout 2 /usr/sbin/birdc -s /run/bird/bird.ctl disable '\"vip_serves*\"'"
    assert disable in unit
    other = settings.of(fakes.inventory().get_host("@fake/host1"))[0]
    unit = rendering.render("nginx/nginx.service.j2", node=other)
    assert "birdc" not in unit and "sleep 0.1'" in unit
