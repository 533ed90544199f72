"""Proxies in front: who may be trusted, and what nginx and the kernel are told of them.

What a real nginx makes of it, tests/lab/profiles/test_proxy.py sees.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings.mistakes.serving_warnings import warnings
from settings.node import Node
from settings.serving.front_settings import REALIP_FLAG
from tasks.keepalived import configuration
from tasks.nginx import nginx_files
from tests.unit.settings.test_settings import inventory, mistakes
from verify.checks.nginx.proxies_in_front import believed_otherwise
from verify.read.blocks import Block
from verify.read.nginx_output import dump

TRUSTED = ["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8", "fd00::/8"]
UPSTREAMS = {"app": {"servers": ["172.17.0.1:8080"]}}
PATHS = {
    "/": {"proxy": "app", "send_headers": {"X-Script": "$scheme", "X-Forwarded-Port": "1"}},
    "/old/": {"redirect": "$scheme://$host/new"},
    "/php/": {"fastcgi": "app", "root": "/srv/www"},
    "/py/": {"uwsgi": "app"},
    "/rpc/": {"grpc": "app"},
}
SITE = {"server_names": ["www.example.org"], "page": "a site"}


def node_with(**given: Any) -> Node:
    return settings.load(inventory(nginx_version="1.26.3", **given))[0].preferred


def texts(**given: Any) -> dict[str, str]:
    found = nginx_files.files(
        node_with(upstreams=UPSTREAMS, paths=PATHS, sites=[SITE], cache={}, **given), 1, "build"
    ).texts
    return {path: text for path, text in found.items() if isinstance(text, str)}


@pytest.mark.parametrize(
    ("network", "remedy"),
    [
        ("0.0.0.0/0", "this is everybody"),
        ("::/0", "this is everybody"),
        ("0.0.0.0/1", "a great part of the internet"),
        ("2000::/3", "a great part of the internet"),
        ("127.0.0.1", "this is the machine itself"),
        ("::1", "this is the machine itself"),
        ("172.16.12.254", "the cluster's own"),
        ("172.16.12.62", "the cluster's own"),
        ("10.0.0.1/8", 'host bits set: give "10.0.0.0/8" for the network'),
        ("fe80::1%eth0; }", "without a zone"),
        ("lb.example.org", "no names here: give an address or a network"),
    ],
)
def test_who_must_not_be_trusted_is_refused_with_the_reason(network: str, remedy: str) -> None:
    (line,) = mistakes(inventory(trusted_proxies=["192.0.2.1", network]))
    assert "trusted_proxies = " in line and network in line and remedy in line, line


def test_its_mistakes_are_told_with_all_others_and_a_misspelt_name_with_the_right_one() -> None:
    found = mistakes(inventory(trusted_proxies=["0.0.0.0/0"], trusted_proxy=["x"], http_port=0))
    assert len(found) == 3 and any("did you mean trusted_proxies?" in each for each in found)


def test_without_it_nothing_is_said_of_it_and_nothing_is_compiled_for_it() -> None:
    assert not [text for text in texts().values() if re.search("realip|real_ip|tandem_sch", text)]
    assert REALIP_FLAG not in node_with().flags
    assert REALIP_FLAG in node_with(trusted_proxies=TRUSTED).flags


def test_each_network_is_told_once_and_the_scheme_is_nowhere_nginx_s_own() -> None:
    found = texts(trusted_proxies=TRUSTED)
    conf = found["nginx.conf"]
    for network in sorted(set(TRUSTED)):
        assert conf.count(f"set_real_ip_from   {network};") == 1
        assert len(re.findall(rf"^ +{re.escape(network)} +1;$", conf, re.MULTILINE)) == 1
    # Where $tandem_scheme is made of it.
    own = re.compile(r"\$\{?(scheme|https|server_port|proxy_add_x_forwarded_for)\b")
    lines = [line.strip() for text in found.values() for line in text.splitlines()]
    used = [line for line in lines if own.search(line) and not line.startswith("default")]
    assert used == []
    assert conf.count('return         302  "$tandem_scheme://$host/new";') == 1
    # A header of one's own takes the place of Tandem's.
    assert conf.count("X-Forwarded-Port") == 2 and '"1";' in conf
    for protocol in ("fastcgi", "uwsgi"):
        told = found[f"{protocol}.conf"]
        assert "HTTP_X_FORWARDED_PROTO  $tandem_scheme;" in told, told
        assert re.search(r"HTTPS +\$tandem_https if_not_empty;", told), told


def test_what_a_proxy_says_is_a_part_of_the_key_that_answers_are_kept_by() -> None:
    (key,) = re.findall(r"proxy_cache_key +(.*);", texts(trusted_proxies=TRUSTED)["nginx.conf"])
    assert key.startswith("$tandem_scheme|$tandem_port|$tandem_forwarded_host|$host")
    (key,) = re.findall(r"proxy_cache_key +(.*);", texts()["nginx.conf"])
    assert key.startswith("$scheme$host")


def test_with_tls_every_site_answers_for_a_proxy_that_has_taken_it_off(tmp_path: Path) -> None:
    pair = authority.issue(tmp_path, ["172.16.12.254", "www.example.org"])
    given = {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    for trusted, on_port_80 in (([], False), (TRUSTED, True)):
        found = texts(**given, trusted_proxies=trusted)
        site = found["sites/www.example.org.conf"]
        assert ("listen       80;" in site) == on_port_80
        assert ("if ($tandem_site_to_tls)" in site) == on_port_80
        assert ("# All else goes over TLS." in found["nginx.conf"]) != on_port_80


@pytest.mark.parametrize(("verify", "closed"), [("on", True), ("optional", False)])
def test_who_must_show_a_certificate_shows_it_in_tls(
    tmp_path: Path, verify: str, closed: bool
) -> None:
    pair = authority.issue(tmp_path, ["172.16.12.254", "www.example.org"])
    clients = {"ca_file": str(pair.ca), "verify": verify}
    given: dict[str, Any] = {
        "tls_certificate": str(pair.certificate),
        "tls_key": str(pair.key),
        "sites": [
            {"server_names": ["www.example.org"], "page": "x", "client_certificates": clients}
        ],
    }
    for trusted in ([], TRUSTED):
        (cluster,) = settings.load(
            inventory(nginx_version="1.26.3", trusted_proxies=trusted, **given)
        )
        (site,) = nginx_files.site_files(cluster.preferred).values()
        assert ("return  403;" in site) is (closed and bool(trusted))
        said = [line for line in warnings(cluster) if "gets 403 of www.example.org" in line]
        assert bool(said) is (closed and bool(trusted))


def test_the_kernel_counts_no_connections_of_proxies() -> None:
    limits = {"new_connections_per_s": 20}
    (cluster,) = settings.load(inventory(client_limits=limits, trusted_proxies=TRUSTED))
    rules = configuration.speakers_table(cluster.nodes[0], cluster)
    # Networks that have addresses in common are refused by nft.
    assert "ip saddr { 10.0.0.0/8 } accept" in rules
    assert "ip6 saddr { fd00::/8 } accept" in rules
    (cluster,) = settings.load(inventory(client_limits=limits))
    assert "trusted_proxies" not in configuration.speakers_table(cluster.nodes[0], cluster)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", []),
        ("from   10.1.0.0/16", "from   10.2.0.0/16", ["believes 10.2", "not believe 10.1"]),
        ("real_ip_header     X-F", "real_ip_header     X-R", ["real_ip_header is X-Ror"]),
        ("recursive  on", "recursive  off", ["real_ip_recursive is off, not on"]),
    ],
)
def test_the_verifier_finds_whom_nginx_believes_otherwise(
    old: str, new: str, said: list[str]
) -> None:
    node = node_with(trusted_proxies=TRUSTED)
    text = nginx_files.nginx_conf(node, 1, "build")
    assert old in text
    found = list(believed_otherwise(_read(text.replace(old, new, 1)), node))
    assert len(found) == len(said), found
    assert all(part in line for part, line in zip(said, found, strict=True)), found
    assert (
        list(believed_otherwise(_read(nginx_files.nginx_conf(node_with(), 1, "b")), node_with()))
        == []
    )
    assert list(believed_otherwise(_read(text), node_with()))


def test_proxy_protocol_without_anybody_to_trust_is_refused() -> None:
    (line,) = mistakes(inventory(proxy_protocol=True))
    assert "proxy_protocol = True" in line and "set trusted_proxies as well" in line


def test_proxy_protocol_is_for_who_comes_to_a_vip_and_no_header_is_believed(tmp_path: Path) -> None:
    pair = authority.issue(tmp_path, ["172.16.12.254", "www.example.org"])
    given = {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    found = texts(**given, trusted_proxies=TRUSTED, proxy_protocol=True)
    assert not [text for text in found.values() if "$http_x_forwarded" in text]
    listens = re.findall(r"listen +(\S+):(\d+)[^;]*;", "".join(found.values()))
    servers = [text for text in "".join(found.values()).split("server {") if "server_name" in text]
    assert len(servers) == 3
    for text in servers:
        said = re.findall(r"listen +([^;]+);", text)
        assert {one.split()[0].rpartition(":")[0] for one in said if "proxy_protocol" in one} == {
            ""
        }
        own = {one.split()[0].rpartition(":")[0] for one in said if "proxy_protocol" not in one}
        assert own == {"127.0.0.1", "172.16.12.61"}, said
    assert listens
    node = node_with(trusted_proxies=TRUSTED, proxy_protocol=True)
    assert node.opening == "PROXY UNKNOWN\r\n" and node_with().opening == ""


def test_the_verifier_finds_proxy_protocol_where_it_should_not_be_and_the_other_way_round() -> None:
    for spoken, said in ((True, "no PROXY protocol on 80"), (False, "PROXY protocol on 80")):
        node = node_with(trusted_proxies=TRUSTED, proxy_protocol=spoken)
        other = node_with(trusted_proxies=TRUSTED, proxy_protocol=not spoken)
        text = _read(nginx_files.nginx_conf(node, 1, "b"))
        assert list(believed_otherwise(text, node)) == []
        assert said in list(believed_otherwise(_read(nginx_files.nginx_conf(other, 1, "b")), node))


def _read(text: str) -> Block:
    """As the verifier reads it, without what it includes."""
    alone = re.sub(r"^ *include .*$", "", text, flags=re.MULTILINE)
    return dump(f"# configuration file /etc/nginx/nginx.conf:\n{alone}").base


def test_behind_a_proxy_each_site_has_its_names_on_port_80(tmp_path: Path) -> None:
    """Of two servers with one name nginx serves the first: where sites listen there themselves, the
    server that leads to TLS has none of theirs."""
    pair = authority.issue(tmp_path, ["172.16.12.254", "www.example.org"])
    given = {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    for trusted, names in (([], 1), (TRUSTED, 0)):
        found = texts(**given, trusted_proxies=trusted, unknown_host="close")
        head = found["nginx.conf"].partition("default_server")[2].partition("location")[0]
        assert head.count("www.example.org") == names
