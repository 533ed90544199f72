"""A real nginx on loopback does what sites' settings say.

Its builds are what labs of this checkout have compiled.
"""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lab.gateway import authority
from tests.support.lab.deployment import ROOT
from tests.support.loopback.loopback_servers import Application, NameServer, application, started
from tests.support.loopback.one_of_everything import NAME, one_of_everything
from tests.support.loopback.real_nginx import Answer, Build, RealNginx, free_port

GRPC_PORT = free_port()


@pytest.fixture(scope="module")
def served(newest: Build) -> Iterator[RealNginx]:
    """One of everything."""
    with TemporaryDirectory(prefix="n-", dir="/tmp") as made:
        here = Path(made)
        here.chmod(0o755)
        given = one_of_everything(here)
        if newest.has_grpc:
            given["upstreams"]["rpc"] = {"servers": [f"127.0.0.1:{GRPC_PORT}"]}
            paths = {"/tandem.Echo/": {"grpc": "rpc"}}
            given["sites"].append({"server_names": ["grpc.example.org"], "paths": paths})
        with RealNginx(newest, here / "nginx", **given, client_body_timeout_s=1) as nginx:
            yield nginx


def site(served: RealNginx, path: str, **more: Any) -> Answer:
    return served.ask(path, "www.example.org", **more)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/app/x", 200),
        ("/socket/x", 200),
        ("/secure/x", 200),
        ("/wrong-ca/x", 502),
        ("/wrong-name/x", 502),
        ("/careless/x", 200),
        ("/pieces/x", 200),
        ("/inside/x", 403),
        ("/mine/x", 200),
        ("/page", 200),
        ("/page/more", 404),
        ("/d/there.txt", 200),
        ("/d/missing.txt", 404),
        # Nothing beside the directory; and no application reads another path than nginx does, where
        # not everybody may ask for every path.
        ("/app/../inside/x", 400),
        ("/app/%2E./inside/x", 400),
        ("/app/..", 400),
        ("/app/a..b/..c?/../", 200),
        ("/d../secret.txt", 404),
        ("/d/../secret.txt", 400),
        ("/d/..%2fsecret.txt", 400),
        ("/d/%2e%2e/secret.txt", 400),
    ],
)
def test_who_is_answered_and_who_is_not(served: RealNginx, path: str, status: int) -> None:
    assert site(served, path).status == status, served.errors()[-2000:]


def test_an_application_gets_the_path_as_it_was_asked_for(served: RealNginx) -> None:
    assert json.loads(site(served, "/app/a%2Fb//c?x=%20").body)["path"] == "/app/a%2Fb//c?x=%20"


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("", "/"),
        ("x", "/x"),
        ("x/y?a=b&c=%20", "/x/y?a=b&c=%20"),
        ("a%20b", "/a%20b"),
        ("a%3Fb?c", "/a%3Fb?c"),
        ("a%0Ab", "/a%0Ab"),
    ],
)
def test_a_path_is_taken_off(served: RealNginx, asked: str, got: str) -> None:
    assert json.loads(site(served, f"/strip.ped/{asked}").body)["path"] == got


def test_headers_go_in_and_out(served: RealNginx) -> None:
    lies = {"X-Forwarded-Host": "evil", "X-Forwarded-Port": "1", "Forwarded": "host=evil"}
    answer = site(served, "/told/x?y", headers=lies)
    told = json.loads(answer.body)
    assert not {name.lower() for name in lies} & told.keys()
    assert told["host"] == "inside.example.org"
    assert told["x-script-name"] == "/told" and told["x-asked"] == "/told/x?y"
    assert told["x-forwarded-for"] == "127.0.0.1" and "x-real-ip" not in told
    assert "x-powered-by" not in answer.headers
    assert site(served, "/app/").headers["x-powered-by"] == "test"


def test_passwords_limits_and_sizes(served: RealNginx) -> None:
    refused = site(served, "/staff/")
    assert refused.status == 401 and refused.headers["www-authenticate"] == 'Basic realm="Staff"'
    known = {"Authorization": "Basic YW5uYTpzZWNyZXQ="}
    assert site(served, "/staff/", headers=known).body == "staff"
    assert site(served, "/staff/", headers={"Authorization": "Basic YW5uYTp4"}).status == 401
    assert sorted(site(served, "/few/").status for _ in range(6))[-3:] == [429] * 3
    body = bytes(1_500_000)
    assert site(served, "/small/x", body=body).status == 413
    assert json.loads(site(served, "/large/x", body=body).body)["body"] == len(body)
    assert json.loads(site(served, "/pieces/x", body=body[:900_000]).body)["body"] == 900_000


def test_what_is_said_for_a_whole_site_holds_but_for_a_path_that_says_otherwise(
    served: RealNginx,
) -> None:
    known = {"headers": {"Authorization": "Basic YW5uYTpzZWNyZXQ="}}
    body = bytes(1_500_000)
    asked: list[tuple[str, dict[str, Any]]] = [
        *(("/", {}), ("/app/", {}), ("/hook/", {}), ("/", known), ("/app/", known)),
        *(("/app/", known | {"body": body}), ("/hook/", {"body": body})),
    ]
    answers = [served.ask(path, "staff.example.org", **more).status for path, more in asked]
    assert answers == [401, 401, 200, 200, 200, 200, 413]


def test_files_pages_and_redirects(served: RealNginx) -> None:
    assert site(served, "/d/there.txt").body == "text"
    assert site(served, "/d/").body == "the application", "the index comes before a listing"
    assert site(served, "/spa/some/where").body == "the application"
    assert site(served, "/spa/there.txt").body == "text"
    page = site(served, "/page")
    assert page.body == "one line" and page.headers["content-type"].startswith("text/html")
    moved = site(served, "/old/a?b=c")
    assert moved.status == 308 and moved.headers["location"] == "https://www.example.org/old/a?b=c"
    assert site(served, "/").body == "www"


# --- FastCGI and uwsgi ----------------------------------------------------------------------------


def script(served: RealNginx, path: str, host: str = "php.example.org", **more: Any) -> Any:
    answer = served.ask(path, host, **more)
    assert answer.status == 200, (answer, served.errors()[-2000:])
    return json.loads(answer.body)


def test_a_script_is_found_by_its_path(served: RealNginx) -> None:
    told = script(served, "/a.php?x=1", headers={"Proxy": "http://evil", "X-Asked": "mine"})
    root = told["DOCUMENT_ROOT"]
    assert told["SCRIPT_FILENAME"] == f"{root}/a.php" and Path(root, "a.php").is_file()
    assert (told["SCRIPT_NAME"], told["QUERY_STRING"]) == ("/a.php", "x=1")
    assert "HTTP_PROXY" not in told and told["HTTP_X_ASKED"] == "/a.php?x=1"
    assert told["SERVER_NAME"] == "php.example.org" and told["REMOTE_ADDR"] == "127.0.0.1"
    assert script(served, "/")["SCRIPT_NAME"] == "/index.php"
    assert script(served, "/sub/?x=1")["QUERY_STRING"] == "x=1"
    for _ in range(3):  # on one connection, which is kept
        assert script(served, "/a.php", body=b"x" * 70_000)["body"] == 70_000


@pytest.mark.parametrize(
    "path", ["/upload.jpg/x.php", "/missing.php", "/a.php/x.php", "/..%2fa.php", "/a.php%00.jpg"]
)
def test_what_is_no_script_is_not_run(served: RealNginx, path: str) -> None:
    assert served.ask(path, "php.example.org").status in (400, 403, 404)


def test_files_beside_scripts_are_served(served: RealNginx) -> None:
    assert served.ask("/upload.jpg", "php.example.org").body == "no script"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/.env", 403),
        ("/.git/config", 403),
        ("/sub/.x.php", 403),
        ("/.well-known/security.txt", 200),
    ],
)
def test_what_lies_hidden_beside_scripts_is_nobodys(
    served: RealNginx, path: str, status: int
) -> None:
    assert served.ask(path, "php.example.org").status == status


def test_a_front_script_is_asked_for_what_is_no_file(served: RealNginx) -> None:
    told = script(served, "/some/page?a=b", "front.example.org")
    assert (told["SCRIPT_NAME"], told["QUERY_STRING"]) == ("/index.php", "a=b")
    assert told["REQUEST_URI"] == "/some/page?a=b"
    assert served.ask("/upload.jpg", "front.example.org").body == "no script"
    assert served.ask("/upload.jpg/x.php", "front.example.org").status == 404
    for path in ("/index.php/more", "/a.php/"):
        assert served.ask(path, "front.example.org").status == 403


def test_a_script_is_told_of_no_user_whom_nobody_has_let_in(served: RealNginx) -> None:
    told = script(served, "/a.php", headers={"Authorization": "Basic YW5uYTp4"})
    assert "REMOTE_USER" not in told


def test_a_large_request_reaches_the_script_of_a_directory(served: RealNginx) -> None:
    assert script(served, "/", body=bytes(2_000_000))["body"] == 2_000_000
    assert served.ask("/", "php.example.org", body=bytes(4_000_000)).status == 413


def test_one_script_answers_everything(served: RealNginx) -> None:
    for path, name, info in (("/x/y", "/a.php", "/x/y"), ("/app/x", "/app/a.php", "/x")):
        told = script(served, f"{path}?q=1", "one.example.org", headers={"Proxy": "http://evil"})
        assert told["SCRIPT_FILENAME"] == f"{told['DOCUMENT_ROOT']}/a.php"
        assert Path(told["SCRIPT_FILENAME"]).is_file()
        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == (name, info)
        assert (told["REQUEST_URI"], told["QUERY_STRING"]) == (f"{path}?q=1", "q=1")
        assert "HTTP_PROXY" not in told


def test_uwsgi(served: RealNginx) -> None:
    answer = site(served, "/wsgi/x?y", body=b"x" * 70_000, headers={"Proxy": "http://evil"})
    told = json.loads(answer.body)
    assert (told["PATH_INFO"], told["QUERY_STRING"], told["body"]) == ("/wsgi/x", "y", 70_000)
    assert "HTTP_PROXY" not in told and told["HTTP_X_SCRIPT_NAME"] == "/wsgi"


# --- gRPC -----------------------------------------------------------------------------------------


def test_a_stream_may_be_long_and_silent(served: RealNginx, newest: Build) -> None:
    """Longer than any other request may be, and silent for longer."""
    if not newest.has_grpc:
        pytest.skip("no build with HTTP/2 is there: test_applications.py makes one")
    words = [sys.executable, "-m", "tests.support.clients.grpc_talk"]
    serving = [*words, "serve", f"127.0.0.1:{GRPC_PORT}"]
    with subprocess.Popen(serving, cwd=ROOT, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout and server.stdout.readline() == b"ready\n"
            told = subprocess.check_output(
                [*words, "silent", f"127.0.0.1:{served.port}", "2.5"], cwd=ROOT, timeout=60
            )
        finally:
            server.terminate()
    assert json.loads(told) == {"answered": 4, "problem": ""}, served.errors()[-2000:]
    # The same port answers HTTP/1.1.
    assert site(served, "/").body == "www"


# --- names that are looked up again ---------------------------------------------------------------


def test_a_changed_address_is_picked_up(newest: Build, place: Path) -> None:
    class Answers(NameServer):
        """Its own address, which changes."""

    names = started(socketserver.ThreadingUDPServer(("127.0.0.1", 0), Answers))
    port = application("127.0.0.1").rpartition(":")[2]
    other = ThreadingHTTPServer(("127.0.0.2", int(port)), Application)
    started(other)
    given: dict[str, Any] = {
        "upstreams": {"app": {"servers": [f"{NAME}:{port}"], "resolve": True}},
        "paths": {"/strip.ped/": {"proxy": "app", "strip_path": True}, "/": {"proxy": "app"}},
        "resolver": [f"127.0.0.1:{names[1]}"],
    }

    def asked_whom(nginx: RealNginx) -> str:
        log = place / "nginx/log/access.log"
        size = log.stat().st_size
        assert nginx.ask("/x").status == 200, nginx.errors()[-2000:]
        deadline = time.monotonic() + 5
        while len(log.read_text()) == size and time.monotonic() < deadline:
            time.sleep(0.01)
        return "127.0.0.2" if f"127.0.0.2:{port}" in log.read_text()[size:] else "127.0.0.1"

    right = authority.issue(place / "right", (NAME,))
    secure = application(tls=right).rpartition(":")[2]
    # The name of its only server is whom nginx believes, and asks for.
    tls = {"ca_file": str(right.ca)}
    given["upstreams"]["secure"] = {"servers": [f"{NAME}:{secure}"], "resolve": True, "tls": tls}
    given["paths"]["/secure/"] = {"proxy": "secure"}
    with RealNginx(newest, place / "nginx", **given) as nginx:
        assert nginx.ask("/secure/").status == 200, nginx.errors()[-2000:]
        assert asked_whom(nginx) == "127.0.0.1"
        Answers.address = "127.0.0.2"
        deadline = time.monotonic() + 10
        while asked_whom(nginx) != "127.0.0.2":
            assert time.monotonic() < deadline, "the address of a minute ago"
            time.sleep(0.3)
        for asked, got in (("a%20b?c=d", "/a%20b?c=d"), ("a%0Ab", "/a%0Ab"), ("", "/")):
            answer = nginx.ask(f"/strip.ped/{asked}")
            assert json.loads(answer.body)["path"] == got
