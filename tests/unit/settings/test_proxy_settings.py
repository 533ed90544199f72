"""The reverse proxy's settings: what is refused, and what nginx is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import settings
from controller import artifact, rendering
from settings import SettingsError
from settings.cluster import Cluster
from settings.node import Node
from tasks.nginx import nginx_files
from tests.unit.settings.test_settings import inventory, mistakes

APP = {"app": {"servers": ["10.0.0.11:8080"]}}


def loaded(**given: Any) -> Node:
    return settings.load(inventory(**given))[0].preferred


def nginx_conf(node: Node) -> str:
    return nginx_files.nginx_conf(node, 2, "build")


def upstreams_conf(**given: Any) -> str:
    return rendering.render("nginx/upstreams.conf.j2", node=loaded(**given))


@pytest.mark.parametrize(
    ("upstream", "about", "remedy"),
    [
        ({"servers": ["10.0.0.11"]}, "upstreams[app].servers[0].address", '"HOST:PORT"'),
        ({"servers": ["10.0.0.999:80"]}, "upstreams[app].servers[0].address", '"HOST:PORT"'),
        ({"servers": ["h:80; reboot"]}, "upstreams[app].servers[0].address", '"HOST:PORT"'),
        ({"servers": ["h:70000"]}, "upstreams[app].servers[0].address", '"HOST:PORT"'),
        ({"servers": ["[fd61::x]:80"]}, "upstreams[app].servers[0].address", '"HOST:PORT"'),
        ({"servers": []}, "upstreams[app].servers", "a list of servers"),
        ({}, "upstreams[app].servers = '(not set)'", "a list of servers"),
        ({"servers": ["h:80"], "tries": 0}, "upstreams[app].tries = 0", "1 to 100"),
        ({"servers": ["h:80"], "kepalive": 1}, "upstreams[app].kepalive", "mean keepalive?"),
        ({"servers": ["h:80"], "retry_on": ["post"]}, "upstreams[app].retry_on", '"http_502"'),
        ({"servers": ["h:80", "h:80"]}, "upstreams[app]", "name each server once"),
        ({"servers": [{"address": "h:80", "backup": True}]}, "upstreams[app]", "leave one without"),
        (
            {"servers": [{"address": "h:80", "weight": "x"}]},
            "upstreams[app].servers[0].weight",
            "1 to 1000",
        ),
    ],
)
def test_a_wrong_upstream_is_refused_by_its_place(
    upstream: dict[str, Any], about: str, remedy: str
) -> None:
    (line,) = mistakes(inventory(upstreams={"app": upstream}, proxy={"/": "app"}))
    assert line.startswith(f"host1, host2: {about}"), line
    assert remedy in line


@pytest.mark.parametrize(
    ("given", "about", "remedy"),
    [
        ({"proxy": {"/": "other"}}, "proxy[/] = 'other'", "there are app"),
        ({"proxy": {"api": "app"}}, "proxy[api].path = 'api'", "begins with /"),
        ({"proxy": {"/a b": "app"}}, "proxy[/a b].path", "a space cannot be"),
        ({"proxy": {"/nginx_status": "app"}}, "proxy[/nginx_status]", "itself; give another"),
        ({"cache": {}}, "cache = '/var/cache/nginx'", "nothing is proxied"),
        ({"cache": {"path": "/etc/nginx"}}, "cache.path = '/etc/nginx'", "below /var/cache"),
        ({"cache": {"path": "/srv/../etc"}}, "cache.path", "below /var/cache"),
        ({"cache": {"size_mb": "1g"}}, "cache.size_mb = '1g'", "megabytes"),
        ({"cache": {"valid_s": {"2xx": 5}}}, "cache.valid_s", '"200 301 302": 600'),
        ({"cache": {"private_cookies": ["a;b"]}}, "cache.private_cookies", "a list of cookies"),
        ({"upstreams": {"My App": ["h:1"]}}, "upstreams[My App].name", "lower-case letters"),
        ({"perl": "yes please"}, "perl", "True or False"),
        ({"nginx_extra_flags": ["--with-http_perl_module"]}, "nginx_extra_flags", "perl = True"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    given: dict[str, Any], about: str, remedy: str
) -> None:
    found = mistakes(inventory(**{"upstreams": APP, **given}))
    (line,) = (line for line in found if f": {about}" in line)
    assert remedy in line


def test_all_mistakes_come_at_once() -> None:
    given: dict[str, Any] = {
        "upstreams": {"app": {"servers": ["x"], "tries": 0}},
        "cache": {"size_mb": 0},
    }
    found = mistakes(inventory(**given, http_port=0))
    assert len(found) == 5 and any("nothing is proxied through it" in each for each in found)


def test_tandems_own_cache_is_no_place_for_answers() -> None:
    with pytest.raises(SettingsError, match="Tandem keeps builds there"):
        loaded(upstreams=APP, proxy={"/": "app"}, cache={"path": "/var/cache/tandem/x"})


def test_nodes_that_differ_in_what_they_proxy_are_refused() -> None:
    hosts = {
        name: {"ssh_hostname": f"172.16.12.6{number}", "priority": 100 + number, "page": name}
        for number, name in enumerate(("host1", "host2"))
    }
    hosts["host1"] |= {"upstreams": APP, "proxy": {"/": "app"}}
    assert any("every machine of a cluster the same" in line for line in mistakes(inventory(hosts)))


def test_what_was_set_survives_a_saved_gathering() -> None:
    (cluster,) = settings.load(
        inventory(
            upstreams=APP,
            proxy={"/": {"upstream": "app", "cache": False}},
            cache=None,
            auth_pass="(secret)",  # what is saved in the place of every secret
        )
    )
    assert Cluster.model_validate(json.loads(cluster.model_dump_json())) == cluster
    hash(cluster)


def test_retries_leave_posts_alone_unless_asked_for() -> None:
    node = loaded(upstreams=APP, proxy={"/": "app"})
    assert "proxy_next_upstream    error timeout;" in nginx_conf(node)
    both = {"app": APP["app"] | {"retry_non_idempotent": True}}
    node = loaded(upstreams=both, proxy={"/": "app"})
    assert "proxy_next_upstream    error timeout non_idempotent;" in nginx_conf(node)


def test_a_server_is_told_with_all_that_was_set() -> None:
    server = {"address": "[fd61::1]:80", "weight": 3, "backup": True, "max_fails": 2}
    said = upstreams_conf(
        upstreams={"app": {"servers": ["h:1", server]}, "live": {"servers": ["h:2"]}},
        proxy={"/": "app"},
    )
    assert "server     h:1 max_fails=1 fail_timeout=10s;" in said
    assert "server     [fd61::1]:80 weight=3 max_fails=2 fail_timeout=10s backup;" in said
    assert "proxy_cache_path" not in said and "map" not in said


def test_a_web_socket_is_not_cached_and_keeps_its_headers() -> None:
    live = {"live": {"servers": ["h:1"], "websocket": True}}
    said = nginx_conf(loaded(upstreams=live, proxy={"/": "live"}, cache={}))
    assert "Connection         $tandem_connection" in said
    assert "proxy_cache " not in said


def test_what_is_somebodys_own_is_not_kept() -> None:
    cache = {"private_cookies": ["session"]}
    said = nginx_conf(loaded(upstreams=APP, proxy={"/": "app"}, cache=cache))
    assert "proxy_cache_bypass     $http_authorization $cookie_session;" in said
    assert "proxy_no_cache         $http_authorization $cookie_session;" in said


def test_one_paths_answers_are_kept_in_another_way() -> None:
    own = {"valid_s": {"200": 5}, "private_cookies": ["news"]}
    paths = {
        "/": {"proxy": "app"},
        "/news/": {"proxy": "app", "cache": own},
        "/none/": {"proxy": "app", "cache": False},
    }
    given = {"cache": {"stale": False, "private_cookies": ["session"]}, "upstreams": APP}
    said = nginx_conf(loaded(paths=paths, **given))
    _, everything, news, none = said.split("    location")[-4:]
    for text, valid, cookie in ((everything, "404 60s", "session"), (news, "200 5s", "news")):
        assert f"proxy_cache_valid      {valid};" in text
        assert f"proxy_cache_bypass     $http_authorization $cookie_{cookie};" in text
        assert "proxy_cache_use_stale" not in text, "as for all"
    assert "404" not in news and "# cache: private_cookies, valid_s;" in news
    assert "proxy_cache" not in none


@pytest.mark.parametrize(
    ("cache", "said"),
    [
        ({"valid_s": {"2xx": 5}}, "cache.valid_s"),
        ({"valid_sec": {"200": 5}}, "did you mean valid_s?"),
        ({"size_mb": 5}, "there is no such setting"),
        (5, 'give True, False, or {"valid_s": {"200": 60}}'),
    ],
)
def test_another_way_to_keep_a_paths_answers_is_refused(cache: object, said: str) -> None:
    paths = {"/": {"proxy": "app", "cache": cache}}
    (line,) = mistakes(inventory(upstreams=APP, paths=paths, cache={}))
    assert "paths[/].cache" in line and said in line, line


def test_how_to_keep_answers_where_none_are_kept_is_refused() -> None:
    paths = {"/": {"proxy": "app", "cache": {"valid_s": {"200": 5}}}}
    (line,) = mistakes(inventory(upstreams=APP, paths=paths))
    assert "nothing is kept for this cluster: set `cache` for it, too" in line


def test_where_everything_is_proxied_the_machines_page_moves_aside() -> None:
    assert loaded().page_path == "/"
    assert loaded(upstreams=APP, proxy={"/app/": "app"}).page_path == "/"
    node = loaded(upstreams=APP, proxy={"/": "app"})
    assert node.page_path == "/tandem-page"
    for path in ("/tandem-page", "/tandem-drill.bin"):
        assert f"location = {path} {{" in nginx_conf(node)
        assert f"location = {path} {{" not in nginx_conf(loaded())


def test_the_documentations_example_works_when_pasted() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "proxy.md").read_text()
    example: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], example)
    given = {name: example[name] for name in ("upstreams", "proxy", "cache")}
    said = nginx_conf(loaded(**given))
    assert "location /account/ {" in said and "$cookie_session" in said


def test_without_any_of_it_nginx_is_told_nothing_of_it() -> None:
    said = nginx_conf(loaded())
    for word in (
        "proxy",
        "$upstream",
        "upstreams.conf",
        "perl",
        "backlog",
        "keepalive_requests",
        "Cache",
    ):
        assert word not in said, word
    unit = rendering.render("nginx/nginx.service.j2", node=loaded())
    assert "ReadWritePaths=/var/log/nginx /var/tmp/nginx -/run/tandem\n" in unit


def test_the_unit_may_write_the_cache() -> None:
    node = loaded(upstreams=APP, proxy={"/": "app"}, cache={"path": "/srv/kept"})
    unit = rendering.render("nginx/nginx.service.j2", node=node)
    assert "ReadWritePaths=/var/log/nginx /var/tmp/nginx /srv/kept " in unit


def test_perl_is_a_flag_and_files_of_the_build() -> None:
    plain, perl = loaded(), loaded(perl=True)
    assert [flag for flag in perl.flags if flag not in plain.flags] == ["--with-http_perl_module"]
    assert artifact.files(perl.flags) - artifact.files(plain.flags) == artifact.PERL_FILES
    assert "perl_modules       /usr/lib/tandem/nginx/build/perl;" in nginx_conf(perl)


def test_who_gives_a_server_by_its_name_is_told_that_nginx_needs_a_resolver_to_start() -> None:
    servers = ["10.0.0.11:80", "[fd61:1::7]:80", "localhost:8080", "app.lab:80"]
    (cluster,) = settings.load(inventory(upstreams={"app": {"servers": servers}}))
    (warning,) = settings.warnings(cluster)
    assert "upstreams (app: app.lab:80): nginx looks a name up each time that it starts" in warning
    (plain,) = settings.load(inventory(upstreams={"app": {"servers": servers[:3]}}))
    assert list(settings.warnings(plain)) == []
