"""Paths that go up: applications could read them otherwise than nginx, which asks who comes in."""

from __future__ import annotations

import re

import pytest

from tasks.nginx import nginx_files
from tests.unit.settings.serving.test_place_settings import node_with


def test_where_not_everybody_may_come_in_paths_have_one_reading() -> None:
    guarded = node_with(
        paths={"/": {"proxy": "app"}, "/a/": {"proxy": "app", "allow": ["10.0.0.1"]}}
    )
    assert "return  400;" in nginx_files.nginx_conf(guarded, 1, "")
    for paths in ({"/": {"proxy": "app"}}, {"/a/": {"page": "x", "allow": ["10.0.0.1"]}}):
        assert "return  400;" not in nginx_files.nginx_conf(node_with(paths=paths), 1, "")


@pytest.mark.parametrize("up", ["..", "%2e.", ".%2E", "%2e%2e"])
@pytest.mark.parametrize(
    "path",
    [
        *("/a/{}/b", "/{}/b", "/a/{}", "/a/{}?x", "/a%2f{}%2Fb", "/a/b/{}/../c", "/a/{}#b"),
        # What Tomcat and Jetty take away, and what IIS and .NET take for a slash.
        *("/a/{};/b", "/a/{};v=1/b", "/a/{}%3b/b", "/a/{};", "/a/{}%5cb", "/a\\{}\\b", "/a%5C{}/b"),
    ],
)
def test_a_path_that_goes_up_has_one_reading(path: str, up: str) -> None:
    assert _goes_up(path.format(up))


@pytest.mark.parametrize(
    "path",
    [
        *("/a..b", "/a../b", "/..a/b", "/...;/", "/.../b", "/a/.b/", "/a;x=../b", "/a//b"),
        *("/x?y=/../z", "/x?../y", "/x?/..;/", "/a/b;v=1.2..3/c", "/%2e%2ea", "/", "/a%5cb"),
    ],
)
def test_a_path_that_does_not_go_up_is_passed_on(path: str) -> None:
    assert not _goes_up(path)


def _goes_up(path: str) -> bool:
    """Whether nginx would answer 400, by its regular expression; quoted as nginx reads it."""
    paths = {"/": {"proxy": "app"}, "/a/": {"proxy": "app", "allow": ["10.0.0.1"]}}
    said = nginx_files.nginx_conf(node_with(paths=paths), 1, "")
    (quoted,) = re.findall(r'if \(\$request_uri ~\* "(.*)"\)', said)
    return bool(re.search(re.sub(r"\\([\\\"'])", r"\1", quoted), path, re.IGNORECASE))
