"""Streams: what is refused, and what nginx is told."""

from __future__ import annotations

import re
from ipaddress import IPv6Interface
from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings import Bars
from settings.mistakes.serving_warnings import warnings
from settings.node import Node
from settings.serving.streams import STREAM_FLAG, STREAM_REALIP_FLAG, STREAM_TLS_FLAG
from tasks.machine import firewall
from tasks.machine.others import port_holders
from tasks.nginx import nginx_files
from tests.unit.settings.test_settings import inventory, mistakes

UPSTREAMS = {
    "app": {"servers": ["10.0.0.11:8080", {"address": "10.0.0.12:8080", "backup": True}]},
    "named": {"servers": ["app.example.org:8080"], "resolve": True},
    "secure": {"servers": ["app.example.org:8443"], "tls": {}},
}
MQTT = {"listen": 1883, "to": ["10.0.0.11:1883"]}
DNS = {"listen": 5353, "protocol": "udp", "to": ["10.0.0.53:53"]}


def node_with(streams: dict[str, Any], **given: Any) -> Node:
    given = {"upstreams": UPSTREAMS, "resolver": ["10.0.0.53"]} | given
    return settings.load(inventory(streams=streams, **given))[0].preferred


def said(stream: dict[str, Any], **given: Any) -> str:
    return nginx_files.stream_conf(node_with({"mqtt": stream}, **given))


def refused(**streams: Any) -> list[str]:
    return mistakes(inventory(upstreams=UPSTREAMS, resolver=["10.0.0.53"], streams=streams))


def test_without_streams_nothing_is_said_of_them() -> None:
    node = settings.load(inventory())[0].preferred
    texts = nginx_files.files(node, 1, "").texts
    assert "stream.conf" not in texts and "include  stream" not in str(texts["nginx.conf"])
    assert not [flag for flag in node.flags if "stream" in flag]


@pytest.mark.parametrize(
    ("more", "flags"),
    [
        ({}, [STREAM_FLAG]),
        ({"to_tls": {"verify": False}}, [STREAM_FLAG, STREAM_TLS_FLAG]),
    ],
)
def test_nginx_is_compiled_with_what_they_need(more: dict[str, Any], flags: list[str]) -> None:
    node = node_with({"mqtt": MQTT | more})
    assert [flag for flag in node.flags if "stream" in flag] == flags


def test_a_flag_that_was_asked_for_already_is_given_once() -> None:
    node = node_with({"mqtt": MQTT}, nginx_extra_flags=[STREAM_FLAG])
    assert node.flags.count(STREAM_FLAG) == 1


def test_each_is_told_to_nginx_with_the_setting_it_comes_from() -> None:
    node = node_with({"mqtt": MQTT, "db": {"listen": 5432, "to": "app"}})
    text = nginx_files.stream_conf(node)
    assert "# streams, mqtt: TCP 1883 goes to servers of its own.\n" in text
    assert "# streams, db: TCP 5432 goes to app.\n" in text
    assert "10.0.0.12:8080 max_fails=1 fail_timeout=10s backup;" in text
    assert "\ninclude           stream.conf;\n" in nginx_files.nginx_conf(node, 1, "")


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        (MQTT, ["listen 1883;", "proxy_connect_timeout 2s;", "proxy_timeout 600s;"]),
        (MQTT | {"idle_timeout_s": 0.5}, ["proxy_timeout 500ms;"]),
        (MQTT | {"proxy_protocol": True}, ["proxy_protocol on;"]),
        (MQTT | {"balance": "hash"}, ["hash $remote_addr consistent;"]),
        (MQTT | {"balance": "least_conn"}, ["least_conn;"]),
        (MQTT | {"allow": ["10.0.0.0/8"]}, ["allow 10.0.0.0/8;", "deny all;"]),
        (
            MQTT | {"connections": 5},
            [
                "limit_conn_zone $binary_remote_addr zone=stream_mqtt_clients:10m;",
                "limit_conn stream_mqtt_clients 5;",
            ],
        ),
        (
            MQTT | {"to_tls": {"name": "a.example"}},
            ["proxy_ssl on;", "proxy_ssl_verify on;", "proxy_ssl_name a.example;"],
        ),
        (MQTT | {"to_tls": {"verify": False}}, ["proxy_ssl on;", "proxy_ssl_verify off;"]),
        (DNS, ["listen 5353 udp reuseport;"]),
        (DNS | {"responses": 0, "requests": 2}, ["proxy_responses 0;", "proxy_requests 2;"]),
    ],
)
def test_each_option_is_told_to_nginx(stream: dict[str, Any], lines: list[str]) -> None:
    there = [" ".join(line.split()) for line in said(stream).splitlines()]
    assert [line for line in lines if line not in there] == []


def test_who_comes_through_a_proxy_is_believed_of_those_that_are_trusted() -> None:
    stream = MQTT | {"accept_proxy_protocol": True, "connections": 5}
    node = node_with({"mqtt": stream}, trusted_proxies=["10.0.0.0/8", "fd00::/8"])
    text = " ".join(nginx_files.stream_conf(node).split())
    assert "listen 1883 proxy_protocol;" in text
    assert "set_real_ip_from 10.0.0.0/8; set_real_ip_from fd00::/8;" in text
    assert STREAM_REALIP_FLAG in node.flags
    assert STREAM_REALIP_FLAG not in node_with({"mqtt": MQTT}).flags


def test_both_families_and_a_longer_queue() -> None:
    node = node_with({"mqtt": MQTT}, listen_backlog=1000).model_copy(
        update={"vip6": IPv6Interface("fd61:1::254/64")}
    )
    text = nginx_files.stream_conf(node)
    assert "1883 backlog=1000;" in text and "[::]:1883 backlog=1000;" in text


def test_names_are_looked_up_again_where_nginx_can() -> None:
    text = said({"listen": 1, "to": "named"}, nginx_version="1.30.6")
    assert "app.example.org:8080 max_fails=1 fail_timeout=10s resolve;" in text
    assert "resolver          10.0.0.53" in text


@pytest.mark.parametrize("protocol", ["http", "stream"])
@pytest.mark.parametrize("balance", ["round_robin", "least_conn", "ip_hash"])
def test_what_is_looked_up_again_has_what_nginx_wants_for_that(protocol: str, balance: str) -> None:
    """Shared memory, and a resolver in the same http or stream block."""
    named = {"servers": ["a.lab:1", "b.lab:1"], "resolve": True, "balance": balance}
    of_stream = {"listen": 1, "to": "x", "balance": balance.replace("ip_", "")}
    given: dict[str, Any] = {"upstreams": {"x": named}, "streams": {"y": of_stream}}
    given |= {"resolver": ["10.0.0.53"], "nginx_version": "1.27.3"}
    node = settings.load(inventory(**given))[0].preferred
    text = str(
        nginx_files.files(node, 1, "").texts[f"{protocol.replace('http', 'upstreams')}.conf"]
    )
    assert re.search(r"^ *resolver +10\.0\.0\.53", text, re.MULTILINE)
    (block,) = re.findall(r"^ *upstream \w+ \{(.*?)\}", text, re.MULTILINE | re.DOTALL)
    assert re.search(r"\bzone +\w+ 256k;", block) and block.count(" resolve;") == 2


@pytest.mark.parametrize(
    ("stream", "about", "remedy"),
    [
        ({"to": "app"}, "x].listen = '(not set)'", "a port, 1 to 65535"),
        ({"listen": 1}, "x].to = '(not set)'", "or the name of an upstream"),
        ({"listen": 0, "to": "app"}, "x].listen = 0", "1 to 65535"),
        ({"listen": 1, "to": "ap"}, "x].to = 'ap'", "did you mean app?"),
        ({"listen": 1, "to": "10.0.0.11"}, "x].to = '10.0.0.11'", 'give ["10.0.0.11:1"]'),
        ({"listen": 1, "to": ["10.0.0.11"]}, "x].to[0].address = '10.0.0.11'", "HOST:PORT"),
        ({"listen": 1, "to": ["unix:/home/a"]}, "x].to = 'unix:/home/a'", "does not see homes"),
        ({"listen": 1, "to": ["a:1", "a:1"]}, "x].to = 'a:1 twice'", "each server once"),
        ({"listen": 1, "to": "app", "balance": "hash"}, "x].to", "hash knows no backups"),
        ({"listen": 1, "to": "app", "balance": "ip_hash"}, "x].balance = 'ip_hash'", '"hash"'),
        ({"listen": 1, "to": ["a:1"], "upstream": "app"}, "x].to = 'app'", "and not both"),
        ({"listen": 1, "to": "app", "protocol": "sctp"}, "x].protocol", '"tcp" or "udp"'),
        ({"listen": 1, "to": "app", "proxy_protocl": 1}, "protocl", "mean proxy_protocol?"),
        ({"listen": 1, "to": "app", "responses": 1}, "x].responses", 'protocol = "udp"'),
        ({"listen": 1, "to": "app", "requests": 1}, "x].requests", 'protocol = "udp"'),
        ({"listen": 1, "to": "app", "allow": ["10.0.0.1/8"]}, "x].allow[0]", "host bits"),
        ({"listen": 1, "to": "app", "connections": 0}, "x].connections", "1 to 100000"),
        ({"listen": 1, "to": "app", "tls": True}, "x].tls = True", "set tls_certificate"),
        ({"listen": 1, "to": "app", "tls": "yes"}, "x].tls = 'yes'", "True, False, or {"),
        ({"listen": 1, "to": "app", "tls": {"key": "a"}}, "tls.certificate", "takes both"),
        ({"listen": 1, "to": "app", "tls": {"certificate": "a"}}, "x].tls.key", "takes both"),
        ({"listen": 1, "to": "app", "to_tls": {}}, "x].to_tls.name", "verify = False"),
        (MQTT | {"to_tls": {"name": "10.0.0.11"}}, "x].to_tls.name", "for no addresses"),
        (DNS | {"tls": True}, "x].tls = True", "TLS is for TCP"),
        (DNS | {"to_tls": {"verify": False}}, "x].to_tls", "TLS is for TCP"),
        (DNS | {"proxy_protocol": True}, "x].proxy_protocol", "leave it out"),
        (DNS | {"accept_proxy_protocol": True}, "x].accept_proxy_protocol", "leave it out"),
        (MQTT | {"accept_proxy_protocol": True}, "x].accept_proxy", "in trusted_proxies"),
        (DNS | {"to": ["unix:/run/x"]}, "x].to = 'unix:/run/x'", "goes to an address"),
        (DNS | {"listen": 7112}, "x].listen = 7112", "the hand-over's"),
        (MQTT | {"listen": 22}, "x].listen = 22", "ssh's"),
        (MQTT | {"listen": 80}, "x].listen = 80", "this is http_port, too"),
    ],
)
def test_a_wrong_stream_is_refused_by_its_name(
    stream: dict[str, Any], about: str, remedy: str
) -> None:
    (line,) = refused(x=stream)
    assert about in line and remedy in line, line


@pytest.mark.parametrize("name", ["", "B", "a_b", "1a", "a" * 41])
def test_a_wrong_name_is_refused(name: str) -> None:
    (line,) = refused(**{name: MQTT})
    assert "a name of lower-case letters" in line


def test_all_at_once_each_with_its_stream() -> None:
    lines = refused(
        a={"listen": 80, "to": "ap"}, b=MQTT | {"responses": 1}, c=MQTT, d={"to": ["x"]}
    )
    found = [line.partition("streams[")[2].partition(" = ")[0] for line in lines]
    wanted = "a].listen a].to b].responses c].listen d].listen d].to[0].address"
    assert sorted(found) == wanted.split()


@pytest.mark.parametrize(
    ("given", "port", "whose"),
    [
        ({"tls_certificate": "a.pem", "tls_key": "a.key"}, 443, "https_port"),
        ({"metrics": True, "metrics_allow": ["10.0.0.5"]}, 9113, "metrics_nginx_port"),
        ({"metrics": True, "metrics_allow": ["10.0.0.5"]}, 9114, "metrics_port"),
    ],
)
def test_a_port_of_tandems_own_is_refused(given: dict[str, Any], port: int, whose: str) -> None:
    streams = {"x": MQTT | {"listen": port}}
    assert settings.load(inventory(streams=streams))
    lines = [line for line in mistakes(inventory(streams=streams, **given)) if "streams" in line]
    assert lines and f"this is {whose}, too; give another port" in lines[0]


def test_the_same_number_is_another_port_over_udp() -> None:
    node = node_with({"dns": DNS | {"listen": 53}, "dns-tcp": MQTT | {"listen": 53}})
    assert len(node.streams) == 2
    (line,) = refused(a=DNS, b=DNS)
    assert "streams[b].listen = 5353: this is that of a, too" in line


def test_a_release_that_looks_no_name_up_again_refuses_such_an_upstream() -> None:
    streams = {"x": {"listen": 1, "to": "named"}}
    given: dict[str, Any] = {"upstreams": UPSTREAMS, "resolver": ["10.0.0.53"]}
    given["nginx_version"] = "1.26.3"
    (line,) = mistakes(inventory(streams=streams, **given))
    assert "streams[x].to = 'named, nginx 1.26.3'" in line and "1.27.3 or newer" in line


def test_tls_that_nginx_ends_is_begun_again_for_an_upstream_with_tls() -> None:
    def about(**more: Any) -> list[str]:
        own = {"certificate": "none.pem", "key": "none.key"}
        stream = {"listen": 1, "to": "secure", "tls": own} | more
        return [line for line in refused(x=stream) if "to_tls" in line]

    (line,) = about()
    assert "streams[x].to_tls = '(not set)': set to_tls, or name its servers" in line, line
    assert about(to_tls={}) == about(to=["app.example.org:8443"]) == about(to="app") == []


def test_tls_that_passes_to_an_upstream_with_tls_is_said() -> None:
    """It may be meant: clients then speak TLS with the servers themselves."""

    def told(stream: dict[str, Any]) -> list[str]:
        given: dict[str, Any] = {"upstreams": UPSTREAMS, "resolver": ["10.0.0.53"]}
        (cluster,) = settings.load(inventory(streams={"x": stream}, **given))
        return [line for line in warnings(cluster) if "to_tls" in line]

    (line,) = told({"listen": 1, "to": "secure"})
    assert "streams (x): " in line and "secure" in line and "nginx ends no TLS here" in line
    assert told({"listen": 1, "to": "secure", "to_tls": {}}) == []
    assert told({"listen": 1, "to": "app"}) == []
    assert told({"listen": 1, "to": ["app.example.org:8443"]}) == []


def test_files_that_are_none_bar_a_deploy_alone(tmp_path: Path) -> None:
    own = {"certificate": str(tmp_path / "a.pem"), "key": str(tmp_path / "a.key")}
    there = inventory(streams={"x": MQTT | {"tls": own}})
    found = settings.doubts(there)
    assert {each.setting for each in found} == {"streams[x].tls.certificate", "streams[x].tls.key"}
    assert {each.bars for each in found} == {Bars.DEPLOY}


def test_their_ports_are_let_in_and_asked_for() -> None:
    (cluster,) = settings.load(inventory(streams={"mqtt": MQTT, "dns": DNS}))
    ((_, entries),) = firewall.openings(cluster.preferred, cluster)
    assert {"port=1883/tcp", "port=5353/udp"} <= set(entries)
    ports = port_holders.settings_of(cluster.preferred)
    assert ports["tcp", 1883] == "streams[mqtt].listen"
    shell = port_holders.shell(ports)
    assert "sport = :1883" in shell and "ss -Hulnp '( sport = :5353 )'" in shell


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('UNCONN 0 0 0.0.0.0:5353 0.0.0.0:* users:(("dnsmasq",pid=9,fd=6))', ["dnsmasq"]),
        ('UNCONN 0 0 127.0.0.53%lo:5353 0.0.0.0:* users:(("systemd-resolve",pid=9,fd=6))', []),
        ('UNCONN 0 0 0.0.0.0:5353 0.0.0.0:* users:(("nginx",pid=9,fd=6))', []),
        ('LISTEN 0 9 0.0.0.0:5353 0.0.0.0:* users:(("other",pid=9,fd=6))', []),
    ],
)
def test_who_has_a_port_of_udp_is_named(line: str, names: list[str]) -> None:
    node = node_with({"dns": DNS})
    found = list(port_holders.strange(node, port_holders.holders(line)))
    assert [str(each.remedy).split()[0] for each in found] == names
    assert all(each.setting == "streams[dns].listen" for each in found)


def test_the_machine_itself_may_look_at_the_certificate_that_a_stream_shows(
    tmp_path: Path,
) -> None:
    """nginx asks who may come in before it shows one, and the verifier asks from the machine."""
    inside = {"allow": ["10.0.0.0/8"]}
    issued = authority.issue(tmp_path, ("mqtt.example.org",))
    own = {"certificate": str(issued.certificate), "key": str(issued.key)}
    plain, over_tls = (said(MQTT | inside | more) for more in ({}, {"tls": own}))
    assert "127.0.0.1;" not in plain and "allow                  127.0.0.1;" in over_tls
