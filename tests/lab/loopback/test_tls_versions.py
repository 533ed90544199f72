"""A real nginx on loopback: the name in a handshake decides of HTTP/2 and HTTP/3.

Its build is what a lab of this checkout has compiled with `http3`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lab.gateway import authority
from tests.support.loopback.http3_client import asked, connected
from tests.support.loopback.real_nginx import Answer, RealNginx, builds, free_port

PLAIN, OLD, NEW = (f"{name}.example.org" for name in ("plain", "old", "new"))


@pytest.fixture(scope="module", params=[True, False], ids=["all", "one"])
def nginx(request: pytest.FixtureRequest) -> Iterator[RealNginx]:
    """What the cluster says is the parameter; one site each says the one and the other."""
    able = builds(http3=True)
    if not able:
        pytest.skip("no lab of this checkout has compiled an nginx with HTTP/3")
    with TemporaryDirectory(prefix="n-", dir="/tmp") as made:
        here = Path(made)
        here.chmod(0o755)
        issued = authority.issue(here, (PLAIN, OLD, NEW))
        given: dict[str, Any] = {
            "http2": request.param,
            "http3": request.param,
            "https_port": free_port(),
            "tls_certificate": str(issued.certificate),
            "tls_key": str(issued.key),
            "sites": [
                {"server_names": [PLAIN], "page": "plain"},
                {"server_names": [OLD], "page": "old", "http2": False, "http3": False},
                {"server_names": [NEW], "page": "new", "http2": True, "http3": True},
            ],
        }
        served = RealNginx(able[-1], here / "nginx", **given)
        assert served.test() == "", served.test()
        with served:
            yield served


def chosen(nginx: RealNginx, name: str) -> str | None:
    """What nginx chooses for a client of this name that speaks both."""
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", nginx.node.https_port), 10) as there,
        context.wrap_socket(there, server_hostname=name) as client,
    ):
        return client.selected_alpn_protocol()


def curl(nginx: RealNginx, name: str, *words: str) -> str:
    to = ["--connect-to", f"::127.0.0.1:{nginx.node.https_port}", "--noproxy", "*", "-m", "10"]
    asks = ["curl", "-qsk", *to, *words, f"https://{name}/"]
    return subprocess.run(asks, capture_output=True, text=True).stdout


def test_the_name_decides_of_http2(nginx: RealNginx) -> None:
    common = "h2" if nginx.node.http2 else "http/1.1"
    assert [chosen(nginx, name) for name in (OLD, NEW)] == ["http/1.1", "h2"]
    assert [chosen(nginx, name) for name in (PLAIN, "unknown.example.org")] == [common] * 2


def test_the_name_decides_of_http3(nginx: RealNginx) -> None:
    port = nginx.node.https_port
    assert asked(port, NEW).body == "new"
    with pytest.raises(ConnectionError):
        asked(port, OLD)
    for name in (PLAIN, "unknown.example.org"):
        if nginx.node.http3:
            assert asked(port, name).headers["server"] == "nginx"
        else:
            with pytest.raises(ConnectionError):
                asked(port, name)


def test_who_speaks_http3_tells_of_it(nginx: RealNginx) -> None:
    told = {name: "alt-svc" in curl(nginx, name, "-I").lower() for name in (PLAIN, OLD, NEW)}
    assert told == {PLAIN: nginx.node.http3, OLD: False, NEW: True}


def test_over_anothers_connection_a_site_without_is_not_served(nginx: RealNginx) -> None:
    """421: the client opens a connection of its own for it."""
    words = ("--http2", "-w", "%{http_version} %{http_code}", "-o", "/dev/null")
    assert curl(nginx, NEW, *words) == "2 200"
    assert curl(nginx, NEW, *words, "-H", f"Host: {OLD}") == "2 421"

    async def once() -> Answer:
        async with connected(nginx.node.https_port, NEW) as connection:
            return await connection.ask(OLD, "/")

    assert asyncio.run(once()).status == 421
