"""Each option of streams, and of upstreams that they lead to, with a real nginx on loopback.

Its build is what a lab of this checkout has compiled for the streams of a pair (test_streams.py,
which comes before this).
"""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lab.gateway import authority
from tests.support.loopback.loopback_servers import started
from tests.support.loopback.real_nginx import RealNginx, builds, free_port

NAME = "broker.example.org"
# The proxy in front, and where it comes to: the machine itself asks elsewhere.
PROXY, FRONT = "127.0.0.3", "127.0.0.2"
# What stands for it in the settings, which take nobody of the machine itself.
ELSEWHERE = "192.0.2.200"
WAITS_S = 5


class Echo(socketserver.StreamRequestHandler):
    """Says its server's name, and then each line back."""

    def handle(self) -> None:
        try:
            self.wfile.write(f"{self.server.name}\n".encode())  # type: ignore[attr-defined]
            for line in self.rfile:
                self.wfile.write(line)
        except OSError:
            return


class Datagrams(socketserver.BaseRequestHandler):
    """Says from which port each has come."""

    def handle(self) -> None:
        _, way = self.request
        way.sendto(str(self.client_address[1]).encode(), self.client_address)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, name: str, issued: authority.Issued | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.name = name
        if issued:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(issued.certificate, issued.key)
            self.socket = context.wrap_socket(self.socket, server_side=True)


class UnixServer(socketserver.ThreadingUnixStreamServer):
    name = "socket"
    daemon_threads = True


def echo(name: str, issued: authority.Issued | None = None) -> str:
    host, port = started(Server(name, issued))
    return f"{host}:{port}"


def streams_of(here: Path, right: authority.Issued) -> dict[str, dict[str, Any]]:
    others = authority.issue(here / "others", (NAME,))
    started(UnixServer(f"{here}/echo.sock", Echo))
    Path(f"{here}/echo.sock").chmod(0o666)
    several = [echo(name) for name in "abc"]
    encrypted = echo("encrypted", right)
    dead = f"127.0.0.1:{free_port()}"
    host, port = started(socketserver.ThreadingUDPServer(("127.0.0.1", 0), Datagrams))
    udp = {"protocol": "udp", "to": [f"{host}:{port}"]}
    front = {"to": [several[0]], "accept_proxy_protocol": True, "proxy_protocol": True}
    return {
        "turns": {"to": several},
        "hash": {"to": several, "balance": "hash"},
        "least": {"to": several[:2], "balance": "least_conn"},
        "few": {"to": [several[0]], "connections": 2},
        "backup": {"to": [dead, {"address": several[1], "backup": True}]},
        "spare": {"to": [several[0], {"address": several[1], "backup": True}]},
        "upstream": {"to": "app"},
        "socket": {"to": [f"unix:{here}/echo.sock"]},
        "common": {"to": [several[0]], "tls": True},
        "outside": {"to": [several[0]], "allow": ["192.0.2.0/24"]},
        "told": {"to": [several[0]], "proxy_protocol": True},
        "front": front,
        "front-allow": front | {"allow": ["192.0.2.0/24"]},
        "verified": {"to": [encrypted], "to_tls": {"name": NAME, "ca_file": str(right.ca)}},
        "wrong-ca": {"to": [encrypted], "to_tls": {"name": NAME, "ca_file": str(others.ca)}},
        "wrong-name": {
            "to": [encrypted],
            "to_tls": {"name": "other.example.org", "ca_file": str(right.ca)},
        },
        "careless": {"to": [encrypted], "to_tls": {"verify": False}},
        "idle": {"to": [several[0]], "idle_timeout_s": 0.3},
        "answers": udp | {"responses": 1},
        "questions": udp | {"requests": 2},
    }


@pytest.fixture(scope="module")
def nginx() -> Iterator[RealNginx]:
    able = builds(streams=True)
    if not able:
        pytest.skip("no lab of this checkout has compiled an nginx with streams")
    with TemporaryDirectory(prefix="n-", dir="/tmp") as made:
        here = Path(made)
        here.chmod(0o755)
        issued = authority.issue(here / "right", (NAME,))
        streams = {
            name: {"listen": free_port()} | it for name, it in streams_of(here, issued).items()
        }
        given: dict[str, Any] = {
            "streams": streams,
            "upstreams": {"app": {"servers": [echo("app")]}},
            "trusted_proxies": [ELSEWHERE],
            "https_port": free_port(),
            # (Its build may have been compiled without.)
            "http2": False,
            "tls_certificate": str(issued.certificate),
            "tls_key": str(issued.key),
        }
        served = RealNginx(able[-1], here / "nginx", **given)
        rendered = here / "nginx/etc/stream.conf"
        rendered.write_text(rendered.read_text().replace(ELSEWHERE, PROXY))
        assert served.test() == "", served.test()
        with served:
            yield served


def port_of(nginx: RealNginx, name: str) -> int:
    return next(stream.listen for stream in nginx.node.streams if stream.name == name)


@contextmanager
def connected(
    nginx: RealNginx, name: str, source: str = "127.0.0.1", to: str = "127.0.0.1"
) -> Iterator[socket.socket]:
    there = (to, port_of(nginx, name))
    with socket.create_connection(there, WAITS_S, source_address=(source, 0)) as connection:
        yield connection


def line(connection: socket.socket) -> str:
    """What comes up to a line's end, or to the connection's: that has no line's end then."""
    found = b""
    try:
        while not found.endswith(b"\n") and (more := connection.recv(1)):
            found += more
    except ConnectionResetError:
        pass
    return found.decode()


def answered(nginx: RealNginx, name: str, source: str = "127.0.0.1") -> str:
    """The name of the server that a new connection leads to, "" where it is closed."""
    with connected(nginx, name, source) as connection:
        return line(connection).strip()


def logged(nginx: RealNginx, pattern: str) -> bool:
    """Whether stream.log has such a line, soon."""
    deadline = time.monotonic() + WAITS_S
    while time.monotonic() < deadline:
        if re.search(pattern, (nginx.directory / "log/stream.log").read_text(), re.MULTILINE):
            return True
        time.sleep(0.05)
    return False


def test_servers_take_turns_but_for_one_address_with_hash(nginx: RealNginx) -> None:
    assert {answered(nginx, "turns") for _ in range(12)} == {"a", "b", "c"}
    found = {}
    for number in range(1, 13):
        source = f"127.0.1.{number}"
        of_one = {answered(nginx, "hash", source) for _ in range(4)}
        assert len(of_one) == 1 and of_one <= {"a", "b", "c"}
        found[source] = of_one.pop()
    assert len(set(found.values())) > 1, found


def test_least_conn_spares_the_server_that_is_kept(nginx: RealNginx) -> None:
    with connected(nginx, "least") as kept:
        busy = line(kept).strip()
        free = {"a": "b", "b": "a"}[busy]
        for _ in range(6):
            assert answered(nginx, "least") == free
            # (Until nginx has seen that one end, too.)
            time.sleep(0.05)


def test_one_address_has_so_many_connections_and_no_more(nginx: RealNginx) -> None:
    with connected(nginx, "few") as one, connected(nginx, "few") as two:
        assert line(one) == line(two) == "a\n"
        assert answered(nginx, "few") == ""
        assert answered(nginx, "few", "127.0.0.9") == "a"
    assert logged(nginx, rf"^127\.0\.0\.1 .* TCP {port_of(nginx, 'few')} 503 ")


@pytest.mark.parametrize(
    ("name", "server"),
    [("backup", "b"), ("upstream", "app"), ("socket", "socket"), ("outside", "")],
)
def test_it_leads_where_it_shall(nginx: RealNginx, name: str, server: str) -> None:
    assert answered(nginx, name) == server
    status = 200 if server else 403
    assert logged(nginx, rf"^127\.0\.0\.1 .* TCP {port_of(nginx, name)} {status} ")


def test_a_backup_is_left_alone_while_the_others_answer(nginx: RealNginx) -> None:
    assert {answered(nginx, "spare") for _ in range(6)} == {"a"}


def test_clients_are_shown_the_clusters_certificate(nginx: RealNginx) -> None:
    ca = Path(nginx.node.tls_certificate).parent / "ca.pem"
    context = ssl.create_default_context(cafile=str(ca))
    with (
        connected(nginx, "common") as plain,
        context.wrap_socket(plain, server_hostname=NAME) as encrypted,
    ):
        assert line(encrypted) == "a\n"
        encrypted.sendall(b"x\n")
        assert line(encrypted) == "x\n"


@pytest.mark.parametrize(
    ("name", "server"),
    [("verified", "encrypted"), ("careless", "encrypted"), ("wrong-ca", ""), ("wrong-name", "")],
)
def test_servers_are_believed_by_their_certificates(
    nginx: RealNginx, name: str, server: str
) -> None:
    assert answered(nginx, name) == server
    status = 200 if server else 502
    assert logged(nginx, rf" TCP {port_of(nginx, name)} {status} ")
    assert server or "upstream SSL certificate" in nginx.errors()


def test_a_server_is_told_who_the_client_is(nginx: RealNginx) -> None:
    with connected(nginx, "told", "127.0.0.9") as connection:
        assert line(connection) == "a\n"
        port = port_of(nginx, "told")
        assert re.fullmatch(
            rf"PROXY TCP4 127\.0\.0\.9 127\.0\.0\.1 \d+ {port}\r\n", line(connection)
        )


@pytest.mark.parametrize(
    ("name", "client", "server"),
    [
        ("front", "198.51.100.7", "a\n"),
        ("front-allow", "192.0.2.7", "a\n"),
        ("front-allow", "198.51.100.7", ""),
    ],
)
def test_a_balancer_in_front_says_who_the_client_is(
    nginx: RealNginx, name: str, client: str, server: str
) -> None:
    """Who may come in goes by that, the log and what the server is told as well."""
    port = port_of(nginx, name)
    with connected(nginx, name, PROXY, FRONT) as connection:
        connection.sendall(f"PROXY TCP4 {client} 192.0.2.1 5000 {port}\r\n".encode())
        assert line(connection) == server
        if server:
            assert line(connection).startswith(f"PROXY TCP4 {client} ")
    assert logged(nginx, rf"^{client} .* TCP {port} {200 if server else 403} ")


def test_nobody_else_is_believed_and_who_says_nothing_is_closed(nginx: RealNginx) -> None:
    port = port_of(nginx, "front")
    with connected(nginx, "front", "127.0.0.9", FRONT) as connection:
        connection.sendall(f"PROXY TCP4 203.0.113.9 192.0.2.1 5000 {port}\r\n".encode())
        line(connection)
        assert line(connection).startswith("PROXY TCP4 127.0.0.9 ")
    with connected(nginx, "front", PROXY, FRONT) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert line(connection) == ""
    # The machine itself asks without.
    assert answered(nginx, "front") == "a"


def test_what_is_silent_for_long_enough_has_ended(nginx: RealNginx) -> None:
    with connected(nginx, "idle") as connection:
        began = time.monotonic()
        assert line(connection) == "a\n"
        assert line(connection) == "" and time.monotonic() - began < WAITS_S


def test_a_session_of_datagrams_ends_after_so_many(nginx: RealNginx) -> None:
    """The server sees each session from a port of its own."""

    def ports(name: str) -> list[bytes]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.settimeout(WAITS_S)
            way.connect(("127.0.0.1", port_of(nginx, name)))
            found = []
            for _ in range(4):
                way.send(b"x")
                found.append(way.recv(100))
            return found

    assert len(set(ports("answers"))) == 4
    assert logged(nginx, rf"^127\.0\.0\.1 .* UDP {port_of(nginx, 'answers')} 200 ")
    one, two, three, four = ports("questions")
    assert one == two != three == four
