"""The reverse proxy with its cache, perl, and the limits, on the pair; put back at the end."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.results import DrillVerdict, Report, from_json
from lab.twin import Lab
from tests.support.clients.upstream_process import UpstreamProcess
from tests.support.lab.deployment import (
    QUICKLY_COMPILED,
    ROOT,
    Deployed,
    deploy,
    verify,
)
from tests.support.lab.drill_runs import drill
from tests.support.lab.pair import changed_nothing, on

HOSTS = ("host1", "host2")
VIP = "172.16.12.254"
# The lab's own end of the network, as the machines see it.
GATEWAY = "172.16.0.1"
PORTS = (8101, 8102)
UPSTREAMS = {
    "app": {
        "servers": [{"address": f"{GATEWAY}:{port}", "fail_timeout_s": 1} for port in PORTS],
    },
    "live": {"servers": [f"{GATEWAY}:{PORTS[0]}"], "websocket": True},
}
PROXY = {"/": "app", "/headers": {"upstream": "app", "cache": False}, "/echo": "live"}
CACHE = {"path": "/var/cache/nginx", "size_mb": 64, "zone_mb": 1, "valid_s": {"200": 1}}
CURL = ("curl", "-s", "--max-time", "5")
RAW = (sys.executable, "-m", "tests.support.clients.raw_request")
PERL = """\
package Tandem::Test;
use strict;
use warnings;
use nginx;

sub handler {
    my $r = shift;
    $r->send_http_header("text/plain");
    $r->print("perl says ", $r->uri, "\\n") unless $r->header_only;
    return OK;
}
1;
"""
PERL_CONF = """\
perl_require  Test.pm;
perl_set      $backwards  'sub { return scalar reverse shift->uri; }';
server {
    listen    8099;
    location  /         { perl Tandem::Test::handler; }
    location  /turned/  { return 200 "$backwards\\n"; }
}
"""


def settings() -> tuple[str, ...]:
    given = {"upstreams": UPSTREAMS, "proxy": PROXY, "cache": CACHE, "perl": True}
    given |= {"listen_backlog": 5000, "nginx_extra_flags": QUICKLY_COMPILED}
    given["trusted_proxies"] = [GATEWAY, "10.0.0.0/8"]
    return tuple(
        word for name, value in given.items() for word in ("--data", f"{name}={json.dumps(value)}")
    )


# The words that a deploy is given, and what they name.
Proxy = tuple[tuple[str, ...], tuple[UpstreamProcess, ...]]


@pytest.fixture(scope="module")
def proxy(
    lab: Lab, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """Two applications behind the pair, and the words that say so; without them afterwards."""
    assert "perl" not in on(lab, "host1", "nginx -V 2>&1"), "without the setting it is not built"
    snippets = tmp_path_factory.mktemp("snippets")
    (snippets / "perl.conf").write_text(PERL_CONF)
    (snippets / "Test.pm").write_text(PERL)
    words = (*settings(), "--data", f"nginx_snippets={snippets}")
    applications = tuple(UpstreamProcess(lab, GATEWAY, port) for port in PORTS)
    for application in applications:
        application.start()
    try:
        done = deploy(lab, *words)
        assert done.returncode == 0, done.stdout
        yield words, applications
    finally:
        for application in applications:
            application.kill()
        done = deploy(lab)
        assert done.returncode == 0, done.stdout
    for host in HOSTS:
        assert "perl" not in on(lab, host, "nginx -V 2>&1")
        assert on(lab, host, "ls /etc/sysctl.d/62-tandem* /etc/nginx/upstreams.conf || :") == ""
        assert on(lab, host, "cat /proc/sys/net/core/somaxconn") == "4096"


def asked(lab: Lab, *paths: str) -> list[dict[str, str]]:
    """Status, X-Cache-Status and body of each path, through the VIP, one after another."""
    words = [*CURL, "-w", "\x1e%{http_code} %header{x-cache-status}\x1e"]
    said = lab.run([*words, *(f"http://{VIP}{path}" for path in paths)]).stdout
    *fields, _ = said.split("\x1e")
    return [
        {"body": body, "status": last.split(" ")[0], "cache": last.split(" ")[1]}
        for body, last in zip(fields[::2], fields[1::2], strict=True)
    ]


def test_idle_connections_are_held_and_accounted_for(
    lab: Lab, deployed: Deployed, tmp_path: Path
) -> None:
    idle = ("drills=idle-connections", "repeats=1", "hold=5")
    refused = drill(lab, *idle, "idle=10000")
    assert "10000 idle connections need worker_connections = " in refused.stdout
    done = drill(lab, *idle, "idle=2000", f"report={tmp_path}")
    report: Report = from_json((tmp_path / "drills.json").read_bytes())
    (found,) = report.drills
    assert found.verdict is DrillVerdict.PASSED, done.stdout
    (note,) = found.repeats[0].notes
    assert "host1 held 2000 for 5 s" in note
    each = re.search(r"per connection nginx ([\d.]+) kB .*kernel ([\d.]+) kB", note)
    assert each and 0 < float(each[1]) < 20, note


def test_it_verifies_and_a_second_deploy_changes_nothing(lab: Lab, proxy: Proxy) -> None:
    words, _ = proxy
    done = verify(lab, *words, "--data", "wait=20")
    assert done.returncode == 0, done.stdout
    assert re.search(r"NGX-22 .* ok +ok", done.stdout), done.stdout
    assert re.search(r"SYS-03 .* ok +ok", done.stdout), done.stdout
    again = deploy(lab, *words)
    assert changed_nothing(again.stdout)


def test_limits_go_through_to_the_kernel(lab: Lab, proxy: Proxy) -> None:
    for host in HOSTS:
        assert on(lab, host, "cat /proc/sys/net/core/somaxconn") == "5000"
        assert on(lab, host, "ss -Hltn 'sport = :80' | awk '{ print $3 }'") == "5000"


def test_an_application_gets_what_the_client_asked_for(lab: Lab, proxy: Proxy) -> None:
    (answer,) = asked(lab, "/headers")
    sent = json.loads(answer["body"])
    assert sent["host"] == VIP
    assert sent["x-forwarded-for"] == sent["x-real-ip"] != VIP
    assert sent["x-forwarded-proto"] == "http"
    assert "connection" not in sent
    assert answer["cache"] == ""


def test_proxies_in_front_are_believed_and_nobody_else(lab: Lab, proxy: Proxy) -> None:
    said = {
        "X-Forwarded-For": "1.1.1.1, 2001:db8::7, 10.1.2.3",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "www.example.org",
        "Forwarded": "for=1.1.1.1",
    }
    words = [word for name, value in said.items() for word in ("-H", f"{name}: {value}")]
    asks = [*CURL, *words, f"http://{VIP}/headers"]
    names = ("for", "proto", "host", "port")
    # Through the lab's end of the network, which is trusted, and from a machine of the cluster.
    behind = json.loads(lab.run(asks).stdout)
    told = ("2001:db8::7", "https", "www.example.org", "443")
    assert tuple(behind.get(f"x-forwarded-{name}") for name in names) == told
    itself = json.loads(on(lab, "host2", shlex.join(asks)))
    told_of_itself = ("172.16.12.62", "http", None, "80")
    assert tuple(itself.get(f"x-forwarded-{name}") for name in names) == told_of_itself
    assert "forwarded" not in behind.keys() | itself.keys()
    log = on(lab, "host1", "grep 'GET /headers' /var/log/nginx/access.log | tail -n 2")
    for line, client, connected in zip(
        log.splitlines(), ("2001:db8::7", "172.16.12.62"), (GATEWAY, "172.16.12.62"), strict=True
    ):
        assert line.startswith(f"{client} ") and line.endswith(f" {connected}"), log
    asks = [*CURL, "-o/dev/null", "-w%{http_code}", "-H", "X-Forwarded-For: 127.0.0.1"]
    assert lab.run([*asks, f"http://{VIP}/nginx_status"]).stdout == "403"


def test_the_cache_answers_nine_of_ten(lab: Lab, proxy: Proxy) -> None:
    answers = asked(lab, "/page/ratio", *["/page/ratio"] * 19)
    found = Counter(answer["cache"] for answer in answers)
    assert found["HIT"] + found["STALE"] + found["UPDATING"] >= 18, found
    log = on(lab, "host1", "grep /page/ratio /var/log/nginx/access.log | tail -n 20")
    assert log.count(f" HIT {GATEWAY}\n") >= 15, log
    assert on(lab, "host1", "pgrep -u nginx -f 'nginx: cache manager'")
    assert on(lab, "host1", "find /var/cache/nginx -type f | wc -l") != "0"


def test_a_killed_upstream_costs_clients_nothing(lab: Lab, proxy: Proxy) -> None:
    _, (first, _) = proxy
    paths = [f"/live/{number}" for number in range(200)]
    each = f"curl -s -o /dev/null -w '%{{http_code}}\\n' --max-time 5 http://{VIP}/page/kill$n"
    asks = lab.run_command(["sh", "-c", f"for n in $(seq 150); do {each}; done"])
    killed = subprocess.Popen(asks, stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    first.kill()
    try:
        said, _ = killed.communicate(timeout=60)
        assert Counter(said.split()) == {"200": 150}
        after = asked(lab, *paths[:20])
        assert {answer["body"].split()[0] for answer in after} == {f"app{PORTS[1]}"}
    finally:
        first.start()


def test_a_post_is_not_sent_twice(lab: Lab, proxy: Proxy) -> None:
    done = lab.run(["curl", "-s", "-d", "x=1", "-w", "%{http_code}", f"http://{VIP}/post"])
    assert done.stdout.endswith("502")
    posts = [
        int(lab.run(["curl", "-s", f"http://{GATEWAY}:{port}/posts"]).stdout) for port in PORTS
    ]
    assert sum(posts) == 1


def test_old_answers_when_all_upstreams_are_dead(lab: Lab, proxy: Proxy) -> None:
    _, applications = proxy
    time.sleep(2)  # what other tests broke is taken back into service after its fail_timeout_s
    (fresh,) = asked(lab, "/page/stale")
    assert fresh["status"] == "200", fresh
    for application in applications:
        application.kill()
    try:
        time.sleep(2.5)  # nginx counts whole seconds
        answers = asked(lab, "/page/stale", "/page/stale", "/never/asked")
        assert [(a["status"], a["body"]) for a in answers[:2]] == [("200", fresh["body"])] * 2
        assert {a["cache"] for a in answers[:2]} <= {"STALE", "UPDATING"}
        assert answers[2]["status"] == "502"
    finally:
        for application in applications:
            application.start()


WEB_SOCKET = f"""\
import socket
s = socket.create_connection(("{VIP}", 80), 5)
s.sendall(b"GET /echo HTTP/1.1\\r\\nHost: vip\\r\\n"
          b"Upgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
          b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n")
head = b""
while b"\\r\\n\\r\\n" not in head:
    head += s.recv(4096)
print(head.decode())
s.sendall(b"\\x81\\x85\\x01\\x02\\x03\\x04iFohn")
print(s.recv(100).hex())
"""


def test_a_web_socket_passes(lab: Lab, proxy: Proxy) -> None:
    said = lab.run([sys.executable, "-c", WEB_SOCKET]).stdout
    assert said.startswith("HTTP/1.1 101 ")
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in said  # RFC 6455's own example
    assert b"\x81\x85\x01\x02\x03\x04iFohn".hex() in said


def test_perl_answers_on_both(lab: Lab, proxy: Proxy) -> None:
    for address in ("172.16.12.61", "172.16.12.62"):
        said = lab.run(
            ["curl", "-s", f"http://{address}:8099/a/b", f"http://{address}:8099/turned/x"]
        )
        assert said.stdout == "perl says /a/b\nx/denrut/\n"


def test_an_open_cache_and_a_low_limit_are_found(lab: Lab, proxy: Proxy) -> None:
    words, _ = proxy
    on(lab, "host2", "chmod 755 /var/cache/nginx && sysctl -q -w net.core.somaxconn=1000")
    try:
        done = verify(lab, *words, "--data", "only=NGX,SYS")
        assert done.returncode == 1
        assert re.findall(r"FAIL (\S+) host2", done.stdout) == ["NGX-22", "SYS-03"], done.stdout
        assert "/var/cache/nginx is 755 nginx:nginx" in done.stdout
        assert "net.core.somaxconn is 1000, less than 5000" in done.stdout
    finally:
        on(lab, "host2", "chmod 700 /var/cache/nginx && sysctl -q -w net.core.somaxconn=5000")


def test_the_vip_serves_what_comes_in_proxy_protocol_alone(lab: Lab, proxy: Proxy) -> None:
    """The last one: the pair stays so until the module has ended."""
    words, _ = proxy
    words = (*words, "--data", "proxy_protocol=True")
    done = deploy(lab, *words)
    assert done.returncode == 0, done.stdout
    settled = verify(lab, *words, "--data", "wait=20", "--data", "skip=NGX-19,NGX-24")
    assert settled.returncode == 0, settled.stdout
    asks = [*CURL, "-H", "X-Forwarded-Proto: https", f"http://{VIP}/headers"]
    assert lab.run(asks).returncode == 52  # an empty reply
    sent = json.loads(lab.run([*asks, "--haproxy-protocol"]).stdout)
    assert (sent["x-real-ip"], sent["x-forwarded-proto"]) == (GATEWAY, "http")
    for begins, client, scheme in (
        ("PROXY TCP4 192.0.2.7 192.0.2.8 5000 443", "192.0.2.7", "https"),
        ("PROXY UNKNOWN", GATEWAY, "http"),
    ):
        request = f"{begins}\r\nGET /headers HTTP/1.0\r\nHost: vip\r\n\r\n"
        said = lab.run([*RAW, VIP, "80", request], cwd=ROOT).stdout
        sent = json.loads(said.splitlines()[-1])
        assert (sent["x-forwarded-for"], sent["x-forwarded-proto"]) == (client, scheme)
    drilled = drill(lab, "drills=nginx-crash,switchover", "repeats=1", "moves=2", *words[1::2])
    assert drilled.returncode == 0, drilled.stdout
