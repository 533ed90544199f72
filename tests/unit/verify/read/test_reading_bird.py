"""Readers of a routed cluster's answers: what BIRD 2.0.12, iproute2 and nftables 1.0.6 printed."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest

from tests.support.snapshots import ROUTED, said
from verify.read.routing import bird_output, mesh_output
from verify.read.routing.bird_output import ExportedRoute

READY = "BIRD 2.0.12 ready.\n"
# Where the other side has ended the session.
DOWN = """\
BIRD 2.0.12 ready.
Name       Proto      Table      State  Since         Info
router_1   BGP        ---        start  23:45:32.604  Connect       Received: Administrative shutdown
  BGP state:          Connect
    Neighbor address: 172.16.12.1
    Neighbor AS:      64512
    Local AS:         65010
    Last error:       Received: Administrative shutdown
  Channel ipv4
    State:          DOWN
    Table:          master4
    Preference:     100
    Input filter:   REJECT
    Output filter:  announce4
    Receive limit:  100
      Action:       block
    Import limit:   1
      Action:       block

vip_yields6 Static     master6    down   2026-11-28    
  Channel ipv6
    State:          DOWN

"""  # noqa: E501, W291
YIELDS = """\
BIRD 2.0.12 ready.
Table master6:
2001:db8::80/128     blackhole [vip_yields6 23:45:30.231] * (100)
	Type: static univ
	BGP.as_path: 65010 65010 65010
	BGP.community: (65535,0)
"""


def test_a_session_that_is_there() -> None:
    found = bird_output.protocols(said(ROUTED, "host1", "bird_protocols"))
    assert [*found] == [
        *("device1", "bfd1", "vip_serves4", "vip_yields4", "vip_serves6", "vip_yields6"),
        *("router_1", "router_2", "router_3", "router_4"),
    ]
    router = found["router_3"]
    assert (router.kind, router.is_up, router.info) == ("BGP", True, "Established")
    assert router.details["BGP Next hop"].split()[0] == "fd61:1::61"
    assert router.details["Source address"] == "fd61:1::61"
    assert not router.imported and found["vip_serves4"].imported == 1
    assert found["vip_serves6"].is_up and not found["vip_yields6"].is_up


def test_a_session_that_is_not_there_and_a_day_that_is_over() -> None:
    found = bird_output.protocols(DOWN)
    session, other = found["router_1"], found["vip_yields6"]
    assert session.info == "Connect Received: Administrative shutdown"
    assert session.details["Last error"] == "Received: Administrative shutdown"
    assert (other.since, other.info, other.is_up) == ("2026-11-28", "", False)


def test_bfd_sessions() -> None:
    found = bird_output.bfd_sessions(said(ROUTED, "host1", "bird_bfd"))
    assert len(found) == 4
    one = found[ip_address("fd61:1::2")]
    assert (one.state, one.interval_s, one.timeout_s) == ("Up", 0.05, 0.15)
    far = f"{READY}bfd1:\nIP address  Interface  State  Since  Interval  Timeout\n"
    far += "10.9.9.9                  ---        Down       2026-11-28    1.000    0.000\n"
    assert bird_output.bfd_sessions(far)[ip_address("10.9.9.9")].state == "Down"
    assert bird_output.bfd_sessions(READY + "There is no BFD protocol running.\n") == {}


def test_what_a_router_is_told() -> None:
    serves = bird_output.exported(said(ROUTED, "host1", "bird_exported:1"))
    assert serves == (ExportedRoute("198.51.100.80/32"),)
    path, marks = ("65010",) * 3, frozenset({bird_output.GRACEFUL_SHUTDOWN})
    assert bird_output.exported(YIELDS) == (ExportedRoute("2001:db8::80/128", path, marks),)
    assert bird_output.exported(READY + "No valid tables\n") == ()
    assert bird_output.exported(READY + "Table master4:\n") == ()


def test_the_status_and_the_version() -> None:
    status = bird_output.status(said(ROUTED, "host1", "bird_status"))
    assert status.router_id == "172.16.12.61"
    assert 0 < status.read_at - status.written < 60
    assert bird_output.version("BIRD version 2.0.12") == "2.0.12"


def test_routes_of_birds_in_the_kernel() -> None:
    assert bird_output.kernel_routes("[]\n[{},{}]") == ()
    route = json.dumps([{"dst": "198.51.100.80", "gateway": "172.16.12.1", "protocol": "bird"}])
    assert bird_output.kernel_routes(f"{route}\n[]") == ("198.51.100.80",)


def test_a_configuration_without_its_comments() -> None:
    text = 'log syslog all; # { a brace\n/* and\n} another */ protocol bgp x { password "a;{"; };'
    root = bird_output.configuration(text)
    assert root.last("log") == "syslog all"
    assert root.last("protocol", "password") == "a;{"


def test_the_mesh_and_who_is_heard() -> None:
    found = mesh_output.mesh(said(ROUTED, "host1", "mesh"))
    assert found and (found.kind, found.vni, found.port, found.learns) == (
        "vxlan",
        7113,
        7113,
        False,
    )
    other = mesh_output.mesh(said(ROUTED, "host2", "mesh"))
    assert other and found.forwards == {other.mac: "172.16.12.62"}
    assert found.called(other.mac).keys() == {4, 6} and found.behind("172.16.12.62") == [other.mac]
    assert mesh_output.mesh("none") is None
    heard = mesh_output.heard(said(ROUTED, "host1", "mesh_heard"))
    assert heard == {
        (family, f"{kind}_2"): "there" for family in ("ip", "ip6") for kind in ("alive", "serves")
    }


def test_a_table_of_the_second_chance() -> None:
    found = mesh_output.second_chance(said(ROUTED, "host1", "handover_table6"))
    mesh = mesh_output.mesh(said(ROUTED, "host1", "mesh"))
    assert mesh and found.hears == mesh.forwards.keys() and found.devices == {"tandem"}
    (card,) = found.hears
    assert found.addresses == {"2001:db8::80"} and found.gives_to == {mesh.called(card)[6]}
    assert found.asks_sockets and found.before_filters


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (bird_output.protocols, "Unable to connect to server control socket"),
        (bird_output.protocols, READY),
        (bird_output.protocols, READY + "Name Proto Table State Since Info\n"),
        (bird_output.bfd_sessions, READY),
        (bird_output.bfd_sessions, READY + "bfd1:\nwhatever this is\n"),
        (bird_output.exported, READY + "syntax error, unexpected CF_SYM_UNDEFINED"),
        (bird_output.exported, READY + "\tBGP.as_path: 1\n"),
        (bird_output.status, READY + "Daemon is shutting down\n"),
        (bird_output.version, "bird: not found"),
        (bird_output.kernel_routes, "[]"),
        (bird_output.passwords, "router_1 perhaps\n1 sessions"),
        (bird_output.passwords, "router_1 same\n2 sessions"),
        (bird_output.configuration, "log syslog all;"),
        (bird_output.configuration, "protocol bgp x {"),
        (mesh_output.mesh, "link []\nforwarding []\nneighbours []"),
        (mesh_output.mesh, 'link [{"flags": []}]'),
        (mesh_output.heard, "ip alive_2 perhaps\n1 sets"),
        (mesh_output.second_chance, "{}"),
    ],
)
def test_what_does_not_fit_is_refused(read: object, text: str) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        read(text)  # type: ignore[operator]
