"""Snippets that name what nginx's unit forbids, or what the machines alone know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.clients.load import asking
from tests.support.lab.deployment import deploy
from tests.support.lab.pair import (
    APPLY,
    HOME,
    HOSTS,
    digests,
    on,
    process,
    with_snippets,
)

# Answers every name below .lab with one address; no other machine, and no rehearsal, can ask it.
NAME_SERVER = """
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    question, client = server.recvfrom(512)
    end = question.index(bytes(1), 12) + 5
    found = b"\\3lab" in question and question[end - 4 : end - 2] == b"\\0\\1"
    counts = b"\\0\\1\\0" + bytes([found]) + bytes(4)
    record = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + socket.inet_aton("172.16.0.1")
    head = question[:2] + b"\\x81\\x80" + counts + question[12:end]
    server.sendto(head + (record if found else b""), client)
"""
NAMES = """
upstream app { server app.lab:81; }
error_log syslog:server=errors.lab;
server {
    listen 80;
    server_name names.example;
    access_log syslog:server=logs.lab:514;
    resolver ns.lab;
    location /a { proxy_pass http://app; }
    location /b { proxy_pass http://b.lab:82; }
    location /c { fastcgi_pass c.lab:9000; }
}
"""
WRITING = """
proxy_cache_path /srv/walls/cache keys_zone=walls:1m;
server {
    listen 80;
    listen unix:/srv/walls/nginx.sock;
    server_name walls.example;
    access_log /srv/walls/access.log;
    root /home/walls/html;
    proxy_cache walls;
    proxy_cache_valid 200 1m;
    location /cached { proxy_pass http://127.0.0.1/tandem-health; }
}
"""


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("proxy_cache_path /var/cache/other keys_zone=other:1m;", "nginx_writable_paths"),
        ("server { listen 81; root /home/www; }", "nginx_readable_homes"),
        ("server { listen 81; access_log /srv/a.log; }", "nginx_writable_paths"),
    ],
)
def test_what_the_unit_forbids_is_refused_before_a_machine_is_touched(
    lab: Lab, plain: None, snippets: Path, text: str, setting: str
) -> None:
    for host in HOSTS:
        on(lab, host, "mkdir -p /var/cache/other /home/www /srv")
    (snippets / "wide.conf").write_text(text)
    before = digests(lab)
    done = deploy(lab, *with_snippets(snippets))
    assert done.returncode == 1
    assert "no machine was touched" in done.stdout
    assert f"{snippets}/wide.conf:1: " in done.stdout and setting in done.stdout
    assert "Starting operation" not in done.stdout
    assert digests(lab) == before


@pytest.mark.timeout(300)
def test_what_the_settings_allow_is_served_and_written(
    lab: Lab, plain: None, snippets: Path
) -> None:
    (snippets / "walls.conf").write_text(WRITING)
    allow = 'nginx_writable_paths=["/srv/walls"]', 'nginx_readable_homes=["/home/walls/html"]'
    options = [word for option in allow for word in ("--data", option)]
    for host in HOSTS:
        on(lab, host, "mkdir -p /home/walls/html && echo home >/home/walls/html/index.html")
        on(lab, host, "chmod 700 /home/walls; rm -rf /srv/walls; mkdir -p /home/other")
    try:
        done = deploy(lab, *with_snippets(snippets), *options)
        assert done.returncode == 0, done.stdout
        ask = "curl -sS -H 'Host: walls.example' --unix-socket /srv/walls/nginx.sock http://x"
        assert on(lab, "host1", f"{ask}/") == "home"
        assert on(lab, "host1", f"{ask}/cached") == "ok"
        assert "GET /" in on(lab, "host1", "sleep 0.2; cat /srv/walls/access.log")
        assert on(lab, "host1", "find /srv/walls/cache -type f | wc -l") == "1"
        mine = "nsenter -t $(cat /run/nginx/nginx.pid) -m ls /home"
        assert on(lab, "host1", mine) == "walls", "of all homes it sees the one that it may"
        # Rehearsed while the first is live: its socket, its cache and its log stay as they are.
        (snippets / "walls.conf").write_text(f"{WRITING}# changed\n")
        done = deploy(lab, *with_snippets(snippets), *options)
        assert done.returncode == 0, done.stdout
        assert on(lab, "host1", f"{ask}/") == "home"
    finally:
        for host in HOSTS:
            on(lab, host, "rm -rf /home/walls /home/other")


# What the controller cannot see: files by hand, links, and who may read what.
ON_THE_MACHINE = {
    "root-of-a-home": ("root /home/hand;", "nginx_readable_homes"),
    "log": ("access_log /srv/hand.log;", "nginx_writable_paths"),
    "link": ("root /srv/link-to-home;", "nginx_readable_homes"),
    "closed": ("root /srv/hand/closed/in;", "may not enter /srv/hand/closed"),
    "password": (
        "auth_basic a; auth_basic_user_file /srv/hand/secret;",
        "user nginx, may not",
    ),
    "password-in-etc": ("auth_basic a; auth_basic_user_file secret;", "user nginx, may not"),
    "store": ("location / { proxy_store /srv/hand/$uri; }", "nginx_writable_paths"),
}


@pytest.fixture
def by_hand(lab: Lab, plain: None) -> Iterator[None]:
    """Files and directories on host1 that a person has made, and an nginx that waits for a turn."""
    make = (
        "mkdir -p /home/hand /srv/hand/closed/in; chmod 700 /srv/hand/closed; "
        "ln -sfn /home/hand /srv/link-to-home; "
        "for file in /srv/hand /etc/nginx; do touch $file/secret; chmod 600 $file/secret; done"
    )
    on(lab, "host1", make)
    yield
    files = "/home/hand /srv/hand /srv/link-to-home /etc/nginx/secret /etc/nginx/conf.d/hand.conf"
    on(lab, "host1", f"rm -rf {files}")


@pytest.mark.parametrize(("text", "said"), ON_THE_MACHINE.values(), ids=list(ON_THE_MACHINE))
def test_what_the_controller_cannot_see_fails_in_the_test_on_the_machine(
    lab: Lab, by_hand: None, text: str, said: str
) -> None:
    """The same command as in a deploy, where it comes before any machine's turn."""
    server = f"server {{ listen 82; server_name hand; {text} }}"
    on(lab, "host1", f"echo '{server}' >/etc/nginx/conf.d/hand.conf")
    current = on(lab, "host1", f"basename $(readlink {HOME}/current)")
    before = process(lab, "host1"), digests(lab)
    done = lab.ssh("host1", f"{APPLY} again {current}")
    assert done.returncode == 1
    assert said in done.stderr and "Nothing was changed: nginx goes on as before" in done.stderr
    assert (process(lab, "host1"), digests(lab)) == before


def test_names_that_only_the_machines_resolve_are_accepted(
    lab: Lab, plain: None, snippets: Path
) -> None:
    (snippets / "names.conf").write_text(NAMES)
    for host in HOSTS:
        on(lab, host, "cp /etc/resolv.conf /run/resolv.kept; cp /etc/hosts /run/hosts.kept")
        on(lab, host, "echo nameserver 127.0.0.1 >/etc/resolv.conf")
        on(lab, host, f"cat >/run/names.py <<'END'\n{NAME_SERVER}\nEND")
        on(lab, host, "systemd-run --quiet --collect --unit=names python3 /run/names.py")
        on(
            lab,
            host,
            "for try in 1 2 3 4 5; do getent ahosts x.lab && exit; sleep 0.3; done; exit 1",
        )
    try:
        with asking(lab) as seen:
            done = deploy(lab, *with_snippets(snippets))
        assert done.returncode == 0, done.stdout
        assert seen.lost == {}
    finally:
        (snippets / "names.conf").unlink()
        deploy(lab)
        for host in HOSTS:
            on(lab, host, "systemctl stop names; cp /run/resolv.kept /etc/resolv.conf")
