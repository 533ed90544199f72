"""What the verifier makes of streams: their ports, the VIP's, and nginx's own configuration."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import settings
from settings.node import Node
from tasks.nginx import nginx_files
from tests.support import fakes
from tests.support.broken_upkeep import outcome_of
from tests.support.snapshots import BOTH, DEFAULT, Spoiled, told
from verify.checks.check import Outcome
from verify.checks.nginx.served_streams import passed_on_otherwise
from verify.observe import snippet_probes
from verify.observe.streams import stream_probes
from verify.read import http_output, nginx_output, system_output

STREAMS: dict[str, Any] = {
    "mqtt": {"listen": 1883, "to": ["10.0.0.11:1883"], "allow": ["10.0.0.0/8"]},
    "dns": {"listen": 5353, "protocol": "udp", "to": ["10.0.0.53:53"]},
}
ADDRESSES = {"host1": "172.16.12.61", "host2": "172.16.12.62"}
VIP = "172.16.12.254"


def said(*targets: str, problem: str = "ok") -> str:
    lines = [f"[{each}]:1883 {problem}" for each in targets]
    return "\n".join([*lines, f"asked {len(lines)}"])


@pytest.fixture
def pair() -> Spoiled:
    """A pair with streams, as far as these checks look at it."""
    spoiled = Spoiled(DEFAULT)
    for cluster in spoiled.data["clusters"]:
        for node in cluster["nodes"]:
            node["streams"] = [{"name": name, **each} for name, each in STREAMS.items()]
    for host in BOTH:
        (other,) = set(BOTH) - {host}
        masters = nginx_output.processes(spoiled.says(host, "nginx_processes"))
        (master,) = [each.pid for each in masters if each.master]
        socket_line = f'UNCONN 0 0 0.0.0.0:5353 0.0.0.0:* users:(("nginx",pid={master},fd=9))'
        for probe, text in {
            "stream_ports": said("127.0.0.1", VIP),
            f"stream_ports:{other}": said(ADDRESSES[other]),
            "udp_sockets": socket_line,
        }.items():
            section = {"command": probe, "status": 0, "text": told(text)}
            spoiled.data["looks"][host]["sections"][probe] = section
    return spoiled


def test_a_healthy_pair_holds(pair: Spoiled) -> None:
    assert outcome_of(pair, "NGX-25", "host1") == (Outcome.OK, "tcp 1883, udp 5353")
    outcome, actual = outcome_of(pair, "X-26")
    assert outcome is Outcome.OK and actual == f"mqtt on {VIP}"


def test_without_streams_there_is_nothing_to_judge() -> None:
    assert outcome_of(Spoiled(DEFAULT), "NGX-25", "host1")[0] is Outcome.SKIP
    assert outcome_of(Spoiled(DEFAULT), "X-26")[0] is Outcome.SKIP


@pytest.mark.parametrize(
    ("probe", "host", "actual"),
    [
        ("stream_ports:host1", "host2", "mqtt: host2 on 1883: Connection refused"),
        ("stream_ports", "host1", "mqtt: this machine on 1883: Connection refused"),
    ],
)
def test_a_port_that_does_not_answer_fails_where_it_is(
    pair: Spoiled, probe: str, host: str, actual: str
) -> None:
    pair.replace(host, probe, "ok", "Connection refused", 1)
    assert outcome_of(pair, "NGX-25", "host1") == (Outcome.FAIL, actual)
    assert outcome_of(pair, "NGX-25", "host2")[0] is Outcome.OK
    assert outcome_of(pair, "X-26")[0] is Outcome.OK


def test_a_vip_that_does_not_answer_fails_for_the_cluster(pair: Spoiled) -> None:
    pair.replace("host2", "stream_ports", f"[{VIP}]:1883 ok", f"[{VIP}]:1883 no answer in time")
    outcome, actual = outcome_of(pair, "X-26")
    assert outcome is Outcome.FAIL and actual == "mqtt: host2 on 1883: no answer in time"


def test_a_port_that_was_not_asked_is_unknown(pair: Spoiled) -> None:
    pair.replace("host1", "stream_ports", "1883", "1884")
    assert outcome_of(pair, "NGX-25", "host1")[0] is Outcome.UNKNOWN
    assert outcome_of(pair, "X-26")[0] is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("line", "actual"),
    [
        ("none", "dns: nginx has no socket of UDP on 5353"),
        (
            'UNCONN 0 0 0.0.0.0:5353 0.0.0.0:* users:(("dnsmasq",pid=7,fd=9))',
            "dns: nginx has no socket of UDP on 5353; "
            "dns: dnsmasq (pid 7) has a socket of UDP on 5353",
        ),
    ],
)
def test_a_port_of_udp_has_to_be_nginxs(pair: Spoiled, line: str, actual: str) -> None:
    pair.answer("host1", "udp_sockets", line)
    assert outcome_of(pair, "NGX-25", "host1") == (Outcome.FAIL, actual)


def node(**given: Any) -> Node:
    return settings.load(fakes.inventory(**given))[0].preferred


def tree(text: str) -> Any:
    return nginx_output.dump(f"# configuration file /etc/nginx/nginx.conf:\n{text}").base


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", ""),
        ("1883;", "1884;", "no stream listens on tcp 1883 (mqtt); a stream listens on tcp 1884"),
        ("listen                 1883", "listen 10.0.0.1:1883", "listens on 10.0.0.1:1883, not on"),
        ("10.0.0.11:1883", "10.0.0.12:1883", "goes to 10.0.0.12:1883, not to 10.0.0.11:1883"),
        ("1883;", "1883 ssl;", "stream mqtt ends TLS"),
        ("proxy_pass             mqtt;", "proxy_pass mqtt; proxy_protocol on;", "protocol on"),
        ("deny                   all;", "", "lets in 10.0.0.0/8"),
        ("allow                  10.0.0.0/8;", "", "lets in everybody"),
        ("udp reuseport", "", "no stream listens on udp 5353 (dns); a stream listens on tcp 5353"),
    ],
)
def test_what_nginx_has_is_compared_with_the_settings(old: str, new: str, fault: str) -> None:
    wanted = node(streams=STREAMS)
    text = nginx_files.stream_conf(wanted)
    assert old in text
    faults = "; ".join(
        passed_on_otherwise(tree(text.replace(old, new, 1) if old else text), wanted)
    )
    assert fault in faults and bool(faults) == bool(fault)


def test_a_stream_that_is_not_set_is_found() -> None:
    text = nginx_files.stream_conf(node(streams=STREAMS))
    assert len(list(passed_on_otherwise(tree(text), node()))) == 2


def test_a_machine_asks_its_own_ports_each_vips_and_the_others() -> None:
    (cluster,) = settings.load(fakes.inventory(streams=STREAMS))
    probes = [p for each in stream_probes.bundles(cluster.nodes[0], cluster) for p in each.probes]
    asked = {probe.name: re.findall(r"\[\S+\]:\d+", probe.text) for probe in probes}
    assert asked == {
        "stream_ports": ["[127.0.0.1]:1883", "[172.16.12.254]:1883"],
        f"stream_ports:{cluster.nodes[1].name}": [f"[{cluster.nodes[1].address}]:1883"],
        "udp_sockets": [],
    }
    (without,) = settings.load(fakes.inventory())
    assert stream_probes.bundles(without.nodes[0], without) == []


@pytest.fixture
def listening() -> Iterator[int]:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_the_program_tells_who_takes_a_connection(listening: int) -> None:
    with contextlib.closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        closed = bound.getsockname()[1]
        targets = [f"[127.0.0.1]:{listening}", f"[127.0.0.1]:{closed}"]
        printed = subprocess.check_output(
            [sys.executable, stream_probes._ASKER, "1", *targets], text=True
        )
    assert http_output.ports(printed) == {targets[0]: "ok", targets[1]: "Connection refused"}


@pytest.mark.parametrize(
    "text", ["", "asked 1", "[::1]:1 ok", "x ok\nasked 1", "[::1]:1 ok\nasked"]
)
def test_a_list_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        http_output.ports(text)


def test_a_socket_of_tcp_is_none_of_udp() -> None:
    with pytest.raises(ValueError):
        system_output.udp_sockets("LISTEN 0 9 0.0.0.0:80 0.0.0.0:*")


def test_servers_behind_streams_are_asked_for_a_connection_alone() -> None:
    upstreams = {"app": {"servers": ["10.0.0.1:80"]}, "db": {"servers": ["10.0.0.2:5432"]}}
    streams = STREAMS | {"db": {"listen": 5432, "to": "db"}, "a": {"listen": 81, "to": "app"}}
    wanted = node(upstreams=upstreams, streams=streams, proxy={"/": "app"})
    assert list(snippet_probes._asked(wanted)) == [
        "ask http http://10.0.0.1:80/ app 10.0.0.1:80",
        "ask tcp http://10.0.0.2:5432/ db 10.0.0.2:5432",
        "ask tcp http://10.0.0.11:1883/ mqtt 10.0.0.11:1883",
    ]
