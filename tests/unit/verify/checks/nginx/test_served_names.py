"""NGX-07 and the names of servers: what a deploy writes is right, what differs from it is not."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings import Node
from tasks.nginx import nginx_files
from tests.support import fakes
from verify.checks.nginx.served_places import served_otherwise
from verify.read import nginx_output

SITES = [
    {"server_names": ["*.example.org", ".example.net"], "page": "a"},
    {"server_names": ["www.example.*", "a_b.test"], "page": "b"},
    {"server_names": [r"~^(?<user>.{3})\.home;\.test$"], "page": "c"},
]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if not request.param:
        return {}
    names = ["*.example.org", "example.net", "*.example.net", "a_b.test"]
    issued = authority.issue(tmp_path_factory.mktemp("ca"), names)
    return {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}


def node(**given: Any) -> Node:
    return settings.load(fakes.inventory(sites=SITES, **given))[0].nodes[0]


def found(said: Node, wanted: Node, old: str = "", new: str = "") -> list[str]:
    """What is found where what is made of `said`, with `new` for `old`, is to be `wanted`."""
    texts = nginx_files.files(said, 1, "").texts
    files = {path: it for path, it in texts.items() if path.endswith((".conf", ".types"))}
    dump = "".join(
        f"# configuration file /etc/nginx/{path}:\n{it!s}\n" for path, it in files.items()
    )
    assert not old or old in dump
    return list(served_otherwise(nginx_output.dump(dump.replace(old, new)).root, wanted))


@pytest.mark.parametrize(
    "answer",
    ["serve", "close", 404, 421, {"page": "none"}, {"redirect": "https://a.org/"}],
    ids=str,
)
def test_what_a_deploy_writes_is_right(answer: object, tls: dict[str, str]) -> None:
    given = node(unknown_host=answer, **tls)
    assert found(given, given) == []


def test_another_answer_to_unknown_hosts_is_found(tls: dict[str, str]) -> None:
    closing, serving = node(unknown_host="close", **tls), node(**tls)
    ports = (80, 443) if tls else (80,)
    assert found(serving, closing) == [
        f"an unknown host gets nothing of its own on {port}, not 444" for port in ports
    ]
    assert found(closing, serving) == ["unknown hosts are not answered by the default server"]
    assert found(node(unknown_host=404, **tls), closing) == [
        f"an unknown host gets 404 on {port}, not 444" for port in ports
    ]


def test_a_page_for_unknown_hosts_that_is_not_there_is_found(tls: dict[str, str]) -> None:
    bare, paged = node(unknown_host=404, **tls), node(unknown_host={"page": "none"}, **tls)
    page = "404 with /var/lib/tandem/sites/unknown+host/current"
    ports = (80, 443) if tls else (80,)
    assert found(bare, paged) == [
        f"an unknown host gets 404 on {port}, not {page}" for port in ports
    ]
    assert found(paged, bare) == [
        f"an unknown host gets {page} on {port}, not 404" for port in ports
    ]


def test_who_is_let_into_a_whole_site_is_looked_at(tls: dict[str, str]) -> None:
    def one(*, all_of_them: Any = False, **option: Any) -> Node:
        site = {"server_names": ["a_b.test"], "page": "b", **option}
        given: dict[str, Any] = {"sites": [site], "maintenance": all_of_them, **tls}
        return settings.load(fakes.inventory(**given))[0].nodes[0]

    assert found(one(maintenance=True), one(maintenance=True)) == []
    assert found(one(), one(maintenance=True)) == ["a_b.test is not closed for maintenance"]
    assert found(one(maintenance=True), one()) == ["a_b.test is closed for maintenance"]
    closed = one(all_of_them=True)
    assert found(one(), closed) == ["a_b.test is not closed for maintenance"]
    assert found(closed, one(all_of_them=True, maintenance=False)) == [
        "a_b.test is closed for maintenance"
    ]
    if tls:
        shown = one(client_certificates={"ca_file": tls["tls_certificate"]})
        assert found(shown, shown) == []
        assert found(one(), shown) == ["a_b.test asks clients for certificates: off, not on"]


def test_names_that_tandem_asks_by_and_nobody_has_any_more_are_found() -> None:
    right = node(unknown_host="close")
    said = found(right, right, "tandem\n", "tandex\n")
    assert "the default server does not answer to tandem, which Tandem asks by" in said
    said = found(right, right, "*.example.org", "*.example.com")
    assert {
        "no server answers to *.example.org",
        "answers to *.example.com, which is not a site's name",
    } <= set(said)
