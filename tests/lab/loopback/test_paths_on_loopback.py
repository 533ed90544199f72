"""A real nginx on loopback takes what sites' paths may be, without a warning, and does it.

Its builds are what labs of this checkout have compiled.
"""

from __future__ import annotations

import base64
import random
import string
from pathlib import Path
from typing import Any

import pytest

from settings.serving.places import as_asked_for
from tests.support.loopback.real_nginx import Build, RealNginx, free_port

UPSTREAMS = {"app": {"servers": [f"127.0.0.1:{free_port()}"]}}
HOST = "www.example.org"
# Each of "secret", as htpasswd, openssl and mkpasswd make them.
HASHES = {
    "plain": "{PLAIN}secret",
    "sha": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "apr": "$apr1$salt$VEpBc9VHGUKwI9.yg13Iu0",
    "crypt": "$1$salt$ez2vlPGdaLYkJam5pWs/Y1",
    "blowfish": "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
    "five": "$5$rounds=1000$salt$CCvcOM6b7TEJDPb37Aec/9UpOg4QhPNAxPpL9ZzjTB7",
    "six": "$6$rounds=1000$salt$HNxBeBnDfSfUrTj6KiLnmd7tGCvHEmcExh8kl/S0"
    "cZ5WrCciNZgfhbpkeFQ4JfkHX.8vPq45lY0iINnCx1Lkm.",
    "yes": "$y$j9T$QZUxnZ5K4UZ0yV7f2H6Qm1$S7C/ZFjEuxVNXycm1MaCB3VtKltTOiONv4QH1AGG0R2",
    "des": "abNANd1rDfiNc",
    "seven": "$7$CU..../....abc$wAuEOYcLM7kO6uZQXQIbfiQLCU8Fy1YXPblM7CyxZH3",
}


@pytest.fixture(params=[8, 45])
def many(request: pytest.FixtureRequest, newest: Build, place: Path) -> RealNginx:
    sites = [
        {
            "server_names": [f"www{number}.example.org"],
            "page": "x",
            "maintenance": {"allow": ["10.0.0.1", "10.0.0.1/32", "fd00::/8"]},
            "paths": {"/a/": {"proxy": "app", "limits": {"connections": 5}}},
        }
        for number in range(request.param)
    ]
    return RealNginx(newest, place / "nginx", sites=sites, upstreams=UPSTREAMS)


def test_many_sites_in_maintenance_start_without_a_warning(many: RealNginx) -> None:
    assert many.test() == ""


def test_many_headers_and_long_names_start_without_a_warning(newest: Build, place: Path) -> None:
    chosen = random.Random(5)
    names = ["".join(chosen.choices(string.ascii_letters, k=20)) for _ in range(100)]
    paths: dict[str, Any] = {
        "/many/": {"proxy": "app", "send_headers": dict.fromkeys(names, "a")},
        "/hidden/": {"proxy": "app", "hide_headers": names},
    }
    for kind, more in (("proxy", {}), ("fastcgi", {"root": "/srv"}), ("uwsgi", {})):
        long = {kind: "app", **more, "send_headers": {"X" * 46: "a"}, "hide_headers": ["Y" * 46]}
        paths[f"/{kind}/"] = long
    assert RealNginx(newest, place / "nginx", paths=paths, upstreams=UPSTREAMS).test() == ""


@pytest.fixture
def served(newest: Build, place: Path) -> RealNginx:
    users = place / "users"
    users.write_text("".join(f"{name}:{text}\n" for name, text in HASHES.items()))
    paths = {
        "/robots.txt": {"page": "User-agent: *"},
        "/data.json": {"page": "{}"},
        "/plain": {"page": "plain"},
        "/a.unknown": {"page": "unknown"},
        "/in/": {"page": "in"},
        "/r/": {"redirect": "https://[::1]/a;b'c(d)*!?c=$arg_c#e"},
        "/a/b/": {"redirect": "/found"},
        "/users": {"page": "users", "basic_auth": str(users)},
        "/origin": {"page": "o", "headers": {"Access-Control-Allow-Origin": "$http_origin"}},
    }
    sites = [
        {"server_names": [HOST], "page": "x", "paths": paths},
        {
            "server_names": ["closed.example.org"],
            "page": "x",
            "maintenance": {"page": '<h1 class="x">a\\b &#36;5</h1>'},
        },
    ]
    return RealNginx(newest, place / "nginx", sites=sites, upstreams=UPSTREAMS)


def test_pages_redirects_and_headers_are_what_they_say(served: RealNginx) -> None:
    assert served.test() == ""
    with served:
        for path, type_ in (
            ("/robots.txt", "text/plain"),
            ("/data.json", "application/json"),
            ("/plain", "text/html"),
            ("/a.unknown", "text/html"),
            ("/in/", "text/html"),
        ):
            answer = served.ask(path, HOST)
            assert (answer.status, answer.headers["content-type"]) == (200, type_), path
        led = served.ask("/r/?c=7", HOST).headers["location"]
        assert led == "https://[::1]/a;b'c(d)*!?c=7#e"
        answer = served.ask("/", "closed.example.org")
        assert (answer.status, answer.body) == (503, '<h1 class="x">a\\b &#36;5</h1>\n')
        said = served.ask("/origin", HOST, headers={"Origin": "https://a.example"})
        assert said.headers["access-control-allow-origin"] == "https://a.example"


def test_a_path_is_what_nginx_makes_of_it(served: RealNginx) -> None:
    """What is refused with another path would never be found, and that one is."""
    with served:
        for written in ("//a//b/", "/a/x/../b/", "/./a/b/", "/a/b/c/..", "/a/b/."):
            assert as_asked_for(written) == "/a/b/"
            assert served.ask(written, HOST).headers["location"].endswith("/found"), written


def test_every_kind_of_hash_lets_in(served: RealNginx) -> None:
    with served:
        for name in HASHES:
            told = base64.b64encode(f"{name}:secret".encode()).decode()
            headers = {"Authorization": f"Basic {told}"}
            assert served.ask("/users", HOST, headers=headers).status == 200, name
        assert served.ask("/users", HOST).status == 401
