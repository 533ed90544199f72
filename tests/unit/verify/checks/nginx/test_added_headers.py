"""Which headers nginx's configuration adds, judged beside the settings that it is rendered from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings import Node
from tasks.nginx import nginx_files
from tests.support import fakes
from verify import redaction
from verify.checks.nginx.added_headers import added_otherwise
from verify.read.nginx_output import dump

SITES: list[dict[str, Any]] = [
    {"server_names": ["www.example.org"], "page": "x", "headers": {"X-Frame-Options": ""}},
    {
        "server_names": ["app.example.org"],
        "hsts_s": 60,
        "paths": {
            "/a/": {
                "proxy": "app",
                "headers": {
                    "X-Robots-Tag": "none",
                    "x-frame-options": "DENY",
                    "X-Port": "port $server_port",
                },
            },
            "/b/": {"page": "x", "headers": {"Set-Cookie": "session=0123456789abcdef"}},
        },
    },
    {
        "server_names": ["strict.example.org"],
        "page": "x",
        "headers": "strict",
        "maintenance": True,
    },
]
Change = Callable[[str], str]


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "behind-proxies"])
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Node:
    names = [str(name) for site in SITES for name in site["server_names"]]
    issued = authority.issue(tmp_path_factory.mktemp("tls"), ["172.16.12.254", *names])
    given: dict[str, Any] = {
        "tls_certificate": str(issued.certificate),
        "tls_key": str(issued.key),
        "hsts_s": 300,
        "headers": {"X-Cluster": "a", "X-Scheme": "$scheme", "X-Https": "$https"},
        "trusted_proxies": ["10.0.0.5"] if request.param else [],
        "cache": {},
        "upstreams": {"app": ["10.0.0.11:8080"]},
        "sites": SITES,
    }
    return settings.load(fakes.inventory(**given))[0].preferred


def faults(node: Node, name: str = "nginx.conf", change: Change = str) -> list[str]:
    texts = {path: str(text) for path, text in nginx_files.files(node, 2, "build").texts.items()}
    before = texts[name]
    texts[name] = change(before)
    shown = "".join(
        f"# configuration file /etc/nginx/{each}:\n{text!s}\n" for each, text in texts.items()
    )
    assert change is str or texts[name] != before
    return list(added_otherwise(dump(redaction.without_secrets(shown)).base, node))


def test_what_is_rendered_adds_what_the_settings_say(node: Node) -> None:
    assert faults(node) == []


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("nginx.conf", ("include            headers.conf;", ""), "x-cluster of _ is not added"),
        ("headers.conf", ("X-Frame-Options ", "X-Frame-Option "), "x-frame-options of _ is not"),
        ("headers.conf", ("always", ""), "Content-Security-Policy is not added to errors"),
        ("header_values.conf", ('"DENY"', '"SAMEORIGIN"'), "of strict.example.org is SAMEORIGIN"),
        ("header_values.conf", ("max-age=60", "max-age=6"), "app.example.org is max-age=6, not"),
        ("header_values.conf", ("https  $tandem_tls_", "x  $tandem_tls_"), "_ is not added, not m"),
        ("sites/strict.example.org.conf", ("server {", "server { add_header A b;"), "server"),
        (
            "sites/strict.example.org.conf",
            ("include       headers.conf;", ""),
            "location @tandem_maintenance has add_header",
        ),
        ("sites/app.example.org.conf", ("set ", "add_header A b; set "), "location /a/ has add_"),
    ],
)
def test_what_was_changed_by_hand_is_named(
    node: Node, name: str, change: tuple[str, str], said: str
) -> None:
    found = faults(node, name, lambda text: text.replace(*change, 1))
    assert any(said in fault for fault in found), found
