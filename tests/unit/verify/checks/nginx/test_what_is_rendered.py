"""NGX-07: whatever the settings ask for, what a deploy writes is no fault."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from settings import Node
from tasks.nginx import nginx_files
from tests.support import fakes
from verify.checks.nginx.limited_clients import limited_otherwise
from verify.read import nginx_output
from verify.read.blocks import Block

LIMITED: dict[str, Any] = {
    "client_limits": {"connections": 100, "requests_per_s": 50},
    "paths": {"/a/": {"page": "a", "limits": {"requests_per_s": 4}}},
    "sites": [
        {
            "server_names": ["www.example.org"],
            "paths": {"/b/": {"page": "b", "limits": {"connections": 7, "burst": 9}}},
        },
        {
            "server_names": ["api.example.org"],
            "paths": {"/": {"page": "c", "limits": {"requests_per_s": 5, "burst": 9}}},
        },
    ],
}


def one(**given: Any) -> Node:
    return settings.load(fakes.inventory(**given))[0].preferred


def read(node: Node, old: str = "", new: str = "") -> Block:
    """What a deploy writes, as the verifier reads it; with `new` once for `old`."""
    texts = nginx_files.files(node, 2, "build").texts
    files = {path: text for path, text in texts.items() if path.endswith((".conf", ".types"))}
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
        ("$binary_remote_addr  zone=conn", "$uri  zone=conn", "has $uri, not $binary_remote_add"),
    ],
)
def test_another_limit_is_found(old: str, new: str, said: str) -> None:
    node = one(**LIMITED)
    found = list(limited_otherwise(read(node, old, new), node))
    assert any(said in fault for fault in found), found
