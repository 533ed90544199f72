"""Which headers may be asked for, and what a profile, a site and a place make of one another."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from settings.mistakes.serving_warnings import warnings
from settings.node import Node
from settings.serving.header_settings import CACHE_STATUS, NOT_SENT, PROFILES
from tests.unit.settings.test_settings import inventory, mistakes

SITE: dict[str, Any] = {"server_names": ["www.example.org"], "page": "x"}
APP, STRICT = PROFILES["app"], PROFILES["strict"]


def node(**given: Any) -> Node:
    return settings.load(inventory(**given))[0].preferred


def of_site(own: object, **given: Any) -> dict[str, str]:
    found = node(sites=[SITE | {"headers": own}], **given)
    return found.headers_of(found.sites[0])


REFUSED: list[tuple[object, str, str]] = [
    ("strikt", "headers", '"app", "strict"'),
    ({"profile": "none"}, "headers", '"app", "strict"'),
    (["strict"], "headers", '"app", "strict"'),
    (3, "headers", '"app", "strict"'),
    ({"X A": "b"}, "headers", '{"'),
    ({"X-A": 'b"; deny all'}, "headers", '{"'),
    ({"X-A": "b\nX-B: c"}, "headers", '{"'),
    ({"X-A": "$secret"}, "headers", '{"'),
    ({"X-A": "ä" * 2001}, "headers", "4000 bytes"),
    ({"X-A": "$scheme" * 300}, "headers", "4000 bytes"),
    ({"X-A": "b", "x-a": "c"}, "headers.x-a", "X-A is the same"),
    ({"X-A": "b", "x_a": "c"}, "headers.x_a", "nginx knows X-A by the same name"),
    ({"x_frame_options": "c"}, "headers.x_frame_options", "X-Frame-Options by the same name"),
    ({"strict_transport_security": "a"}, "headers.strict_tra", "set hsts_s"),
    ({"strict-transport-security": "max-age=5"}, "headers.strict-tra", "set hsts_s"),
    ({"Content-Type": "text/html"}, "headers.Content-Type", "a file's ending says this"),
    *(({name.title(): "x"}, f"headers.{name.title()}", "") for name in NOT_SENT),
]
OF_PLACES = ("sites[0].paths[/a/].", "paths[/a/].")


@pytest.mark.parametrize(
    ("where", "headers", "about", "remedy"),
    [
        *((where, *each) for each in REFUSED for where in ("", "sites[0].")),
        # (A place has no profile.)
        *((where, *each) for each in REFUSED[4:] for where in OF_PLACES),
    ],
)
def test_what_is_no_header_of_ones_own_is_refused(
    where: str, headers: object, about: str, remedy: str
) -> None:
    (line,) = mistakes(inventory(**given_at(where, headers)))
    assert f": {where}{about}" in f": {line}" and remedy in line, line


def given_at(where: str, headers: object) -> dict[str, Any]:
    if not where:
        return {"headers": headers}
    if where == "sites[0].":
        return {"sites": [SITE | {"headers": headers}]}
    paths = {"/a/": {"page": "a", "headers": headers}}
    return {"paths": paths} if where == "paths[/a/]." else {"sites": [SITE | {"paths": paths}]}


def test_a_place_has_no_profile() -> None:
    (line,) = mistakes(inventory(**given_at("paths[/a/].", {"profile": "strict"})))
    assert "paths[/a/].headers.profile = 'strict': a profile is for a site or for all" in line


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        ("", "sites[0].", "sites[0]."),
        ("sites[0].", "paths[/a/].", "sites[0]."),
        ("", "sites[0].paths[/a/].", "sites[0].paths[/a/]."),
    ],
)
def test_wherever_they_are_said_two_are_not_called_the_same(
    first: str, second: str, where: str
) -> None:
    given = given_at(first, {"X-A": "a"}) | given_at(second, {"X-A": "b"})
    assert settings.load(inventory(**given))
    given = given_at(first, {"X-A": "a"}) | given_at(second, {"X_A": "b"})
    (line,) = mistakes(inventory(**given))
    assert f"{where}headers.X" in line and "by the same name" in line, line


def test_all_mistakes_are_told_at_once() -> None:
    first, second = {"Date": "x", "Server": "y"}, {"ETag": "z"}
    sites = [SITE | {"headers": second, "paths": {"/a/": {"page": "a", "headers": second}}}]
    found = mistakes(inventory(headers=first, sites=sites))
    assert [line.split(" = ")[0].rpartition(": ")[2] for line in found] == [
        *("headers.Date", "headers.Server"),
        *("sites[0].headers.ETag", "sites[0].paths[/a/].headers.ETag"),
    ]


@pytest.mark.parametrize(
    ("cluster", "site", "sent"),
    [
        ({}, None, APP),
        ("app", None, APP),
        ("strict", None, STRICT),
        ({"X-A": "a"}, None, APP | {"X-A": "a"}),
        ({"X-A": "a"}, {"X-B": "b"}, APP | {"X-A": "a", "X-B": "b"}),
        ({"X-A": "a"}, {"x-a": "b"}, APP | {"x-a": "b"}),
        ({"X-A": "a"}, {"X-A": ""}, APP),
        ({"X-A": "a"}, "app", APP),
        ({"X-A": "a"}, {"profile": "strict", "X-B": "b"}, STRICT | {"X-B": "b"}),
        ("strict", {"X-Frame-Options": "SAMEORIGIN"}, STRICT | {"X-Frame-Options": "SAMEORIGIN"}),
        ({}, {"x-frame-options": ""}, {"X-Content-Type-Options": "nosniff"}),
    ],
)
def test_what_is_said_for_all_is_the_default_of_sites(
    cluster: object, site: object, sent: dict[str, str]
) -> None:
    assert of_site(site, headers=cluster) == sent


def test_no_profile_takes_away_what_other_settings_send() -> None:
    given: dict[str, Any] = {"upstreams": {"app": ["10.0.0.1:80"]}, "proxy": {"/": "app"}}
    given |= {"cache": {}, "headers": "strict"}
    assert node(**given).headers_of(None)[CACHE_STATUS] == "$upstream_cache_status"
    assert CACHE_STATUS in of_site("app", **given)
    assert CACHE_STATUS not in of_site({CACHE_STATUS: ""}, **given)


def test_a_node_reads_again_what_it_has_written() -> None:
    for headers in ("strict", {"X-A": "a"}, {"profile": "strict", "X-A": "a"}, {}):
        found = node(headers=headers, sites=[SITE | {"headers": headers}])
        again = Node.model_validate_json(found.model_dump_json())
        assert (again.headers, again.sites) == (found.headers, found.sites)


def test_a_slip_in_a_known_name_is_said() -> None:
    headers = {"X-Frame-Option": "DENY", "X-Own": "a", "x-robots-tag": "none"}
    for where in ("", "sites[0].", "sites[0].paths[/a/].", "paths[/a/]."):
        (cluster,) = settings.load(inventory(**given_at(where, headers)))
        (said,) = [line for line in warnings(cluster) if "header" in line]
        assert f"{where}headers.X-Frame-Option: no browser knows" in said
        assert "did you mean X-Frame-Options?" in said


def test_a_slip_in_what_applications_are_told_is_said() -> None:
    headers = {"X-Forwared-For": "$remote_addr", "X-Own": "a", "x-real-ip": "$remote_addr"}
    place = {"proxy": "app", "send_headers": headers}
    app: dict[str, Any] = {"upstreams": {"app": ["10.0.0.1:80"]}}
    cases: dict[str, dict[str, Any]] = {
        "paths[/a/].": {"paths": {"/a/": place}},
        "path_defaults.": {"path_defaults": {"send_headers": headers}},
        "sites[0].paths[/a/].": {"sites": [SITE | {"paths": {"/a/": place}}]},
        "sites[0].path_defaults.": {"sites": [SITE | {"path_defaults": {"send_headers": headers}}]},
    }
    for where, given in cases.items():
        (cluster,) = settings.load(inventory(**app, **given))
        (said,) = [line for line in warnings(cluster) if "header" in line]
        assert f"{where}send_headers.X-Forwared-For: no application knows" in said
        assert "did you mean X-Forwarded-For?" in said
