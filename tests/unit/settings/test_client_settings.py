"""What nginx grants its clients: what is refused, and what nginx is told."""

from __future__ import annotations

from typing import Any

import pytest

from settings.serving.client_settings import ClientSettings
from tests.support import fakes
from tests.unit.settings.test_proxy_settings import loaded, nginx_conf
from tests.unit.settings.test_settings import inventory, mistakes


@pytest.mark.parametrize(
    ("setting", "value", "about", "remedy"),
    [
        ("client_header_timeout_s", 0, "client_header_timeout_s = 0", "1 to 3600"),
        ("client_body_timeout_s", "15s", "client_body_timeout_s = '15s'", "1 to 3600"),
        ("send_timeout_s", 86400, "send_timeout_s = 86400", "1 to 3600"),
        ("client_limits", 100, "client_limits = 100", '"requests_per_s": 50'),
        ("client_limits", {}, "client_limits = 'no limit'", "None for no limit"),
        (
            "client_limits",
            {"connections": 5, "burst": 6},
            "client_limits.burst = 6",
            "give requests_per_s as well",
        ),
        (
            "gzip",
            "texts",
            "gzip = 'texts': did you mean \"text\"? Give",
            '"static", "text", or {"types"',
        ),
        ("gzip", {"level": 0}, "gzip.level = 0", "1 (fast) to 9 (small)"),
        ("gzip", {"types": ["css"]}, "gzip.types = ['css']", "a list of media types"),
        ("gzip", {"min_byte": 1}, "gzip.min_byte", "did you mean min_bytes?"),
        ("client_limits", {"connections": 0}, "client_limits.connections = 0", "1 to 100000"),
        (
            "client_limits",
            {"new_connections_per_s": 0},
            "client_limits.new_connections_per_s = 0",
            "1 to 100000 new connections",
        ),
        (
            "client_limits",
            {"new_connections_per_s": 5, "burst": 6},
            "client_limits.burst = 6",
            "give requests_per_s as well",
        ),
        ("client_limits", {"requests_per_s": 0.5}, "client_limits.requests_per_s", "1 to 100000"),
        (
            "client_limits",
            {"requests_per_s": 5, "conections": 5},
            "client_limits.conections",
            "mean connections?",
        ),
    ],
)
def test_a_wrong_limit_is_refused(setting: str, value: Any, about: str, remedy: str) -> None:
    (line,) = mistakes(inventory(**{setting: value}))
    assert about in line and remedy in line


def test_what_is_said_in_two_places_is_the_same() -> None:
    shipped = fakes.defaults()
    for name, field in ClientSettings.model_fields.items():
        assert shipped[name] == field.default, name


@pytest.mark.parametrize("limits", [None, {"new_connections_per_s": 20}])
def test_without_limits_of_its_own_nginx_is_told_of_none(limits: dict[str, Any] | None) -> None:
    said = nginx_conf(loaded(client_limits=limits))
    assert "limit_conn" not in said and "limit_req" not in said
    for line in (
        "client_header_timeout  10s;",
        "client_body_timeout    15s;",
        "send_timeout           300s;",
        "reset_timedout_connection  on;",
    ):
        assert f"    {line}\n" in said


@pytest.mark.parametrize(
    ("limits", "lines"),
    [
        ({"connections": 30}, ["limit_conn         tandem_connections  30;"]),
        (
            {"requests_per_s": 50},
            ["rate=50r/s;", "limit_req          zone=tandem_requests  burst=50  nodelay;"],
        ),
        (
            {"connections": 30, "requests_per_s": 50, "burst": 7},
            ["tandem_connections  30;", "zone=tandem_requests  burst=7  nodelay;"],
        ),
    ],
)
def test_each_limit_is_told(limits: dict[str, Any], lines: list[str]) -> None:
    said = nginx_conf(loaded(client_limits=limits))
    assert all(line in said for line in lines)
    assert said.count("  429;") == len({"connections", "requests_per_s"} & set(limits))


@pytest.mark.parametrize(
    ("version", "waits"), [("1.26.3", False), ("1.27.3", False), ("1.27.4", True), ("1.30.7", True)]
)
def test_a_request_on_its_way_is_waited_for_where_nginx_can(version: str, waits: bool) -> None:
    text = nginx_conf(loaded(nginx_version=version))
    assert ("\n    keepalive_min_timeout  1s;\n" in text) is waits


def test_health_has_a_listener_of_its_own_except_in_the_classic_profile() -> None:
    listener = "listen       unix:/run/nginx/health.sock;"
    assert listener in nginx_conf(loaded())
    assert listener not in nginx_conf(loaded(vrrp_version=2))


def test_what_a_path_limits_itself_is_limited_for_all_paths_together_too() -> None:
    """nginx forgets in a location what is said for all, where that says its own."""
    paths = {
        "/conn/": {"page": "x", "limits": {"connections": 3}},
        "/rate/": {"page": "x", "limits": {"requests_per_s": 3}},
        "/plain/": {"page": "x"},
    }
    limits = {"connections": 30, "requests_per_s": 50, "burst": 7}
    said = nginx_conf(loaded(client_limits=limits, paths=paths))
    conn, rate, plain = said.split("        location = /")[-3:]
    assert "tandem_connections  30;" in conn and "tandem_requests" not in conn
    assert "zone=tandem_requests  burst=7  nodelay;" in rate and "tandem_conn" not in rate
    assert "limit_" not in plain
