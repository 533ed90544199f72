"""Directories that clients write: who may, which, and what nginx can."""

from __future__ import annotations

from typing import Any

import pytest

from settings.serving.serving_settings import DAV_FLAG
from tests.unit.settings.serving.test_place_settings import UPSTREAMS, node_with, site_conf
from tests.unit.settings.test_settings import inventory, mistakes

INSIDE = ["10.0.0.0/8"]
DROP = {"directory": "/srv/drop/x", "webdav": True, "allow": INSIDE}
SCRIPTS = {"fastcgi": "app", "root": "/srv/drop"}


@pytest.mark.parametrize(
    ("release", "methods"),
    [
        ("1.22.1", "PUT DELETE MKCOL;"),
        ("1.28.2", "PUT DELETE MKCOL;"),
        ("1.28.3", "PUT DELETE MKCOL COPY MOVE;"),
        ("1.29.6", "PUT DELETE MKCOL;"),
        ("1.29.7", "PUT DELETE MKCOL COPY MOVE;"),
        ("1.30.6", "PUT DELETE MKCOL COPY MOVE;"),
    ],
)
def test_files_are_copied_and_moved_by_releases_that_can(release: str, methods: str) -> None:
    """CVE-2026-27654."""
    place = {"directory": "/srv/files", "webdav": True, "max_body_mb": 0, "allow": INSIDE}
    given: dict[str, Any] = {
        "nginx_version": release,
        "nginx_writable_paths": ["/srv/files"],
    }
    said = " ".join(site_conf(place, **given).split())
    assert f"dav_methods {methods}" in said
    assert "allow 10.0.0.0/8; deny all;" in said and "client_max_body_size 0;" in said
    assert DAV_FLAG in node_with(paths={"/x/": place}, **given).module_flags
    assert DAV_FLAG not in node_with(nginx_version=release).module_flags


def refused(place: dict[str, Any], **more: Any) -> list[str]:
    paths = {"/x/": DROP | place} | more.pop("paths", {})
    given = {"upstreams": UPSTREAMS, "nginx_writable_paths": ["/srv/drop"], "paths": paths}
    return mistakes(inventory(**(given | more)))


@pytest.mark.parametrize(
    ("place", "more", "about", "remedy"),
    [
        ({"allow": []}, {}, "webdav = True", "set allow, or basic_auth"),
        ({"allow": ["10.0.0.0/8", "::/0"]}, {}, "webdav = True", "set allow, or basic_auth"),
        ({"fallback": "/a.html"}, {}, "fallback = '/a.html'", "leave it out"),
        ({"directory": "/srv/other"}, {}, "directory = '/srv/other'", "to nginx_writable_paths"),
        ({"directory": "/run/nginx"}, {}, "directory = '/run/nginx'", "to nginx_writable_paths"),
        ({}, {"paths": {"/": SCRIPTS}}, "directory = '/srv/drop/x'", "could run it"),
        (
            {},
            {"sites": [{"server_names": ["a.example"], "paths": {"/": SCRIPTS}}]},
            "directory = '/srv/drop/x'",
            "could run it",
        ),
    ],
)
def test_what_would_let_in_or_harm_anybody_is_refused(
    place: dict[str, Any], more: dict[str, Any], about: str, remedy: str
) -> None:
    (line,) = refused(place, **more)
    assert f"paths[/x/].{about}" in line and remedy in line, line


@pytest.mark.parametrize("whose", ["", "sites[0]."])
def test_who_may_read_all_paths_may_not_therefore_write(whose: str) -> None:
    """What is said for all paths is mostly wider than who shall write one of them."""
    place = {key: value for key, value in DROP.items() if key != "allow"}
    site: dict[str, Any] = {"server_names": ["www.example.org"], "paths": {"/x/": place}}
    given: dict[str, Any] = {"sites": [site]} if whose else {"paths": site["paths"]}
    given["nginx_writable_paths"] = ["/srv/drop"]
    for around in [given, *([site] if whose else [])]:
        around["path_defaults"] = {"allow": INSIDE}
    (line,) = mistakes(inventory(**given))
    assert f"{whose}paths[/x/].webdav = True: anybody could write here, or whoever may" in line
    place["allow"] = ["10.0.0.5"]
    assert node_with(**given).places or node_with(**given).sites


def test_what_could_not_be_read_is_told_and_nothing_made_of_it() -> None:
    found = refused({"allow": ["10.0.0.1/8"]})
    assert found and not [line for line in found if "webdav" in line], found


def test_one_place_that_cannot_be_read_hides_no_others_mistake() -> None:
    wrong = DROP | {"directory": "no path"}
    found = refused({}, paths={"/a/": wrong, "/b/": DROP | {"fallback": "/a.html"}})
    assert len(found) == 2 and any("paths[/b/].fallback" in line for line in found), found


def test_the_directory_itself_stays() -> None:
    said = site_conf(DROP, path="/a/b/", nginx_writable_paths=["/srv/drop"])
    assert "min_delete_depth 3;" in " ".join(said.split())
