"""What the verifier makes of HTTP/3: nginx's configuration, whom it is told of, its port of UDP."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings import Node
from tasks.nginx import nginx_files
from tests.support import fakes
from tests.support.broken_upkeep import outcome_of
from tests.support.snapshots import BOTH, DEFAULT, Spoiled, told
from verify.checks.check import Outcome
from verify.checks.nginx.added_headers import added_otherwise
from verify.checks.nginx.served_versions import spoken_otherwise
from verify.observe.streams import stream_probes
from verify.read import nginx_output
from verify.read.blocks import Block

NAME = "www.example.org"
OTHER = "other.example.org"
SITES = [{"server_names": [NAME], "page": "x"}]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    issued = authority.issue(tmp_path_factory.mktemp("tls"), ["172.16.12.254", NAME, OTHER])
    return {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}


def node_with(**given: Any) -> Node:
    return settings.load(fakes.inventory(**given))[0].preferred


def read(node: Node, old: str = "", new: str = "") -> Block:
    """What a deploy writes, as the verifier reads it; with `new` once for `old`."""
    texts = nginx_files.files(node, 2, "build").texts | {"mime.types": "types { }"}
    dump = "".join(
        f"# configuration file /etc/nginx/{path}:\n{text!s}\n"
        for path, text in texts.items()
        if path == "mime.types" or path.endswith(".conf")
    )
    assert old in dump
    return nginx_output.dump(dump.replace(old, new, 1)).base


SPOKEN = "443 quic reuseport default_server"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", []),
        (f"listen       {SPOKEN};", "", ["_ speaks no HTTP/3 on 443"]),
        ("    listen       443 quic;", "", [f"{NAME} speaks no HTTP/3 on 443"]),
        ("443 quic;", "8443 quic;", [f"{NAME} speaks HTTP/3 on 8443, too", f"{NAME} speaks no"]),
        (SPOKEN, "443 quic default_server", ["workers share a socket of UDP on 443"]),
    ],
)
def test_each_server_with_tls_speaks_it(
    tls: dict[str, Any], old: str, new: str, said: list[str]
) -> None:
    node = node_with(**tls, http3=True, sites=SITES)
    found = list(spoken_otherwise(read(node, old, new), node))
    assert len(found) == len(said) and all(map(str.startswith, found, said)), found


APART: list[dict[str, object]] = [
    {"server_names": [NAME], "page": "x", "http2": False, "http3": True},
    {"server_names": [OTHER], "page": "x"},
]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", []),
        ("    http3        off;", "", ["_ speaks HTTP/3 on 443, too"]),
        ("    http3        on;", "    http3 off;", [f"{NAME} speaks no HTTP/3 on 443"]),
        ("    http2        on;", "", ["_ speaks no HTTP/2"]),
        ("    http2        off;", "    http2 on;", [f"{NAME} speaks HTTP/2"]),
        (
            "    listen       443 quic;\n    http3        off;",
            "",
            [f"who asks for {OTHER} by HTTP/3 gets the default server's on 443"],
        ),
        (SPOKEN, "443 quic default_server", ["workers share a socket of UDP on 443"]),
    ],
)
def test_each_server_speaks_what_is_said_of_it(
    tls: dict[str, Any], old: str, new: str, said: list[str]
) -> None:
    node = node_with(**tls, sites=APART)
    found = list(spoken_otherwise(read(node, old, new), node))
    assert len(found) == len(said) and all(map(str.startswith, found, said)), found
    if not old:
        assert list(added_otherwise(read(node), node)) == []
        told = f'"{NAME}"  \'h3=":443"; ma=3600\';'
        moved = told.replace(NAME, OTHER)
        found = list(added_otherwise(read(node, told, moved), node))
        assert len(found) == 2 and found[0].startswith(f"alt-svc of {NAME} is not added"), found
        assert found[1].startswith(f'alt-svc of {OTHER} is h3=":443"'), found


def test_older_releases_say_it_where_they_listen(tls: dict[str, Any]) -> None:
    node = node_with(**tls, nginx_version="1.22.1", sites=SITES)
    assert list(spoken_otherwise(read(node), node)) == []
    found = list(spoken_otherwise(read(node, "ssl http2 default", "ssl default"), node))
    assert found == ["_ speaks no HTTP/2"]


def test_nobody_speaks_it_where_nobody_should(tls: dict[str, Any]) -> None:
    without = node_with(**tls, sites=SITES)
    assert list(spoken_otherwise(read(without), without)) == []
    with_it = node_with(**tls, http3=True, sites=SITES)
    found = list(spoken_otherwise(read(with_it), without))
    assert found == ["_ speaks HTTP/3 on 443, too", f"{NAME} speaks HTTP/3 on 443, too"]


@pytest.mark.parametrize("trusted", [[], ["10.0.0.5"]])
def test_whom_it_is_told_of_is_as_the_settings_say(tls: dict[str, Any], trusted: list[str]) -> None:
    node = node_with(**tls, http3=True, sites=SITES, trusted_proxies=trusted)
    assert list(added_otherwise(read(node), node)) == []
    value = "'h3=\":443\"; ma=3600'"
    server, who = f'"{NAME}"  {value}', "map $https  $tandem_alt_svc {\n    default   "
    if trusted:
        who = 'map "$tandem_in_front $https"  $tandem_alt_svc {\n    default   '
    for old, new, said in (
        (server, server.replace("443", "444"), f'alt-svc of {NAME} is h3=":444"; ma=3600, not h3='),
        (server, f'"other"  {value}', f"alt-svc of {NAME} is not added, not h3="),
        (
            f'default   "";\n    "_"       {value}',
            f"default {value}",
            "alt-svc of a server of your",
        ),
        (f'{who}""', f"{who}{value}", "alt-svc of who cannot come so is h3="),
    ):
        found = list(added_otherwise(read(node, old, new), node))
        assert found and all(each.startswith(said) for each in found), found


def test_ones_own_header_of_that_name_is_no_fault(tls: dict[str, Any]) -> None:
    for sites in (SITES, [SITES[0] | {"headers": {"Alt-Svc": ""}}]):
        for own in ({}, {"Alt-Svc": "clear"}):
            node = node_with(**tls, http3=True, sites=sites, headers=own)
            assert list(added_otherwise(read(node), node)) == []


@pytest.fixture
def pair(tls: dict[str, Any]) -> Spoiled:
    """A pair with HTTP/3, as far as NGX-11 looks at it."""
    spoiled = Spoiled(DEFAULT)
    for cluster in spoiled.data["clusters"]:
        for node in cluster["nodes"]:
            # (Where it serves is not what this is about.)
            node |= {"http3": True, "https_port": 443}
    for host in BOTH:
        masters = nginx_output.processes(spoiled.says(host, "nginx_processes"))
        (master,) = [each.pid for each in masters if each.master]
        line = f'UNCONN 0 0 0.0.0.0:443 0.0.0.0:* users:(("nginx",pid={master},fd=9))'
        section = {"command": "udp_sockets", "status": 0, "text": told(line)}
        spoiled.data["looks"][host]["sections"]["udp_sockets"] = section
    return spoiled


def test_a_healthy_pair_holds(pair: Spoiled) -> None:
    outcome, actual = outcome_of(pair, "NGX-11", "host1")
    assert outcome is Outcome.OK and actual.endswith(", and on 443 of UDP")
    assert outcome_of(Spoiled(DEFAULT), "NGX-11", "host1")[0] is Outcome.OK


def test_its_port_has_to_be_nginxs(pair: Spoiled) -> None:
    pair.answer("host1", "udp_sockets", "none")
    outcome, actual = outcome_of(pair, "NGX-11", "host1")
    assert (outcome, actual) == (Outcome.FAIL, "nginx has no socket of UDP on 443")
    line = 'UNCONN 0 0 0.0.0.0:443 0.0.0.0:* users:(("caddy",pid=7,fd=9))'
    pair.answer("host2", "udp_sockets", line)
    outcome, actual = outcome_of(pair, "NGX-11", "host2")
    assert outcome is Outcome.FAIL and "caddy (pid 7) has a socket of UDP on 443" in actual


def test_it_is_asked_for_where_it_is_spoken(tls: dict[str, Any]) -> None:
    for http3 in (True, False):
        (cluster,) = settings.load(fakes.inventory(**tls, http3=http3))
        bundles = stream_probes.bundles(cluster.preferred, cluster)
        names = [probe.name for bundle in bundles for probe in bundle.probes]
        assert names == ["udp_sockets"] * http3
