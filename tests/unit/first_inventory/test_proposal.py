"""What is proposed: names, a virtual router's number, a time server; and what is to be mended."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from first_inventory import findings, inventory_file_writing, proposal, readiness
from first_inventory.findings import HeardRouter, MachineFindings, NetworkServices
from first_inventory.proposal import InventoryProposal
from settings import Cluster
from tests.support.found_machines import GATEWAY, found, pair
from tests.support.written_inventories import proposed, written

VIP = IPv4Interface("10.20.0.10/24")
OTHER = HeardRouter("ens18", 10, "10.20.0.2")


@pytest.mark.parametrize(
    ("vip", "taken", "number"),
    [
        ("10.20.0.10/24", (), 10),
        ("10.20.0.10/24", (10, 11), 12),
        ("10.20.0.255/16", (255,), 1),
        ("10.20.1.0/16", (), 1),
        ("10.20.0.10/24", range(1, 256), 0),
    ],
)
def test_a_virtual_routers_number_is_free(vip: str, taken: Any, number: int) -> None:
    assert proposal.free_router_id(IPv4Interface(vip), taken) == number


def test_a_number_that_any_machine_has_heard_is_not_proposed() -> None:
    machines = [found("10.20.0.11"), found("10.20.0.12", heard=[OTHER])]
    inventory = proposed(machines)
    assert inventory.router_id == 11
    assert inventory.heard == ("10 (10.20.0.2)",)


def test_addresses_are_called_as_the_machines_call_themselves() -> None:
    machines = [found("10.20.0.11", hostname="web-a"), found("10.20.0.12", hostname="web-b")]
    assert list(proposal.node_names(machines).values()) == ["web-a", "web-b"]


@pytest.mark.parametrize(("one", "other"), [("web", "web"), ("localhost", "web"), ("a b", "web")])
def test_where_that_does_not_tell_them_apart_they_are_numbered(one: str, other: str) -> None:
    machines = [found("10.20.0.11", hostname=one), found("10.20.0.12", hostname=other)]
    assert list(proposal.node_names(machines).values()) == ["host1", "host2"]


def test_a_name_that_ssh_knows_is_kept_and_its_address_is_said() -> None:
    machines = [found("a", "ens18 10.20.0.11/24"), found("b", "ens18 10.20.0.12/24")]
    first = proposed(machines).nodes[0]
    assert (first.name, first.ssh_hostname, first.address) == ("a", "", "10.20.0.11")


@pytest.mark.parametrize(
    ("servers", "answering", "server"),
    [
        ((), {GATEWAY: 0.0}, GATEWAY),
        (("time.example.org",), {GATEWAY: 0.0, "time.example.org": 0.0}, "time.example.org"),
        (("time.example.org",), {GATEWAY: 0.0}, GATEWAY),
        (("time.example.org",), {}, ""),
    ],
)
def test_the_time_server_is_one_that_answers(
    servers: tuple[str, ...], answering: dict[str, float], server: str
) -> None:
    machines = pair(time_servers=servers)
    services = {machine.host: NetworkServices(answering) for machine in machines}
    assert proposal.time_server(machines, services)[0] == server


def test_one_that_answers_only_some_machines_is_not_proposed() -> None:
    machines = pair()
    services = {
        machines[0].host: NetworkServices({GATEWAY: 0.0}),
        machines[1].host: NetworkServices(),
    }
    assert proposal.time_server(machines, services)[0] == ""


def test_where_nobody_can_ask_the_one_that_is_in_use_is_taken() -> None:
    assert proposal.time_server(pair(time_servers=["ntp.lan"]), {})[0] == "ntp.lan"


# --- what is to be mended ------------------------------------------------------------------------


def judged(
    machines: list[MachineFindings],
    directory: Path,
    services: NetworkServices | None = None,
    **answers: Any,
) -> tuple[str, str]:
    """What bars a deploy, and what is worth a look."""
    inventory = proposed(machines, **answers)
    cluster = _cluster(inventory, directory)
    served = services or NetworkServices({inventory.ntp_server: 0.0})
    found_services = {machine.host: served for machine in machines}
    ready = readiness.readiness(inventory, cluster.nodes, machines, found_services, ())
    return "\n".join(map(str, ready.barring)), "\n".join(map(str, ready.notes))


def _cluster(inventory: InventoryProposal, directory: Path) -> Cluster:
    cluster, mistakes = inventory_file_writing.read_back(written(inventory, directory))
    assert cluster, mistakes
    return cluster


def test_machines_that_are_well_have_nothing(tmp_path: Path) -> None:
    assert judged(pair(), tmp_path) == ("", "")


@pytest.mark.parametrize(
    ("has", "said"),
    [
        ({"port_80": "apache2"}, "http_port = 80: apache2 has that port"),
        ({"port_80": "nginx"}, "http_port = 80: nginx has that port"),
        ({"foreign_nginx": True}, "another nginx is installed there"),
        ({"distribution": "alpine"}, "Tandem knows the Debian and the Red Hat family"),
        ({"init": "runit"}, "Tandem knows systemd and SysV's init"),
        ({"free_mb": 10}, "make room"),
        ({"masked": ["nginx"]}, "systemctl unmask nginx"),
    ],
)
def test_what_a_deploy_would_refuse_is_said_of_both_at_once(
    has: dict[str, Any], said: str, tmp_path: Path
) -> None:
    barring, _ = judged(pair(**has), tmp_path)
    assert said in barring
    assert barring.startswith("machine-11, machine-12: ")


def test_several_things_come_together(tmp_path: Path) -> None:
    machines = [found("10.20.0.11", port_80="apache2"), found("10.20.0.12", foreign_nginx=True)]
    barring, _ = judged(machines, tmp_path)
    assert "apache2" in barring
    assert "another nginx" in barring


def test_our_own_nginx_may_have_the_port(tmp_path: Path) -> None:
    barring, notes = judged(pair(port_80="nginx", serves=True), tmp_path)
    assert barring == ""
    assert "was set up here before" in notes


@pytest.mark.parametrize(
    ("has", "services", "said"),
    [
        ({"clock_s": 90.0}, NetworkServices(), "90 s ahead of this controller's, and chrony keeps"),
        ({"clock_s": 2.0}, NetworkServices(), ""),
        ({"clock_s": 90.0}, NetworkServices({GATEWAY: 0.0}), ""),  # then the controller's is wrong
        ({}, NetworkServices({GATEWAY: 7.0}), "7 s behind 10.20.0.1, and chrony keeps it"),
        ({"time_service": ""}, NetworkServices({GATEWAY: 7.0}), "deploy.py sets it"),
    ],
)
def test_a_clock_that_is_wrong_is_told(
    has: dict[str, Any], services: NetworkServices, said: str, tmp_path: Path
) -> None:
    _, notes = judged(pair(**has), tmp_path, services, ntp_server=GATEWAY)
    assert (said in notes) if said else ("clock" not in notes)


@pytest.mark.parametrize(
    ("has", "answers", "said"),
    [
        ({"heard": None}, {}, "that takes python3"),
        ({"time_service": ""}, {"ntp_server": ""}, "nothing keeps this machine's clock"),
        ({}, {"ntp_server": "chime"}, "as a time server it does not answer"),
        ({}, {"email": ("a@b.c",), "smtp_server": "mx"}, "it takes no mail"),
    ],
)
def test_what_is_worth_a_look_is_told(
    has: dict[str, Any], answers: dict[str, Any], said: str, tmp_path: Path
) -> None:
    _, notes = judged(pair(**has), tmp_path, NetworkServices({GATEWAY: 0.0}), **answers)
    assert said in notes


# --- what machines print -------------------------------------------------------------------------

ROUTES = [
    {"dst": "default", "gateway": "10.20.0.9", "dev": "ens19", "metric": 200},
    {"dst": "default", "gateway": "10.20.0.1", "dev": "ens18", "metric": 100},
]
LISTENING = 'LISTEN 0 511 *:80 *:* users:(("apache2",pid=7,fd=4),("apache2",pid=8,fd=4))'


def test_what_a_machine_prints_is_read() -> None:
    parts = (
        "web-a.example.org",
        json.dumps(ROUTES),
        "service=chrony.service loaded active running chrony",
        "ntp.lan\nntp.lan\n127.127.1.0",
        LISTENING,
        "1000.5",
    )
    details = findings.details_of("\n@\n".join(parts), 998.0)
    assert details == findings.MachineDetails(
        "web-a", 2.5, "10.20.0.1", "ens18", "chrony", ("ntp.lan",), "apache2"
    )


def test_a_machine_that_has_none_of_it_says_so() -> None:
    details = findings.details_of("\n@\n".join(("a", "[ ]", "", "", "", "1.0")), 1.0)
    assert details == findings.MachineDetails("a", 0.0, "", "", "", (), "")


def test_an_answer_that_was_cut_is_none() -> None:
    assert findings.answered(["10.20.0.1 mail", "end"]) == ["10.20.0.1 mail"]
    assert findings.answered(["10.20.0.1 mail"]) is None
    assert findings.answered([]) is None


def test_services_are_read() -> None:
    assert findings.services_in(["a time -0.250", "a mail"]) == NetworkServices(
        {"a": -0.25}, frozenset({"a"})
    )
