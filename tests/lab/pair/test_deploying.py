"""deploy.py on real machines: what it leaves, what it refuses, and what it survives."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.deployment import ROOT, Deployed, deploy, verify
from tests.support.lab.pair import PAGES, VIP, changed_nothing, holders, page, wait_until


def test_a_dry_run_on_bare_machines_shows_the_plan_and_changes_nothing(deployed: Deployed) -> None:
    if deployed.dry is None:
        pytest.skip("the machines were not bare when this session began")
    assert deployed.dry.returncode == 0, deployed.dry.stdout
    for told in (
        "host1, host2: /etc/nginx/nginx.conf changes",
        "host1, host2: /etc/keepalived/keepalived.conf changes",
        "host1, host2: nginx: start, because it is not running",
    ):
        assert told in deployed.dry.stdout
    assert deployed.changed_by_dry == ""


def test_the_pair_serves_the_preferred_nodes_page_through_the_labelled_vip(
    lab: Lab, deployed: Deployed
) -> None:
    assert wait_until(lambda: holders(lab) == ["host1"], 10)
    assert page(lab) == PAGES["host1"]


def test_a_second_deploy_changes_nothing(lab: Lab, deployed: Deployed) -> None:
    deploy(lab)
    done = deploy(lab)
    assert done.returncode == 0, done.stdout
    assert changed_nothing(done.stdout)


def test_everything_comes_back_at_boot(lab: Lab, deployed: Deployed) -> None:
    lab.power_off("host2")
    lab.power_on("host2")
    running = "systemctl is-active nginx keepalived"
    assert wait_until(lambda: lab.ssh("host2", running).stdout.split() == ["active"] * 2, 30)
    assert page(lab) == PAGES["host1"]


def test_a_file_hands_the_address_over_and_its_removal_brings_it_back_with_mails(
    lab: Lab, deployed: Deployed
) -> None:
    lab.clear_mail()
    lab.ssh("host1", "touch /etc/keepalived/down")
    try:
        assert wait_until(lambda: holders(lab) == ["host2"], 15)
        assert page(lab) == PAGES["host2"]
        # A deploy must not mistake the file for a change of configuration.
        assert changed_nothing(deploy(lab).stdout)
    finally:
        lab.ssh("host1", "rm -f /etc/keepalived/down")
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    assert page(lab) == PAGES["host1"]

    def told() -> list[str]:
        return [f"{mail.subject}\n{mail.body}" for mail in lab.mail()]

    assert wait_until(lambda: len(told()) >= 4, 15), told()
    master = [text for text in told() if "host2 is now master" in text]
    assert master
    for line in (
        r"Host: +host2",
        rf"VIP: +{VIP}",
        r"Old state: backup",
        r"New state: master",
        r"Time: +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d",
    ):
        assert re.search(line, master[0]), master[0]


def test_a_setting_that_changes_the_configuration_reloads_and_does_not_restart(
    lab: Lab, deployed: Deployed
) -> None:
    def started() -> str:
        return lab.ssh("host1", "systemctl show nginx -p MainPID,ActiveEnterTimestamp").stdout

    before = started()
    try:
        done = deploy(lab, "--data", "workload=io")
        assert done.returncode == 0, done.stdout
        assert "nginx: reload, because its configuration has changed" in done.stdout
        workers = lab.ssh("host1", "pgrep -c -f 'nginx: worker process$'").stdout
        assert int(workers) == 2 * (os.cpu_count() or 1)
    finally:
        deploy(lab)
    assert started() == before


def test_a_missing_interface_is_found_before_anything_is_changed(
    lab: Lab, deployed: Deployed
) -> None:
    done = deploy(lab, "--data", "interface=eth7")
    assert done.returncode == 1
    assert "this machine has no such interface; it has eth0" in done.stdout
    assert "Starting operation" not in done.stdout
    assert "Traceback" not in done.stdout


def test_logs_are_rotated_and_nginx_writes_to_the_new_file(lab: Lab, deployed: Deployed) -> None:
    lab.ssh("host1", "logrotate --force /etc/logrotate.d/nginx")
    marker = hashlib.sha256(os.urandom(8)).hexdigest()[:12]

    def logged() -> bool:
        lab.run(["curl", "-s", "-m", "3", f"http://172.16.12.61/{marker}"])
        return lab.ssh("host1", f"grep -q {marker} /var/log/nginx/access.log").returncode == 0

    assert wait_until(logged, 5)
    assert lab.ssh("host1", "test -s /var/log/nginx/access.log.1").returncode == 0


def test_a_worker_that_dies_is_replaced_and_a_master_that_dies_comes_back(
    lab: Lab, deployed: Deployed
) -> None:
    count = "pgrep -c -f 'nginx: worker process$'"
    before = lab.ssh("host2", count).stdout
    lab.ssh("host2", "kill -9 $(pgrep -n -f 'nginx: worker process$')")
    assert wait_until(lambda: lab.ssh("host2", count).stdout == before, 5)
    lab.ssh("host2", "kill -9 $(cat /run/nginx/nginx.pid)")
    assert wait_until(
        lambda: lab.ssh("host2", "curl -fs http://127.0.0.1/").stdout.strip() == PAGES["host2"], 15
    )


@pytest.mark.parametrize(
    ("words", "most"),
    [(("-y", "inventory.py", "deploy.py"), 5), (("inventory.py", "verify.py"), 2)],
    ids=["a deploy without change", "a verification"],
)
def test_machines_are_asked_in_few_round_trips(
    lab: Lab, deployed: Deployed, tmp_path: Path, words: tuple[str, ...], most: int
) -> None:
    """What makes both quick, on a busy machine too: each round trip costs what SSH costs."""
    # One that is just settling is looked at twice.
    assert verify(lab, "--data", "wait=30").returncode == 0
    counts = tmp_path / "counts.json"
    command = [sys.executable, "-m", "bench.machinery.round_trips", str(counts), *words]
    done = lab.run(command, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(counts.read_text())
    assert set(found) == {"host1", "host2"}
    assert max(found.values()) <= most, found
