"""The lab itself, for real. What breaks machines does so in another checkout's lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab import cgroup, chrony
from lab.network import NAMESPACES
from lab.plan import tag_of
from lab.twin import Lab
from tests.lab.conftest import CHECKOUT, Checkout

pytestmark = pytest.mark.lab

VIP = "172.16.12.254/16 dev eth0 label eth0:0"


def out(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


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


# --- commands in the lab -----------------------------------------------------------------------


def test_pyinfra_connects_with_nothing_about_the_lab_in_the_inventory(
    lab: Lab, checkout: Checkout
) -> None:
    pyinfra = str(Path(sys.executable).with_name("pyinfra"))
    done = checkout.lab("run", "--", pyinfra, "inventory.py", "exec", "--", "hostname")
    assert done.returncode == 0, done.stderr
    assert "[host1] host1" in done.stderr + done.stdout
    assert "[host2] host2" in done.stderr + done.stdout


def test_a_command_keeps_its_directory_input_and_exit_code(lab: Lab, checkout: Checkout) -> None:
    done = checkout.lab("run", "--", "sh", "-c", "pwd; cat; exit 7", input="typed")
    assert (done.returncode, done.stdout) == (7, f"{CHECKOUT}\ntyped")
    assert checkout.lab("ssh", "host1", "exit", "9").returncode == 9


def test_a_closed_pipe_ends_a_command_without_a_word(lab: Lab, checkout: Checkout) -> None:
    assert checkout.lab("run", "--", "sh", "-c", "yes | head -n 1").stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command(lab: Lab, checkout: Checkout, number: int) -> None:
    script = f"trap 'echo caught; exit 5' {number}; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [sys.executable, "-m", "lab", "run", "--", "sh", "-c", script],
        cwd=checkout.directory,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "caught\n"
    assert process.returncode == 5


def test_the_environment_is_the_labs(lab: Lab) -> None:
    environment = dict(
        line.split("=", 1) for line in out(lab.run(["env"])).splitlines() if "=" in line
    )
    assert environment["TANDEM_LAB"] == str(CHECKOUT / ".lab")
    assert environment["HOME"] == str(CHECKOUT / ".lab/home")
    assert not {"SSH_AUTH_SOCK", "http_proxy", "https_proxy"} & set(environment)


def test_nothing_leaves_the_lab(lab: Lab) -> None:
    routes = json.loads(out(lab.run(["ip", "-json", "route"])))
    assert {route["dst"] for route in routes} == {"172.16.0.0/16"}
    assert lab.run(["ip", "route", "get", "192.0.2.1"]).returncode != 0
    script = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    assert lab.run([sys.executable, "-c", script]).returncode != 0
    assert lab.ssh("host1", "getent hosts example.org").returncode != 0


# --- the gateway -------------------------------------------------------------------------------


def test_mail_arrives_and_can_be_read(lab: Lab, checkout: Checkout) -> None:
    script = """
import smtplib
with smtplib.SMTP("172.16.0.1") as server:
    server.sendmail("lab@host1", ["one@example.org"], "Subject: a lab test\\n\\nIt works.\\n")
"""
    out(lab.run([sys.executable, "-c", script]))
    mine = [mail for mail in lab.mail() if mail.subject == "a lab test"]
    assert [(mail.sender, mail.recipients, mail.body.strip(), mail.peer) for mail in mine][-1:] == [
        ("lab@host1", ("one@example.org",), "It works.", "172.16.0.1")
    ]
    assert "Subject: a lab test" in checkout.lab("mail").stdout
    assert "a lab test" in [
        mail["subject"] for mail in json.loads(checkout.lab("mail", "--json").stdout)
    ]


def test_the_gateway_tells_the_time(lab: Lab) -> None:
    server = "server 172.16.0.1 iburst maxsamples 1"
    ask = [chrony.path(), "-Q", "-t", "5", "-f", "/dev/null", server]
    assert "System clock wrong by" in (done := lab.run(ask)).stdout + done.stderr


def test_the_hole_leads_to_the_mirrors_and_nowhere_else(lab: Lab) -> None:
    fetched = lab.ssh("host2", "apt-get -o APT::Update::Error-Mode=any update")
    assert fetched.returncode == 0, fetched.stderr
    script = """
import http.client
proxy = http.client.HTTPConnection("172.16.0.1", 3128, timeout=5)
proxy.request("GET", "http://example.org/")
print(proxy.getresponse().status)
tunnel = http.client.HTTPConnection("172.16.0.1", 3128, timeout=5)
tunnel.request("CONNECT", "example.org:443")
print(tunnel.getresponse().status)
"""
    assert out(lab.run([sys.executable, "-c", script])).split() == ["403", "403"]


def test_the_controllers_apt_fetches_sources_through_the_hole(lab: Lab, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    script = """
set -e
cd "$1"
mkdir -p lists/partial cache/archives/partial
uri=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' |
    awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
echo "deb-src $uri trixie main" > sources.list
options="-o Dir::Etc::sourcelist=$1/sources.list -o Dir::Etc::sourceparts=/dev/null"
options="$options -o Dir::State::lists=$1/lists -o Dir::Cache=$1/cache"
apt-get -qq $options update
apt-get -qq $options source --download-only netbase
"""
    done = lab.run(["sh", "-c", script, "sh", str(tmp_path)])
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("netbase_*.dsc"))


# --- the machines ------------------------------------------------------------------------------


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
    assert (row.on, row.plugged) == (True, False)
    assert "lab plug host1" in elsewhere.lab("ssh", "host1", "true").stderr
    other.plug("host1")
    out(other.ssh("host1"))


def test_a_power_cut_keeps_the_disk_and_nothing_else(other: Lab, elsewhere: Checkout) -> None:
    out(other.ssh("host1", f"ip address add {VIP}; echo kept > /var/kept"))
    assert any("(eth0:0)" in address for address in other.status()[0].addresses)
    other.unplug("host1")
    other.power_off("host1")
    row = other.status()[0]
    assert (row.on, row.plugged, row.addresses) == (False, False, ())
    assert not reaches(other, "172.16.12.254")
    assert "lab power-on host1" in elsewhere.lab("ssh", "host1", "true").stderr
    other.power_on("host1")
    assert other.status()[0].plugged is False
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
    assert [service.name for service in other.silent_services()] == ["smtp"]
    assert elsewhere.lab("up").returncode == 0
    assert other.silent_services() == []
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
