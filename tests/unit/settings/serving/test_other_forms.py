"""Forms that other programs have: they are refused with the one that is right here, written out."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from settings.mistakes.serving_warnings import warnings
from tests.unit.settings.test_settings import inventory, mistakes

MQTT = {"listen": 1883, "to": ["10.0.0.11:1883"]}
SERVER = 'upstreams = {"app": {"servers": ["10.0.0.1:8080"]}}'


@pytest.mark.parametrize(
    ("stream", "about", "remedy"),
    [
        ({"to": "broker.example.org"}, "a].to = 'broker", '["broker.example.org:1883"]'),
        ({"to": "my app"}, "a].to = 'my app'", "or the name of an upstream"),
        ({"to": "app"}, "a].to = 'app'", "there is no such upstream"),
        (
            {"listen": "5000-5010"},
            "a].listen = '5000-5010'",
            '{"a-5000": {"listen": 5000, …}, …, "a-5010": {"listen": 5010, …}}',
        ),
        (
            {"listen": [1883, 1884]},
            "a].listen = [1883, 1884]",
            '{"a-1883": {"listen": 1883, …}, "a-1884": {"listen": 1884, …}}',
        ),
        ({"listen": "172.16.12.254:1883"}, "a].listen", "give the port alone, 1883: nginx"),
        ({"listen": "[::]:1883"}, "a].listen", "give the port alone, 1883: nginx"),
        ({"listen": "mqtt"}, "a].listen = 'mqtt'", "give a port, 1 to 65535"),
        (
            {"protocol": "both"},
            "a].protocol = 'both'",
            '{"a-tcp": {"listen": 1883, …}, "a-udp": {"listen": 1883, "protocol": "udp", …}}',
        ),
        ({"protocol": ["tcp", "udp"]}, "a].protocol", '"a-udp": {"listen": 1883, "protocol"'),
        ({"protocol": "tcp+udp"}, "a].protocol", '"a-udp": {"listen": 1883, "protocol"'),
        ({"protocol": ["tcp"]}, "a].protocol = ['tcp']", 'give "tcp" or "udp"'),
        ({"protocol": "sctp"}, "a].protocol = 'sctp'", 'give "tcp" or "udp"'),
    ],
)
def test_what_a_stream_has_not_is_written_out(
    stream: dict[str, Any], about: str, remedy: str
) -> None:
    (line,) = mistakes(inventory(streams={"a": MQTT | stream}))
    assert f"streams[{about}" in line and remedy in line, line


@pytest.mark.parametrize(
    ("given", "about", "remedy"),
    [
        (
            {"proxy": "http://10.0.0.1:8080"},
            "proxy = 'http",
            f'give {{"/": "app"}}, and set {SERVER}',
        ),
        ({"proxy": {"/": "http://10.0.0.1:8080"}}, "proxy[/] = 'http", SERVER),
        ({"proxy": {"/": "10.0.0.1:8080"}}, "proxy[/] = '10.0", SERVER),
        ({"paths": {"/": {"proxy": "http://10.0.0.1:8080/"}}}, "paths[/].proxy", SERVER),
        ({"paths": {"/": {"proxy": "http://a.lab"}}}, "paths[/].proxy", '"servers": ["a.lab:80"]'),
        (
            {"paths": {"/": {"proxy": "https://[fd00::1]"}}},
            "paths[/].proxy",
            '["[fd00::1]:443"], "tls"',
        ),
        (
            {"paths": {"/": {"fastcgi": "unix:/run/php.sock", "root": "/srv"}}},
            "paths[/].fastcgi",
            '"servers": ["unix:/run/php.sock"]',
        ),
        ({"proxy": "app"}, "proxy = 'app'", 'give {"/PATH": "NAME of an upstream"}'),
    ],
)
def test_a_servers_address_in_an_upstreams_place_is_written_out(
    given: dict[str, Any], about: str, remedy: str
) -> None:
    (line,) = mistakes(inventory(**given))
    assert f": {about}" in line and remedy in line, line


def test_an_upstreams_wrong_name_is_one_mistake_and_none_at_each_use() -> None:
    (line,) = mistakes(
        inventory(
            upstreams={"my_app": {"servers": ["10.0.0.1:8080"]}},
            proxy={"/": "my_app"},
            paths={"/b": {"proxy": "my_app"}},
            sites=[{"server_names": ["a.org"], "paths": {"/": {"grpc": "my_app"}}}],
            streams={"a": {"listen": 1883, "to": "my_app"}},
        )
    )
    assert "upstreams[my_app].name = 'my_app'" in line


@pytest.mark.parametrize(
    ("upstream", "stream", "right"),
    [
        ({"balance": "ip_hash"}, {}, '"balance": "hash"'),
        ({"balance": "least_conn"}, {}, '"balance": "least_conn"'),
        ({"balance": "round_robin"}, {}, ""),
        ({"balance": "ip_hash"}, {"balance": "hash"}, ""),
        ({"balance": "ip_hash"}, {"balance": "round_robin"}, ""),
        ({"connect_timeout_s": 5}, {}, '"connect_timeout_s": 5'),
        ({"connect_timeout_s": 5}, {"protocol": "udp"}, ""),
        ({"read_timeout_s": 3600}, {}, '"idle_timeout_s": 3600'),
        ({"read_timeout_s": 3600}, {"idle_timeout_s": 60}, ""),
        # These are of HTTP, or a server's own, which a stream takes.
        (
            {"keepalive": 5, "websocket": True, "send_timeout_s": 5, "retry_on": [], "tries": 9},
            {},
            "",
        ),
        ({"servers": [{"address": "10.0.0.1:1", "max_fails": 9, "fail_timeout_s": 9}]}, {}, ""),
    ],
)
def test_what_a_stream_leaves_out_of_an_upstream_is_said(
    upstream: dict[str, Any], stream: dict[str, Any], right: str
) -> None:
    given = {
        "upstreams": {"app": {"servers": ["10.0.0.1:1883"], **upstream}},
        "streams": {"a": {"listen": 1883, "to": "app", **stream}},
    }
    (cluster,) = settings.load(inventory(**given))
    said = [line for line in warnings(cluster) if "takes the servers alone" in line]
    assert len(said) == bool(right) and right in "".join(said), said
