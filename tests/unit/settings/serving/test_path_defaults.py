"""What is said for all paths: of a cluster, and of a site before that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from settings.serving.path_options import OPTIONS
from settings.serving.places import KINDS, ONLY_OF
from tasks.nginx import nginx_files
from tests.unit.settings.serving.test_place_settings import (
    HASHED,
    RIGHT,
    SOME,
    UPSTREAMS,
    node_with,
    site_conf,
)
from tests.unit.settings.test_settings import inventory, mistakes


@pytest.mark.parametrize("option", sorted(OPTIONS))
@pytest.mark.parametrize("kind", KINDS)
def test_every_option_holds_where_the_kind_has_it_and_nothing_else_is_said(
    kind: str, option: str, tmp_path: Path
) -> None:
    staff = tmp_path / "staff"
    staff.write_text(HASHED)
    value = str(staff) if option == "basic_auth" else SOME.get(option, False)
    given = {"nginx_version": "1.26.3", "path_defaults": {option: value}}
    place = RIGHT[kind]
    site = {"server_names": ["www.example.org"], "paths": {"/x/": place}}
    said = site | {"paths": {"/x/": {**place, option: value}}}
    by_default, without = (
        node_with(sites=[site], **each).sites[0].places[0]
        for each in (given, {"nginx_version": "1.26.3"})
    )
    # A limit of a request would end a stream of messages that is not one to be limited.
    if kind in ONLY_OF.get(option, KINDS) and (kind, option) != ("grpc", "max_body_mb"):
        assert by_default == node_with(sites=[said], nginx_version="1.26.3").sites[0].places[0]
    else:
        assert by_default == without


def test_who_is_nearer_is_believed() -> None:
    node = node_with(
        path_defaults={"max_body_mb": 1, "read_timeout_s": 7, "buffering": False},
        proxy={"/in-short/": "app"},
        paths={"/own/": {"proxy": "app", "max_body_mb": 3}},
        sites=[
            {
                "server_names": ["www.example.org"],
                "path_defaults": {"max_body_mb": 2, "allow": ["10.0.0.0/8"]},
                "page": "in short",
                "paths": {
                    "/plain/": {"proxy": "app"},
                    "/own/": {"proxy": "app", "max_body_mb": 3, "buffering": True, "allow": []},
                },
            }
        ],
    )
    assert [(p.path, p.max_body_mb, p.buffering, p.allow) for p in node.every_place] == [
        ("/in-short/", 1, False, ()),
        ("/own/", 3, False, ()),
        ("/", None, True, ("10.0.0.0/8",)),
        ("/plain/", 2, False, ("10.0.0.0/8",)),
        ("/own/", 3, True, ()),
    ]
    assert {p.read_timeout_s for p in node.every_place if p.upstream} == {7}


def test_nginx_is_told_at_each_path() -> None:
    said = site_conf({"proxy": "app"}, path_defaults={"max_body_mb": 64, "allow": ["10.0.0.0/8"]})
    assert "allow          10.0.0.0/8;" in said
    assert "deny           all;" in said
    words = " ".join(said.split())
    assert "client_max_body_size 64m;" in words
    assert "return 400;" in words, "paths have one reading"


def test_each_path_counts_for_itself() -> None:
    """What is said for all is what each would have said."""
    limits = {"requests_per_s": 5, "connections": 3}
    site: dict[str, Any] = {
        "server_names": ["www.example.org"],
        "path_defaults": {"limits": limits},
    }
    site["paths"] = {"/a/": {"page": "x"}, "/b/": {"proxy": "app"}, "/c/": {"page": "x"}}
    site["paths"]["/c/"]["limits"] = None
    node = node_with(sites=[site])
    said = nginx_files.site_files(node)["sites/www.example.org.conf"]
    assert [place.path for place in node.every_place if place.limits] == ["/a/", "/b/"]
    for name in ("www.example.org,a,", "www.example.org,b,"):
        assert f"zone=requests,{name}:10m  rate=5r/s;" in said
        assert f"limit_conn     connections,{name}  3;" in said
    assert ",c," not in said.replace("sites/www.example.org,c,", "")


@pytest.mark.parametrize(
    ("defaults", "about", "remedy"),
    [
        ({"bufering": False}, "path_defaults.bufering", "did you mean buffering?"),
        ({"proxy": "app"}, "path_defaults.proxy", ""),
        ({"max_body_mb": -1}, "path_defaults.max_body_mb = -1", "0 (no limit) to 1000000"),
        ({"allow": ["10.0.0.1/8"]}, "path_defaults.allow[0] = '10.0.0.1/8'", "has host bits set"),
        ({"basic_auth": "no/such"}, "path_defaults.basic_auth.file = 'no/such'", "can be read"),
        ({"limits": {"burst": 5}}, "path_defaults.limits", "give connections, or requests_per_s"),
        ({"headers": {"X-A": "1"}}, "path_defaults.headers = ", "give `headers` itself, beside"),
        ({"send_headers": {"X-A": "1", "x-a": "2"}}, "path_defaults.send_headers.x-a", "leave one"),
    ],
)
@pytest.mark.parametrize("whose", ["", "sites[0]."])
def test_what_is_wrong_in_it_is_said_once(
    defaults: dict[str, Any], about: str, remedy: str, whose: str
) -> None:
    site: dict[str, Any] = {"server_names": ["www.example.org"], "paths": {"/x/": {"proxy": "app"}}}
    given: dict[str, Any] = {"upstreams": UPSTREAMS, "sites": [site]}
    (site if whose else given)["path_defaults"] = defaults
    (line,) = mistakes(inventory(**given))
    assert f"{whose}{about}" in line and remedy in line, line


def test_all_mistakes_are_said_at_once() -> None:
    """Of a site whose own defaults cannot be read, too."""
    site = {
        "server_names": ["www.example.org"],
        "path_defaults": {"max_body_mb": -1},
        "paths": {"/x/": {"proxy": "ap"}},
    }
    given: dict[str, Any] = {
        "upstreams": UPSTREAMS,
        "sites": [site],
        "path_defaults": {"buffering": "no way"},
    }
    found = mistakes(inventory(**given))
    assert len(found) == 3, found


@pytest.mark.parametrize("tls", [False, True])
def test_authorities_find_their_answers_whoever_else_may_come_in(tls: bool, tmp_path: Path) -> None:
    """Where somebody has them answered by an application, too."""
    challenges = "/.well-known/acme-challenge/"
    paths = {challenges: {"proxy": "app"}, "/x/": {"proxy": "app"}}
    site = {"server_names": ["www.example.org"], "paths": {} if tls else paths, "page": "x"}
    node = node_with(paths=paths, path_defaults={"allow": ["10.0.0.0/8"]}, sites=[site])
    kept = {place.path: place.allow for place in node.every_place}
    assert kept == {"/x/": ("10.0.0.0/8",), challenges: (), "/": ("10.0.0.0/8",)}
    said = {**paths, challenges: {"proxy": "app", "allow": ["10.0.0.0/8"]}}
    assert node_with(paths=said).places[0].allow, "who says so there means it"


def test_what_machines_say_otherwise_is_told_once() -> None:
    site = {"server_names": ["www.example.org"], "page": "x"}
    hosts = {
        f"@fake/host{place}": {
            "ssh_hostname": f"172.16.12.6{place}",
            "priority": 102 - place,
            "page": f"page {place}",
            "path_defaults": {"max_body_mb": place},
        }
        for place in (1, 2)
    }
    (line,) = mistakes(inventory(hosts, sites=[site]))
    assert "path_defaults" in line
