"""Files and servers that snippets name: found on each machine, and compared between them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import settings
from tests.support import fakes
from tests.support.broken_upkeep import outcome_of
from tests.support.snapshots import BOTH, EVERYTHING, Spoiled
from verify.checks.check import Outcome
from verify.observe import snippet_probes
from verify.observe.probe import whole
from verify.read import http_output, nginx_output
from verify.redaction import without_secrets

USERS = "auth_basic_user_file /srv/users conf.d/a.conf"
ROOT = "root /srv/www conf.d/a.conf"


def files(host1: str, host2: str) -> tuple[Outcome, str]:
    spoiled = Spoiled()
    for host, lines in zip(BOTH, (host1, host2), strict=True):
        count = len(lines.splitlines())
        spoiled.answer(host, "named_files", f"{lines}\n{count} named".lstrip())
    return outcome_of(spoiled, "X-24")


@pytest.mark.parametrize(
    ("host1", "host2", "outcome", "said"),
    [
        ("", "", Outcome.OK, "no file is named"),
        (f"file aa {USERS}", f"file aa {USERS}", Outcome.OK, "1 files"),
        (f"directory - {ROOT}", f"directory - {ROOT}", Outcome.OK, "1 files"),
        (
            f"file aa {USERS}",
            f"missing - {USERS}",
            Outcome.FAIL,
            "/srv/users (auth_basic_user_file in conf.d/a.conf) is missing on host2",
        ),
        (f"missing - {USERS}", f"missing - {USERS}", Outcome.FAIL, "missing on host1, host2"),
        (f"file aa {USERS}", f"file ab {USERS}", Outcome.WARN, "differs: host1 against host2"),
        (f"directory - {ROOT}", f"file aa {ROOT}", Outcome.WARN, "differs: host1 against host2"),
        (f"directory - {ROOT}", f"missing - {ROOT}", Outcome.FAIL, "is missing on host2"),
        # nginx does without it until it is there.
        (f"missing - {ROOT}", f"missing - {ROOT}", Outcome.WARN, "is on no machine"),
    ],
)
def test_what_is_missing_fails_and_what_differs_warns(
    host1: str, host2: str, outcome: Outcome, said: str
) -> None:
    found, actual = files(host1, host2)
    assert found is outcome and said in actual


def servers(lines: str, **node: Any) -> tuple[Outcome, str]:
    spoiled = Spoiled()
    spoiled.data["clusters"][0]["nodes"][0].update(node)
    spoiled.answer("host1", "upstreams", lines)
    return outcome_of(spoiled, "NGX-23", "host1")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("http 0 0.001 10.0.0.11:80 app", ""),
        ("http 7 0.000 10.0.0.11:80 app", "refuses the connection"),
        ("http 28 0.000 10.0.0.11:80 app", "does not accept a connection"),
        ("http 28 0.001 10.0.0.11:80 app", "accepts, and does not answer"),
        ("http 6 0.000 app.example:80 conf.d/a.conf", "its name is not known"),
        ("http 52 0.001 10.0.0.11:80 app", "gives an empty answer"),
        ("http 1 0.001 10.0.0.11:80 app", "does not answer as HTTP (curl exits 1)"),
        # Not HTTP, and it listens.
        ("tcp 52 0.001 10.0.0.11:9000 conf.d/a.conf", ""),
        ("tcp 7 0.000 10.0.0.11:9000 conf.d/a.conf", "refuses the connection"),
        ("tcp 28 - 10.0.0.11:9000 conf.d/a.conf", "does not accept a connection"),
        ("http 60 0.001 10.0.0.11:8443 app", "shows a certificate that nginx does not believe"),
        ("tls 60 0.000 10.0.0.11:8443 app", "shows a certificate that nginx does not believe"),
        ("tls 56 0.001 10.0.0.11:8443 app", ""),
        ("tcp 52 0.001 unix:/run/app.sock app", ""),
        (
            "http 7 0.000 unix:/run/app.sock app",
            "is not there, or does not let the user nginx write to it",
        ),
    ],
)
def test_a_server_that_does_not_answer_is_warned_of(line: str, problem: str) -> None:
    outcome, actual = servers(f"{line}\n1 servers")
    assert outcome is (Outcome.WARN if problem else Outcome.OK)
    _, _, _, address, whose = line.split()
    assert actual == (f"{address} ({whose}) {problem}" if problem else "1 servers answer")


def test_with_strict_it_fails_and_without_servers_all_is_well() -> None:
    dead = "http 7 0.0 10.0.0.11:80 app\n1 servers"
    assert servers(dead, strict=True)[0] is Outcome.FAIL
    assert servers("0 servers") == (Outcome.OK, "nothing is proxied")


def test_it_can_be_left_out() -> None:
    spoiled = Spoiled(EVERYTHING).replace("host1", "upstreams", "http 0", "http 7")
    assert {"NGX-23"} == {
        finding.id
        for finding in spoiled.judge().findings
        if finding.outcome is Outcome.WARN and "172.16.0.1" in finding.answer.actual
    }
    assert not [one for one in spoiled.judge(skip="NGX-23").findings if one.id == "NGX-23"]


@pytest.mark.parametrize(
    "text", ["", "1 named", "gone - root /a b\n1 named", "file a root b\n1 named"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        nginx_output.named_files(text)
    with pytest.raises((ValueError, IndexError)):
        http_output.servers(text)


# --- what the machines are asked -------------------------------------------------------------

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
