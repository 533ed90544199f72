"""What nginx would pass on to itself is refused; what only looks so is not."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from tests.unit.settings.test_settings import TWO, inventory, mistakes

SELF = {"self": {"servers": ["127.0.0.1:80"]}}
PORT6 = "[fd61:1::254]:1883"
TLS = {"tls_certificate": "a.pem", "tls_key": "a.key"}


def found(**given: Any) -> list[str]:
    """Mistakes about that."""
    return [line for line in mistakes(inventory(**given)) if "nginx itself" in line]


@pytest.mark.parametrize(
    "address",
    [
        *("172.16.12.254:1883", "127.0.0.1:1883", "127.0.0.53:1883", "0.0.0.0:1883"),
        *("172.16.12.61:1883", "172.16.12.62:1883", "localhost:1883", "host2:1883"),
        "[::ffff:172.16.12.254]:1883",
    ],
)
def test_a_stream_that_leads_to_itself_is_refused(address: str) -> None:
    (line,) = found(streams={"mqtt": {"listen": 1883, "to": ["10.0.0.11:1883", address]}})
    assert line.startswith(f"host1, host2: streams[mqtt].to = '{address}': this is nginx itself")
    assert "(streams[mqtt].listen)" in line and "another port" in line


def test_so_is_one_by_an_upstream_and_one_over_udp() -> None:
    streams = {"mqtt": {"listen": 1883, "to": "app"}}
    (line,) = found(upstreams={"app": {"servers": ["172.16.12.254:1883"]}}, streams=streams)
    assert "streams[mqtt].to = '172.16.12.254:1883'" in line
    (line,) = found(streams={"dns": {"listen": 53, "protocol": "udp", "to": ["127.0.0.1:53"]}})
    assert "streams[dns].to = '127.0.0.1:53'" in line


def test_one_behind_another_that_leads_back_is_refused() -> None:
    streams = {
        "a": {"listen": 7001, "to": ["127.0.0.1:7002"]},
        "b": {"listen": 7002, "to": ["172.16.12.254:7001"]},
        "c": {"listen": 7003, "to": ["127.0.0.1:7001"]},
    }
    assert [line.partition("streams[")[2][0] for line in found(streams=streams)] == ["a", "b"]


@pytest.mark.parametrize(
    ("more", "address", "port"),
    [
        ({}, "172.16.12.254:80", "http_port"),
        ({}, "172.16.12.62:80", "http_port"),
        ({"http_port": 8080}, "localhost:8080", "http_port"),
        (TLS, "172.16.12.254:443", "https_port"),
        ({"more_vips": {"172.16.12.253/16": "host2"}}, "172.16.12.253:80", "http_port"),
    ],
)
def test_an_upstream_that_is_the_cluster_itself_is_refused(
    more: dict[str, Any], address: str, port: str
) -> None:
    given = {"upstreams": {"app": {"servers": [address]}}, "proxy": {"/": "app"}} | more
    (line,) = found(**given)
    assert f"upstreams[app].servers = '{address}'" in line and f"({port})" in line


def test_requests_that_come_again_by_a_stream_are_refused() -> None:
    streams = {"x": {"listen": 7001, "to": ["127.0.0.1:80"]}}
    upstreams = {"app": {"servers": ["127.0.0.1:7001"]}}
    lines = found(streams=streams, upstreams=upstreams, paths={"/": {"proxy": "app"}})
    assert len(lines) == 2 and "streams[x].to" in lines[0] and "upstreams[app]" in lines[1]


def test_an_ipv6_vip_leads_back_as_well() -> None:
    hosts = {
        name: data | {"address6": f"fd61:1::{n}"} for n, (name, data) in enumerate(TWO.items(), 1)
    }
    streams = {"mqtt": {"listen": 1883, "to": [PORT6]}}
    lines = mistakes(inventory(hosts, vip6="fd61:1::254/64", streams=streams))
    assert len(lines) == 1 and "this is nginx itself" in lines[0]
    # Without one nginx listens on no IPv6 address.
    assert settings.load(inventory(streams={"x": {"listen": 1883, "to": ["[::1]:1883"]}}))


@pytest.mark.parametrize(
    "given",
    [
        {"streams": {"x": {"listen": 1883, "to": ["172.16.12.62:11883"]}}},
        # Another server of this nginx, or another path of it.
        *(
            {"upstreams": SELF, "paths": {"/x/": {"proxy": "self", **other}}}
            for other in (
                {"host": "b.example.org"},
                {"strip_path": True},
                {"send_headers": {"Host": "b.example.org"}},
            )
        ),
        # Nobody knows how a snippet asks it.
        {"upstreams": SELF},
        {"streams": {"x": {"listen": 1883, "to": ["10.0.0.11:1883"]}}},
        {"streams": {"x": {"listen": 1883, "to": ["unix:/run/broker.sock"]}}},
        # Streams may stand in front of the web, and behind it.
        {"streams": {"x": {"listen": 8000, "to": ["127.0.0.1:80"]}}},
        {
            "streams": {"x": {"listen": 8000, "to": "web"}},
            "upstreams": {"web": {"servers": ["127.0.0.1:80"]}},
        },
        {
            "streams": {"x": {"listen": 8000, "to": ["10.0.0.11:80"]}},
            "upstreams": {"app": {"servers": ["127.0.0.1:8000"]}},
            "proxy": {"/": "app"},
        },
        {
            "streams": {
                "x": {"listen": 53, "protocol": "udp", "to": ["127.0.0.1:54"]},
                "y": {"listen": 54, "to": ["127.0.0.1:53"]},
            }
        },
        {"upstreams": {"app": {"servers": ["127.0.0.1:443"]}}, "proxy": {"/": "app"}},
    ],
    ids=range(12),
)
def test_what_ends_somewhere_else_is_none(given: dict[str, Any]) -> None:
    assert settings.load(inventory(**given))


def test_what_cannot_be_read_hides_no_other() -> None:
    streams = {
        "a": {"listen": 0, "to": ["127.0.0.1:0"]},
        "b": {"listen": 7002, "to": ["127.0.0.1:7002"]},
    }
    upstreams = {"wrong_name": {"servers": ["x"]}, "app": {"servers": ["127.0.0.1:80"]}}
    lines = found(streams=streams, upstreams=upstreams, paths={"/": {"proxy": "app"}})
    assert [line.partition(": ")[2].split(" =")[0] for line in lines] == [
        "streams[b].to",
        "upstreams[app].servers",
    ]
