"""Several interfaces: all that a machine is given speaks of each VIP where it is, and of VRRP where
it is spoken; with one interface, as ever."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import settings
from controller import rendering
from settings import Cluster, Node
from tasks.handover import forwarding
from tasks.keepalived import configuration
from tasks.machine.survey import parse_survey
from tasks.metrics import exporters
from tasks.watch import health_watch
from tests.support import fakes
from tests.unit.settings.test_settings import inventory

FIRST, SECOND, THIRD, SIX = "172.16.12.254", "10.20.0.254", "10.30.0.254", "fd62:1::254"
# Which VIP is where, and the machines' own addresses there, but for their last digits.
ON = {FIRST: "eth0", SECOND: "eth1", THIRD: "eth2", SIX: "eth1"}
OWN = {FIRST: "172.16.12.6", SECOND: "10.20.0.6", THIRD: "10.30.0.6", SIX: "fd62:1::6"}
MORE = {f"{SECOND}/24": "host2", f"{THIRD}/24": "host3", f"{SIX}/64": "host1"}
WITHOUT_IPV6 = {vip: holder for vip, holder in MORE.items() if ":" not in vip}
CLASSIC: dict[str, Any] = {
    **{"vrrp_version": 2, "nginx_weight": -9, "maintenance_weight": -9},
    "more_vips": WITHOUT_IPV6,
}
PROFILES: dict[str, dict[str, Any]] = {"fast": {}, "stays": {"preempt": False}, "classic": CLASSIC}
SYSTEMD, SYSV = (parse_survey(fakes.survey(init=init)) for init in ("systemd", "init"))


def cluster(**group: Any) -> Cluster:
    hosts: dict[str, dict[str, Any]] = {
        f"host{n}": {
            "ssh_hostname": f"172.16.12.6{n}",
            "priority": 110 - n,
            "page": f"page {n}",
            "more_interfaces": {
                "eth1": [f"10.20.0.6{n}", f"fd62:1::6{n}"],
                "eth2": f"10.30.0.6{n}",
            },
        }
        for n in (1, 2, 3)
    }
    (found,) = settings.load(inventory(hosts, **{"more_vips": MORE} | group))
    return found


def keepalived_conf(node: Node, here: Cluster) -> str:
    profile = "classic" if node.classic else "fast"
    return rendering.render(f"keepalived/{profile}.conf.j2", node=node, cluster=here, realtime=True)


def instances(node: Node, here: Cluster) -> list[str]:
    """The instances of keepalived.conf, without comments."""
    text = re.sub(r"(?m)^ *!.*\n", "", keepalived_conf(node, here))
    return re.findall(r"(?ms)^vrrp_instance .*?^}", text)


def all_lines(node: Node, here: Cluster) -> dict[str, list[str]]:
    """Every text that a machine is given and that names an interface, a statement in each line."""
    texts = {
        "keepalived.conf": keepalived_conf(node, here),
        "vrrp.nft": configuration.speakers_table(node, here),
        "unit": configuration.unit_addition(node, here, SYSTEMD)[1],
        "defaults": configuration.unit_addition(node, here, SYSV)[1],
        "services": rendering.render("sysv/services.j2", node=node, cluster=here).replace(
            ";", "\n"
        ),
    }
    if not node.classic:
        texts["handover.nft"] = forwarding.rules(node, here)
        texts["sysctls"] = rendering.render("handover/sysctl.conf.j2", node=node)
        for name, command in (
            ("handover", forwarding.command(node, here)),
            ("watch", health_watch.unit_file(node, here, SYSTEMD).partition("ExecStartPost")[0]),
        ):
            texts[name] = command.replace(" --", "\n--")
    return {name: text.splitlines() for name, text in texts.items()}


# --- each VIP on its own interface ---------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_nothing_that_is_said_of_a_vip_names_another_ones_interface(
    profile: str, number: int
) -> None:
    here = cluster(**PROFILES[profile])
    node = here.nodes[number]
    said = 0
    for name, lines in all_lines(node, here).items():
        for line in lines:
            about = {ON[vip] for vip in ON if re.search(rf"(?<![\w.]){vip}(?![\w.])", line)}
            named = set(re.findall(r"\beth\d\b", line))
            # (A program is told once of the usual one. `primary`: a question about all of them.)
            if len(about) == 1 and named and " primary " not in line:
                assert named == about, f"{name}: {line}"
                said += 1
    assert said >= 2 * len(here.vips), "all of them are spoken of"


@pytest.mark.parametrize("profile", PROFILES)
def test_keepalived_speaks_from_the_own_address_of_each_vips_interface(profile: str) -> None:
    here = cluster(**PROFILES[profile])
    for vrrp, text in zip(here.vips, instances(here.nodes[0], here), strict=True):
        vip = str(vrrp.vip.ip)
        assert re.search(rf"interface +{ON[vip]}\n", text)
        assert re.search(rf"src_ip +{OWN[vip]}1\n", text)
        assert "track_interface" not in text, "it is tracked by itself"
        if profile != "classic":
            peers = text.partition("unicast_peer {")[2].partition("}")[0].split()
            assert sorted(peers) == [f"{OWN[vip]}2", f"{OWN[vip]}3"]


def test_each_interface_lets_its_own_speakers_in() -> None:
    here = cluster()
    text = configuration.speakers_table(here.nodes[0], here)
    for number, vip in enumerate((FIRST, SECOND, THIRD, SIX), start=61):
        (chain,) = re.findall(rf'iifname "{ON[vip]}" .* vrrp @th,8,8 {number} goto (\w+)', text)
        family = "ip6" if ":" in vip else "ip"
        table = text.rpartition(f"\ntable {family} tandem_vrrp {{\n")[2]
        rules = table.partition(f"chain {chain} {{")[2]
        (sources,) = re.findall(r"^\n.*\n +ip6? saddr { (.*?) }", rules)
        assert set(sources.split(", ")) == {f"{OWN[vip]}2", f"{OWN[vip]}3"}
    assert text.count(" drop\n") == 4


def test_the_hand_over_is_told_where_each_vip_is_and_what_is_beside_it() -> None:
    here = cluster()
    words = shlex.split(forwarding.command(here.nodes[0], here))
    given = list(pairwise(words))
    of = {option: [value for name, value in given if name == option] for option, _ in given}
    assert of["--interface"] == ["eth0", "eth1", "eth2"]
    assert of["--vip"] == [FIRST, f"{SECOND}@eth1", f"{THIRD}@eth2", f"{SIX}@eth1"]
    assert of["--own"] == ["172.16.12.61", "10.20.0.61@eth1", "fd62:1::61@eth1", "10.30.0.61@eth2"]
    assert of["--other"] == [
        *("172.16.12.62", "172.16.12.63", "10.20.0.62@eth1", "10.20.0.63@eth1"),
        *("fd62:1::62@eth1", "fd62:1::63@eth1", "10.30.0.62@eth2", "10.30.0.63@eth2"),
    ]
    for table in forwarding.tables(here.nodes[0], here):
        vip = str(table["vip"])
        assert table["interface"] == ON[vip]
        others = {str(peer["address"]) for peer in table["peers"]}
        assert others == {f"{OWN[vip]}2", f"{OWN[vip]}3"}
        text = forwarding.rules(here.nodes[0], here).partition(
            f"\ntable {table['family']} {table['name']} {{\n"
        )[2]
        assert set(re.findall(r"\beth\d\b", text.partition("\n}\n")[0])) == {ON[vip]}


def test_all_interfaces_have_the_sysctls() -> None:
    here = cluster()
    text = rendering.render("handover/sysctl.conf.j2", node=here.nodes[0])
    assert re.findall(r"conf/(\w+)/arp_ignore = 1", text) == ["eth0", "eth1", "eth2"]
    assert re.findall(r"conf/(\w+)/arp_announce = 2", text) == ["eth0", "eth1", "eth2"]
    for machine in (SYSTEMD, SYSV):
        unit = configuration.unit_addition(here.nodes[0], here, machine)[1]
        assert re.findall(r"conf/(\w+)/promote_secondaries", unit) == ["eth0", "eth1", "eth2"]


def test_the_exporter_looks_at_every_interface_with_a_vip() -> None:
    here = cluster(more_vips=WITHOUT_IPV6)
    command = exporters.command(here.nodes[0], here)
    assert "--interface eth0 --interface eth1 --interface eth2 --node" in command


# --- VRRP elsewhere ------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_vrrp_is_spoken_where_it_is_to_be_and_the_vips_interface_is_tracked(
    profile: str, number: int
) -> None:
    here = cluster(**{"more_vips": WITHOUT_IPV6} | PROFILES[profile], vrrp_interface="eth1")
    node = here.nodes[number]
    for vrrp, text in zip(here.vips, instances(node, here), strict=True):
        vip = str(vrrp.vip.ip)
        assert re.search(r"\n    interface +eth1\n", text)
        assert re.search(rf"src_ip +10\.20\.0\.6{number + 1}\n", text)
        assert f" dev {ON[vip]} " in text
        tracked = re.findall(r"track_interface {\n +(\S+)\n", text)
        assert tracked == ([] if ON[vip] == "eth1" else [ON[vip]])
        assert not re.search(r"172\.16\.12\.6|10\.30\.0\.6", text), "nor is it sent elsewhere"
    rules = configuration.speakers_table(node, here)
    assert re.findall(r'iifname "(\w+)".*@th,8,8 (\d+) goto ours\n', rules) == [
        ("eth1", "61"),
        ("eth1", "62"),
        ("eth1", "63"),
    ]
    if not node.classic:
        for table in forwarding.tables(node, here):
            assert table["interface"] == ON[str(table["vip"])], "this is no matter of VRRP"


def test_the_watch_looks_at_each_interface_that_has_a_vip_or_vrrp() -> None:
    here = cluster(more_vips={f"{THIRD}/24": "host1"}, vrrp_interface="eth1")
    unit = health_watch.unit_file(here.nodes[0], here, SYSTEMD)
    assert re.findall(r"--own (\S+)", unit) == [
        *("172.16.12.61", "10.20.0.61@eth1", "10.30.0.61@eth2"),
    ]
    assert re.findall(r"--peer (\S+)", unit) == [
        *("172.16.12.62", "10.20.0.62@eth1", "172.16.12.63", "10.20.0.63@eth1"),
        *("10.30.0.62@eth2", "10.30.0.63@eth2"),
    ]
    assert "--interface eth0 " in unit
    assert re.findall(r"--other (\S+)", unit) == ["172.16.12.62", "172.16.12.63"]


# --- the classic profile's own question ----------------------------------------------------------

BOTH = (
    "2: eth0    inet 172.16.12.61/16 scope global eth0",
    "3: eth1    inet 10.20.0.61/24 scope global eth1",
)


@pytest.mark.parametrize(
    ("carried", "takes_part"),
    [
        (BOTH, True),
        (BOTH[:1], False),
        (BOTH[1:], False),
        ((*BOTH, f"3: eth1    inet {SECOND}/24 scope global eth1:1"), False),
        ((*BOTH, f"3: eth1    inet {SECOND}/24 scope global secondary eth1:1"), True),
    ],
)
def test_a_classic_node_takes_part_while_every_own_address_is_first(
    tmp_path: Path, carried: tuple[str, ...], takes_part: bool
) -> None:
    here = cluster(**CLASSIC)
    text = keepalived_conf(here.nodes[0], here)
    (script,) = re.findall(r'script +"(/usr/bin/sh -c \'ip [^"]*)"', text)
    (tmp_path / "all").write_text(
        "\n".join((*carried, "4: eth2    inet 10.30.0.61/24 scope global eth2")) + "\n"
    )
    (tmp_path / "ip").write_text(
        f'#!/bin/sh\ngrep -F " $5 " {tmp_path}/all | '
        'case "$6" in to) grep -F " $7/" ;; primary) grep -v secondary ;; esac\nexit 0\n'
    )
    (tmp_path / "ip").chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script], env=path, check=False)
    assert (done.returncode == 0) is takes_part


# --- one interface, as ever ----------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_with_neither_setting_there_is_one_interface_in_all_that_is_rendered(profile: str) -> None:
    more = {"172.16.12.253/16": "host2"}
    hosts: dict[str, dict[str, Any]] = {
        f"host{n}": {"ssh_hostname": f"172.16.12.6{n}", "priority": 110 - n, "page": "x"}
        for n in (1, 2)
    }
    (bare,) = settings.load(inventory(hosts, **PROFILES[profile] | {"more_vips": more}))
    node = bare.nodes[0]
    lines = all_lines(node, bare)
    assert {
        name for text in lines.values() for name in re.findall(r"\beth\d\b", "\n".join(text))
    } == {"eth0"}
    everything = "\n".join("\n".join(text) for text in lines.values())
    assert not re.search(r"\w@eth|track_interface|ours_2|TANDEM_VRRP_I", everything)
    if not node.classic:
        assert forwarding.command(node, bare) == (
            "/usr/bin/python3 /usr/lib/tandem/handover --interface eth0 --window 3600 "
            "--speakers /etc/keepalived/vrrp.nft --table /etc/tandem/handover.nft "
            "--vip 172.16.12.254 --port 7112 --vip 172.16.12.253 --port 7113 "
            "--own 172.16.12.61 --other 172.16.12.62"
        )
        assert "--own 172.16.12.61 --peer 172.16.12.62 --grace" in " ".join(lines["watch"])
