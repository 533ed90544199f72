"""What nginx knows by a name is called so once, whatever names a person has chosen."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from tasks.nginx import nginx_files
from tests.support import fakes

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
ZONE = r"(?:\b(?:keys_)?zone[ =]|\bshared:) *([\w,.=-]+)"
MADE = r"^\s*(?:map|geo) [^{]*?(\$\w+) *{"
SET = r"^\s*set +(\$\w+) "


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    names = [name for site in GIVEN["sites"] for name in site["server_names"]]
    issued = authority.issue(tmp_path_factory.mktemp("tls"), ["172.16.12.254", *names])
    pair = {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}
    node = settings.load(fakes.inventory(**GIVEN, **pair))[0].preferred
    texts = nginx_files.files(node, 2, "build").texts
    last = ["stream.conf"]
    order = [name for name in texts if Path(name).suffix == ".conf" and name not in last] + last
    found = [str(texts[name]) for name in order]
    return re.sub(r"^\s*(#|limit_req |limit_conn ).*$", "", "\n".join(found), flags=re.M)


def twice(found: list[str]) -> list[str]:
    return [name for name, count in Counter(found).items() if count > 1]


def test_each_zone_of_memory_is_one_thing_s(text: str) -> None:
    zones = re.findall(ZONE, text)
    assert len(zones) > 6 * len(NAMES) and twice(zones) == []


def test_each_variable_is_one_thing_s(text: str) -> None:
    made, put = re.findall(MADE, text, re.M), set(re.findall(SET, text, re.M))
    assert len(made) > 3 * len(NAMES) and twice(made) == []
    assert len(put) > len(VARIABLES) and put & set(made) == {"$tandem_place"}


def test_each_upstream_is_one_thing_s(text: str) -> None:
    http, streams = text.split("\nstream {")
    for one in (http, streams):
        found = re.findall(r"^\s*upstream (\S+) ", one, re.M)
        assert len(found) >= len(ZONES) and twice(found) == []
