"""What machines find of what is named there: files, and servers that are asked."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import settings
from tests.support import fakes
from verify.observe import snippet_probes
from verify.observe.probe import whole
from verify.read import http_output, nginx_output
from verify.redaction import without_secrets

CONFIGURATION = """
perl_require Hello.pm; perl_require POSIX.pm;
# auth_basic_user_file in/a/comment;
upstream own {
    server 10.0.0.21:8080 weight=2;
    server 10.0.0.22;
    server 10.0.0.29:8080 down;
    server unix:/run/app.sock;
}
server {
    listen 80;  # root /in/another;
    auth_basic_user_file "htpasswd"; root html;
    ssl_certificate_key
        /srv/own.key;
    include parts/*.inc; ssl_certificate "/srv/My Cert/own.pem";
    access_log /srv/a.log; root /srv/$host;
    location / { proxy_pass http://own; } location /a { proxy_pass http://app/a; }
    location /b { proxy_pass http://10.0.0.23:81/b; }
    location /c { fastcgi_pass 10.0.0.24:9000; } location /d { proxy_pass http://$name; }
    location /g { proxy_pass https://10.0.0.26; }
    location /e { proxy_pass http://10.0.0.23:81; } location /f { grpc_pass grpcs://10.0.0.25; }
}
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "nginx" / "conf.d").mkdir(parents=True)
    (tmp_path / "nginx" / "parts").mkdir()
    (tmp_path / "nginx" / "conf.d" / "a.conf").write_text(CONFIGURATION)
    (tmp_path / "nginx" / "parts" / "b.inc").write_text(f"alias {tmp_path};\ninclude parts/b.inc;")
    (tmp_path / "nginx" / "conf.d" / "Hello.pm").write_text("1;")
    (tmp_path / "nginx" / "htpasswd").write_text("anna:x")
    return tmp_path / "nginx"


def told(
    probe: str,
    etc: Path,
    shell: str = "sh",
    changed: Mapping[str, str] | None = None,
    **settings_of_all: Any,
) -> str:
    """What a machine with this /etc/nginx says; `changed`: words of the command."""
    (cluster,) = settings.load(fakes.inventory(**settings_of_all))
    (command,) = (
        each.command
        for each in snippet_probes.bundle(cluster.nodes[0]).probes
        if each.name == probe
    )
    asked = command.replace("/etc/nginx", str(etc))
    for word, other in (changed or {}).items():
        assert word in asked
        asked = asked.replace(word, other)
    done = subprocess.run(
        [shell, "-c", asked],
        capture_output=True,
        text=True,
        env={"PATH": f"{etc.parent}:/usr/bin:/bin"},
    )
    assert not done.stderr
    return whole(done.stdout)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_every_file_is_found_that_a_snippet_names(etc: Path, shell: str) -> None:
    answer = told("named_files", etc, shell)
    found = nginx_output.named_files(answer)
    assert {path: (file.kind, file.directive) for path, file in found.items()} == {
        f"{etc}/htpasswd": ("file", "auth_basic_user_file"),
        "/usr/html": ("missing", "root"),
        "/srv/own.key": ("missing", "ssl_certificate_key"),
        str(etc.parent): ("directory", "alias"),
        f"{etc}/parts/b.inc": ("file", "include"),
        f"{etc}/conf.d/Hello.pm": ("file", "perl_require"),
    }
    assert found[f"{etc}/htpasswd"].where == "conf.d/a.conf"
    assert found[str(etc.parent)].where == "parts/b.inc"
    assert without_secrets(answer) == answer, "its lines are not taken for secrets"
    (etc / "htpasswd").write_text("anna:y")
    again = nginx_output.named_files(told("named_files", etc, shell))
    changed = {path for path, file in again.items() if file.digest != found[path].digest}
    assert changed == {f"{etc}/htpasswd"}


def test_machines_without_snippets_name_nothing(tmp_path: Path) -> None:
    for etc in (tmp_path, tmp_path / "nowhere"):
        assert told("named_files", etc) == "0 named"


def curl(etc: Path) -> None:
    """Nobody is asked: what would have been, by its exit status."""
    program = etc.parent / "curl"
    program.write_text(
        "#!/bin/sh\nfor url; do :; done\nprintf 0.001\n"
        "case $url in *:9000/) exit 52 ;; *8081/) exit 7 ;; *.26/) exit 35 ;; esac\n"
    )
    program.chmod(0o755)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_every_server_is_asked_once_and_groups_by_their_members(etc: Path, shell: str) -> None:
    curl(etc)
    upstreams = {"app": {"servers": ["10.0.0.11:80", "app.example:8080"]}}
    found = http_output.servers(told("upstreams", etc, shell, upstreams=upstreams))
    assert {(one.address, one.whose, one.problem) for one in found} == {
        ("10.0.0.11:80", "app", ""),
        ("app.example:8080", "app", ""),
        ("10.0.0.21:8080", "conf.d/a.conf", ""),
        ("10.0.0.22", "conf.d/a.conf", ""),
        ("10.0.0.23:81", "conf.d/a.conf", ""),
        ("10.0.0.24:9000", "conf.d/a.conf", ""),
        ("10.0.0.25", "conf.d/a.conf", ""),
        # A client without a certificate is sent away; nginx may have one.
        ("10.0.0.26", "conf.d/a.conf", ""),
    }
    assert len(found) == 8


def test_a_machine_without_curl_says_so_where_there_is_a_server_to_ask(etc: Path) -> None:
    """Not a bare one, which has none."""
    away = {"command -v curl": "command -v no-curl"}
    assert told("upstreams", etc.parent / "nowhere", changed=away) == "0 servers"
    assert told("upstreams", etc, changed=away) == "curl is not installed"


def test_the_servers_of_the_settings_are_asked_without_snippets(etc: Path) -> None:
    curl(etc)
    upstreams = {"app": {"servers": ["10.0.0.22:8081", "10.0.0.11:80"]}}
    found = http_output.servers(told("upstreams", etc.parent / "nowhere", upstreams=upstreams))
    assert [(one.address, one.problem) for one in found] == [
        ("10.0.0.11:80", ""),
        ("10.0.0.22:8081", "refuses the connection"),
    ]


def test_what_pieces_of_every_level_name_is_found(etc: Path) -> None:
    for level in ("main.d", "http.d", "server.d", "server.d/www.example.org", "stream.d"):
        (etc / level).mkdir(exist_ok=True)
        (etc / level / "a.conf").write_text(f"root {etc.parent}/{level};")
    found = nginx_output.named_files(told("named_files", etc))
    where = {file.where for path, file in found.items() if path.startswith(f"{etc.parent}/")}
    assert where >= {
        f"{level}/a.conf"
        for level in ("main.d", "http.d", "server.d", "server.d/www.example.org", "stream.d")
    }


def test_what_streams_pass_on_to_is_not_asked_by_http(etc: Path) -> None:
    before = told("upstreams", etc, changed={"curl -qso": "true -qso"})
    (etc / "stream.d").mkdir()
    (etc / "stream.d" / "a.conf").write_text("server { listen 1; proxy_pass 10.0.0.99:53; }")
    assert "10.0.0.99" not in told("upstreams", etc, changed={"curl -qso": "true -qso"})
    (etc / "http.d").mkdir()
    (etc / "http.d" / "a.conf").write_text("server { location / { proxy_pass http://10.0.0.99; } }")
    assert "10.0.0.99" in told("upstreams", etc, changed={"curl -qso": "true -qso"}) != before
