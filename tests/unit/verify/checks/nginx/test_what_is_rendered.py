"""NGX-07: whatever the settings ask for, what a deploy writes is no fault."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from lab.gateway.authority import Issued
from settings import Node, SettingsError
from tasks.nginx import nginx_files
from tests.support import fakes
from verify.checks.nginx.added_headers import added_otherwise
from verify.checks.nginx.limited_clients import limited_otherwise
from verify.checks.nginx.proxies_in_front import believed_otherwise
from verify.checks.nginx.served_places import served_otherwise
from verify.checks.nginx.served_streams import passed_on_otherwise
from verify.checks.nginx.served_versions import spoken_otherwise
from verify.read import nginx_output
from verify.read.blocks import Block

# Stands for a certificate of its own, which a test fills in.
OWN = {"certificate": "", "key": ""}
LIMITED: dict[str, Any] = {
    "client_limits": {"connections": 100, "requests_per_s": 50},
    "paths": {"/a/": {"page": "a", "limits": {"requests_per_s": 4}}},
    "sites": [
        {
            "server_names": ["www.example.org"],
            "paths": {"/b/": {"page": "b", "limits": {"connections": 7}}},
        },
        {
            "server_names": ["api.example.org"],
            "paths": {"/": {"page": "c", "limits": {"requests_per_s": 5, "burst": 9}}},
        },
    ],
}


# So many of each combination of `MAIN`.
OF_EACH = 2
RELEASES = ("1.22.1", "1.26.3", "1.30.6")
# Each with every other: what most of a configuration hangs on.
MAIN: dict[str, list[dict[str, Any]]] = {
    "nginx": [{"nginx_version": each} for each in RELEASES],
    "tls": [{}, {"tls_certificate": "", "tls_key": "", "hsts_s": 300}],
    "front": [
        {},
        {"trusted_proxies": ["10.0.0.0/8", "192.0.2.1"]},
        {"trusted_proxies": ["10.0.0.5"], "proxy_protocol": True},
    ],
    "unknown": [
        {"unknown_host": each}
        for each in ("serve", "close", 404, 421, {"redirect": "https://a.test/"}, {"page": "no"})
    ],
}
LIMITS = {"connections": 7, "requests_per_s": 4}
APPLICATION = {"proxy": "app", "headers": {"X-Frame-Options": "", "X-Port": "$server_port"}}
PLACES: list[dict[str, Any]] = [
    {"/": {"page": "x", "headers": {"X-A": "$scheme", "set-cookie": "a=b"}}},
    {"/": {"redirect": "$scheme://www.example.com$request_uri", "status": 301}},
    {"/": {"proxy": "app", "limits": LIMITS}, "= /a": {"page": "x", "limits": {"connections": 2}}},
    {"/app/": APPLICATION, "/srv/": {"directory": "/srv/www", "fallback": "/srv/index.html"}},
    {"/robots.txt": {"page": "x"}, "/a/": {"redirect": "https://[::1]/a;b'c(d)*!?$arg_c#e"}},
    {"/rpc/": {"grpc": "looked-up"}, "/files/": {"directory": "/srv", "listing": True}},
    {"/rpc/": {"grpc": "secure"}, "/tls/": {"proxy": "tls", "headers": {"X-A": "$https"}}},
    {"/php/": {"fastcgi": "app", "root": "/srv/www", "limits": {"requests_per_s": 5, "burst": 9}}},
    {"/py/": {"uwsgi": "app", "limits": LIMITS}, "/y/": {"proxy": "looked-up", "host": "a.test"}},
    {"/ws/": {"proxy": "live", "cache": False}, "/": {"page": "x", "allow": ["10.0.0.0/8"]}},
]
HEADERS = [{}, "strict", {"X-Frame-Options": "", "Scheme": "$scheme"}, {"profile": "strict"}]
MODES: list[dict[str, Any]] = [
    {},
    {"maintenance": True},
    {"maintenance": {"allow": ["10.0.0.0/8"], "page": '<p class="x">a\\b; }</p>'}},
    {"client_certificates": {"ca_file": ""}},
    {"client_certificates": {"ca_file": "", "verify": "optional"}, "hsts_s": 0},
]
STREAMS: list[dict[str, Any]] = [
    {},
    {"tls": {"listen": 8883, "to": ["a:1"], "tls": True, "connections": 5, "allow": ["::/0"]}},
    {"app": {"listen": 1883, "to": "app"}, "dns": {"listen": 53, "protocol": "udp", "to": ["a:1"]}},
    {
        "tls": {"listen": 5432, "to": "secure", "to_tls": {"verify": False}, "allow": ["::/0"]},
        "app": {"listen": 5433, "to": ["10.0.0.11:1"], "proxy_protocol": True, "tls": OWN},
    },
]
# One of each, as chance has it.
REST: dict[str, list[Any]] = {
    "paths": [{}, {"/.well-known/acme-challenge/": {"directory": "/srv/acme"}}, *PLACES],
    "headers": [*HEADERS[1:], "app"],
    "client_limits": [None, LIMITS, {"connections": 9}, {"new_connections_per_s": 20}],
    "gzip": ["static", "text"],
    "cache": [None, {}],
    "streams": STREAMS,
    "ipv6": [False, True],
    "vrrp_version": [2, 3],
    "https_port": [443, 8443],
    "listen_backlog": [511, 4096],
}
UPSTREAMS: dict[str, Any] = {
    "app": ["10.0.0.11:8080", "10.0.0.12:8080"],
    "live": {"servers": ["unix:/run/app.sock"], "websocket": True},
    "secure": {"servers": ["a.example.org:443"], "tls": {}},
    "tls": {"servers": ["10.0.0.11:443"], "tls": {"verify": False}},
    "looked-up": {"servers": ["a.example.org:80"], "resolve": True},
}
NAMES = (
    ["www.example.org", "example.org"],
    ["*.example.net", ".example.com"],
    [r"~^(?<user>.{3})\.home;\.test$", "a_b.test"],
)


def one(**given: Any) -> Node:
    return settings.load(fakes.inventory(**given))[0].preferred


def read(node: Node, old: str = "", new: str = "") -> Block:
    """What a deploy writes, as the verifier reads it; with `new` once for `old`."""
    texts = nginx_files.files(node, 2, "build").texts
    files = {path: text for path, text in texts.items() if path.endswith(".conf")}
    # (A thousand types, of which nothing here is asked.)
    files["mime.types"] = "types { }"
    dump = "".join(
        f"# configuration file /etc/nginx/{path}:\n{text!s}\n" for path, text in files.items()
    )
    assert old in dump
    return nginx_output.dump(dump.replace(old, new, 1)).base


@pytest.mark.parametrize("clients", [LIMITED["client_limits"], {"connections": 3}, None])
def test_limits_of_places_and_of_clients_are_each_their_own(clients: Any) -> None:
    node = one(**LIMITED | {"client_limits": clients})
    assert list(limited_otherwise(read(node), node)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rate=50r/s", "rate=60r/s", "limit_req_zone tandem_requests has $binary_remote_addr ra"),
        ("burst=50", "burst=60", "limit_req is zone=tandem_requests burst=60 nodelay, not zone"),
        ("rate=4r/s", "rate=9r/s", "rate=9r/s, not $binary_remote_addr rate=4r/s"),
        ("burst=4 ", "burst=5 ", "no place has limit_req zone=requests,_,a, burst=4 nodelay"),
        (
            "limit_req_zone   $binary_remote_addr  zone=requests,_,a,:10m  rate=4r/s;",
            "",
            "limit_req_zone requests,_,a, has nothing",
        ),
        ("example.org,b,  7", "example.org,b,  8", "a place has limit_conn connections,www.exa"),
        (
            "            limit_req      zone=tandem_requests  burst=50  nodelay;\n",
            "",
            "location = /a/ has no limit_req zone=tandem_requests burst=50 nodelay",
        ),
        ("$binary_remote_addr  zone=conn", "$uri  zone=conn", "has $uri, not $binary_remote_add"),
    ],
)
def test_another_limit_is_found(old: str, new: str, said: str) -> None:
    node = one(**LIMITED)
    found = list(limited_otherwise(read(node, old, new), node))
    assert any(said in fault for fault in found), found


def generated(issued: Issued) -> Iterator[dict[str, Any]]:
    """Settings of every kind: all of `MAIN`, each with some of the rest."""
    chance = random.Random(20)
    pair = {"certificate": str(issued.certificate), "key": str(issued.key)}
    for chosen in [*itertools.product(*MAIN.values())] * OF_EACH:
        given: dict[str, Any] = {"upstreams": UPSTREAMS, "resolver": ["10.0.0.53"]}
        for part in chosen:
            given |= part
        given |= {name: chance.choice(values) for name, values in REST.items()}
        if "tls_key" in given:
            given |= {f"tls_{name}": path for name, path in pair.items()}
        # (True: the cluster's, if it has one.)
        own = (OWN,) if "tls_key" in given else (OWN, True)
        given["streams"] = {
            name: stream | ({"tls": pair} if stream.get("tls") in own else {})
            for name, stream in given["streams"].items()
        }
        given["sites"] = []
        for names in NAMES:
            plain = "tls_key" not in given or given.get("trusted_proxies")
            mode = chance.choice(MODES[:3] if plain else MODES)
            if shown := mode.get("client_certificates"):
                authorities = {"ca_file": str(issued.ca)}
                mode = mode | {"client_certificates": shown | authorities}
            places = chance.choice(PLACES)
            site = {"server_names": names, "headers": chance.choice(HEADERS), "paths": places}
            given["sites"].append(site | mode)
        # (What HTTP/3 does not go with is refused, and not to be judged here.)
        able = "tls_key" in given and given["nginx_version"] != RELEASES[0]
        given["http3"] = able and not given.get("proxy_protocol") and chance.random() < 0.6
        yield given


def loaded(given: dict[str, Any]) -> Node:
    six = given.pop("ipv6")
    hosts = {
        f"@fake/host{place}": {
            "ssh_hostname": f"172.16.12.6{place}",
            "priority": 102 - place,
            "page": "p",
            **({"address6": f"fd61:1::6{place}"} if six else {}),
        }
        for place in (1, 2)
    }
    vip6 = {"vip6": "fd61:1::254/64"} if six else {}
    return settings.load(fakes.inventory(hosts, given, **vip6))[0].preferred


ZONES = ("limit_conn_zone", "limit_req_zone", "ssl_session_cache", "proxy_cache_path")


def named_twice(root: Block) -> list[str]:
    """What nginx knows by a name, and is there more than once."""
    found: list[str] = []
    for kind in ("http", "stream"):
        found += [f"{kind} {each.words[1]}" for each in root.every(kind, "upstream")]
    for words in lines(root):
        directive, last = words[0], words[-1]
        if directive in ("map", "geo") and last.startswith("$"):
            found.append(last)
        if directive == "zone":
            found.append(f"zone {words[1]}")
        if directive in ZONES:
            found += [
                f"zone {name}" for name in re.findall(r"(?:zone=|shared:)([^: ]+)", " ".join(words))
            ]
    for server in root.every("http", "server"):
        # (QUIC's are of UDP.)
        every = [each.words[1:] for each in server.every("listen")]
        listens = [f"{words[0]}{' udp' * ('quic' in words)}" for words in every]
        names = [name for each in server.every("server_name") for name in each.words[1:]]
        found += [f"{name} on {listen}" for listen in listens for name in names]
    return [name for name, count in Counter(found).items() if count > 1]


def lines(block: Block) -> Iterator[tuple[str, ...]]:
    for inner in block.block:
        yield inner.words
        yield from lines(inner)


JUDGES = (
    *(served_otherwise, added_otherwise, believed_otherwise),
    *(passed_on_otherwise, limited_otherwise, spoken_otherwise),
)


def test_whatever_is_asked_for_what_is_rendered_is_no_fault(tmp_path: Path) -> None:
    names = [name.lstrip(".") for each in NAMES for name in each if not name.startswith("~")]
    issued = authority.issue(tmp_path, ["172.16.12.254", *names, "*.example.com"])
    refused: list[str] = []
    faults: dict[str, dict[str, Any]] = {}
    every = list(generated(issued))
    for given in every:
        try:
            node = loaded(dict(given))
        except SettingsError as error:
            refused += [str(error)]
            continue
        root = read(node)
        found = [fault for judge in JUDGES for fault in judge(root, node)]
        faults |= dict.fromkeys((*found, *named_twice(root)), given)
    assert not faults, "\n".join(f"{fault}: {given}" for fault, given in faults.items())
    assert len(refused) < len(every) / 3, "\n".join(refused)
