"""What a person gives nginx is not dropped in silence, and verify tells what became of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.deployment import Done, deploy, pyinfra, verify
from tests.support.lab.pair import HOSTS, digests, on, with_snippets

pytestmark = pytest.mark.timeout(400)

NAME = "www.example.org"
SITES = ("--data", f"sites={json.dumps([{'server_names': [NAME], 'page': 'a site'}])}")
# Nobody listens there.
UPSTREAMS = ("--data", 'upstreams={"app": {"servers": ["172.16.12.61:7999"]}}')
PROXY = ("--data", 'proxy={"/api/": "app"}')
PROTECTED = """
server {
    listen 8098;
    auth_basic "staff";
    auth_basic_user_file htpasswd;
    root /usr/html;
}
server {
    listen 8098; server_name twice.example.org; root /usr/html;
}
"""
# What is only loaded anew: a restart takes several times as long, and is not what is asked here.
OTHER = ("--data", "client_header_timeout_s=9")
TWICE = "server { listen 8098; server_name twice.example.org; root /usr/html; }\n"
# anna:word
USERS = "anna:{PLAIN}word\n"


@pytest.fixture(scope="module")
def given(lab: Lab, deployed: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("given")
    (directory / "staff.conf").write_text(PROTECTED)
    (directory / "twice.conf").write_text(TWICE)
    (directory / "htpasswd").write_text(USERS)
    (directory / "left.conf.bak").touch()
    yield directory
    back = deploy(lab)
    assert back.returncode == 0, back.stdout


def deploy_given(lab: Lab, directory: Path, *words: str) -> Done:
    return deploy(lab, *with_snippets(directory), *SITES, *UPSTREAMS, *PROXY, *words)


def findings(done: Done) -> dict[str, str]:
    """What is told in full, by id: the outcomes of checks that are not ok or skipped."""
    rows = re.findall(r"^(warn|FAIL|unknown) ([A-Z]+-\d+) ", done.stdout, re.MULTILINE)
    return {check: outcome for outcome, check in rows}


def test_a_deploy_says_what_it_does_not_use_and_what_nginx_warns_of(lab: Lab, given: Path) -> None:
    done = deploy_given(lab, given)
    assert done.returncode == 0, done.stdout
    flat = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    conflict = 'host1, host2: nginx: [warn] conflicting server name "twice.example.org" on 0.0.0.0'
    assert flat.count(conflict) == flat.count("conflicting server name") == 1, flat
    assert "in /etc/nginx/conf.d/staff.conf:9 and /etc/nginx/conf.d/twice.conf:1" in flat
    assert flat.count("not used: left.conf.bak.") == 1
    assert flat.count("is for requests that name no site") == 1
    for host in HOSTS:
        assert on(lab, host, "stat -c '%a %U:%G' /etc/nginx/htpasswd") == "640 root:nginx"
        ask = "curl -so /dev/null -w '%{http_code}' -m 3"
        assert on(lab, host, f"{ask} http://127.0.0.1:8098/") == "401"
        assert on(lab, host, f"{ask} -u anna:word http://127.0.0.1:8098/") == "200"
        assert on(lab, host, f"{ask} -u anna:other http://127.0.0.1:8098/") == "401"
    again = deploy_given(lab, given)
    assert again.returncode == 0 and "anna" not in again.stdout
    shown = deploy_given(lab, given, *OTHER, "--diff")
    assert "client_header_timeout" in shown.stdout, shown.stdout
    assert "anna" not in shown.stdout and "PLAIN" not in shown.stdout
    assert deploy_given(lab, given).returncode == 0


def test_what_snippets_name_and_who_is_behind_nginx_is_looked_for(lab: Lab, given: Path) -> None:
    words = (*with_snippets(given), *SITES, *UPSTREAMS, *PROXY)
    done = verify(lab, *words)
    assert done.returncode == 0, done.stdout
    assert findings(done)["NGX-23"] == "warn" and "X-24" not in findings(done), done.stdout
    assert "172.16.12.61:7999 (app) refuses the connection" in re.sub(r"\s+", " ", done.stdout)
    assert "NGX-23" not in findings(verify(lab, *words, "--data", "skip=NGX-23"))
    strict = verify(lab, *words, "--data", "strict=True", "--data", "only=NGX-23")
    assert strict.returncode == 1
    on(lab, "host2", "mv /etc/nginx/htpasswd /root/htpasswd")
    missing = verify(lab, *words, "--data", "only=X-24")
    assert missing.returncode == 1
    assert "/etc/nginx/htpasswd" in missing.stdout and "missing on host2" in missing.stdout
    on(lab, "host2", "cp -p /root/htpasswd /etc/nginx; echo more >>/etc/nginx/htpasswd")
    differs = verify(lab, *words, "--data", "only=X-24")
    assert differs.returncode == 0 and findings(differs) == {"X-24": "warn"}
    assert deploy_given(lab, given).returncode == 0
    assert not findings(verify(lab, *words, "--data", "only=X-24"))


@pytest.mark.parametrize(("name", "file"), [(NAME, f"sites/{NAME}.conf"), ("_", "nginx.conf")])
def test_a_name_that_is_taken_is_refused_with_both_places(
    lab: Lab, given: Path, tmp_path: Path, name: str, file: str
) -> None:
    before = digests(lab)
    (tmp_path / "mine.conf").write_text(f"server {{\n    listen 80;\n    server_name {name};\n}}\n")
    done = deploy(lab, *with_snippets(tmp_path), *SITES)
    assert done.returncode == 1
    assert f"mine.conf:1: server_name = '{name}': on 80 this is" in done.stdout, done.stdout
    assert f"/etc/nginx/{file}: " in done.stdout and "no machine was touched" in done.stdout
    # By hand, on one machine: its own test says so.
    by_hand = f"printf 'server {{ listen 80; server_name {name}; }}' >/etc/nginx/conf.d/hand.conf"
    on(lab, "host2", by_hand)
    try:
        done = deploy_given(lab, given, *OTHER)
        assert done.returncode == 1
        assert f'conf.d/hand.conf:1: server_name "{name}" on 0.0.0.0:80 is in' in done.stdout
    finally:
        on(lab, "host2", "rm /etc/nginx/conf.d/hand.conf")
    assert digests(lab) == before
    assert deploy_given(lab, given).returncode == 0


def test_after_a_rollback_there_is_one_warning(lab: Lab, given: Path) -> None:
    words = (*with_snippets(given), *SITES, *UPSTREAMS, *PROXY)
    changed = (*words, *OTHER, "--data", "advert_interval_s=0.2")
    before = findings(verify(lab, *words))
    assert deploy(lab, *changed).returncode == 0
    assert "X-25" not in findings(verify(lab, *changed))
    back = pyinfra(lab, "-y", "inventory.py", "rollback.py", *changed)
    assert back.returncode == 0, back.stdout
    done = verify(lab, *changed)
    assert done.returncode == 0, done.stdout
    found = findings(done)
    assert set(found) - set(before) == {"X-25"}, done.stdout
    said = re.sub(r"\s+", " ", done.stdout)
    assert re.search(r"rolled back on \S+ \S+ UTC by \S+, to generation \d{8}-\d{6}", said)
    assert re.search(r"because of it: [^.]*NGX-07", said)
    # What somebody changes then is no part of it.
    on(lab, "host1", "sed -i 's/gzip_static        on/gzip_static off/' /etc/nginx/nginx.conf")
    touched = verify(lab, *changed)
    assert touched.returncode == 1 and findings(touched)["X-25"] == "FAIL"
    assert "host1: /etc/nginx/nginx.conf" in re.sub(r"\s+", " ", touched.stdout)
