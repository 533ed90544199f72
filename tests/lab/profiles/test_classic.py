"""The recipe's own profile (`vrrp_version = 2`) on real machines, and back to the default."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import on
from tests.support.lab.deployment import Deployed, deploy, pyinfra, verify
from tests.support.lab.logins import AS_EVER, HARDENED, NOISY, QUIET
from tests.support.lab.pair import changed_nothing

CLASSIC = ("--data", "vrrp_version=2")


@pytest.fixture(scope="module")
def classic(lab: Lab, deployed: Deployed) -> Iterator[Lab]:
    on(lab, "host1", f"{HARDENED}; {NOISY}")
    done = deploy(lab, *CLASSIC)
    on(lab, "host1", QUIET)
    assert done.returncode == 0, done.stdout
    yield lab
    on(lab, "host1", AS_EVER)
    back = deploy(lab)
    assert back.returncode == 0, back.stdout
    settled = verify(lab, "--data", "wait=30")
    assert settled.returncode == 0, settled.stdout


def test_the_recipes_values_stand_one_for_one(classic: Lab) -> None:
    conf = classic.ssh("host1", "cat /etc/keepalived/keepalived.conf").stdout
    for line in (
        "state MASTER",
        "virtual_router_id 61",
        "priority 101",
        "advert_int 1",
        "auth_type PASS",
        "weight -2",
        "fall 2",
        "172.16.12.254/16 dev eth0 label eth0:0",
        'notify_fault "/etc/keepalived/notify.sh fault"',
    ):
        assert line in re.sub(r" +", " ", conf), line
    assert classic.ssh("host1", "test -e /etc/systemd/system/tandem-watch.service").returncode == 1


def test_nothing_is_left_of_the_hand_over(classic: Lab) -> None:
    left = (
        "ls /etc/systemd/system/tandem-handover.service /etc/tandem/handover.nft "
        "/etc/sysctl.d/61-tandem-handover.conf /var/lib/tandem-handover 2>/dev/null; "
        "nft list tables | grep -v tandem_vrrp; ip -o address show dev lo | grep 172.16; "
        "sysctl -n net.ipv4.conf.eth0.arp_ignore net.ipv4.conf.eth0.arp_announce"
    )
    for machine in classic.machines:
        assert classic.ssh(machine.name, left).stdout.split() == ["0", "0"]


def test_the_verifier_says_that_it_is_so(classic: Lab) -> None:
    done = verify(classic, *CLASSIC, "--data", "wait=30")
    assert done.returncode == 0, done.stdout
    assert "KA-12" in done.stdout


def test_a_second_deploy_changes_nothing(classic: Lab) -> None:
    done = deploy(classic, *CLASSIC)
    assert changed_nothing(done.stdout)


def test_the_secret_is_neither_readable_nor_shown(classic: Lab) -> None:
    words = ("--dry", "--diff", "inventory.py", "deploy.py", *CLASSIC, "--data", "auth_pass=S3cr3t")
    shown = pyinfra(classic, *words).stdout
    assert "host1, host2: /etc/keepalived/keepalived.conf changes" in shown
    assert "S3cr3t" not in shown and "nginxpas" not in shown
    mode = classic.ssh("host1", "stat -c '%a %U' /etc/keepalived/keepalived.conf").stdout.strip()
    assert mode == "640 root"
    everywhere = "grep -rlI nginxpas /tmp /var/tmp /var/lib/tandem /run /etc 2>/dev/null"
    assert "/etc/keepalived/keepalived.conf" in classic.ssh("host1", everywhere).stdout
    others = classic.ssh("host1", f"su -s /bin/sh nobody -c '{everywhere}'").stdout
    assert others == ""


def test_a_secret_from_a_command_is_in_no_commands_output(classic: Lab) -> None:
    printed = json.dumps(["sh", "-c", "echo WnE3Q2Fucnk= | base64 -d"])
    own = (*CLASSIC, "--data", f"auth_pass_command={printed}")
    loud = ("-vvv", "--debug")
    try:
        for words in (
            ("-y", *loud, "--diff", "inventory.py", "deploy.py", *own),
            (*loud, "inventory.py", "verify.py", *own, "--data", "wait=30"),
            ("-y", *loud, "inventory.py", "switchover.py", *own, "--data", "to=host2"),
            ("-y", *loud, "inventory.py", "switchover.py", *own, "--data", "undrain=host1"),
            ("--dry", *loud, "--debug-operations", "inventory.py", "deploy.py", *own),
        ):
            done = pyinfra(classic, *words)
            assert done.returncode == 0, (words, done.stdout[-2000:])
            assert "Zq7Canry" not in done.stdout, words
    finally:
        assert deploy(classic, *CLASSIC).returncode == 0


@pytest.mark.parametrize(
    ("sed", "expected"),
    [
        ("s/auth_pass  .*/auth_pass another/", "KA-12"),
        ("s/^    priority  .*/    priority 101/", "X-05"),
    ],
    ids=["another secret on one side", "equal priorities"],
)
def test_a_fault_that_only_this_profile_has_is_found(
    classic: Lab, tmp_path: Path, sed: str, expected: str
) -> None:
    conf = "/etc/keepalived/keepalived.conf"
    change = f"cp -a {conf} /run/kept && sed -i '{sed}' {conf} && systemctl reload keepalived"
    assert classic.ssh("host2", change).returncode == 0
    try:
        done = verify(classic, *CLASSIC, "--data", f"report={tmp_path}")
        assert done.returncode == 1
        findings = json.loads((tmp_path / "report.json").read_text())["findings"]
        assert expected in {found["id"] for found in findings if found["outcome"] == "fail"}
    finally:
        classic.ssh("host2", f"mv /run/kept {conf} && systemctl reload keepalived")
    healed = verify(classic, *CLASSIC, "--data", "wait=30")
    assert healed.returncode == 0, healed.stdout


def test_the_address_moves_when_nginx_dies(classic: Lab) -> None:
    classic.ssh("host1", "systemctl stop nginx")
    wait = "for i in $(seq 100); do ip addr show dev eth0 | grep -q 12.254/ && exit 0; sleep 0.2; "
    try:
        assert classic.ssh("host2", f"{wait} done; exit 1").returncode == 0
    finally:
        classic.ssh("host1", "systemctl start nginx")
    assert classic.ssh("host1", f"{wait} done; exit 1").returncode == 0


def test_a_reload_looks_no_name_up(classic: Lab) -> None:
    """A mail server that is a name, the machine's own name, and no resolver that answers: while it
    reads its file keepalived goes on sending adverts, or both would hold the VIP soon."""
    named = (*CLASSIC, "--data", "smtp_server=mail.example.org")
    done = deploy(classic, *named)
    assert done.returncode == 0, done.stdout
    changes = "journalctl -t keepalived-notify -o cat | wc -l"
    dead = (
        "echo nameserver 172.16.200.200 >/run/none; sed s/host1//g /etc/hosts >/run/nobody; "
        "mount --bind /run/none /etc/resolv.conf; mount --bind /run/nobody /etc/hosts"
    )
    before = [on(classic, host, f"sleep 1; {changes}") for host in ("host1", "host2")]
    on(classic, "host1", dead)
    try:
        slow = on(classic, "host1", "date +%s; getent ahosts mail.example.org; date +%s").split()
        assert int(slow[-1]) - int(slow[0]) >= 4, "the resolver answers"
        on(classic, "host1", "systemctl reload keepalived; sleep 8")
        assert [on(classic, host, changes) for host in ("host1", "host2")] == before
    finally:
        on(classic, "host1", "umount /etc/resolv.conf /etc/hosts")
    back = deploy(classic, *CLASSIC)
    assert back.returncode == 0, back.stdout
