"""Servers and directories that sites name: asked by each machine, and compared between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.verify.checks.test_what_is_named_is_found import told
from verify.read import nginx_output


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Where /etc/nginx would be, on a machine without snippets."""
    return tmp_path / "nginx"


def test_each_server_is_asked_as_nginx_would(etc: Path) -> None:
    program = etc.parent / "curl"
    program.write_text('#!/bin/sh\necho "$@" >>"$0.told"\nprintf 0.001\n')
    program.chmod(0o755)
    (etc.parent / "runuser").write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    (etc.parent / "runuser").chmod(0o755)
    tls = {"name": "app.example.org"}
    authority = etc.parent / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----")
    upstreams = {
        "app": ["10.0.0.11:80"],
        "socket": ["unix:/run/app.sock"],
        "secure": {"servers": ["10.0.0.12:443"], "tls": {**tls, "ca_file": str(authority)}},
        "other": {"servers": ["10.0.0.12:443"], "tls": tls},
        "careless": {"servers": ["10.0.0.13:443"], "tls": {"verify": False}},
        "rpc": {"servers": ["10.0.0.14:443"], "tls": tls},
        "php": ["unix:/run/php.sock"],
    }
    paths = {
        "/a/": {"proxy": "app"},
        "/s/": {"proxy": "socket"},
        "/t/": {"proxy": "secure"},
        "/o/": {"proxy": "other"},
        "/c/": {"proxy": "careless"},
        "/g/": {"grpc": "rpc"},
        "/p/": {"fastcgi": "php", "root": "/srv/www"},
    }
    given: dict[str, Any] = {"upstreams": upstreams, "paths": paths, "nginx_version": "1.26.3"}
    text = told("upstreams", etc.parent / "nowhere", **given)
    hows = {line.split()[4]: line.split()[0] for line in text.splitlines()[:-1]}
    assert hows == {
        **dict.fromkeys(("app", "socket", "secure", "other", "careless"), "http"),
        **{"rpc": "tls", "php": "tcp"},
    }
    said = sorted((etc.parent / "curl.told").read_text().splitlines())
    asked = {line.partition("} ")[2] for line in said}
    nowhere = etc.parent / "nowhere"
    assert asked == {
        "-I http://10.0.0.11:80/",
        "--unix-socket /run/app.sock -I http://localhost/",
        f"--connect-to ::10.0.0.12:443 --cacert {nowhere}/tls/upstream-secure.ca.pem "
        "-I https://app.example.org/",
        "--connect-to ::10.0.0.12:443 --cacert /etc/ssl/certs/ca-certificates.crt "
        "-I https://app.example.org/",
        "--connect-to ::10.0.0.13:443 -k -I https://localhost/",
        "--connect-to ::10.0.0.14:443 --cacert /etc/ssl/certs/ca-certificates.crt "
        "-I https://app.example.org/",
        "--unix-socket /run/php.sock -I http://localhost/",
    }
    assert sum("time_appconnect" in line for line in said) == 1


def test_what_paths_of_sites_name_is_looked_at_with_what_is_in_it(etc: Path) -> None:
    www, other = etc.parent / "www", etc.parent / "other"
    (www / "css").mkdir(parents=True)
    (www / "css/a.css").write_text("b {}")
    given: dict[str, Any] = {
        "upstreams": {"php": ["unix:/run/php.sock"], "far": ["10.0.0.11:9000"]},
        "paths": {"/files/": {"directory": str(www)}},
        "sites": [
            {
                "server_names": ["www.example.org"],
                "paths": {
                    "/": {"fastcgi": "php", "root": str(other)},
                    "/far/": {"fastcgi": "far", "root": "/srv/there", "script": "x.php"},
                },
            }
        ],
    }

    def found() -> dict[str, nginx_output.NamedFile]:
        nowhere = etc.parent / "nowhere"
        return nginx_output.named_files(told("named_files", nowhere, **given))

    first = found()
    assert {path: (file.kind, file.directive, file.where) for path, file in first.items()} == {
        str(www): ("directory", "directory", "paths/files/"),
        str(other): ("missing", "root", "www.example.org/"),
    }
    assert found() == first
    (www / "css/b.css").write_text("b {}")
    assert found()[str(www)].digest != first[str(www)].digest
