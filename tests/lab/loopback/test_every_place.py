"""A real nginx takes what is rendered for every kind of path, with every option that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.gateway import authority
from settings.mistakes.place_mistakes import NO_GATEWAY_ERRORS
from settings.serving.http_versions import HTTP2_DIRECTIVE
from settings.serving.places import FILES, KINDS, ONLY_OF, PASSED_ON
from tests.support.loopback.one_of_everything import ANNA, NAME
from tests.support.loopback.real_nginx import Build, RealNginx
from tests.unit.settings.serving.test_place_settings import SOME
from tests.unit.tasks.test_hardening import gixy

# What every protocol may be tried again for, at another server.
RETRIED = (500, 503, 403, 404, 429)


def every_place(directory: Path, *, grpc: bool, dav: bool) -> dict[str, dict[str, Any]]:
    """A path for each kind with each option that it has, and for each way to its upstream."""
    (directory / "users").write_text(ANNA)
    options: dict[str, Any] = {option: SOME.get(option, True) for option in ONLY_OF}
    options |= {"basic_auth": str(directory / "users"), "headers": {"X-Robots-Tag": "noindex"}}
    base: dict[str, dict[str, Any]] = {
        "content": {"content": "docs"},
        "directory": {"directory": "/srv/files"},
        "page": {"page": "hello"},
        "redirect": {"redirect": "https://www.example.com$request_uri"},
    }
    for kind in PASSED_ON:
        base[kind] = {kind: "app"} | ({"root": "/srv/www"} if kind == "fastcgi" else {})
    assert base.keys() == set(KINDS)
    found: list[dict[str, Any]] = []
    for kind, plain in base.items():
        if kind == "grpc" and not grpc:
            continue
        found.append(plain)
        for option, value in options.items():
            if kind in ONLY_OF.get(option, KINDS) and (dav or option != "webdav"):
                values = (True, False) if value is True else (value,)
                more = {"allow": ["10.0.0.0/8"]} if option == "webdav" else {}
                found += [{**plain, option: each, **more} for each in values]
        ways = ("secure", "careless", "own", "socket", "again", "securely-again", "balanced")
        found += [
            {**plain, kind: way, **more}
            for way in (*ways, "trying", "trying-more", "live")
            for more in ({}, *([{"strip_path": True}] if kind == "proxy" else []))
            if kind in PASSED_ON
            and not (kind == "fastcgi" and way in ("secure", "careless", "own", "securely-again"))
            and not (kind != "proxy" and way == "live")
            and not (kind in NO_GATEWAY_ERRORS and way == "trying-more")
        ]
        if kind == "fastcgi":
            found.append({**plain, "script": "index.php", "root": "/srv/www"})
    places = {f"/c{number}/": each for number, each in enumerate(found)}
    exact = [each for each in found if not set(each) & {*FILES, "strip_path"}]
    exact = [each for each in exact if "fastcgi" not in each or "script" in each]
    return places | {f"= /e{number}": each for number, each in enumerate(exact)}


def every_way(directory: Path) -> dict[str, Any]:
    """Every kind of upstream."""
    issued = authority.issue(directory / "tls", (NAME,))
    own = {"certificate": str(issued.certificate), "key": str(issued.key)}
    named = {"servers": [f"{NAME}:8080"], "resolve": True}
    return {
        "app": {"servers": ["127.0.0.1:8080"]},
        "live": {"servers": ["127.0.0.1:8080"], "websocket": True},
        "trying": {
            "servers": ["127.0.0.1:1"],
            "retry_on": ["error", "timeout", "invalid_header", *(f"http_{n}" for n in RETRIED)],
        },
        "trying-more": {"servers": ["127.0.0.1:1"], "retry_on": ["http_502", "http_504"]},
        "balanced": {
            "servers": ["127.0.0.1:1", {"address": "127.0.0.1:2", "weight": 2, "max_fails": 0}],
            "balance": "ip_hash",
            "keepalive": 0,
            "retry_on": [],
            "connect_timeout_s": 0.5,
        },
        "secure": {"servers": ["127.0.0.1:1"], "tls": {"name": NAME, "ca_file": str(issued.ca)}},
        "careless": {"servers": ["127.0.0.1:1"], "tls": {"verify": False}},
        "own": {"servers": ["127.0.0.1:1"], "tls": {"name": NAME, **own}},
        "socket": {"servers": ["unix:/run/app.sock"], "retry_non_idempotent": True},
        "again": named,
        "securely-again": {**named, "tls": {}},
    }


def test_nginx_takes_every_kind_with_every_option(built: list[Build], place: Path) -> None:
    issued = authority.issue(place, ("www.example.org",))
    tls: dict[str, Any] = {"tls_certificate": str(issued.certificate), "hsts_s": 63072000}
    tls |= {"tls_key": str(issued.key)}
    for build in built:
        for more in ({}, tls) if build.has_grpc else ({},):
            release = tuple(map(int, build.version.split(".")))
            grpc = build.has_grpc and (bool(more) or release >= HTTP2_DIRECTIVE)
            places = every_place(place, grpc=grpc, dav=build.has_dav)
            given: dict[str, Any] = {"upstreams": every_way(place), "resolver": ["127.0.0.1:5353"]}
            given |= {
                "nginx_writable_paths": ["/srv/files"],
                "paths": places,
                "cache": {"path": "/var/cache/nginx"},
                "https_port": 8443,
            }
            given["sites"] = [{"server_names": ["www.example.org"], "paths": places}]
            directory = place / f"{build.version}{len(more)}"
            nginx = RealNginx(build, directory, **given, **more)
            conf = directory / "etc/upstreams.conf"
            conf.write_text(conf.read_text().replace("/var/cache/nginx", f"{directory}/cache"))
            assert nginx.test() == "", build
            # (gixy would have files of a `fallback` kept open: others change them.)
            holes = {hole["plugin"] for hole in gixy(directory / "etc/nginx.conf")}
            assert holes == {"try_files_is_evil_too"}
