"""What nginx is told of a path where its release, or the writing, makes a difference."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.settings.serving.test_place_settings import UPSTREAMS, node_with, site_conf
from tests.unit.settings.test_settings import inventory, mistakes


def test_a_variable_may_stand_in_braces() -> None:
    said = site_conf({"proxy": "app", "send_headers": {"X-A": "${host}x"}})
    assert '"${host}x"' in said
    assert '"https://${host}/x"' in site_conf({"redirect": "https://${host}/x"})
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


def test_the_name_of_a_paths_file_is_one_that_a_machine_takes() -> None:
    paths = {f"/{'a' * length}/": {"page": "x"} for length in (10, 70, 90, 400)}
    node = node_with(sites=[{"server_names": ["www.example.org"], "paths": paths}])
    names = [content.name for content in node.contents]
    assert len(set(names)) == 4 and max(map(len, names)) < 120
    assert names[:2] == [f"www.example.org,{'a' * length}," for length in (10, 70)]
