"""Which server a real nginx takes for each name, over HTTP and TLS, and who gets the challenges of
certificate authorities: what deploys write, read on loopback by the nginx that the lab compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings import Node
from tests.support import fakes
from tests.support.lab.deployment import Deployed
from tests.support.loopback import loopback_nginx
from tests.support.loopback.loopback_nginx import (
    HTTP_PORT,
    HTTPS_PORT,
    LoopbackNginx,
    judged,
    serving,
)

LONG = f"{'x' * 60}.example.org"
# Each with its page, and names that it answers to.
SITES = {
    "first": (["*.example.org", "a_b.test"], ("www.example.org", "a.b.example.org", "a_b.test")),
    "both": ([".example.net"], ("example.net", "www.example.net")),
    "end": (["www.other.*"], ("www.other.test", "www.other.co.uk")),
    "regex": ([r"~^(?<user>[a-z]{3})\.home\.test$"], ("joe.home.test",)),
    "greedy": ([r"~\.greedy$", "~[0-9]"], ("x.greedy", "nine9.test")),
    "long": ([LONG], (LONG,)),
    "foreign": (["Müller.example"], ("xn--mller-kva.example",)),
}
# Named by nobody's site.
OWN = ("tandem", "127.0.0.1", "172.16.12.254", "172.16.12.61")
UNKNOWN = ("unknown.test", "joey.home.test", "other.test")
CHALLENGE = "/.well-known/acme-challenge/token"
UPSTREAM = {"app": {"servers": [f"127.0.0.1:{HTTP_PORT + 1}"]}}
# An application that says what it is asked for.
APPLICATION = f'server {{ listen {HTTP_PORT + 1}; return 200 "app $request_uri"; }}'
ANSWERS: dict[str, tuple[Any, str, str]] = {
    "serve": ("serve", "200 own page", "200 own page"),
    "close": ("close", "closed", "no TLS"),
    "421": (421, "421", "421"),
    "404": (404, "404", "404"),
    "page": ({"page": 'No "such" $host; {here}'}, "404", "404"),
    "closed": ({"page": "Closed", "status": 503}, "503", "503"),
    "redirect": (
        {"redirect": "https://www.example.org$request_uri"},
        "302 https://www.example.org/a",
        "302 https://www.example.org/a",
    ),
}


@pytest.fixture(scope="module", params=["1.26.3"])
def nginx(
    deployed: Deployed, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return loopback_nginx.binary(request.param, tmp_path_factory.mktemp("nginx"))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    names = ["*.example.org", "example.net", "*.example.net", "a_b.test", "xn--mller-kva.example"]
    issued = authority.issue(tmp_path_factory.mktemp("ca"), names)
    return {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}


def node(**given: Any) -> Node:
    """A node with `SITES`, if none are given."""
    ports: dict[str, Any] = {"http_port": HTTP_PORT, "https_port": HTTPS_PORT}
    sites = [{"server_names": it[0], "page": page} for page, it in SITES.items()]
    ports |= {"nginx_version": "1.26.3", "sites": sites}
    return settings.load(fakes.inventory(**ports | given))[0].nodes[0]


def assert_sites_answer(running: LoopbackNginx, tls: bool) -> None:
    for page, (_, names) in SITES.items():
        for name in names:
            assert running.curl(name, tls=tls) == f"200 {page}", name
    for name in OWN:
        assert running.curl(name, tls=tls) == "200 own page", name


@pytest.mark.parametrize("case", ANSWERS)
def test_each_name_has_its_server(nginx: Path, tmp_path: Path, case: str) -> None:
    given, plain, _ = ANSWERS[case]
    with serving(node(unknown_host=given), nginx, tmp_path) as running:
        assert_sites_answer(running, tls=False)
        for name in UNKNOWN:
            assert running.curl(name, "/a" if "302" in plain else "/") == plain, name
        no_host = running.said(b"GET / HTTP/1.0\r\n\r\n")
        # (The expression with digits is for no address, nor for no name.)
        assert (b" 200 " in no_host) is (case == "serve") and (no_host == b"") is (case == "close")
        assert b" 200 " in running.said(b"GET /tandem-health HTTP/1.0\r\nHost: tandem\r\n\r\n")
        assert running.curl("127.0.0.1", "/nginx_status").startswith("200 Active connections")


@pytest.mark.parametrize("case", ANSWERS)
def test_each_name_has_its_server_over_tls(
    nginx: Path, tmp_path: Path, tls: dict[str, str], case: str
) -> None:
    given, plain, encrypted = ANSWERS[case]
    with serving(node(unknown_host=given, **tls), nginx, tmp_path) as running:
        assert_sites_answer(running, tls=True)
        for name in OWN:
            assert running.curl(name, "/tandem-health") == "200 ok"
        for name in UNKNOWN:
            assert running.curl(name, "/a" if "302" in encrypted else "/", tls=True) == encrypted
            if case != "serve":
                assert running.curl(name, "/a" if "302" in plain else "/") == plain
            write_token(tmp_path)
            assert running.curl(name, CHALLENGE) == "200 token"
        # A name that is known is led to TLS.
        for name in ("joe.home.test", "www.example.net", "172.16.12.254"):
            assert running.curl(name, "/b") == f"301 https://{name}:{HTTPS_PORT}/b"
        # No certificate of anybody for a name that nobody has; one for who gives an address.
        fronted = running.curl("www.example.net", "/a", "-H", "Host: unknown.test", tls=True)
        # nginx says nothing, or what it says to all who name an unknown host.
        assert fronted != "200 both"


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("status", [403, 404, 410, 421, 503])
def test_whoever_names_a_host_that_nobody_has_gets_the_page(
    nginx: Path, tmp_path: Path, tls: dict[str, str], encrypted: bool, status: int
) -> None:
    """Whatever is asked for, and however."""
    line = "No \"such\" $host; {<b class='x'>here</b>} \\"
    given = {"unknown_host": {"page": line, "status": status}} | (tls if encrypted else {})
    with serving(node(**given), nginx, tmp_path) as running:
        for path in ("/", "/index.html", "/a/b?c", "/index.html/x"):
            for words in ((), ("-X", "POST", "-d", "x"), ("-X", "DELETE")):
                said = running.whole("unknown.test", path, *words, tls=encrypted)
                assert said.startswith(f"HTTP/1.1 {status} "), (path, words, said)
                assert said.endswith(f"\n\n{line}\n"), (path, words, said)
                assert "\nContent-Type: text/html\n" in said
                assert said.count("X-Content-Type-Options") == 1


def write_token(directory: Path) -> None:
    place = directory / "html" / ".well-known" / "acme-challenge"
    place.mkdir(parents=True, exist_ok=True)
    (place / "token").write_text("token\n")


@pytest.mark.parametrize(
    "given",
    [
        {"sites": [], "proxy": {"/": "app"}},
        {"sites": [], "paths": {"/": {"proxy": "app"}, "/.well-known/": {"proxy": "app"}}},
        {"paths": {"/.well-known/": {"page": "own"}}},
        {"unknown_host": "close"},
        {"unknown_host": 404, "proxy": {"/": "app"}},
    ],
    ids=["proxied", "paths", "well-known", "closed", "unknown"],
)
def test_an_authority_finds_its_challenge_before_there_is_tls(
    nginx: Path, tmp_path: Path, given: dict[str, Any]
) -> None:
    found = node(upstreams=UPSTREAM, **given)
    with serving(found, nginx, tmp_path, app=APPLICATION) as running:
        write_token(tmp_path)
        for name in ("unknown.test", "www.example.org", "joe.home.test", "172.16.12.254"):
            assert running.curl(name, CHALLENGE) == "200 token", name
        if "proxy" in given:
            assert running.curl("172.16.12.254", "/x") == "200 app /x"


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("answer", ["serve", "close"])
def test_challenges_that_somebody_answers_are_no_more_tandems(
    nginx: Path, tmp_path: Path, tls: dict[str, str], encrypted: bool, answer: str
) -> None:
    given: dict[str, Any] = {"proxy": {"/.well-known/acme-challenge/": "app"}}
    given |= tls if encrypted else {}
    found = node(sites=[], upstreams=UPSTREAM, unknown_host=answer, **given)
    with serving(found, nginx, tmp_path, app=APPLICATION) as running:
        write_token(tmp_path)
        for name in ("unknown.test", "172.16.12.254"):
            assert running.curl(name, CHALLENGE) == f"200 app {CHALLENGE}"


@pytest.mark.parametrize(
    ("gzip", "files", "applications"),
    [("static", False, False), ("text", True, False), ({"applications": True}, True, True)],
)
def test_text_is_compressed_where_somebody_wants_it(
    nginx: Path, tmp_path: Path, gzip: object, files: bool, applications: bool
) -> None:
    pages = {"/": {"page": "z" * 2000}, "/small": {"page": "z"}, "/app": {"proxy": "app"}}
    site = {"server_names": ["www.example.org"], "paths": pages}
    said = f'default_type text/css; return 200 "{"y" * 2000}"; gzip off;'
    answers = f"server {{ listen {HTTP_PORT + 1}; {said} }}"
    found = node(sites=[site], upstreams=UPSTREAM, gzip=gzip)
    with serving(found, nginx, tmp_path, app=answers) as running:
        for path, compressed in (("/", files), ("/small", False), ("/app", applications)):
            said = running.whole("www.example.org", path, "--compressed", tls=False)
            assert ("Content-Encoding: gzip" in said) is compressed, (path, said[:400])
            assert ("Vary: Accept-Encoding" in said) is compressed
            assert "Content-Encoding" not in running.whole("www.example.org", path, tls=False)


@pytest.mark.parametrize("all_of_them", [False, True])
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_site_under_maintenance_is_closed_but_for_those_who_work_on_it(
    nginx: Path, tmp_path: Path, tls: dict[str, str], encrypted: bool, all_of_them: bool
) -> None:
    closed = {"page": "<b class='x'>Back at noon</b>", "allow": ["127.0.0.9"], "retry_after_s": 60}
    paths = {"/": {"page": "open"}, "/api/": {"proxy": "app"}}
    site: dict[str, Any] = {"server_names": ["www.example.org"], "paths": paths}
    other: dict[str, Any] = {"server_names": ["example.net"], "page": "open"}
    given: dict[str, Any] = dict(tls if encrypted else {})
    (given if all_of_them else site)["maintenance"] = closed
    if all_of_them:
        other["maintenance"] = False
    found = node(sites=[site, other], upstreams=UPSTREAM, **given)
    with serving(found, nginx, tmp_path, app=APPLICATION) as running:
        write_token(tmp_path)
        for words in ((), ("-X", "POST", "-d", "x")):
            for path in ("/", "/api/"):
                assert running.curl("www.example.org", path, *words, tls=encrypted) == "503"
        worker = ("--interface", "127.0.0.9")
        assert running.curl("www.example.org", "/", *worker, tls=encrypted) == "200 open"
        assert running.curl("www.example.org", "/api/", *worker, tls=encrypted) == "200 app /api/"
        assert running.curl("example.net", tls=encrypted) == "200 open"
        assert running.curl("tandem", "/tandem-health") == "200 ok"
        assert running.curl("www.example.org", CHALLENGE) == "200 token"
        whole = running.whole("www.example.org", "/api/", tls=encrypted)
        assert "\nRetry-After: 60\n" in whole and whole.endswith(
            "\n\n<b class='x'>Back at noon</b>\n"
        )
        assert whole.count("X-Content-Type-Options") == 1 and "Content-Type: text/html\n" in whole


@pytest.mark.parametrize("verify", ["on", "optional"])
def test_a_site_lets_in_whoever_shows_a_certificate(
    nginx: Path, tmp_path: Path, tls: dict[str, str], verify: str
) -> None:
    ours = authority.issue(tmp_path / "ours", ["client"])
    clients = {"ca_file": str(ours.ca), "verify": verify, "depth": 1}
    paths = {"/": {"proxy": "app", "send_headers": {"X-Client": "$ssl_client_verify"}}}
    site = {"server_names": ["www.example.org"], "paths": paths, "client_certificates": clients}
    found = node(
        sites=[site, {"server_names": ["example.net"], "page": "open"}], upstreams=UPSTREAM, **tls
    )
    asked = f"server {{ listen {HTTP_PORT + 1}; return 200 $http_x_client; }}"
    with serving(found, nginx, tmp_path / "etc", app=asked) as running:
        shown = ("--cert", str(ours.certificate), "--key", str(ours.key))
        theirs = ("--cert", tls["tls_certificate"], "--key", tls["tls_key"])
        assert running.curl("www.example.org", "/", *shown, tls=True) == "200 SUCCESS"
        refused = "400" if verify == "on" else "200 NONE"
        assert running.curl("www.example.org", tls=True) == refused
        # Another's certificate is worse than none.
        assert running.curl("www.example.org", "/", *theirs, tls=True) == "400"
        assert running.curl("example.net", tls=True) == "200 open"
        # Whoever is let into another site is not by that in this one.
        fronted = running.curl("example.net", "/", "-H", "Host: www.example.org", tls=True)
        assert fronted == "421"


@pytest.mark.parametrize(("count", "length"), [(1, 200), (17, 46), (500, 60), (1200, 100)])
def test_as_many_and_as_long_names_as_somebody_has(
    nginx: Path, tmp_path: Path, count: int, length: int
) -> None:
    """nginx would not start with a longer name than its table has room for, and warns of many."""
    labels = ".".join(["y" * 40] * 5)
    names = [f"{number}.{labels}"[:length].rstrip(".") for number in range(count)]
    sites = [{"server_names": names, "page": "one"}]
    assert judged(node(sites=sites), nginx, tmp_path) == ""


def test_a_snippets_names_count_and_its_own_sizes_are_left_alone(
    nginx: Path, tmp_path: Path
) -> None:
    server = f"server {{ listen {HTTP_PORT}; server_name {LONG}; }}"
    assert judged(node(sites=[]), nginx, tmp_path / "a", own=server) == ""
    sizes = "server_names_hash_bucket_size 256; server_names_hash_max_size 4096;"
    assert judged(node(), nginx, tmp_path / "b", own=f"{sizes} {server.replace('x', 'z')}") == ""
