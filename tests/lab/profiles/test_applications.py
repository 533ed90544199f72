"""Applications behind a site of the pair, each by its own protocol; put back at the end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.gateway import authority
from lab.twin import Lab
from tests.support import public_configurations
from tests.support.clients.upstream_process import UpstreamProcess
from tests.support.lab.deployment import (
    QUICKLY_COMPILED,
    ROOT,
    Deployed,
    deploy,
    pyinfra,
    verify,
)
from tests.support.lab.pair import HOSTS, changed_nothing, holders, on, wait_until

VIP = "172.16.12.254"
# The lab's own end of the network, as the machines see it.
GATEWAY = "172.16.0.1"
HTTP, HTTPS, GRPC = 8111, 8112, 8113
NAME = "inside.example.org"
SOCKET = "/run/scripts.sock"
PHP_SOCKET = "/run/php/php8.2-fpm.sock"
WSGI = "172.16.12.62:3031"
WWW, DROP = "/srv/www", "/srv/drop"
INSTALL = "apt-get -qq install -y --no-install-recommends"
PACKAGES = "php-fpm uwsgi-core uwsgi-plugin-python3"
# php-fpm as Debian has it, which nginx may speak to.
START_PHP = f"""\
/bin/sh -c 'apt-get -qq update && {INSTALL} {PACKAGES}' >/dev/null 2>&1
sed -i 's/^listen.owner = .*/listen.owner = nginx/' /etc/php/*/fpm/pool.d/www.conf
printf '[tcp]\nuser = www-data\nlisten = 127.0.0.1:9000\npm = static\npm.max_children = 1\n' \
    >$(echo /etc/php/*/fpm/pool.d)/tcp.conf
mkdir -p {WWW}/php
echo '<?php echo json_encode($_SERVER);' >{WWW}/php/server.php
echo '<?php echo "index";' >{WWW}/php/index.php
systemctl restart $(basename -a /lib/systemd/system/php*-fpm.service)
"""
START_UWSGI = f"""\
cat >/run/wsgi.py <<'PYTHON'
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["|".join((environ["PATH_INFO"], environ["QUERY_STRING"])).encode()]
PYTHON
systemd-run -q --unit wsgi uwsgi --plugin python3 --socket {WSGI} --wsgi-file /run/wsgi.py
for try in $(seq 50); do ss -Hltn 'sport = :3031' | grep -q . && exit 0; sleep 0.1; done; exit 1
"""
STOP = """\
systemctl stop scripts wsgi 2>/dev/null
# (uwsgi ends with a status of its own.)
systemctl reset-failed scripts wsgi 2>/dev/null
apt-get -qq purge -y 'php*' 'uwsgi*' >/dev/null 2>&1
apt-get -qq autoremove -y --purge >/dev/null 2>&1
rm -rf /run/scripts.* /run/wsgi.py /run/php /etc/php /srv/www /srv/drop
rm -rf /var/www/blog /var/www/drupal /var/www/discourse /home/deploy"""
# Longer than a switch-over there and back takes on a machine that is busy, too: it ends when it is
# told to.
LOAD_S = 120
PROJECTS = (
    *("wordpress", "grafana", "drupal", "phpmyadmin", "gitea"),
    *("gunicorn", "discourse", "puma"),
)
LOADS = ("websocket", "script", "upload/kept", "upload/passed")
Words = tuple[str, ...]


def settings(issued: authority.Issued) -> dict[str, object]:
    paths = {
        "/": {"proxy": "app"},
        "/echo": {"proxy": "live"},
        "/secure/": {"proxy": "secure"},
        "/upload/kept": {"proxy": "app", "max_body_mb": 100},
        "/upload/passed": {"proxy": "app", "max_body_mb": 100, "request_buffering": False},
        "/script/": {"fastcgi": "scripts", "root": WWW, "script": "index.php"},
        "/php/": {"fastcgi": "fpm", "root": WWW},
        "/wsgi/": {"uwsgi": "wsgi"},
        "/files/": {"directory": f"{WWW}/files"},
        "/drop/": {"directory": DROP, "webdav": True, "allow": [GATEWAY]},
        "/tandem.Echo/": {"grpc": "rpc"},
    }
    return {
        "upstreams": {
            "app": {"servers": [f"{GATEWAY}:{HTTP}"]},
            "live": {"servers": [f"{GATEWAY}:{HTTP}"], "websocket": True},
            "secure": {
                "servers": [f"{GATEWAY}:{HTTPS}"],
                "tls": {"name": NAME, "ca_file": str(issued.ca)},
            },
            "scripts": {"servers": [f"unix:{SOCKET}"]},
            "fpm": {"servers": [f"unix:{PHP_SOCKET}"]},
            "wsgi": {"servers": [WSGI]},
            "rpc": {"servers": [f"{GATEWAY}:{GRPC}"]},
        },
        "sites": [{"server_names": ["apps.example.org", "grpc.example.org"], "paths": paths}],
        "nginx_writable_paths": [DROP],
        "nginx_extra_flags": QUICKLY_COMPILED,
    }


def start_scripts(lab: Lab, host: str) -> None:
    """A FastCGI application on the machine's own socket."""
    text = (ROOT / "tests/support/clients/gateway_application.py").read_text()
    on(
        lab,
        host,
        f"mkdir -p {WWW}/files && install -d -o nginx {DROP} && "
        f"echo hello >{WWW}/files/a.txt && touch {WWW}/index.php && "
        f"cat >/run/scripts.py <<'PYTHON'\n{text}\nPYTHON\n"
        f"systemd-run -q --unit scripts python3 /run/scripts.py fastcgi unix:{SOCKET}",
    )
    assert wait_until(lambda: lab.ssh(host, f"test -S {SOCKET}").returncode == 0, 10)


@pytest.fixture(scope="module")
def words(
    lab: Lab, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Words]:
    """What deploys are given: the applications run, and are behind the pair until the end."""
    issued = authority.issue(tmp_path_factory.mktemp("authority"), (NAME,))
    given = settings(issued)
    words = tuple(
        word for name, value in given.items() for word in ("--data", f"{name}={json.dumps(value)}")
    )
    applications = (
        UpstreamProcess(lab, GATEWAY, HTTP),
        UpstreamProcess(lab, GATEWAY, HTTPS, str(issued.certificate), str(issued.key)),
        UpstreamProcess(lab, GATEWAY, GRPC, words=("grpc_talk", "serve", f"{GATEWAY}:{GRPC}")),
    )
    for application in applications:
        application.start()
    try:
        with ThreadPoolExecutor() as both:
            for host in HOSTS:
                start_scripts(lab, host)
            list(both.map(lambda host: on(lab, host, START_PHP), HOSTS))
        on(lab, "host2", START_UWSGI)
        done = deploy(lab, *words)
        assert done.returncode == 0, done.stdout
        yield words
    finally:
        for application in applications:
            application.kill()
        done = deploy(lab)
        with ThreadPoolExecutor() as both:
            list(both.map(lambda host: lab.ssh(host, STOP), HOSTS))
        assert done.returncode == 0, done.stdout


def asked(lab: Lab, path: str, name: str = "apps.example.org") -> tuple[str, str]:
    """Status and body, through the VIP."""
    url, name = f"http://{VIP}{path}", f"Host: {name}"
    said = lab.run(["curl", "-s", "--max-time", "5", "-H", name, "-w", "\x1e%{http_code}", url])
    body, _, status = said.stdout.rpartition("\x1e")
    return status, body


def test_all_of_them_answer_and_the_verifier_asks_each(lab: Lab, words: Words) -> None:
    for path in ("/x", "/secure/x"):
        assert asked(lab, path)[0] == "200", path
    status, body = asked(lab, "/script/a?b=c")
    told = json.loads(body)
    assert status == "200" and told["SCRIPT_FILENAME"] == f"{WWW}/index.php"
    assert (told["PATH_INFO"], told["QUERY_STRING"]) == ("/a", "b=c")
    status, body = asked(lab, "/php/server.php?b=c")
    told = json.loads(body)
    assert status == "200" and told["SCRIPT_FILENAME"] == f"{WWW}/php/server.php"
    assert (told["REMOTE_ADDR"], told["QUERY_STRING"]) == (GATEWAY, "b=c")
    assert asked(lab, "/php/") == ("200", "index")
    assert asked(lab, "/php/server.php/more")[0] == "403"
    assert asked(lab, "/wsgi/a%20b?c=d") == ("200", "/wsgi/a b|c=d")
    assert asked(lab, "/files/a.txt") == ("200", "hello\n")
    done = verify(lab, *words, "--data", "wait=20")
    assert done.returncode == 0, done.stdout
    assert not re.findall(r"^warn (NGX-23|X-24) ", done.stdout, re.MULTILINE), done.stdout
    assert changed_nothing(deploy(lab, *words).stdout)


def test_who_may_come_in_puts_files_and_takes_them_away(lab: Lab, words: Words) -> None:
    """WebDAV: with what this nginx knows of it, and for nobody else."""
    url, named = f"http://{VIP}/drop/new/a.txt", ("-H", "Host: apps.example.org")
    curl = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", *named, url)

    def status(*more: str) -> str:
        return lab.run([*curl, *more]).stdout

    elsewhere = f"curl -s -o /dev/null -w '%{{http_code}}' {' '.join(map(repr, named))} {url}"
    assert status("-X", "PUT", "-d", "hello") == "201"
    assert status() == "200"
    assert on(lab, "host2", elsewhere) == "403"
    assert status("-X", "PROPFIND") == "405"
    assert status("-X", "DELETE") == "204"
    assert status() == "404"


def move(lab: Lab, words: Words, where: str, holder: str) -> None:
    done = pyinfra(lab, "-y", "inventory.py", "switchover.py", *words, "--data", where)
    assert done.returncode == 0, done.stdout
    assert wait_until(lambda: holders(lab) == [holder], 10), holder


def test_nobody_loses_anything_when_the_address_moves(lab: Lab, words: Words) -> None:
    clients = "tests.support.clients"
    commands = {
        kind: ["-m", f"{clients}.application_load", kind, VIP, str(LOAD_S)] for kind in LOADS
    }
    commands["grpc"] = ["-m", f"{clients}.grpc_talk", "talk", f"{VIP}:80", str(LOAD_S)]
    assert holders(lab) == ["host1"]
    loads = {
        kind: subprocess.Popen(
            lab.run_command([sys.executable, *command]),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind, command in commands.items()
    }
    try:
        for kind, load in loads.items():
            assert load.stdout and load.stdout.readline() == "running\n", kind
        move(lab, words, "to=host2", "host2")
        move(lab, words, "undrain=host1", "host1")
        still = [kind for kind, load in loads.items() if load.poll() is None]
        for load in loads.values():
            assert load.stdin
            load.stdin.close()
            load.stdin = None  # as it has to be for communicate()
        found = {kind: load.communicate(timeout=60)[0] for kind, load in loads.items()}
        assert still == list(loads), f"over before the address had moved: {found}"
        told = {kind: json.loads(text) for kind, text in found.items()}
        assert {one["problem"] for one in told.values()} == {""}, told
        assert min(one["answered"] for one in told.values()) > 50, told
    finally:
        for load in loads.values():
            load.kill()
        lab.ssh("host1", "rm -f /etc/keepalived/down")
    assert wait_until(lambda: holders(lab) == ["host1"], 30)


def test_what_is_wrong_with_an_application_is_found(lab: Lab, words: Words) -> None:
    on(lab, "host2", f"chmod 600 {SOCKET} && rm -r {WWW}/files")
    try:
        done = verify(lab, *words, "--data", "only=NGX,X")
        assert re.findall(r"^warn (NGX-23) host2", done.stdout, re.MULTILINE), done.stdout
        assert f"unix:{SOCKET} (scripts) is not there, or does not let" in done.stdout
        missing = f"{WWW}/files (directory in apps.example.org/files/) is missing on host2"
        assert re.findall(r"^FAIL X-24", done.stdout, re.MULTILINE), done.stdout
        assert missing in re.sub(r"\s+", " ", done.stdout)
    finally:
        on(lab, "host2", f"chmod 666 {SOCKET}; mkdir -p {WWW}/files; echo hello >{WWW}/files/a.txt")


def test_public_projects_configurations_are_deployed_beside_it(
    lab: Lab, words: Words, tmp_path: Path
) -> None:
    """The last one: they stay until the module has ended."""
    given = public_configurations.together(tmp_path, PROJECTS)
    # As it is told: here fastcgi.conf is Tandem's own, and an upstream of that name is there.
    said = "fastcgi_params; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;"
    for name, *changes in (
        ("blog", ("fastcgi.conf;", said)),
        ("rails", ("upstream app", "upstream rails"), ("http://app", "http://rails")),
    ):
        text = (file := tmp_path / "conf.d" / f"{name}.conf").read_text()
        for old, new in changes:
            text = text.replace(old, new)
        file.write_text(text)
    given["nginx_writable_paths"].append(DROP)
    own = [word for word in words[1::2] if not word.startswith("nginx_writable_paths=")]
    every = [*own, *public_configurations.data(given)]
    for host in HOSTS:
        on(lab, host, "cd /home && mkdir -p deploy/app/current/public deploy/app/current/log")
        on(lab, host, "mkdir -p /var/www/discourse/public")
    done = deploy(lab, *(word for each in every for word in ("--data", each)))
    assert done.returncode == 0, done.stdout
    for host in HOSTS:
        for project, root in (("blog", "/var/www/blog"), ("drupal", "/var/www/drupal/web")):
            on(lab, host, f"mkdir -p {root} && echo '<?php echo \"{project}\";' >{root}/index.php")
    assert asked(lab, "/index.php", "blog.example.org") == ("200", "blog")
    assert asked(lab, "/index.php", "drupal.example.org") == ("200", "drupal")
    # Nobody is there to answer for it; that it is asked is the configuration's doing.
    for name in ("grafana", "app", "forum", "rails"):
        assert asked(lab, "/x", f"{name}.example.org")[0] == "502", name
    assert asked(lab, "/x", "apps.example.org")[0] == "200"
