"""What people put on the pair, asked for through the VIP: names, types, headers, limits, and who
may come in. Every release's finer points are in tests/lab/loopback."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.twin import Lab
from tests.support.clients.upstream_process import UpstreamProcess
from tests.support.lab.breaking import VIP, on
from tests.support.lab.deployment import Deployed, deploy, verify
from tests.support.lab.pair import HOSTS, changed_nothing

GATEWAY, PORT = "172.16.0.1", 8131
# anna, with the password "nobody-sees-this".
USERS = "anna:{PLAIN}nobody-sees-this\n"
SHOP = ("www.shop.example.org", "a_b.test", "joe.home.test", f"{'y' * 60}.example.org")
# curl's exit codes: an empty reply, or a reset.
CLOSED = {"52", "56"}
TYPES = {
    "a.mjs": "text/javascript",
    "a.wasm": "application/wasm",
    "a.avif": "image/avif",
    "a.webmanifest": "application/manifest+json",
    "a.woff2": "font/woff2",
}
CHALLENGE = "/.well-known/acme-challenge/tried"
# The lab's old nginx, and what its logs remember of earlier tests.
LABS_OWN = ("--data", "skip=NGX-19,NGX-24,KA-11,KA-19")


@dataclass(frozen=True)
class Served:
    lab: Lab
    words: tuple[str, ...]

    def asks(self, host: str, path: str, *words: str) -> list[str]:
        asked = ["curl", "-s", "--noproxy", "*", "-m", "4", "-H", f"Host: {host}"]
        return [*asked, *words, f"http://{VIP}{path}"]

    def status(self, host: str, path: str = "/", *words: str) -> str:
        """ "STATUS REDIRECT", or curl's exit code."""
        form = ("-o/dev/null", "-w%{http_code} %{redirect_url}")
        done = self.lab.run(self.asks(host, path, *form, *words))
        return done.stdout.strip() if not done.returncode else str(done.returncode)

    def body(self, host: str, path: str = "/", *words: str) -> str:
        return self.lab.run(self.asks(host, path, *words)).stdout

    def headers(self, host: str, path: str = "/", *words: str) -> list[tuple[str, str]]:
        head = self.lab.run(self.asks(host, path, "-D-", "-o/dev/null", *words)).stdout
        pairs = (line.partition(":") for line in head.lower().splitlines()[1:] if line)
        return [(name, value.strip()) for name, _, value in pairs]


@pytest.fixture(scope="module")
def served(
    lab: Lab, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    given = tmp_path_factory.mktemp("given")
    content, own = given / "content", given / "own"
    content.mkdir()
    for name in TYPES:
        (content / name).write_text("x\n")
    (content / "index.html").write_text("shop\n")
    (content / "long.txt").write_text("text " * 1000)
    (users := given / "users").write_text(USERS)
    (own / "http.d").mkdir(parents=True)
    (own / "http.d" / "own.conf").write_text("add_header X-Own everywhere always;\n")
    paths = {
        "/": {"proxy": "app", "hide_headers": ["Server"]},
        "/slow/": {"page": "slow", "limits": {"requests_per_s": 1, "burst": 2}},
        "/staff/": {"page": "staff", "basic_auth": str(users)},
        "/inside/": {"page": "inside", "allow": ["172.16.12.62"]},
        "/moved/": {"redirect": "https://www.example.net$request_uri"},
    }
    sites = [
        {
            "server_names": ["*.shop.example.org", *SHOP[1:2], r"~^[a-z]{3}\.home\.test$", SHOP[3]],
            "content": str(content),
        },
        {"server_names": ["app.example.org"], "paths": paths, "headers": {"X-Frame-Options": ""}},
        {"server_names": ["strict.example.org"], "page": "strict", "headers": "strict"},
        {
            "server_names": ["closed.example.org"],
            "page": "open",
            "maintenance": {"page": "Back soon", "allow": ["172.16.12.62"]},
        },
    ]
    settings = {
        "sites": json.dumps(sites),
        "upstreams": json.dumps({"app": {"servers": [f"{GATEWAY}:{PORT}"]}}),
        "unknown_host": "close",
        "gzip": "text",
        "nginx_files": own,
    }
    words = [word for key, value in settings.items() for word in ("--data", f"{key}={value}")]
    application = UpstreamProcess(lab, GATEWAY, PORT)
    application.start()
    try:
        done = deploy(lab, *words)
        assert done.returncode == 0, done.stdout
        yield Served(lab, tuple(words))
    finally:
        application.kill()
        back = deploy(lab)
        assert back.returncode == 0, back.stdout


def test_it_verifies_and_a_second_deploy_changes_nothing(lab: Lab, served: Served) -> None:
    done = verify(lab, *served.words, "--data", "wait=20", *LABS_OWN)
    assert done.returncode == 0, done.stdout
    assert changed_nothing(deploy(lab, *served.words).stdout)


def test_names_of_every_form_have_their_site_and_others_none(served: Served) -> None:
    assert {name: served.body(name) for name in SHOP} == dict.fromkeys(SHOP, "shop\n")
    unknown = ("unknown.test", "joey.home.test", "shop.example.com")
    assert {served.status(name) for name in unknown} <= CLOSED
    assert served.status(VIP) == "200"


def test_what_browsers_load_has_its_type(served: Served) -> None:
    found = {name: dict(served.headers(SHOP[0], f"/{name}"))["content-type"] for name in TYPES}
    assert {name: told.partition(";")[0] for name, told in found.items()} == TYPES
    assert ("content-encoding", "gzip") in served.headers(SHOP[0], "/long.txt", "--compressed")


def test_headers_of_ones_own_reach_every_server_and_none_is_there_twice(served: Served) -> None:
    for host, path in ((SHOP[0], "/"), ("app.example.org", "/x"), ("strict.example.org", "/")):
        found = served.headers(host, path)
        assert ("x-own", "everywhere") in found, (host, found)
        assert max(Counter(name for name, _ in found).values()) == 1, (host, found)
    assert "x-frame-options" not in dict(served.headers("app.example.org", "/x"))
    assert "content-security-policy" in dict(served.headers("strict.example.org"))


def test_who_may_come_in_and_how_often(lab: Lab, served: Served) -> None:
    app = "app.example.org"
    assert served.status(app, "/staff/") == "401"
    assert served.body(app, "/staff/", "-u", "anna:nobody-sees-this") == "staff\n"
    assert served.status(app, "/inside/") == "403"
    other = on(
        lab, "host2", shlex.join(served.asks(app, "/inside/", "--interface", "172.16.12.62"))
    )
    assert other == "inside\n"
    many = Counter(served.status(app, "/slow/") for _ in range(8))
    assert many["200"] >= 3 and many["429"] >= 1, many
    assert served.status(app, "/moved/") == "302 https://www.example.net/moved/"


def test_a_site_under_maintenance_is_open_to_those_who_work_on_it(lab: Lab, served: Served) -> None:
    closed = "closed.example.org"
    assert (served.status(closed), served.body(closed)) == ("503", "Back soon\n")
    asks = served.asks(closed, "/", "--interface", "172.16.12.62")
    assert on(lab, "host2", shlex.join(asks)) == "open\n"


def test_an_authority_finds_its_answer_where_all_is_an_applications(
    lab: Lab, served: Served
) -> None:
    place = f"/usr/html{CHALLENGE}"
    for host in HOSTS:
        on(lab, host, f"mkdir -p {place.rpartition('/')[0]} && echo thumb >{place}")
    try:
        for name in ("app.example.org", "closed.example.org", "unknown.test"):
            assert served.body(name, CHALLENGE) == "thumb\n", name
    finally:
        for host in HOSTS:
            on(lab, host, f"rm {place}")
