"""What may answer a path: what is refused by its place, and what nginx is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import settings
from settings.node import Node
from settings.serving.places import KINDS, ONLY_OF, Place
from tasks.nginx import generation, nginx_files
from tests.unit.settings.test_settings import inventory, mistakes

UPSTREAMS = {
    "app": {"servers": ["10.0.0.11:8080"]},
    "live": {"servers": ["10.0.0.11:8080"], "websocket": True},
    "secure": {"servers": ["app.example.org:8443"], "tls": {"name": "app.example.org"}},
    "trying": {"servers": ["10.0.0.11:8080"], "retry_on": ["error", "http_502", "http_504"]},
}
# As `htpasswd -B` has made it.
HASHED = f"anna:$2y$05${'a' * 53}\n"
# 4002 bytes of 2001 characters.
LONG = "ä" * 2001
# One of each kind, as it may be.
RIGHT = {
    "content": {"content": "docs"},
    "directory": {"directory": "/srv/files"},
    "page": {"page": "hello"},
    "redirect": {"redirect": "https://www.example.org$request_uri"},
    "proxy": {"proxy": "app"},
    "grpc": {"grpc": "app"},
    "fastcgi": {"fastcgi": "app", "root": "/srv/www"},
    "uwsgi": {"uwsgi": "app"},
}


def node_with(**given: Any) -> Node:
    return settings.load(inventory(upstreams=UPSTREAMS, **given))[0].preferred


def site_conf(place: dict[str, Any], path: str = "/x/", **given: Any) -> str:
    site = {"server_names": ["www.example.org"], "paths": {path: place}}
    node = node_with(sites=[site], **given)
    return nginx_files.site_files(node)["sites/www.example.org.conf"]


def test_there_is_one_right_place_of_each_kind() -> None:
    assert RIGHT.keys() == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_of_each_kind_is_told_to_nginx_with_the_setting_it_comes_from(kind: str) -> None:
    said = site_conf(RIGHT[kind], nginx_version="1.26.3")
    (about,) = [line for line in said.splitlines() if "# sites, www.example.org: /x/ is " in line]
    assert about.endswith("."), about


@pytest.mark.parametrize(
    ("kind", "option"),
    [(kind, option) for option in ONLY_OF for kind in KINDS if kind not in ONLY_OF[option]],
)
def test_an_option_of_another_kind_is_refused(kind: str, option: str) -> None:
    """It would do nothing."""
    value = SOME.get(option, True)
    place = {**RIGHT[kind], option: value}
    given: dict[str, Any] = {"upstreams": UPSTREAMS, "paths": {"/x/": place}}
    given["nginx_version"] = "1.26.3"
    (line,) = mistakes(inventory(**given))
    assert f"paths[/x/].{option}" in line, line
    assert f"not for {kind}: leave it out" in line, line


# A right value for each option that is not True or False.
SOME: dict[str, Any] = {
    "status": 301,
    "index": "start.html",
    "fallback": "/index.html",
    "root": "/srv/www",
    "script": "index.php",
    "host": "app.example.org",
    "read_timeout_s": 5,
    "send_timeout_s": 5,
    "send_headers": {"X-A": "b"},
    "hide_headers": ["X-A"],
    "max_body_mb": 5,
    "allow": ["10.0.0.0/8"],
    "basic_auth": "no/such",
    "limits": {"connections": 5, "requests_per_s": 5, "burst": 9},
}


@pytest.mark.parametrize(
    ("path", "place", "about", "remedy"),
    [
        ("/x/", {}, "paths[/x/] = 'nothing'", "one of content, directory, page"),
        ("/x/", {"proxy": "app", "page": "x"}, "paths[/x/] = 'page and proxy'", "leave one"),
        ("/x/", {"proxy": "ap"}, "paths[/x/].proxy = 'ap'", "did you mean app?"),
        ("/x/", {"grpc": "live"}, "paths[/x/].grpc", "WebSockets go by `proxy`"),
        ("/x/", {"fastcgi": "secure", "root": "/srv"}, "paths[/x/].fastcgi", "knows no TLS"),
        ("/x/", {"fastcgi": "app"}, "paths[/x/].root", "such as /srv/www"),
        ("/x", {"directory": "/srv/x"}, "paths[/x] = '/x'", "begins with it: /x/"),
        ("/x", {"proxy": "app", "strip_path": True}, "paths[/x].strip_path", "be /x/"),
        ("x", {"proxy": "app"}, "paths[x].path = 'x'", "begins with /"),
        ("/a b", {"page": "x"}, "paths[/a b].path", "a space cannot be in a path"),
        ("/tandem-health", {"page": "x"}, "paths[/tandem-health]", "itself; give another"),
        ("= /nginx_status", {"page": "x"}, "paths[= /nginx_status]", "itself; give another"),
        ("/x/", {"proxy": "app", "bufering": False}, "paths[/x/].bufering", "mean buffering?"),
        ("/x/", {"redirect": "ftp://x"}, "paths[/x/].redirect", '"https://HOST/PATH"'),
        ("/x/", {"redirect": 'https://x/";deny'}, "paths[/x/].redirect", '" cannot be in it'),
        ("/x/", {"redirect": "/$secret"}, "paths[/x/].redirect", "$secret cannot be in it"),
        # A line's end in it would begin another header.
        ("/x/", {"redirect": "https://x$uri"}, "paths[/x/].redirect", "$request_uri"),
        (
            "/x/",
            {"proxy": "app", "send_headers": {"X": "${uri}"}},
            ".send_headers.X",
            "${uri} cannot",
        ),
        ("/x/", {"proxy": "app", "send_headers": {"X": LONG}}, ".send_headers", "4000 bytes"),
        ("/x/", {"page": "x", "headers": {"X": LONG}}, ".headers", "4000 bytes"),
        ("/x/", {"redirect": f"/{'a' * 4000}"}, ".redirect", "4000 bytes"),
        ("/x/", {"grpc": "app", "send_headers": {"X-A": "", "x-a": ""}}, "ers.x-a", "X-A is the s"),
        ("/x/", {"uwsgi": "app", "send_headers": {"X_A": "", "X-A": ""}}, "ers.X-A", "X_A by the"),
        ("/x/", {"uwsgi": "trying"}, "paths[/x/].uwsgi", "knows no http_502 and http_504"),
        ("/x/", {"fastcgi": "trying", "root": "/srv"}, "paths[/x/].fastcgi", "knows no http_502"),
        ("/x/", {"redirect": "/y", "status": 200}, "paths[/x/].status", "301, 302"),
        ("/x/", {"directory": "/srv/../etc"}, "paths[/x/].directory", "without spaces"),
        ("/x/", {"directory": "srv"}, "paths[/x/].directory", "without spaces"),
        ("/a%20b/", {"page": "x"}, "paths[/a%20b/].path", "with %20 read as a space"),
        ("/x/", {"directory": "/var"}, "paths[/x/].directory", "nobody's to read"),
        ("/x/", {"directory": "/home/www"}, "paths[/x/].directory", "nginx_readable_homes"),
        ("/x/", {"directory": "/etc/ssl"}, "paths[/x/].directory", "nobody's to read"),
        ("/x/", {"content": "no/such"}, "paths[/x/].content", "can be read"),
        ("/x/", {"page": "x", "allow": ["10.0.0.1/8"]}, "paths[/x/].allow[0]", "host bits"),
        (
            "/x/",
            {"page": "x", "headers": {"X A": "b"}},
            "headers.X A = 'b'",
            "begins with a letter",
        ),
        ("/x/", {"page": "x", "headers": {"X-A": 'b"'}}, "].headers.X-A = 'b\"'", '" cannot'),
        ("/x/", {"page": "x", "limits": {"burst": 5}}, "paths[/x/].limits", "requests_per_s"),
        ("/x/", {"page": "x", "basic_auth": "no/such"}, "basic_auth.file", "can be read"),
    ],
)
def test_a_wrong_place_is_refused_by_its_path(
    path: str, place: dict[str, Any], about: str, remedy: str
) -> None:
    given: dict[str, Any] = {"upstreams": UPSTREAMS, "paths": {path: place}}
    lines = mistakes(inventory(**given))
    assert len(lines) == 1, lines
    assert about in lines[0], lines
    assert remedy in lines[0], lines


def test_mistakes_of_all_places_are_told_at_once() -> None:
    sites = [
        {"server_names": ["a.example.org"], "paths": {"/": {"proxy": "ap"}, "/x": {}}},
        {"server_names": ["b.example.org"], "content": "docs", "paths": {"/": {"page": "x"}}},
    ]
    lines = mistakes(inventory(upstreams=UPSTREAMS, sites=sites))
    assert [line.split(" = ")[0].rpartition(" ")[2] for line in lines] == [
        "sites[0].paths[/x]",
        "sites[0].paths[/].proxy",
        "sites[1].paths[/]",
    ]


def test_one_path_has_one_answer() -> None:
    for given in (
        {"proxy": {"/x": "app"}, "paths": {"/x": {"proxy": "app"}}},
        {"paths": {"/x": {"page": "x"}, "= /x": {"page": "y"}}},
    ):
        (line,) = mistakes(inventory(upstreams=UPSTREAMS, **given))
        assert "this path has two answers" in line


@pytest.mark.parametrize(
    ("upstream", "about", "remedy"),
    [
        ({"servers": ["unix:run/app"]}, "servers[0].address", '"unix:/PATH"'),
        ({"servers": ["unix:/run/a;b"]}, "servers[0].address", '"unix:/PATH"'),
        ({"servers": ["unix:/home/a/s"]}, "servers = 'unix:/home/a/s'", "nginx_readable_homes"),
        ({"servers": ["10.0.0.1:80"], "tls": {}}, "tls.name", "the name in the servers'"),
        ({"servers": ["a.org:80", "b.org:80"], "tls": {}}, "tls.name", "the name in the servers'"),
        ({"servers": ["unix:/run/a"], "tls": {}}, "tls.name", "the name in the servers'"),
        ({"servers": ["h:80"], "tls": {"name": "127.0.0.1"}}, "tls.name", "for no addresses"),
        ({"servers": ["h:80"], "tls": {"name": "::1"}}, "tls.name", "no address"),
        ({"servers": ["h:80"], "tls": {"key": "x"}}, "tls.certificate", "both"),
        ({"servers": ["h:80"], "tls": {"ca_file": "no/such"}}, "tls.ca_file", "can be read"),
        ({"servers": ["h:80"], "tls": {"ca_file": "README.md"}}, "tls.ca_file", "no PEM file"),
        ({"servers": ["10.0.0.1:80"], "resolve": True}, "resolve", "by a name: leave it out"),
        ({"servers": ["h:80"], "resolve": True}, "resolve", "set `resolver`"),
    ],
)
def test_a_wrong_upstream_of_a_new_kind_is_refused(
    upstream: dict[str, Any], about: str, remedy: str
) -> None:
    lines = mistakes(inventory(upstreams={"app": upstream}, proxy={"/": "app"}))
    found = [line for line in lines if f"upstreams[app].{about}" in line]
    assert len(found) == 1, lines
    assert remedy in found[0], found


def test_names_that_are_looked_up_again_are_a_variable_before_nginx_knows_better() -> None:
    upstreams = {"app": {"servers": ["app.example.org:80"], "resolve": True}}
    given: dict[str, Any] = {
        "upstreams": upstreams,
        "proxy": {"/": "app"},
        "resolver": ["10.0.0.53"],
    }
    old = settings.load(inventory(**given, nginx_version="1.26.3"))[0].preferred
    said = nginx_files.files(old, 2, "build").texts
    assert "proxy_pass             http://$tandem_upstream_app;" in str(said["nginx.conf"])
    assert "app.example.org" not in str(said["upstreams.conf"]), "it would be looked up at a start"
    new = settings.load(inventory(**given, nginx_version="1.30.6"))[0].preferred
    said = nginx_files.files(new, 2, "build").texts
    assert "proxy_pass             http://app;" in str(said["nginx.conf"])
    assert "fail_timeout=10s resolve;" in str(said["upstreams.conf"])
    both = {"app": {"servers": ["a.example.org:80", "b.example.org:80"], "resolve": True}}
    (line,) = mistakes(inventory(**{**given, "upstreams": both}, nginx_version="1.26.3"))
    assert "1.27.3 or newer" in line


def test_the_name_of_all_servers_is_in_their_certificates() -> None:
    """nginx itself would look for the upstream's name there."""
    servers = ["app.example.org:1", "app.example.org:2"]
    upstreams = {"app": {"servers": servers, "tls": {}}}
    node = settings.load(inventory(upstreams=upstreams, proxy={"/": "app"}))[0].preferred
    said = str(nginx_files.files(node, 2, "build").texts["nginx.conf"])
    assert "proxy_ssl_name         app.example.org;" in said
    assert "proxy_ssl_verify       on;" in said


@pytest.mark.parametrize("name", ["www.example.pm", "www.example.org,x.conf", "a,x.key", "a.pem"])
def test_passwords_are_a_secret_whatever_the_site_is_called(name: str) -> None:
    assert generation.is_secret(f"etc/auth/{name}") and generation.is_secret(
        f"/etc/nginx/auth/{name}"
    )


def test_a_script_that_is_the_path_is_named_once() -> None:
    """Nextcloud, MediaWiki and their like: what follows /index.php is theirs to read."""
    place = {"fastcgi": "app", "root": "/srv/www", "script": "index.php"}
    said = nginx_files.nginx_conf(node_with(paths={"/index.php/": place}), 1, "")
    assert "SCRIPT_NAME      /index.php;" in said
    assert "fastcgi_split_path_info  ^(?s)(/index\\.php)(.*)$;" in said
    said = nginx_files.nginx_conf(node_with(paths={"/wiki/": place}), 1, "")
    assert "SCRIPT_NAME      /wiki/index.php;" in said


def test_passwords_are_brought_and_secret(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_text(HASHED)
    place = {"page": "x", "basic_auth": str(file)}
    node = node_with(sites=[{"server_names": ["www.example.org"], "paths": {"/x/": place}}])
    made = nginx_files.files(node, 2, "build")
    assert made.texts["auth/www.example.org,x,"] == file.read_bytes()
    assert made.workers_read == ("auth/www.example.org,x,",)
    file.write_text("anna\n")
    (line,) = mistakes(inventory(paths={"/x/": place}))
    assert "NAME:PASSWORD's hash" in line
    assert "anna" not in line


def test_what_grpc_needs_is_compiled_in_and_asked_for() -> None:
    node = node_with(paths={"/x/": {"grpc": "app"}}, nginx_version="1.26.3")
    assert "--with-http_v2_module" in node.flags
    (line,) = mistakes(
        inventory(upstreams=UPSTREAMS, paths={"/x/": {"grpc": "app"}}, nginx_version="1.22.1")
    )
    assert "1.25.1 or newer" in line


def test_grpc_goes_by_http_2_also_where_a_proxy_has_taken_tls_off(tmp_path: Path) -> None:
    from lab.gateway import authority

    pair = authority.issue(tmp_path, ["172.16.12.254", "www.example.org"])
    tls = {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    site = {"server_names": ["www.example.org"], "paths": {"/x/": {"grpc": "app"}}}
    given: dict[str, Any] = {**tls, "sites": [site], "upstreams": UPSTREAMS}
    in_front = {**given, "trusted_proxies": ["10.0.0.5"]}
    for settings_of, count in ((given, 1), (in_front, 2)):
        node = settings.load(inventory(**settings_of, nginx_version="1.26.3"))[0].preferred
        # The default servers: that over TLS, and the one on http_port.
        assert nginx_files.nginx_conf(node, 1, "").count("http2        on;") == count
        # nginx takes it once in a server: a site has one for both of its ports.
        (text,) = nginx_files.site_files(node).values()
        assert text.count("http2        on;") == 1
    settings.load(inventory(**given, nginx_version="1.22.1"))
    (line,) = mistakes(inventory(**in_front, nginx_version="1.22.1"))
    assert "proxies in front (trusted_proxies) may take TLS off" in line
    assert "1.25.1 or newer" in line


@pytest.mark.parametrize("path", ["/", "/a/b/", "= /a", "/a.b-c~d"])
def test_a_place_knows_where_its_files_are(path: str) -> None:
    (place,) = node_with(paths={path: {"page": "x"}}).places
    assert isinstance(place, Place)
    name = node_with(paths={path: {"page": "x"}}).contents[0].name
    assert "/" not in name
    assert " " not in name


def test_a_realm_that_nginx_would_not_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "staff").write_text(HASHED)
    access = {"file": str(tmp_path / "staff"), "realm": LONG[1:]}
    assert site_conf({"page": "x", "basic_auth": access}).count(LONG[1:]) == 1
    place = {"page": "x", "basic_auth": access | {"realm": LONG}}
    (line,) = mistakes(inventory(paths={"/x/": place}))
    assert "paths[/x/].basic_auth.realm" in line and "4000 bytes at the most" in line, line
