"""The lab's machines, for real: booted, unplugged, wiped, ended. All in another checkout's lab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab.host import cgroup
from lab.host.bridge import NAMESPACES
from lab.plan import tag_of
from lab.twin import Lab
from tests.lab.conftest import Checkout, out

VIP = "172.16.12.254/16 dev eth0 label eth0:0"


def remains(directory: Path) -> list[str]:
    """Everything on this machine that belongs to the lab of the checkout in `directory`."""
    tag = tag_of(directory)
    found = [str(path) for path in NAMESPACES.glob(f"{tag}*")]
    found += [str(path) for path in cgroup.hierarchy().glob(f"{tag}*")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if tag in line]
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
        if any(tag in word or f"{directory}/.lab" in word for word in words):
            found.append(str(process.info))
    found += [str(path) for path in directory.glob(".lab*")]
    return found


@pytest.fixture(scope="module")
def other(elsewhere: Checkout) -> Lab:
    """The lab of another checkout, with the same addresses as this one's."""
    return elsewhere.up()


def test_machines_are_bare_real_and_well(other: Lab) -> None:
    ids = set()
    for machine in other.machines:
        assert out(other.ssh(machine.name, "systemctl is-system-running")) == "running"
        assert out(other.ssh(machine.name, "hostname; cat /proc/1/comm")).split() == [
            machine.name,
            "systemd",
        ]
        ids.add(out(other.ssh(machine.name, "cat /etc/machine-id")))
    assert len(ids) == len(other.machines)


def test_machines_let_in_the_labs_key_and_no_password(other: Lab) -> None:
    settings = out(other.ssh("host1", "sshd -T")).splitlines()
    assert "passwordauthentication no" in settings
    assert "permitrootlogin without-password" in settings
    refused = other.run(
        [
            *("ssh", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"),
            *("-o", "UserKnownHostsFile=/dev/null", "-o", "IdentityFile=/nowhere"),
            *("root@172.16.12.61", "true"),
        ]
    )
    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr


def test_machines_can_do_what_keepalived_and_hardened_units_need(other: Lab) -> None:
    out(other.ssh("host1", "sysctl -w net.ipv4.ip_nonlocal_bind=$(sysctl -n net.ipv4.ip_forward)"))
    out(other.ssh("host1", "chrt --fifo 50 true"))
    hardening = ["ProtectSystem=strict", "PrivateDevices=yes", "PrivateTmp=yes", "ProtectHome=yes"]
    hardening += ["ProtectKernelTunables=yes", "ProtectControlGroups=yes", "NoNewPrivileges=yes"]
    hardening += ["RestrictNamespaces=yes", "SystemCallFilter=@system-service", "DynamicUser=yes"]
    options = " ".join(f"-p {option}" for option in hardening)
    out(other.ssh("host1", f"systemd-run --quiet --wait {options} true"))


def test_no_machine_can_set_the_clock(other: Lab) -> None:
    assert other.ssh("host1", "date -s '2001-01-01'").returncode != 0


def test_booting_what_is_up_changes_nothing(other: Lab, elsewhere: Checkout) -> None:
    boots = [
        out(other.ssh(machine.name, "systemctl show -P UserspaceTimestampMonotonic"))
        for machine in other.machines
    ]
    done = elsewhere.lab("up")
    assert done.returncode == 0
    assert "Booting" not in done.stderr
    assert boots == [
        out(other.ssh(machine.name, "systemctl show -P UserspaceTimestampMonotonic"))
        for machine in other.machines
    ]


# --- cables and power --------------------------------------------------------------------------


def reaches(lab: Lab, address: str) -> bool:
    script = f"import socket; socket.create_connection(('{address}', 22), 1)"
    return lab.run([sys.executable, "-c", script]).returncode == 0


def test_two_labs_do_not_see_each_other(lab: Lab, other: Lab) -> None:
    command = "cat /etc/machine-id"
    assert out(lab.ssh("host1", command)) != out(other.ssh("host1", command))
    out(other.ssh("host1", "ip address add 172.16.99.99/16 dev eth0"))
    assert reaches(other, "172.16.99.99")
    assert not reaches(lab, "172.16.99.99")
    out(other.ssh("host1", "ip address del 172.16.99.99/16 dev eth0"))


def test_a_machine_without_its_cable_is_silent_but_alive(other: Lab, elsewhere: Checkout) -> None:
    other.unplug("host1")
    assert not reaches(other, "172.16.12.61")
    row = other.status()[0]
    assert (row.on, row.unplugged) == (True, ("eth0",))
    assert "lab plug host1" in elsewhere.lab("ssh", "host1", "true").stderr
    other.plug("host1")
    out(other.ssh("host1"))


def test_a_power_cut_keeps_the_disk_and_nothing_else(other: Lab, elsewhere: Checkout) -> None:
    out(other.ssh("host1", f"ip address add {VIP}; echo kept > /var/kept"))
    assert any("(eth0:0)" in address for address in other.status()[0].addresses)
    other.unplug("host1")
    other.power_off("host1")
    row = other.status()[0]
    assert (row.on, row.unplugged, row.addresses) == (False, ("eth0",), ())
    assert not reaches(other, "172.16.12.254")
    assert "lab power-on host1" in elsewhere.lab("ssh", "host1", "true").stderr
    other.power_on("host1")
    assert other.status()[0].unplugged == ("eth0",)
    other.plug("host1")
    assert out(other.ssh("host1", "cat /var/kept")) == "kept"
    assert other.status()[0].addresses == ("172.16.12.61/16",)


def test_a_reboot_is_a_boot_with_a_new_card(other: Lab) -> None:
    out(other.ssh("host2", f"ip address add {VIP}; echo kept > /var/kept"))
    before = out(other.ssh("host2", "cat /proc/sys/kernel/random/boot_id"))
    other.ssh("host2", "systemctl reboot")
    deadline = time.monotonic() + 20
    while (done := other.ssh("host2", "cat /proc/sys/kernel/random/boot_id")).stdout.strip() in (
        "",
        before,
    ):
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)
    assert out(other.ssh("host2", "cat /var/kept")) == "kept"
    assert other.status()[1].addresses == ("172.16.12.62/16",)


def test_a_wiped_machine_is_bare_with_the_same_key(other: Lab, elsewhere: Checkout) -> None:
    out(other.ssh("host2", f"touch /var/gone; ip address add {VIP}"))
    before = out(other.ssh("host2", "cat /etc/machine-id"))
    assert elsewhere.lab("wipe", "host2").returncode == 0
    # Let in by the key that known_hosts has, which the lab's ssh insists on.
    assert other.ssh("host2", "ls /var/gone").returncode == 2
    assert out(other.ssh("host2", "cat /etc/machine-id")) != before
    assert other.status()[1].addresses == ("172.16.12.62/16",)


def test_a_half_lab_is_made_whole(other: Lab, elsewhere: Checkout) -> None:
    out(other.ssh("host1", "echo kept > /var/kept"))
    other.power_off("host1")
    cgroup.kill(cgroup.root(other.plan.tag) / "gateway.smtp")
    assert [service.name for service in other.stopped_services()] == ["smtp"]
    assert elsewhere.lab("up").returncode == 0
    assert other.stopped_services() == []
    assert out(other.ssh("host1", "cat /var/kept")) == "kept"


# --- mistakes ----------------------------------------------------------------------------------


def test_an_unknown_machine_is_answered_with_those_there_are(
    other: Lab, elsewhere: Checkout
) -> None:
    for command in ("ssh", "unplug", "plug", "power-off", "power-on", "wipe"):
        done = elsewhere.lab(command, "host3")
        assert done.returncode == 1
        assert "no machine host3" in done.stderr
        assert "host1, host2" in done.stderr


def test_another_inventory_does_not_replace_a_lab_that_is_up(
    other: Lab, elsewhere: Checkout
) -> None:
    text = (elsewhere.directory / "inventory.py").read_text()
    (elsewhere.directory / "larger.py").write_text(text.replace("172.16.12.62", "172.16.12.63"))
    done = elsewhere.lab("up", "larger.py")
    assert done.returncode == 1
    assert "lab down" in done.stderr


def test_a_wrong_inventory_boots_nothing(elsewhere: Checkout) -> None:
    text = (elsewhere.directory / "inventory.py").read_text()
    (elsewhere.directory / "wrong.py").write_text(text.replace('"priority": 101', '"priority": 0'))
    done = elsewhere.lab("up", "wrong.py")
    assert done.returncode == 1
    assert "priority = 0" in done.stderr
    assert elsewhere.lab("up", "missing.py").returncode == 1


# --- the end -----------------------------------------------------------------------------------


def test_the_remains_of_a_killed_lab_are_cleaned_and_it_starts(
    other: Lab, elsewhere: Checkout
) -> None:
    out(other.ssh("host1", "touch /var/gone"))
    for path in cgroup.root(other.plan.tag).rglob("cgroup.procs"):
        for pid in path.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    assert elsewhere.up().ssh("host1", "ls /var/gone").returncode == 2


def test_down_leaves_nothing_and_harms_no_other_lab(
    lab: Lab, other: Lab, elsewhere: Checkout
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "lab", "run", "--", "sleep", "600"], cwd=elsewhere.directory
    ) as left:
        out(other.ssh("host1", "chattr +i /etc/hostname 2>/dev/null; mkdir -m 0 /var/closed"))
        assert elsewhere.lab("down").returncode == 0
        assert left.wait(5) == -signal.SIGKILL
    assert remains(elsewhere.directory) == []
    assert all(row.on for row in lab.status())
    again = elsewhere.lab("down")
    assert (again.returncode, again.stderr) == (0, "No lab was up.\n")
    for command in (["run", "--", "true"], ["ssh", "host1"], ["status"], ["mail"]):
        done = elsewhere.lab(*command)
        assert done.returncode == 1
        assert "lab up" in done.stderr
