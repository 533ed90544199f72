"""What --dry and the last line say of a run, beside what it did to the machines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.deployment import deploy, pyinfra
from tests.support.lab.pair import changed_nothing, digests, holders, on, with_snippets

WOULD = re.compile(r"^--> deploy\.py would (.*?)\.(?: No machine| *$)", re.MULTILINE)
DID = re.compile(r"^--> deploy\.py: done: (.*?)\. Next: \S*pyinfra inventory\.py verify\.py", re.M)
KINDS = {
    "nginx": "keepalive_timeout_s=33",
    "its unit": "worker_connections=2048",
    "keepalived, the hand-over and the watch": "advert_interval_s=0.2",
}
DEEDS = {"changed": "change", "reloaded": "reload", "restarted": "restart", "moved": "move"}


def masters(lab: Lab) -> int:
    """How often any machine has become the master, by keepalived's own word."""
    count = "journalctl -u keepalived -o cat | grep -c 'Entering MASTER STATE' || true"
    return sum(int(on(lab, host, count)) for host in ("host1", "host2"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_says_what_the_run_then_does(lab: Lab, plain: None, kind: str) -> None:
    words = ("inventory.py", "deploy.py", "--data", KINDS[kind])
    before = digests(lab)
    dry = pyinfra(lab, "-y", "--dry", *words)
    assert dry.returncode == 0, dry.stdout
    assert digests(lab) == before
    would = WOULD.search(dry.stdout)
    assert would, dry.stdout
    moved = masters(lab)
    done = pyinfra(lab, "-y", *words)
    did = DID.search(done.stdout)
    assert did, done.stdout
    told = re.sub(r"\b(\w+ed)\b", lambda word: DEEDS.get(word[0], word[0]), did[1])
    assert would[1] == told
    (times,) = re.findall(r"move the VIP (\d+) time", told)
    assert masters(lab) - moved == int(times)
    assert holders(lab) == ["host1"]


def test_a_snippet_that_nginx_refuses_is_refused_without_being_staged(
    lab: Lab, plain: None, snippets: Path
) -> None:
    (snippets / "bad.conf").write_text("no_such_directive on;\n")
    before = digests(lab), on(lab, "host1", "readlink /var/lib/tandem/nginx/staged")
    dry = pyinfra(lab, "--dry", "inventory.py", "deploy.py", *with_snippets(snippets))
    assert dry.returncode == 1, dry.stdout
    assert dry.stdout.count('unknown directive "no_such_directive" in /etc/nginx/conf.d/bad') == 1
    assert "host1, host2: nginx: " in dry.stdout
    assert f"is made from {snippets}/bad.conf" in dry.stdout
    assert (digests(lab), on(lab, "host1", "readlink /var/lib/tandem/nginx/staged")) == before
    assert not on(lab, "host1", "ls -d /run/tandem-foresee.* 2>/dev/null || true")


def test_a_deploy_without_a_change_says_little(lab: Lab, plain: None) -> None:
    done = deploy(lab)
    assert changed_nothing(done.stdout)
    assert len(done.stdout.splitlines()) <= 25, done.stdout
    assert done.stdout.splitlines()[-1] == "--> deploy.py: nothing to do on host1, host2."
