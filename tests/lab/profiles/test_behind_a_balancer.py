"""The pair with TLS behind a balancer: one that takes TLS off, and one that passes it on."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.gateway import authority
from lab.twin import Lab
from tests.support.clients.upstream_process import UpstreamProcess
from tests.support.lab.breaking import VIP, on
from tests.support.lab.deployment import QUICKLY_COMPILED, ROOT, Deployed, deploy, verify

GATEWAY, OTHER, PORT = "172.16.0.1", "172.16.12.62", 8121
APP, CLIENTS = "app.example.org", "clients.example.org"
RAW = (sys.executable, "-m", "tests.support.clients.raw_request")
STATUS = ("-o/dev/null", "-w%{http_code} %{redirect_url}")
BY_HTTPS = ("-H", "X-Forwarded-Proto: https")
# The lab's old nginx, and what its logs remember of earlier tests.
LABS_OWN = ("--data", "skip=NGX-19,NGX-24,KA-11,KA-19")


@dataclass(frozen=True)
class Fronted:
    """The pair, of which the lab's gateway is the balancer; `words`: its settings."""

    lab: Lab
    words: tuple[str, ...]
    site: authority.Issued
    client: authority.Issued

    def asks(self, url: str, *words: str) -> list[str]:
        """curl, which wants the site's certificate."""
        host = url.split("/")[2]
        to = [word for port in (80, 443) for word in ("--resolve", f"{host}:{port}:{VIP}")]
        asks = ["curl", "-sS", "-m", "4", *to, "--cacert", str(self.site.ca)]
        return [*asks, *words, url]

    def balancer(self, url: str, *words: str) -> str:
        """ "STATUS REDIRECT" of what the balancer is answered."""
        return str(self.lab.run(self.asks(url, *STATUS, *words)).stdout)

    def headers(self, url: str, *words: str) -> dict[str, str]:
        """What the application has heard from nginx."""
        said: dict[str, str] = json.loads(self.lab.run(self.asks(url, *words)).stdout)
        return said

    @property
    def shown(self) -> tuple[str, ...]:
        return "--cert", str(self.client.certificate), "--key", str(self.client.key)

    def deploy(self, *words: str) -> None:
        done = deploy(self.lab, *self.words, *words)
        assert done.returncode == 0, done.stdout
        settled = verify(self.lab, *self.words, *words, "--data", "wait=30", *LABS_OWN)
        assert settled.returncode == 0, settled.stdout


@pytest.fixture(scope="module")
def fronted(lab: Lab, deployed: Deployed) -> Iterator[Fronted]:
    site = authority.issue(lab.state.root, (VIP, APP, CLIENTS), name="fronted")
    client = authority.issue(lab.state.root / "clients", ("client",))
    told = {"X-Client": "$ssl_client_verify"}
    paths = {"/": {"proxy": "app", "send_headers": told}}
    sites = [
        {"server_names": [APP], "paths": paths},
        {
            "server_names": [CLIENTS],
            "paths": paths,
            "client_certificates": {"ca_file": str(client.ca)},
        },
    ]
    settings = {
        "tls_certificate": site.certificate,
        "tls_key": site.key,
        "sites": json.dumps(sites),
        "upstreams": json.dumps({"app": {"servers": [f"{GATEWAY}:{PORT}"]}}),
        "trusted_proxies": json.dumps([GATEWAY]),
        "nginx_extra_flags": json.dumps(QUICKLY_COMPILED),
    }
    words = [word for key, value in settings.items() for word in ("--data", f"{key}={value}")]
    application = UpstreamProcess(lab, GATEWAY, PORT)
    application.start()
    try:
        now = Fronted(lab, tuple(words), site, client)
        now.deploy()
        yield now
    finally:
        application.kill()
        back = deploy(lab)
        assert back.returncode == 0, back.stdout
        settled = verify(lab, "--data", "wait=60", *LABS_OWN)
        assert settled.returncode == 0, settled.stdout


def test_where_it_takes_tls_off_nobody_is_led_in_circles(lab: Lab, fronted: Fronted) -> None:
    said = fronted.headers(f"https://{APP}/headers")
    assert (said["host"], said["x-forwarded-proto"]) == (APP, "https")
    assert fronted.balancer(f"http://{APP}/", *BY_HTTPS) == "200 "
    assert fronted.balancer(f"http://{APP}/") == f"301 https://{APP}/"
    # Whoever is not trusted says what it likes.
    theirs = fronted.asks(f"http://{APP}/", *STATUS, "--interface", OTHER, *BY_HTTPS)
    theirs.remove("--cacert")
    theirs.remove(str(fronted.site.ca))
    assert on(lab, "host2", shlex.join(theirs)) == f"301 https://{APP}/"


def test_nobody_comes_past_a_clients_certificate_by_its_word(fronted: Fronted) -> None:
    """What it takes TLS off has shown none, and a site that wants one does not serve it."""
    url = f"https://{CLIENTS}/headers"
    assert fronted.headers(url, *fronted.shown)["x-client"] == "SUCCESS"
    assert fronted.balancer(url) == "400 "
    assert fronted.balancer(f"http://{CLIENTS}/", *BY_HTTPS) == "403 "
    assert fronted.balancer(f"http://{CLIENTS}/") == f"301 {url.removesuffix('headers')}"
    assert fronted.balancer(f"http://{CLIENTS}/.well-known/acme-challenge/x") == "404 "


def test_where_it_passes_tls_on_certificates_come_through(lab: Lab, fronted: Fronted) -> None:
    """By PROXY protocol. The last one: the pair stays so until the module has ended."""
    fronted.deploy("--data", "proxy_protocol=True")
    url, by = f"https://{CLIENTS}/headers", "--haproxy-protocol"
    said = fronted.headers(url, *fronted.shown, by)
    assert (said["x-client"], said["x-real-ip"]) == ("SUCCESS", GATEWAY)
    assert fronted.balancer(url, by) == "400 "
    assert fronted.balancer(f"https://{APP}/", by) == "200 "
    begins = "PROXY TCP4 192.0.2.7 192.0.2.8 5000 443"
    for name, status in ((APP, "200"), (CLIENTS, "403")):
        request = f"{begins}\r\nGET /headers HTTP/1.0\r\nHost: {name}\r\n\r\n"
        answer = lab.run([*RAW, VIP, "80", request], cwd=ROOT).stdout
        assert answer.split()[1] == status, answer
