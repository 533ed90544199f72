"""HTTP/3: what is refused, what nginx and the firewall are told, and whom it is told of.

What a real nginx makes of it, tests/lab/loopback/test_tls_http3.py sees.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings.node import Node
from settings.serving.http_versions import ALT_SVC, HTTP2_FLAG, HTTP3_FLAG, TOLD
from tasks.machine import firewall
from tasks.machine.others import port_holders
from tasks.nginx import nginx_files
from tests.unit.settings.test_settings import inventory, mistakes

NAME = "www.example.org"
OTHER = "other.example.org"
SITE = {"server_names": [NAME], "page": "x"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    issued = authority.issue(tmp_path_factory.mktemp("tls"), [NAME, OTHER])
    return {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}


def node_with(**given: Any) -> Node:
    return settings.load(inventory(**{"http3": True} | given))[0].preferred


def texts(node: Node) -> dict[str, str]:
    found = nginx_files.files(node, 1, "build").texts
    return {path: text for path, text in found.items() if isinstance(text, str)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"http3": "yes, please"}, ["http3 = 'yes, please': give True or False"]),
        (
            {"tls_certificate": "", "tls_key": ""},
            ["http3 = True: HTTP/3 is always encrypted: set tls_certificate and tls_key, or False"],
        ),
        (
            {"nginx_version": "1.22.1"},
            ["http3 = True: nginx 1.22.1 has none: set nginx_version to 1.25.1 or newer, or False"],
        ),
        (
            {"proxy_protocol": True, "trusted_proxies": ["10.0.0.5"]},
            ["http3 = True: proxies that speak PROXY protocol (proxy_protocol) bring TCP alone"],
        ),
        ({"https_port": 7112}, ["https_port = 7112: UDP of this port is the hand-over's"]),
        (
            {"streams": {"x": {"listen": 443, "protocol": "udp", "to": ["10.0.0.53:53"]}}},
            ["streams[x].listen = 443: this is HTTP/3's (https_port, http3); give another port"],
        ),
        ({"http_3": True}, ["did you mean http3?"]),
    ],
)
def test_what_it_does_not_go_with_is_refused(
    tls: dict[str, Any], given: dict[str, Any], said: list[str]
) -> None:
    found = mistakes(inventory(**{"http3": True} | tls | given))
    assert len(found) == len(said) and all(map(str.__contains__, found, said)), found


def test_every_mistake_is_told_at_once() -> None:
    given: dict[str, Any] = {"proxy_protocol": True, "trusted_proxies": ["10.0.0.5"]}
    assert len(mistakes(inventory(http3=True, nginx_version="1.22.1", **given))) == 3


def test_the_release_that_has_it_first_is_good_enough(tls: dict[str, Any]) -> None:
    given = {"nginx_version": "1.25.1", "nginx_sha256": "0" * 64}
    assert HTTP3_FLAG in node_with(**tls, **given).flags


def test_without_it_nothing_is_said_of_it(tls: dict[str, Any]) -> None:
    node = node_with(http3=False, **tls, sites=[SITE])
    assert HTTP3_FLAG not in node.flags and ALT_SVC not in node.headers_of(None)
    for path, text in texts(node).items():
        if path != "mime.types":
            assert not re.search(r"quic|http3|alt.svc", text, re.IGNORECASE), path


def test_nginx_is_compiled_with_it_once(tls: dict[str, Any]) -> None:
    assert node_with(**tls, nginx_extra_flags=[HTTP3_FLAG]).flags.count(HTTP3_FLAG) == 1
    assert node_with(**tls).flags.count(HTTP3_FLAG) == 1


def test_every_server_with_tls_listens_and_one_has_a_socket_for_each_worker(
    tls: dict[str, Any],
) -> None:
    hosts: dict[str, dict[str, Any]] = {
        f"host{place}": {
            "ssh_hostname": f"172.16.12.6{place}",
            "priority": 102 - place,
            "page": "p",
            "address6": f"fd61:1::6{place}",
        }
        for place in (1, 2)
    }
    given = inventory(
        hosts, **tls, http3=True, vip6="fd61:1::254/64", unknown_host=421, sites=[SITE]
    )
    node = settings.load(given)[0].preferred
    found = texts(node)
    every = re.findall(r"listen +(\S+ quic.*);", found["nginx.conf"])
    shared = ["443 quic", "[::]:443 quic"]
    assert every == [*(f"{each} reuseport default_server" for each in shared), *shared]
    site = found[f"sites/{NAME}.conf"]
    assert re.findall(r"listen +(\S+ quic.*);", site) == shared
    assert "http3        on;" in site and "quic_host_key" not in re.sub("#.*", "", str(found))


def test_its_port_is_let_in_and_asked_for(tls: dict[str, Any]) -> None:
    for http3 in (True, False):
        (cluster,) = settings.load(inventory(http3=http3, https_port=8443, **tls))
        ((_, entries),) = firewall.openings(cluster.preferred, cluster)
        assert ("port=8443/udp" in entries) == http3 and "port=8443/tcp" in entries
        asked = port_holders.settings_of(cluster.preferred)
        assert asked.get(("udp", 8443), "") == ("https_port" if http3 else "")
        line = 'UNCONN 0 0 0.0.0.0:8443 0.0.0.0:* users:(("caddy",pid=9,fd=6))'
        taken = list(port_holders.strange(cluster.preferred, port_holders.holders(line)))
        assert [each.setting for each in taken] == ["https_port"] * http3


def test_whom_it_is_told_of_and_on_which_port(tls: dict[str, Any]) -> None:
    found = texts(node_with(https_port=8443, sites=[SITE], **tls))
    values = found["header_values.conf"]
    assert f'"{NAME}"  \'h3=":8443"; ma=3600\';' in values
    assert f"map $https  {TOLD} {{" in values
    assert (
        "add_header  Alt-Svc                       $tandem_header_alt_svc"
        in (found["headers.conf"])
    )
    behind = texts(node_with(trusted_proxies=["10.0.0.5"], **tls))["header_values.conf"]
    assert f'map "$tandem_in_front $https"  {TOLD} {{' in behind and '"0 on" ' in behind


@pytest.mark.parametrize(
    ("own", "sent"), [("", None), ("clear", "clear"), ("$server_name", "$server_name")]
)
def test_ones_own_header_of_that_name_is_sent_instead(
    tls: dict[str, Any], own: str, sent: str | None
) -> None:
    node = node_with(**tls, sites=[SITE | {"headers": {"alt-svc": own}}])
    assert node.headers_of(None)[ALT_SVC] == TOLD
    assert node.headers_of(node.sites[0]).get("alt-svc") == sent
    assert ALT_SVC not in node.headers_of(node.sites[0])
    strict = node_with(**tls, headers="strict")
    assert strict.headers_of(None)[ALT_SVC] == TOLD, "a profile takes nothing of it away"


def test_its_name_is_written_in_one_way(tls: dict[str, Any]) -> None:
    (line,) = mistakes(inventory(http3=True, headers={"Alt_Svc": "clear"}, **tls))
    assert "headers.Alt_Svc" in line and "nginx knows Alt-Svc by the same name" in line


def test_a_key_is_nowhere_in_what_is_written(tls: dict[str, Any]) -> None:
    key = Path(tls["tls_key"]).read_text().splitlines()[1]
    shown = [path for path, text in texts(node_with(**tls)).items() if key in text]
    assert shown == ["tls/default.key"]


CALLS: dict[str, Any] = {
    "upstreams": {"app": {"servers": ["10.0.0.11:8080"]}},
    "sites": [SITE | {"paths": {"/calls/": {"grpc": "app"}}}],
}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"http2": "h2"}, ["http2 = 'h2': give True or False"]),
        ({"sites": [SITE | {"http2": "h2", "http3": 3}]}, ["[0].http2 = 'h2'", "[0].http3 = 3"]),
        ({"sites": [SITE | {"htpp3": True}]}, ["did you mean http3?"]),
        (
            {"nginx_version": "1.22.1", "sites": [SITE | {"http2": False, "http3": True}]},
            [
                "sites[0].http2 = False: in nginx 1.22.1 HTTP/2 is a whole port's: say it for all "
                "(http2, beside sites), or set nginx_version to 1.25.1 or newer",
                "sites[0].http3 = True: nginx 1.22.1 has none: set nginx_version to 1.25.1",
            ],
        ),
        (
            {"tls_certificate": "", "tls_key": "", "sites": [SITE | {"http2": True}]},
            ["sites[0].http2 = True: browsers speak HTTP/2 over TLS alone"],
        ),
        (
            {"tls_certificate": "", "tls_key": "", "sites": [SITE | {"http3": True}]},
            ["sites[0].http3 = True: HTTP/3 is always encrypted"],
        ),
        (
            CALLS | {"http2": False},
            ["sites[0].http2 = None: gRPC is HTTP/2, and /calls/ is of that kind: give True"],
        ),
        (
            CALLS | {"sites": [CALLS["sites"][0] | {"http2": False}]},
            ["sites[0].http2 = False: gRPC is HTTP/2"],
        ),
        (
            {
                "http2": False,
                "upstreams": CALLS["upstreams"],
                "paths": {"/calls/": {"grpc": "app"}},
            },
            ["http2 = False: gRPC is HTTP/2"],
        ),
        (
            {"https_port": 7112, "sites": [SITE | {"http3": True}]},
            ["https_port = 7112: UDP of this port is the hand-over's"],
        ),
        (
            {
                "sites": [SITE | {"http3": True}],
                "streams": {"x": {"listen": 443, "protocol": "udp", "to": ["10.0.0.53:53"]}},
            },
            ["streams[x].listen = 443: this is HTTP/3's"],
        ),
    ],
)
def test_what_a_site_cannot_choose_is_refused(
    tls: dict[str, Any], given: dict[str, Any], said: list[str]
) -> None:
    found = mistakes(inventory(**tls | given))
    assert len(found) == len(said), found
    assert all(any(each in line for line in found) for each in said), found


def test_a_site_may_repeat_what_holds_for_all(tls: dict[str, Any]) -> None:
    given: dict[str, Any] = {"nginx_version": "1.22.1"}
    given["sites"] = [SITE | {"http2": True, "http3": False}]
    assert settings.load(inventory(**tls, **given))
    given = CALLS | {"http2": False, "sites": [CALLS["sites"][0] | {"http2": True}]}
    assert settings.load(inventory(**tls, **given))


def versions_in(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^ *(http[23]) +(on|off);", text, re.MULTILINE)


def test_each_server_says_what_it_speaks(tls: dict[str, Any]) -> None:
    sites = [SITE | {"http2": False, "http3": True}, {"server_names": [OTHER], "page": "x"}]
    only = texts(node_with(**tls, http3=False, sites=sites))
    assert versions_in(only["nginx.conf"]) == [("http2", "on"), ("http3", "off")]
    assert "443 quic reuseport default_server;" in only["nginx.conf"]
    assert versions_in(only[f"sites/{NAME}.conf"]) == [("http2", "off"), ("http3", "on")]
    other = only[f"sites/{OTHER}.conf"]
    assert versions_in(other) == [("http2", "on"), ("http3", "off")] and "443 quic;" in other
    values = only["header_values.conf"]
    (told,) = re.findall(r"\$tandem_http3_server \{([^}]*)\}", values)
    assert f'"{NAME}"' in told and OTHER not in told and '"_"' not in told


def test_what_nobody_speaks_is_not_said_nor_compiled(tls: dict[str, Any]) -> None:
    node = node_with(**tls, http2=False, http3=False, sites=[SITE])
    assert HTTP2_FLAG not in node.flags and HTTP2_FLAG in node_with(**tls, sites=[SITE]).flags
    for path, text in texts(node).items():
        assert not versions_in(text), path
    one = node_with(**tls, http2=False, http3=False, sites=[SITE | {"http2": True, "http3": True}])
    assert {HTTP2_FLAG, HTTP3_FLAG} <= set(one.flags)


@pytest.mark.parametrize("http2", [True, False])
def test_in_older_releases_a_port_says_it(tls: dict[str, Any], http2: bool) -> None:
    given = {"nginx_version": "1.22.1", "http2": http2, "http3": False}
    found = texts(node_with(**tls, **given, sites=[SITE]))
    said = [
        line
        for path in ("nginx.conf", f"sites/{NAME}.conf")
        for line in re.findall(r"listen +443 (ssl.*);", found[path])
    ]
    words = "ssl http2" if http2 else "ssl"
    assert said == [f"{words} default_server", words]


def test_a_sites_http3_opens_the_port(tls: dict[str, Any]) -> None:
    (cluster,) = settings.load(inventory(**tls, sites=[SITE | {"http3": True}]))
    ((_, entries),) = firewall.openings(cluster.preferred, cluster)
    assert "port=443/udp" in entries
    assert ("udp", 443) in port_holders.settings_of(cluster.preferred)
