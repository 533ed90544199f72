"""Whose names servers take from one another."""

from __future__ import annotations

import pytest

from tasks.nginx.foreseen import but_for
from tasks.nginx.server_names import (
    EVERY,
    EVERY6,
    Listen,
    NginxServer,
    addresses,
    alone,
    servers,
    taken,
)

OURS = """
http {
    server { listen 80 default_server; listen [::]:80 default_server; server_name _; }
    server { listen 80; listen [::]:80; server_name www.example.org example.org *.example.net; }
}
"""


def test_a_server_listens_where_nginx_has_it() -> None:
    text = """
    server { listen 172.16.1.1; listen [fd61:1::1]:443 ssl; listen 0.0.0.0:81; listen unix:/a; }
    # server { listen 82; }
    server { server_name A.Example.ORG .b.org; return 200 "server { listen 83; }"; }
    server { listen localhost:84 default_server; }
    """
    assert [server.listens for server in servers(text)] == [
        (Listen("172.16.1.1", 80), Listen("[fd61:1::1]", 443), Listen(EVERY, 81)),
        (Listen(EVERY, 80),),
        (Listen("localhost", 84, True),),
    ]
    assert servers(text)[1] == NginxServer(
        4, (Listen(EVERY, 80),), ("a.example.org", "b.org", "*.b.org")
    )


def test_the_addresses_that_are_listened_on() -> None:
    text = """
    listen 172.16.12.254:8081; server { listen [fd61:1:0::254]:81 ssl; listen 172.16.12.253; }
    http { server { listen 80; listen *:82; listen unix:/a; listen [::]:80; listen a.example:80; } }
    """
    found = {str(each) for each in addresses(text)}
    assert found == {"172.16.12.254", "fd61:1::254", "172.16.12.253", "::"}


def test_a_plan_knows_of_an_address_that_the_run_lets_a_machine_listen_on() -> None:
    said = "nginx: [emerg] bind() to {}:81 failed (99: Cannot assign requested address)"
    ended = "nginx: configuration file /etc/nginx/nginx.conf test failed"
    vips = ("172.16.12.254", "fd61:1::254")
    for address in ("172.16.12.254", "[fd61:1::254]"):
        assert but_for(vips, [said.format(address), ended]) == []
        assert but_for(vips, [said.format(address), ended, "another"]) == ["another"]
    for address in ("172.16.12.25", "[fd61:1::25]"):
        faults = [said.format(address), ended]
        assert but_for(vips, faults) == faults


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("server { listen 80; server_name www.example.org; }", {"www.example.org"}),
        ("http { server { server_name other.org WWW.Example.org; } }", {"www.example.org"}),
        ("server {\n listen *:80; server_name example.org; }", {"example.org"}),
        ("server { listen [::]:80; server_name example.org; }", {"example.org"}),
        # On one address alone it is preferred, without a word from nginx.
        ("server { listen 172.16.12.254:80; server_name example.org; }", {"example.org"}),
        ("server { listen [fd61:1::254]:80; server_name example.org; }", {"example.org"}),
        ("server { listen 80; server_name .example.org; }", {"example.org"}),
        ("server { listen 80; server_name *.example.net; }", {"*.example.net"}),
        ("server { listen 80; server_name _; }", {"_"}),
        ("server { listen 80 default_server; server_name a.org; }", {""}),
        ("server { listen 8080; server_name example.org; }", set()),
        # A catch-all of one address takes nothing from that of all; QUIC is a socket of its own.
        ("server { listen 172.16.12.254:80; server_name _; }", set()),
        ("server { listen 80 quic; server_name example.org; }", set()),
        ("server { listen 8080-8090; server_name example.org; }", set()),
        ("server { include parts/listen.inc; server_name example.org; }", set()),
        ("server { listen 80; server_name api.example.org; }", set()),
        ("server { listen 80; server_name a.example.net; }", set()),
        ("server { listen unix:/run/nginx/a; server_name example.org; }", set()),
        ("server { listen 8080 default_server; server_name _; }", set()),
        ("server { listen 80; }", set()),
        ("upstream a { server 10.0.0.1:80; } map $a $b { example.org 1; }", set()),
    ],
)
def test_a_name_is_taken_on_the_same_address(text: str, names: set[str]) -> None:
    assert {one.name for one in taken(OURS, [("a.conf", text)])} == names


def test_what_is_taken_is_named_with_its_place() -> None:
    texts = [("a.conf", "# a\n\nserver { server_name example.org; }"), ("b.conf", "server {}")]
    (found,) = taken(OURS, texts)
    assert (found.source, found.line, str(found.where)) == ("a.conf", 3, "80")


def test_a_server_on_one_address_is_alone_there() -> None:
    wide = [Listen(EVERY, 80), Listen(EVERY, 443)]
    text = "server { listen 172.16.12.254:80; listen 172.16.12.254:8080; listen 443; }"
    assert list(alone(servers(text)[0], wide)) == [Listen("172.16.12.254", 80)]
    six = servers("server { listen [fd61::1]:80; }")[0]
    assert not list(alone(six, wide))
    assert list(alone(six, [Listen(EVERY6, 80)]))
