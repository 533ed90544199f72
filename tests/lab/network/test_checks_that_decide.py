"""Checks of one's own on a real pair: each failure moves the VIP, and none to a worse machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import on
from tests.support.lab.deployment import Deployed, deploy, pyinfra, verify
from tests.support.lab.pair import HOSTS, changed_nothing, digests, holders, wait_until

QUICK = '"interval_s": 1, "timeout_s": 1, "fall": 1, "rise": 1'
CHECKS = (
    "--data",
    'checks={"app": {"command": "/usr/bin/test -e /run/app-good", "weight": 1, '
    f'{QUICK}}}, "db": {{"command": ["/usr/bin/test", "-e", "/run/db-good"], "leave": true, '
    f"{QUICK}}}}}",
)


@pytest.fixture(scope="module")
def checked(lab: Lab, deployed: Deployed) -> Iterator[Lab]:
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    for host in HOSTS:
        on(lab, host, "touch /run/app-good /run/db-good")
    done = deploy(lab, *CHECKS)
    assert done.returncode == 0, done.stdout
    yield lab
    for host in HOSTS:
        on(lab, host, "rm -f /run/app-good /run/db-good /etc/keepalived/down")
    gone = deploy(lab)
    assert gone.returncode == 0, gone.stdout


def comes_to(lab: Lab, host: str) -> bool:
    return wait_until(lambda: holders(lab) == [host], 15)


def test_one_that_fails_moves_the_vip_and_one_that_is_good_again_brings_it_back(
    checked: Lab,
) -> None:
    for file in ("/run/app-good", "/run/db-good"):
        on(checked, "host1", f"rm {file}")
        assert comes_to(checked, "host2"), file
        found = verify(checked, "--data", "only=KA-23", *CHECKS)
        assert found.returncode == 1 and f"exit 1: /usr/bin/test -e {file}" in found.stdout
        on(checked, "host1", f"touch {file}")
        assert comes_to(checked, "host1"), file
    found = verify(checked, "--data", "only=KA", "--data", "wait=10", *CHECKS)
    assert found.returncode == 0, found.stdout


def test_where_all_fail_alike_it_stays_and_a_drain_counts_for_more(checked: Lab) -> None:
    for host in HOSTS:
        on(checked, host, "rm /run/app-good")
    on(checked, "host1", "sleep 4")
    assert holders(checked) == ["host1"]
    on(checked, "host1", "touch /run/app-good /etc/keepalived/down")
    assert comes_to(checked, "host2"), "drained goes behind one where a check fails"
    on(checked, "host1", "rm /etc/keepalived/down")
    assert comes_to(checked, "host1")
    on(checked, "host1", "systemctl stop nginx")
    assert comes_to(checked, "host2"), "dead goes behind one where a check fails"
    on(checked, "host1", "systemctl start nginx")
    assert comes_to(checked, "host1")
    on(checked, "host2", "touch /run/app-good")


def test_a_second_deploy_changes_nothing_and_a_command_that_is_not_there_is_refused(
    checked: Lab,
) -> None:
    again = deploy(checked, *CHECKS)
    assert changed_nothing(again.stdout), again.stdout
    before = digests(checked)
    wrong = CHECKS[1].replace("/usr/bin/test -e /run/app-good", "/usr/local/bin/none")
    done = pyinfra(checked, "-y", "inventory.py", "deploy.py", "--data", wrong)
    assert done.returncode == 1, done.stdout
    assert "this machine has no such program: bring it there first" in done.stdout, done.stdout
    assert digests(checked) == before
    assert holders(checked) == ["host1"]
