"""Streams of TCP and UDP on the pair: MQTT with a real broker, echoes; put back at the end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drills.analysis.long_lived_counts import count_long_lived
from drills.results import Kind, Report, from_json
from lab.gateway import authority
from lab.twin import Lab
from tests.support.lab.deployment import (
    QUICKLY_COMPILED,
    ROOT,
    Deployed,
    deploy,
    pyinfra,
    verify,
)
from tests.support.lab.drill_runs import assert_drill_sound
from tests.support.lab.pair import VIP, changed_nothing, holders, on, wait_until

HOSTS = ("host1", "host2")
NAME = "mqtt.example.org"
# The lab's own end of the network, where the echoes are.
GATEWAY = "172.16.0.1"
BROKER = "172.16.12.62:11883"
STREAMS: dict[str, dict[str, Any]] = {
    "mqtt": {"listen": 1883, "to": [BROKER]},
    "mqtts": {"listen": 8883, "to": [BROKER]},
    "who": {"listen": 7001, "to": [f"{GATEWAY}:7101"], "proxy_protocol": True},
    "told": {
        **{"listen": 7002, "to": [f"{GATEWAY}:7101"], "proxy_protocol": True},
        **{"accept_proxy_protocol": True, "allow": ["192.0.2.0/24"]},
    },
    "udp": {"listen": 5353, "protocol": "udp", "to": [f"{GATEWAY}:7102"], "responses": 1},
}
# Masked, or the package would have it listen on 127.0.0.1:1883.
START_BROKER = """\
systemctl mask mosquitto.service >/dev/null 2>&1
command -v mosquitto >/dev/null || /bin/sh -c 'apt-get -qq update && apt-get -qq install -y \
    --no-install-recommends mosquitto' >/dev/null 2>&1
printf 'listener 11883\\nallow_anonymous true\\n' >/run/test-broker.conf
systemd-run -q --unit=test-broker mosquitto -c /run/test-broker.conf
for try in $(seq 50); do ss -Hltn 'sport = :11883' | grep -q . && exit 0; sleep 0.1; done; exit 1"""
STOP_BROKER = """\
systemctl stop test-broker.service; systemctl reset-failed test-broker.service 2>/dev/null
apt-get -qq purge -y mosquitto >/dev/null 2>&1; apt-get -qq autoremove -y --purge >/dev/null 2>&1
systemctl unmask mosquitto.service >/dev/null 2>&1; rm -f /run/test-broker.conf"""
DATAGRAM = """\
import socket, sys
way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
way.settimeout(3)
way.connect((sys.argv[1], 5353))
way.send(b"hello")
print(way.recv(100).decode())
"""


class Streaming:
    """The pair with streams, and how it is asked."""

    def __init__(self, lab: Lab, issued: authority.Issued):
        self.lab, self.issued = lab, issued
        own = {"certificate": str(issued.certificate), "key": str(issued.key)}
        streams = STREAMS | {"mqtts": STREAMS["mqtts"] | {"tls": own}}
        given = {"streams": streams, "nginx_extra_flags": QUICKLY_COMPILED}
        given["trusted_proxies"] = [GATEWAY]
        self.words = [
            word
            for name, value in given.items()
            for word in ("--data", f"{name}={json.dumps(value)}")
        ]

    def client(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.lab.run_command([sys.executable, *words]),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def session(self, port: int, *trust: str) -> Iterator[dict[str, Any]]:
        """A session of MQTT through the VIP, from its first message on; what came of it is there
        once it is over."""
        module, seen = "tests.support.clients.mqtt_session", dict[str, Any]()
        started = self.client("-m", module, VIP, str(port), "120", *trust)
        try:
            assert started.stdout and started.stdout.readline() == "ready\n"
            yield seen
            seen |= json.loads(started.communicate("", timeout=30)[0])
        finally:
            started.kill()
            started.wait()

    def datagram(self) -> str:
        return self.lab.run([sys.executable, "-c", DATAGRAM, VIP]).stdout.strip()


@pytest.fixture(scope="module")
def streaming(lab: Lab, deployed: Deployed) -> Iterator[Streaming]:
    """A broker on host2, echoes in the lab, and the words that say so; without them afterwards."""
    assert "stream" not in on(lab, "host1", "nginx -V 2>&1"), "without the setting it is not built"
    now = Streaming(lab, authority.issue(lab.state.root, (NAME,)))
    on(lab, "host2", START_BROKER)
    echo = now.client("-m", "tests.support.clients.stream_echo", GATEWAY, "7101", "7102")
    try:
        assert echo.stdout and echo.stdout.readline() == "ready\n"
        done = deploy(lab, *now.words)
        assert done.returncode == 0, done.stdout
        yield now
    finally:
        echo.kill()
        echo.wait()
        done = deploy(lab)
        lab.ssh("host2", STOP_BROKER)
        assert done.returncode == 0, done.stdout
    for host in HOSTS:
        assert "stream" not in on(lab, host, "nginx -V 2>&1")
        assert on(lab, host, "ls /etc/nginx/stream.conf 2>/dev/null || :") == ""
        assert on(lab, host, "ss -Hltun '( sport = :1883 or sport = :5353 )'") == ""


def test_it_verifies_and_a_second_deploy_changes_nothing(lab: Lab, streaming: Streaming) -> None:
    done = verify(lab, *streaming.words, "--data", "wait=20", "--data", "skip=NGX-19,NGX-24")
    assert done.returncode == 0, done.stdout
    for check in ("NGX-25", "TLS-01", "TLS-02", "TLS-04"):
        assert re.search(rf"{check} .* ok +ok", done.stdout), done.stdout
    assert re.search(r"X-26 .* ok", done.stdout), done.stdout
    assert not re.findall(r"^(?:FAIL|warn) (NGX\S+|X\S+|TLS\S+)", done.stdout, re.MULTILINE)
    assert changed_nothing(deploy(lab, *streaming.words).stdout)


def test_a_server_is_told_who_the_client_is(lab: Lab, streaming: Streaming) -> None:
    ask = (
        "import socket; s = socket.create_connection(('172.16.12.254', 7001), 3); "
        "print(s.getsockname()[0], s.recv(200).decode())"
    )
    own, said = lab.run([sys.executable, "-c", ask]).stdout.strip().split(" ", 1)
    assert re.fullmatch(rf"PROXY TCP4 {own} {VIP} \d+ 7001", said)
    (holder,) = holders(lab)
    log = on(lab, holder, "sleep 0.2; tail -n 20 /var/log/nginx/stream.log")
    assert re.search(rf'^{own} \[.*\] TCP 7001 200 .* "{GATEWAY}:7101" ', log, re.MULTILINE), log


@pytest.mark.parametrize(("client", "told"), [("192.0.2.7", True), ("198.51.100.7", False)])
def test_a_balancer_in_front_says_who_the_client_is(
    lab: Lab, streaming: Streaming, client: str, told: bool
) -> None:
    """It is believed, and what may come in goes by that."""
    ask = (
        "import socket; s = socket.create_connection(('172.16.12.254', 7002), 3); "
        rf"s.sendall(b'PROXY TCP4 {client} 192.0.2.8 5000 7002\r\n'); print(s.recv(200).decode())"
    )
    said = lab.run([sys.executable, "-c", ask]).stdout.strip()
    assert said == (f"PROXY TCP4 {client} {VIP} 5000 7002" if told else "")


def test_sessions_outlive_a_switch_over_and_no_message_is_lost(
    lab: Lab, streaming: Streaming
) -> None:
    """Plain and over TLS, with the pair moved there and back; of UDP each datagram is answered."""
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    over_tls = (str(streaming.issued.ca), NAME)
    with streaming.session(1883) as plain, streaming.session(8883, *over_tls) as secured:
        assert streaming.datagram() == "172.16.12.61 hello"
        for target, own in (("host2", "172.16.12.62"), ("host1", "172.16.12.61")):
            words = (*streaming.words, "--data", f"to={target}")
            moved = pyinfra(lab, "-y", "inventory.py", "switchover.py", *words)
            assert moved.returncode == 0, moved.stdout
            assert holders(lab) == [target]
            # What is behind sees the new holder: UDP is begun anew there.
            assert streaming.datagram() == f"{own} hello"
        time.sleep(1)
    for found in (plain, secured):
        assert found["problem"] == "" and found["in_order"], found
        assert found["published"] == found["acknowledged"] == found["received"] > 20, found
        assert found["pongs"] > 0, found


def test_drills_keep_sessions_through_streams_and_no_move_cuts_one(
    lab: Lab, streaming: Streaming, tmp_path: Path
) -> None:
    wanted = ("drills=switchover", "repeats=1", "moves=4", f"report={tmp_path}")
    words = [word for each in wanted for word in ("--data", each)]
    done = pyinfra(lab, "-y", "inventory.py", "drill.py", *streaming.words, *words)
    found: Report = from_json((tmp_path / "drills.json").read_bytes())
    (drill,) = found.drills
    assert_drill_sound(drill)
    work = [one for load in drill.loads for one in load]
    counts = count_long_lived(*drill.loads)
    assert counts.sessions_cut == 0
    lasting = {one.node for one in work if one.kind is Kind.SESSION and one.to_s > 5}
    # (MQTT's broker ends who says nothing; the one for others' networks lets nobody in.)
    assert {"mqtt", "mqtts", "who"} <= lasting, work
    assert re.search(r", 0 of \d+ stream sessions cut", done.stdout), done.stdout


def test_a_port_that_is_closed_on_one_machine_is_found(lab: Lab, streaming: Streaming) -> None:
    rule = "add rule inet test_streams input iifname eth0 tcp dport 7001 reject with tcp reset"
    table = "add table inet test_streams; add chain inet test_streams input"
    on(lab, "host2", f"nft '{table} {{ type filter hook input priority 0; }}; {rule}'")
    try:
        done = verify(lab, *streaming.words, "--data", "only=NGX,X")
    finally:
        on(lab, "host2", "nft delete table inet test_streams")
    assert done.returncode == 1
    assert re.findall(r"FAIL (\S+) host2", done.stdout) == ["NGX-25"], done.stdout
    assert "who: host1 on 7001: Connection refused" in done.stdout


def test_a_port_that_another_program_has_is_refused(lab: Lab, streaming: Streaming) -> None:
    streams = json.dumps({"x": {"listen": 11883, "to": [f"{GATEWAY}:7101"]}})
    done = pyinfra(lab, "--dry", "inventory.py", "deploy.py", "--data", f"streams={streams}")
    assert done.returncode != 0
    assert re.search(r"host2: streams\[x\]\.listen = 11883: mosquitto \(pid \d+\)", done.stdout)
