"""What the sysctls were is written down before the file that sets them at each boot is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tasks.handover import forwarding
from tests.support import programs

interface_sysctls = programs.load("handover.interface_sysctls")
IPV4 = interface_sysctls.wanted(ipv6=False)


def test_sysctls_are_saved_once_as_the_service_reads_them(tmp_path: Path) -> None:
    kernel = tmp_path / "proc/sys/net/ipv4/conf/eth0"
    kernel.mkdir(parents=True)
    before = tmp_path / forwarding.SYSCTLS_BEFORE.lstrip("/")

    def save() -> None:
        shell = forwarding.save_sysctls(["eth0"])
        for root in ("/proc/", "/var/", "/etc/"):
            shell = shell.replace(root, f"{tmp_path}{root}")
        subprocess.run(["sh", "-ec", shell], check=True)

    for number, name in enumerate(IPV4):
        (kernel / name).write_text(f"{number}\n")
    save()
    assert before.read_text() == "eth0/arp_ignore 0\neth0/arp_announce 1\n"
    for name, value in IPV4.items():
        (kernel / name).write_text(f"{value}\n")
    save()
    assert before.read_text() == "eth0/arp_ignore 0\neth0/arp_announce 1\n"


def test_they_are_not_saved_where_the_file_has_set_them_already(tmp_path: Path) -> None:
    installed = tmp_path / forwarding.SYSCTLS.lstrip("/")
    installed.parent.mkdir(parents=True)
    installed.write_text("net/ipv4/conf/eth0/arp_ignore = 1\n")
    shell = forwarding.save_sysctls(["eth0"]).replace("/etc/", f"{tmp_path}/etc/")
    subprocess.run(["sh", "-ec", shell.replace("/var/", f"{tmp_path}/var/")], check=True)
    assert not (tmp_path / forwarding.SYSCTLS_BEFORE.lstrip("/")).exists()
