"""What nginx is told of a path where its release, or the writing, makes a difference."""

from __future__ import annotations

from typing import Any

import pytest

from settings.serving.serving_settings import DAV_FLAG
from tests.unit.settings.serving.test_place_settings import UPSTREAMS, node_with, site_conf
from tests.unit.settings.test_settings import inventory, mistakes


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
    place = {"directory": "/srv/files", "webdav": True, "max_body_mb": 0}
    given: dict[str, Any] = {
        "nginx_version": release,
        "nginx_writable_paths": ["/srv/files"],
    }
    # What is said for the whole site keeps everybody else out.
    given["path_defaults"] = {"allow": ["10.0.0.0/8"]}
    said = " ".join(site_conf(place, **given).split())
    assert f"dav_methods {methods}" in said
    assert "allow 10.0.0.0/8; deny all;" in said and "client_max_body_size 0;" in said
    assert DAV_FLAG in node_with(paths={"/x/": place}, **given).module_flags
    assert DAV_FLAG not in node_with(nginx_version=release).module_flags


def test_a_variable_may_stand_in_braces() -> None:
    said = site_conf({"proxy": "app", "send_headers": {"X-A": "${host}x"}})
    assert '"${host}x"' in said
    (line,) = mistakes(
        inventory(upstreams=UPSTREAMS, paths={"/x/": {"page": "x", "headers": {"X-A": "${evil}"}}})
    )
    assert "headers" in line


@pytest.mark.parametrize(
    ("place", "about"),
    [
        ({"directory": f"/srv/{'a' * 1000}"}, "directory"),
        ({"directory": "/srv/a", "fallback": f"/{'a' * 1000}"}, "fallback"),
        ({"fastcgi": "app", "root": f"/{'a' * 1000}"}, "root"),
        ({"fastcgi": "app", "root": "/srv", "script": f"{'a' * 1000}.php"}, "script"),
    ],
)
def test_a_path_that_nginx_would_not_read_in_one_is_refused(
    place: dict[str, Any], about: str
) -> None:
    (line,) = mistakes(inventory(upstreams=UPSTREAMS, paths={"/x/": place}))
    assert f"paths[/x/].{about} = " in line
    (line,) = mistakes(inventory(upstreams=UPSTREAMS, proxy={f"/{'a' * 1000}": "app"}))
    assert ".path = " in line
    (line,) = mistakes(inventory(unknown_host={"redirect": f"https://a.example/{'a' * 1000}"}))
    assert "unknown_host = " in line
