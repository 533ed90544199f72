"""Several interfaces: what a machine is asked, and let in, on each of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from controller import all_hosts
from controller.batched_facts import parallel
from settings import Bars
from tasks.change import turns
from tasks.keepalived import vips
from tasks.machine import firewall, survey
from tasks.machine.others import former_members, strangers
from tasks.machine.survey import SurveyedMachine, parse_survey
from tasks.nginx import source_build
from tests.support import fakes
from tests.unit.settings.test_settings import inventory
from tests.unit.tasks.keepalived.test_rendered_interfaces import (
    FIRST,
    ON,
    SECOND,
    SIX,
    THIRD,
    WITHOUT_IPV6,
    cluster,
)
from tests.unit.tasks.test_deploy import refusal


def test_each_vip_is_looked_for_on_its_own_wire() -> None:
    here = cluster()
    asked = {each.interface: each for each in strangers.questions(here.nodes[0], here)}
    assert {name: each.vips for name, each in asked.items()} == {
        "eth0": (FIRST,),
        "eth1": (SECOND, SIX),
        "eth2": (THIRD,),
    }
    assert set(asked["eth2"].peers) == {"10.30.0.62", "10.30.0.63"}
    assert strangers.shell(asked.values(), "/none").count(" who eth") == 3


def test_a_firewall_opens_each_interface_for_what_is_there() -> None:
    here = cluster(more_vips=WITHOUT_IPV6, vrrp_interface="eth1")
    node = here.nodes[0]
    opened = dict(firewall.openings(node, here))
    for vip, port in ((FIRST, 7112), (SECOND, 7113), (THIRD, 7114)):
        entries = opened[ON[vip]]
        assert "port=80/tcp" in entries
        assert set(re.findall(r'port port="(\d+)"', " ".join(entries))) == {str(port)}
        vrrp = [each for each in entries if "vrrp" in each]
        assert len(vrrp) == (2 if vip == SECOND else 0)
    only_vrrp = cluster(more_vips={f"{THIRD}/24": "host1"}, vrrp_interface="eth1")
    opened = dict(firewall.openings(only_vrrp.nodes[0], only_vrrp))
    assert opened["eth1"] and all('value="vrrp"' in each for each in opened["eth1"])


@pytest.mark.parametrize("same_zone", [True, False])
def test_what_two_interfaces_need_in_one_zone_is_opened_once_and_not_closed(
    same_zone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = (
        firewall.Opening("eth0", ("port=80/tcp",)),
        firewall.Opening("eth1", ("port=80/tcp", "rich-rule=x")),
    )
    zones = {"eth0": "public", "eth1": "public" if same_zone else "inner"}
    opened = (
        "--zone=public port=80/tcp",
        f"--zone={zones['eth1']} rich-rule=x",
        "--zone=public gone",
    )

    def get(fact: type, **arguments: str) -> object:
        return firewall.Zone(zones[arguments["interface"]]) if arguments else list(opened)

    monkeypatch.setattr(parallel, "get", get)
    opening = firewall.open_in_zones._inner.__wrapped__(needed)  # type: ignore[attr-defined]
    told = [each for each in opening if each.startswith("firewall")]
    assert len(told) == len(set(told)) == (4 if same_zone else 6)
    closing = firewall.close_all_but._inner.__wrapped__(needed)  # type: ignore[attr-defined]
    closed = [each for each in closing if each.startswith("if")]
    assert len(closed) == 1 and "gone" in closed[0]


def surveyed(number: int, *peers: str, beside: dict[str, str] | None = None) -> SurveyedMachine:
    address = f"172.16.12.6{number}"
    return parse_survey(fakes.survey(address=address, peers=peers, beside=beside))


@pytest.mark.parametrize("elsewhere", [None, "eth1"])
def test_one_that_is_not_spoken_to_there_has_its_turn_last(elsewhere: str | None) -> None:
    """Also where that is so on one of its interfaces only: there it would take the VIPs as well."""
    here = cluster(vrrp_interface=elsewhere, more_vips=WITHOUT_IPV6)
    networks = ["10.20.0"] if elsewhere else ["10.20.0", "172.16.12", "10.30.0"]
    known = [f"{network}.6{n}" for network in networks for n in (1, 2, 3)]
    known.remove("10.20.0.63")
    machines = {f"host{n}": surveyed(n, *known) for n in (1, 2)}
    assert [node.name for node in turns.order(here, machines)] == ["host2", "host1", "host3"]


def test_a_machine_that_spoke_from_another_address_is_no_former_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where `vrrp_interface`, and its interface, are left out again."""
    asked: list[dict[str, frozenset[str]]] = []

    def found(state: object, peers: dict[str, frozenset[str]]) -> list[object]:
        asked.append(peers)
        return []

    monkeypatch.setattr(former_members, "found", found)
    machines = {
        f"@fake/host{n}": surveyed(
            n, f"10.20.0.6{3 - n}", "10.20.0.69", beside={"eth1": f"10.20.0.6{n}/24"}
        )
        for n in (1, 2)
    }
    monkeypatch.setattr(all_hosts, "get_facts", lambda *_: machines)
    hosts = {
        name: {"ssh_hostname": f"172.16.12.6{n}", "priority": n, "page": "x"}
        for n, name in enumerate(machines, start=1)
    }
    given = inventory(hosts)
    survey._survey_all(Bars.DEPLOY, type("State", (), {"inventory": given})())
    assert asked == [dict.fromkeys(machines, frozenset({"10.20.0.69"}))]


def test_a_machine_that_holds_a_vip_on_any_interface_is_the_last_to_compile() -> None:
    here = cluster()
    held, on_lo = (surveyed(2, beside={name: f"{SECOND}/32"}) for name in ("eth1", "lo"))
    assert source_build._unfit_to_compile((here.nodes[1], held))[0]
    assert not source_build._unfit_to_compile((here.nodes[1], on_lo))[0]


# --- where a VIP is, asked of the machine --------------------------------------------------------

SHOWN = """\
1: lo    inet 127.0.0.1/8 scope host lo
1: lo    inet 172.16.12.254/32 scope host lo
2: eth0    inet 172.16.12.61/16 scope global eth0
3: eth1    inet 10.20.0.254/32 scope host eth1:1
"""


def ask(shell: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (tmp_path / "shown").write_text(SHOWN)
    script = f"#!/bin/sh\n[ \"$*\" = '-o address show' ] && cat {tmp_path}/shown\n"
    (tmp_path / "ip").write_text(script)
    (tmp_path / "ip").chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", shell], env=path, text=True, capture_output=True)


def test_what_is_on_lo_is_not_held_and_on_any_other_interface_is(tmp_path: Path) -> None:
    done = ask(vips.show_held([FIRST, SECOND, "10.20.0.25"]), tmp_path)
    assert vips.held(done.stdout.splitlines()) == {SECOND}


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"there": [SECOND], "gone": [FIRST]}, 0),
        ({"there": [FIRST]}, 1),
        ({"gone": [SECOND]}, 1),
    ],
)
def test_it_is_waited_for_there(tmp_path: Path, wanted: dict[str, Any], code: int) -> None:
    (tmp_path / "sleep").symlink_to("/bin/true")
    node = cluster().nodes[0]
    done = ask(vips.wait_for(node, seconds=1, **wanted), tmp_path)
    assert done.returncode == code
    assert ("after 1 s" in done.stderr) is bool(code)


def test_left_vips_are_looked_for_on_every_interface_of_the_machine() -> None:
    here = cluster()
    command = vips.LeftVips().command(**vips.left_arguments(here.nodes[0], here))  # type: ignore[arg-type]
    assert all(f'$2 == "{name}"' in command for name in ("lo", "eth0", "eth1", "eth2"))


# --- a deploy ------------------------------------------------------------------------------------


def pair(length: int = 24, **survey: Any) -> Any:
    """The fake machines of a pair with two interfaces."""
    hosts: dict[str, dict[str, Any]] = {}
    for n in (1, 2):
        own = f"10.20.0.6{n}"
        beside = {"eth1": f"{own}/{length}"}
        said = fakes.survey(address=f"172.16.12.6{n}", beside=beside, **survey)
        hosts[f"@fake/host{n}"] = {
            **{"ssh_hostname": f"172.16.12.6{n}", "priority": 103 - n, "page": "x"},
            **{"more_interfaces": {"eth1": own}, "vrrp_interface": "eth1"},
            "fake_responses": {"/etc/os-release": said},
        }
    return fakes.inventory(hosts, more_vips={f"{SECOND}/24": "@fake/host2"})


@pytest.mark.usefixtures("no_download")
def test_a_deploy_writes_down_what_each_interfaces_sysctls_were() -> None:
    commands = fakes.run("deploy.py", pair())["@fake/host1"]
    for name in ("eth0", "eth1"):
        (noted,) = [c for c in commands if f"net/ipv4/conf/{name}/promote_secondaries $(cat" in c]
        assert "{{" not in noted
        (saved,) = [c for c in commands if f"cd /proc/sys/net/ipv4/conf/{name} " in c]
        assert "{{" not in saved and "sysctls-before" in saved


@pytest.mark.usefixtures("no_download")
def test_who_has_a_vip_of_another_interface_is_found_before_anything_is_changed() -> None:
    said = refusal(pair(replies=[f"{SECOND} 02:00:00:00:00:99"]))
    assert f"more_vips = {SECOND}/24: somebody has it already" in said


@pytest.mark.usefixtures("no_download")
def test_machines_that_would_not_hear_each_other_are_found_then_too() -> None:
    said = refusal(pair(length=31))
    assert "vrrp_interface = 'eth1': it has 10.20.0.61 in 10.20.0.60/31" in said
