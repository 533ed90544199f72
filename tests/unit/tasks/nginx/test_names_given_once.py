"""What nginx knows by a name is called so once, whatever names a person has chosen."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from lab.gateway import authority
from tests.support import fakes
from tests.unit.verify.checks.nginx.test_what_is_rendered import lines, named_twice, read
from verify.read.blocks import Block

# What people call things, and what Tandem calls its own.
ZONES = ("tls", "stream-tls", "stream", "sessions", "cache", "connections", "requests", "clients")
VARIABLES = ("scheme", "https", "port", "place", "to-tls", "forwarded-host", "in-front", "header")
NAMES = (*ZONES, *VARIABLES)
HEADERS = {name.title(): "a" for name in NAMES} | {"X-A-Of-Place": "b", "Place-Header-X-A": "c"}
LIMITS = {"connections": 3, "requests_per_s": 4}
GIVEN: dict[str, Any] = {
    "nginx_version": "1.26.3",
    "resolver": ["10.0.0.53"],
    "trusted_proxies": ["10.0.0.5"],
    "client_limits": LIMITS,
    "cache": {},
    "hsts_s": 60,
    "headers": HEADERS,
    "upstreams": {
        **{name: {"servers": ["10.0.0.11:80"], "websocket": True} for name in ZONES},
        **{name: {"servers": ["a.example.org:80"], "resolve": True} for name in VARIABLES},
        "connection": {"servers": ["a.example.org:80"], "resolve": True},
    },
    "paths": {
        f"/{name}/": {"proxy": name, "limits": LIMITS, "headers": HEADERS}
        for name in (*NAMES, "connection")
    },
    "streams": {
        name: {"listen": 2000 + port, "to": ["10.0.0.11:1"], "connections": 2, "tls": True}
        for port, name in enumerate(NAMES)
    },
    "sites": [
        {
            "server_names": [f"{name}.example.org"],
            "headers": {name.title(): "d"},
            "maintenance": True,
            "paths": {"/a/": {"proxy": name, "limits": LIMITS, "headers": {"X-A": "e"}}},
        }
        for name in NAMES
    ],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Block:
    names = [name for site in GIVEN["sites"] for name in site["server_names"]]
    issued = authority.issue(tmp_path_factory.mktemp("tls"), ["172.16.12.254", *names])
    pair: dict[str, Any] = {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}
    return read(settings.load(fakes.inventory(**GIVEN, **pair))[0].preferred)


def test_each_zone_each_variable_and_each_upstream_is_one_thing_s(root: Block) -> None:
    assert named_twice(root) == []


def test_what_places_set_is_no_map_s(root: Block) -> None:
    put = {words[1] for words in lines(root) if words[0] == "set"}
    made = {words[-1] for words in lines(root) if words[0] in ("map", "geo")}
    assert len(put) > len(VARIABLES) and put & made == {"$tandem_place"}
