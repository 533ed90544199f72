"""Mistakes of every kind come in one list: none hides another that does not follow from it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

import settings
from settings import mistakes as checks
from settings.cluster import Cluster
from settings.mistakes import cluster_mistakes
from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.values import UNREAD, NotRead, Values
from tests.unit.settings.test_settings import TWO, inventory, mistakes

SITE = {"server_names": ["www.example.org"], "page": "one"}
APP = {"app": {"servers": ["10.0.0.11:80"]}}
# A mistake of each kind: what is set for both machines, and the words by which it is known.
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "a value": ({"worker_connections": 3}, "worker_connections = 3"),
    "a type": ({"ntp_server": 5}, "ntp_server = 5"),
    "an unknown name": ({"chek_fall": 3}, "did you mean check_fall?"),
    "a VIP elsewhere": ({"more_vips": {"10.9.9.9/24": "host1"}}, "does not contain the address"),
    "two settings": ({"label": "eth1:0"}, 'give "eth0:" and more'),
    "a port twice": (
        {"metrics": True, "metrics_allow": ["10.0.0.5"], "metrics_port": 9113},
        "this is metrics_nginx_port, too",
    ),
    "a release": ({"nginx_version": "1.4.1"}, "cannot be compiled with TLS"),
    "a certificate": (
        {"tls_certificate": "/nowhere.pem", "tls_key": "/nowhere.key"},
        "tls_certificate = '/nowhere.pem': cannot be read",
    ),
    "a site": (
        {"sites": [{"server_names": ["a.org"], "content": "/nowhere"}]},
        "sites[0].content = '/nowhere': give a directory",
    ),
    "inside a list": ({"upstreams": {"app": {"servers": ["x"]}}}, "upstreams[app].servers[0]"),
    "an upstream": ({"proxy": {"/": "back"}}, "there is no such upstream"),
    "a path": ({"nginx_writable_paths": ["/etc/x"]}, "is the system's or Tandem's"),
    "pyinfra's own": ({"_ignore_errors": True}, "_ignore_errors = True: leave it out"),
    "pyinfra's own name": ({"ssh_usr": "ann"}, "did you mean ssh_user?"),
    "an option": ({"wait": 3}, "this is an option of one run"),
}


@pytest.mark.parametrize(("one", "other"), [*combinations(KINDS, 2)])
def test_no_kind_of_mistake_hides_another(one: str, other: str) -> None:
    given, said = KINDS[one]
    also, also_said = KINDS[other]
    found = mistakes(inventory(**given, **also))
    assert any(said in each for each in found), found
    assert any(also_said in each for each in found), found


def test_all_kinds_come_at_once_with_those_of_a_run() -> None:
    together: dict[str, Any] = {}
    for given, _ in KINDS.values():
        together |= given
    found = mistakes(inventory(**together, override={"rate": "fast", "olny": "X"}))
    for _, said in KINDS.values():
        assert any(said in each for each in found), (said, found)
    assert any(each.startswith("--data: rate = 'fast': give") for each in found)
    assert any(each.startswith("--data: olny = 'X'") for each in found)


def test_what_is_wrong_between_machines_comes_with_what_is_wrong_with_one() -> None:
    one = TWO["host1"] | {"page": 3, "http_port": 81}
    two = TWO["host2"] | {"priority": "first", "address": "172.16.12.61"}
    found = mistakes(inventory({"host1": one, "host2": two}))
    assert len(found) == 4, found
    for said in ("page = 3", "priority = 'first'", "http_port = '80 and 81'", "each machine its"):
        assert any(said in each for each in found), (said, found)


def test_what_is_wrong_in_one_part_of_a_site_hides_nothing_of_the_others() -> None:
    sites = [
        {"server_names": ["not a name"], "content": "/nowhere", "tls_key": "/k"},
        {"server_names": ["a.org"], "page": "x", "content": "/nowhere", "colour": "red"},
        {"server_names": ["a.org", "a.org"]},
    ]
    found = mistakes(inventory(sites=sites))
    for said in (
        "sites[0].server_names = ['not a name']",
        "sites[0].content = '/nowhere'",
        "sites[0].tls_certificate",
        "sites[1].colour",
        "sites[1] = ",
        "sites[1].server_names = 'a.org': give each name once",
        "sites[2] = ",
    ):
        assert any(said in each for each in found), (said, found)


def test_nothing_follows_from_what_could_not_be_read() -> None:
    """One mistake is one line: no setting is blamed for another one."""
    for given, said in (
        ({"vip": "172.16.12.254"}, "vip"),
        ({"interface": "no such name"}, "interface"),
        ({"tls_certificate": 3, "tls_key": "/k", "hsts_s": 300}, "tls_certificate"),
        ({"upstreams": 3, "proxy": {"/": "app"}, "cache": {}}, "upstreams"),
        ({"proxy": 3, "upstreams": APP, "cache": {}}, "proxy"),
        ({"metrics": 3, "metrics_port": 80}, "metrics"),
    ):
        found = mistakes(inventory(**given))
        assert len(found) == 1 and found[0].startswith(f"host1, host2: {said} = "), found


# A machine's name is always had.
@pytest.mark.parametrize("field", [name for name in Node.model_fields if name != "name"])
def test_every_check_leaves_alone_what_could_not_be_read(field: str) -> None:
    (cluster,) = settings.load(inventory(upstreams=APP, proxy={"/": "app"}, sites=[SITE]))
    nodes = [node.model_copy(update={field: UNREAD}) for node in cluster.nodes]
    found = [mistake for node in nodes for mistake in checks.of_node(node)]
    found += cluster_mistakes.within("web", nodes)
    odd = Cluster(name="odd", nodes=tuple(nodes))
    found += cluster_mistakes.between([cluster.model_copy(update={"name": "even"}), odd])
    about = {mistake.setting for mistake in found} - {"vip", "vip6", "more_vips"}
    assert field not in about and about <= {"virtual_router_id"}, found


@pytest.mark.parametrize(
    "use",
    [
        bool, str, repr, hash, len, iter, int, float,
        lambda value: value == 1, lambda value: value > 1, lambda value: value in ("a",),
        lambda value: {value}, lambda value: value.version, lambda value: value[0],
        lambda value: f"{value}", lambda value: -value, lambda value: 1 + value,
    ],
)  # fmt: skip
def test_what_could_not_be_read_is_used_by_nobody(use: Any) -> None:
    with pytest.raises(NotRead):
        use(UNREAD)


def _every(model: type[Values]) -> list[type[Values]]:
    return [found for each in model.__subclasses__() for found in (each, *_every(each))]


@pytest.mark.parametrize("model", _every(Values), ids=lambda model: model.__name__)
def test_a_lenient_reading_takes_whatever_it_is_given(model: type[Values]) -> None:
    """What a field has to be stands in its type, or nothing would be read beside it."""
    wrong = object()
    read = model.as_far_as_readable(dict.fromkeys(model.model_fields, wrong) | {"more": 1})
    for name in model.model_fields:
        assert getattr(read, name) is UNREAD or getattr(read, name) is wrong, name
    assert not model.__pydantic_decorators__.model_validators.keys() - {
        *("_leave_out_unknown", "_short"),
    }
    assert model.__pydantic_decorators__.field_validators.keys() == {"_unread_where_wrong"}


def test_a_mistake_of_the_command_line_alone_is_one_sentence() -> None:
    typed = settings.TypedMistake.saying("--limit host9 names no machine")
    assert str(settings.SettingsError([typed])).startswith("--limit host9 names no machine\n")
    both = settings.SettingsError([typed, Mistake("host1", "page", 1, "give text")])
    assert "2 mistakes in the settings and what was typed; no machine was touched" in str(both)
