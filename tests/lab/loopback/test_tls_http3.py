"""A real nginx on loopback speaks HTTP/3 as the settings say, with a client that speaks it, too.

Its build is what a lab of this checkout has compiled with `http3`.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lab.gateway import authority
from tests.support.loopback.http3_client import asked
from tests.support.loopback.real_nginx import RealNginx, builds, free_port

SITE, CLIENTS, INSIDE, CLEARED, OWN = (
    f"{name}.example.org" for name in ("www", "clients", "inside", "cleared", "own")
)
# It is not asked whose certificate it is.
NOBODYS = ssl._create_unverified_context()
# A server of one's own, with TLS and without QUIC.
SNIPPET = """
server {
    listen 127.0.0.1:PORT ssl;
    server_name own.example.org;
    ssl_certificate DIRECTORY/tls/default.pem;
    ssl_certificate_key DIRECTORY/tls/default.key;
    return 200 "own";
}
"""
STOPS_S = 10


@pytest.fixture(scope="module")
def nginx() -> Iterator[RealNginx]:
    able = builds(http3=True)
    if not able:
        pytest.skip("no lab of this checkout has compiled an nginx with HTTP/3")
    with TemporaryDirectory(prefix="n-", dir="/tmp") as made:
        here = Path(made)
        here.chmod(0o755)
        issued = authority.issue(here, (SITE, CLIENTS, INSIDE, CLEARED, OWN))
        given = {
            "http3": True,
            "https_port": free_port(),
            "tls_certificate": str(issued.certificate),
            "tls_key": str(issued.key),
            "unknown_host": "close",
            "sites": [
                {
                    "server_names": [SITE],
                    "page": "over QUIC",
                    "headers": {"X-Asked": "$scheme $server_port $server_protocol $remote_addr"},
                },
                {
                    "server_names": [CLIENTS],
                    "page": "x",
                    "client_certificates": {"ca_file": str(issued.ca)},
                },
                {
                    "server_names": [INSIDE],
                    "paths": {"/": {"page": "x", "allow": ["10.0.0.0/8"]}},
                },
                {"server_names": [CLEARED], "page": "x", "headers": {"Alt-Svc": "clear"}},
            ],
        }
        served = RealNginx(able[-1], here / "nginx", **given)
        snippet = SNIPPET.replace("PORT", f"{served.node.https_port}")
        snippet = snippet.replace("DIRECTORY", f"{here}/nginx/etc")
        (here / "nginx/etc/conf.d/own.conf").write_text(snippet)
        assert served.test() == "", served.test()
        with served:
            yield served


def over_tls(nginx: RealNginx, host: str) -> http.client.HTTPResponse:
    """What comes by TCP. (With the host's name in the handshake, as it stands in the URL.)"""
    client = http.client.HTTPSConnection(host, nginx.node.https_port, timeout=10, context=NOBODYS)
    there = socket.create_connection(("127.0.0.1", nginx.node.https_port), 10)
    client.sock = NOBODYS.wrap_socket(there, server_hostname=host)
    client.request("GET", "/", headers={"Host": host})
    answer = client.getresponse()
    client.close()
    return answer


def test_a_client_is_answered_by_http3(nginx: RealNginx) -> None:
    answer = asked(nginx.node.https_port, SITE)
    assert (answer.status, answer.body) == (200, "over QUIC")
    port = nginx.node.https_port
    assert answer.headers["x-asked"] == f"https {port} HTTP/3.0 127.0.0.1"
    assert '"GET / HTTP/3.0" 200' in (nginx.directory / "log/access.log").read_text()


def test_who_may_not_come_by_tls_may_not_come_so(nginx: RealNginx) -> None:
    port = nginx.node.https_port
    assert asked(port, CLIENTS).status == 400, "without a certificate"
    assert asked(port, INSIDE).status == 403
    with pytest.raises(ConnectionError):
        asked(port, "unknown.example.org")
    # Nobody is led to another server than by TLS: a snippet's own is not there at all.
    with pytest.raises(ConnectionError):
        asked(port, OWN)


def test_it_is_told_of_over_tls_and_by_those_who_speak_it(nginx: RealNginx) -> None:
    told = f'h3=":{nginx.node.https_port}"; ma=3600'
    assert over_tls(nginx, SITE).getheader("Alt-Svc") == told
    assert over_tls(nginx, "localhost").getheader("Alt-Svc") == told
    assert over_tls(nginx, CLEARED).getheader("Alt-Svc") == "clear"
    own = over_tls(nginx, OWN)
    assert own.getheader("X-Frame-Options") and own.getheader("Alt-Svc") is None
    assert "alt-svc" not in nginx.ask("/", SITE).headers
    assert "alt-svc" not in nginx.ask("/tandem-health", "tandem").headers


def test_another_version_of_quic_is_answered_with_those_that_are_spoken(nginx: RealNginx) -> None:
    datagram = b"\xc0" + b"\x1a\x2a\x3a\x4a" + b"\x08" + bytes(8) + b"\x08" + bytes(8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", nginx.node.https_port))
        client.send(datagram.ljust(1200, b"\0"))
        answer = client.recv(2000)
    assert answer[1:5] == bytes(4), "a version negotiation"
    assert b"\x00\x00\x00\x01" in answer[5:], "version 1 of QUIC"


def test_after_a_reload_new_connections_are_answered(nginx: RealNginx) -> None:
    """As soon as the old workers have ended: until then they get datagrams of new ones."""
    log = nginx.directory / "log/error.log"
    ended = log.read_text().count("exited with code 0")
    os.kill(int((nginx.directory / "run/nginx.pid").read_text()), signal.SIGHUP)
    deadline = time.monotonic() + STOPS_S
    while log.read_text().count("exited with code 0") == ended:
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.05)
    assert [asked(nginx.node.https_port, SITE).status for _ in range(5)] == [200] * 5
