"""Which headers and types a real nginx on loopback sends: its own, people's, and applications'.

Its builds are what labs of this checkout have compiled.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lab.gateway import authority
from settings.serving.header_settings import PROFILES
from tests.support.loopback.real_nginx import Build, RealNginx, builds, free_port

NAME, OTHER, STRICT = (f"{each}.example.org" for each in ("app", "other", "strict"))
# Longer than nginx's own map_hash_bucket_size can take.
LONG = f"/{'a-long-name-' * 5}/"
GUESSED, FRAMES, OWN = "x-content-type-options", "x-frame-options", "x-own"
HSTS = "strict-transport-security"
APP = {name.lower(): value for name, value in PROFILES["app"].items()}
# It is not asked whose certificate it is, but which headers are sent.
NOBODYS = ssl._create_unverified_context()
# What people add themselves: at http level, and in a server of their own.
SNIPPET = """
add_header X-Own http always;
server {
    listen PORT;
    server_name own.example.org;
    location / { return 200 "own"; }
    location /alone/ { add_header X-Alone yes; return 200 "alone"; }
    location /both/ { add_header X-Alone yes; include headers.conf; return 200 "both"; }
}
"""


class Application(BaseHTTPRequestHandler):
    """Sends X-Frame-Options for paths below framed/, and an error for those below broken/."""

    def do_GET(self) -> None:
        self.send_response(500 if "broken" in self.path else 200)
        if "framed" in self.path:
            self.send_header("X-Frame-Options", "DENY")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Set-Cookie", "a=application")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *arguments: object) -> None:
        """It says nothing."""


@pytest.fixture(scope="module")
def application() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest) -> list[Build]:
    """What is compiled; without any, the session's lab compiles one first."""
    return builds() or (request.getfixturevalue("deployed") and builds())


class Served:
    """An nginx of each release, and one question to all of them, whose answers have to agree."""

    def __init__(self, machines: list[RealNginx]) -> None:
        self._machines = machines

    def headers(self, path: str, host: str = "vip", tls: int = 0) -> list[tuple[str, str]]:
        """All of one answer, each as often as it is sent. `tls`: the port for that, 0: without."""
        found = [_asked(each, path, host, tls) for each in self._machines]
        assert all(each == found[0] for each in found), found
        return found[0]

    def one_of_each(self, path: str, host: str = "vip", tls: int = 0) -> dict[str, str]:
        """The same, where none may be sent twice."""
        found = self.headers(path, host, tls)
        assert len(found) == len(dict(found)), found
        return dict(found)


def _asked(nginx: RealNginx, path: str, host: str, tls: int) -> list[tuple[str, str]]:
    client = (
        http.client.HTTPSConnection("127.0.0.1", tls, timeout=10, context=NOBODYS)
        if tls
        else http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10)
    )
    client.request("GET", path, headers={"Host": host})
    answer = client.getresponse()
    client.close()
    # (What differs between two answers, and is nginx's own affair.)
    apart = ("date", "etag", "last-modified", "connection", "location")
    every = ((name.lower(), value) for name, value in answer.getheaders())
    return [(name, value) for name, value in every if name not in apart]


def started(built: list[Build], directory: Path, **given: Any) -> Iterator[Served]:
    machines = []
    for build in built:
        place = directory / build.version
        place.mkdir()
        place.chmod(0o755)
        nginx = RealNginx(build, place, **given)
        text = SNIPPET.replace("PORT", f"127.0.0.1:{nginx.port}")
        snippet = text.replace("include headers", f"include {place}/etc/headers")
        (place / "etc/conf.d/own.conf").write_text(snippet)
        upstreams = place / "etc/upstreams.conf"
        if upstreams.exists():
            moved = upstreams.read_text().replace("/var/cache/nginx", f"{place}/cache")
            upstreams.write_text(moved)
        (place / "html/index.html").write_text("page")
        (place / "html/a.mjs").write_text("1")
        assert nginx.test() == "", nginx.test()
        machines.append(nginx.__enter__())
    try:
        yield Served(machines)
    finally:
        for nginx in machines:
            nginx.__exit__()


@pytest.fixture(scope="module")
def served(built: list[Build], application: str) -> Iterator[Served]:
    paths = {
        "/": {"proxy": "app"},
        "/robots/": {"page": "x", "headers": {"X-Robots-Tag": "noindex", FRAMES: "DENY"}},
        LONG: {"page": "x", "headers": {"X-Robots-Tag": "long"}},
        "/away/": {"redirect": "/elsewhere", "headers": {"X-Robots-Tag": "none"}},
        "/framed/by-us/": {
            "proxy": "app",
            "headers": {"X-Frame-Options": "ALLOW-US", "Set-Cookie": "b=nginx"},
        },
        "/framed/hidden/": {"proxy": "app", "hide_headers": ["X-Frame-Options"]},
        "/closed/": {"page": "x", "allow": ["192.0.2.1"], "headers": {"X-Robots-Tag": "none"}},
    }
    sites = [
        {"server_names": [NAME], "paths": paths},
        {"server_names": [OTHER], "page": "x", "headers": {FRAMES: "", "X-Site": "a"}},
        {"server_names": [STRICT], "page": "x", "headers": "strict"},
    ]
    given = {"sites": sites, "upstreams": {"app": [application]}, "cache": {}}
    with TemporaryDirectory(prefix="n-", dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield from started(built, Path(made), headers={"X-Cluster": "for $host"}, **given)


def test_what_people_add_at_http_level_reaches_every_answer(served: Served) -> None:
    """A page, a site, what is proxied, errors of nginx's and the application's, redirects."""
    for path, host in (
        *(("/", "vip"), ("/no-such", "vip"), ("/tandem-health", "vip"), ("/nginx_status", "vip")),
        *(("/", OTHER), ("/no-such", OTHER), ("/", NAME), ("/broken/", NAME), ("/away/", NAME)),
        *(("/closed/", NAME), ("/", "own.example.org")),
    ):
        found = served.one_of_each(path, host)
        assert found[OWN] == "http", (path, host)
        assert found[GUESSED] == "nosniff", (path, host)
        assert found["x-cluster"] == f"for {host}", (path, host)


def test_an_application_that_says_it_itself_is_believed_and_says_it_once(served: Served) -> None:
    assert served.one_of_each("/", NAME)[FRAMES] == "SAMEORIGIN"
    found = served.one_of_each("/framed/", NAME)
    assert (found[FRAMES], found[GUESSED]) == ("DENY", "nosniff")
    assert served.one_of_each("/framed/hidden/", NAME)[FRAMES] == "SAMEORIGIN"


def test_a_places_headers_stand_in_the_place_of_others_and_lose_none(served: Served) -> None:
    found = served.one_of_each("/robots/", NAME)
    assert (found[FRAMES], found["x-robots-tag"]) == ("DENY", "noindex")
    assert found[GUESSED] == "nosniff"
    assert "x-robots-tag" not in served.one_of_each("/", NAME)
    assert served.one_of_each(LONG, NAME)["x-robots-tag"] == "long"
    assert served.one_of_each("/away/", NAME)["x-robots-tag"] == "none"
    assert served.one_of_each("/closed/", NAME)["x-robots-tag"] == "none"
    several = served.headers("/framed/by-us/", NAME)
    assert [value for name, value in several if name == FRAMES] == ["ALLOW-US"]
    # Of these an answer may have several: the application's is not lost.
    cookies = sorted(value for name, value in several if name == "set-cookie")
    assert cookies == ["a=application", "b=nginx"]


def test_a_site_has_its_own_beside_the_clusters(served: Served) -> None:
    found = served.one_of_each("/", OTHER)
    assert FRAMES not in found and found["x-site"] == "a" and "x-cluster" in found
    assert "x-site" not in served.one_of_each("/", NAME)


def test_a_strict_site_has_what_the_profile_says_and_no_other_has(served: Served) -> None:
    strict = {name.lower(): value for name, value in PROFILES["strict"].items()}
    for path in ("/", "/no-such"):
        found = served.one_of_each(path, STRICT)
        assert strict.items() <= found.items()
        assert "x-cluster" not in found, "a profile begins anew"
    assert not (strict.keys() - APP.keys()) & served.one_of_each("/", OTHER).keys()


def test_who_adds_headers_in_a_server_of_their_own_may_have_ours_back(served: Served) -> None:
    assert FRAMES not in served.one_of_each("/alone/", "own.example.org")
    found = served.one_of_each("/both/", "own.example.org")
    assert (found["x-alone"], found[FRAMES]) == ("yes", "SAMEORIGIN")


def test_what_comes_through_the_cache_says_how(served: Served) -> None:
    first = [served.one_of_each("/kept", NAME)["x-cache-status"] for _ in range(2)]
    assert first == ["MISS", "HIT"]
    assert served.one_of_each("/framed/kept", NAME)[FRAMES] == "DENY"
    assert served.one_of_each("/framed/kept", NAME)[FRAMES] == "DENY", "from the cache as well"
    assert "x-cache-status" not in served.one_of_each("/", OTHER)


def test_a_module_is_no_octet_stream(served: Served) -> None:
    assert served.one_of_each("/a.mjs")["content-type"] == "text/javascript"


def test_browsers_are_told_to_stay_with_tls_over_tls_alone(built: list[Build]) -> None:
    with TemporaryDirectory(prefix="n-", dir="/tmp") as made:
        directory = Path(made)
        directory.chmod(0o755)
        issued = authority.issue(directory, (OTHER, STRICT))
        port = free_port()
        given: dict[str, Any] = {
            "tls_certificate": str(issued.certificate),
            "tls_key": str(issued.key),
        }
        sites = [
            {"server_names": [OTHER], "page": "x", "hsts_s": 0},
            {"server_names": [STRICT], "page": "x", "headers": "strict", "hsts_s": 60},
        ]
        given |= {"https_port": port, "hsts_s": 300, "sites": sites}
        for served in started(built[-1:], directory, **given):
            assert HSTS not in served.one_of_each("/")
            assert HSTS not in served.one_of_each("/", STRICT)
            assert served.one_of_each("/", tls=port)[HSTS] == "max-age=300"
            assert served.one_of_each("/no-such", tls=port)[HSTS] == "max-age=300"
            assert HSTS not in served.one_of_each("/", OTHER, tls=port)
            assert served.one_of_each("/", STRICT, tls=port)[HSTS] == "max-age=60"
