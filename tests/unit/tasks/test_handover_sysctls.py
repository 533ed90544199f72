"""What the sysctls were is written down before the file that sets them at each boot is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tasks.handover import handover_service
from tests.support import programs

interface_sysctls = programs.load("handover.interface_sysctls")
IPV4 = interface_sysctls.wanted(ipv6=False)


class Machine:
    """The files of one, of which each interface has 0 and 1."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before = root / handover_service.SYSCTLS_BEFORE.lstrip("/")
        self.installed = root / handover_service.SYSCTLS.lstrip("/")
        self.installed.parent.mkdir(parents=True)

    def add(self, *interfaces: str) -> None:
        for name in interfaces:
            (self.root / f"proc/sys/net/ipv4/conf/{name}").mkdir(parents=True)
            for value, sysctl in enumerate(IPV4):
                self.set(name, sysctl, str(value))

    def set(self, interface: str, name: str, value: str) -> None:
        (self.root / f"proc/sys/net/ipv4/conf/{interface}/{name}").write_text(f"{value}\n")

    def place(self, *interfaces: str) -> None:
        """What a deploy does: save, then put the file into its place, which a boot then reads."""
        shell = handover_service.save_sysctls(interfaces)
        for root in ("/proc/", "/var/", "/etc/"):
            shell = shell.replace(root, f"{self.root}{root}")
        subprocess.run(["sh", "-ec", shell], check=True)
        text = "".join(f"net/ipv4/conf/{each}/arp_ignore = 1\n" for each in interfaces)
        self.installed.write_text(text)
        for interface in interfaces:
            for name, value in IPV4.items():
                self.set(interface, name, value)

    @property
    def saved(self) -> list[str]:
        return self.before.read_text().splitlines() if self.before.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.add("eth0", "eth1")
    return made


FIRST = ["eth0/arp_ignore 0", "eth0/arp_announce 1"]
SECOND = ["eth1/arp_ignore 0", "eth1/arp_announce 1"]


def test_sysctls_are_saved_once(machine: Machine) -> None:
    for _ in range(2):
        machine.place("eth0")
        assert machine.saved == FIRST


def test_as_the_service_reads_them(machine: Machine) -> None:
    machine.place("eth0", "eth1")
    found = interface_sysctls._saved(["eth0"], str(machine.before))
    assert found == {
        (interface, name): str(value)
        for interface in ("eth0", "eth1")
        for value, name in enumerate(IPV4)
    }


def test_those_of_an_interface_that_comes_later_are_added(machine: Machine) -> None:
    machine.place("eth0")
    for _ in range(2):
        machine.place("eth0", "eth1")
        assert machine.saved == FIRST + SECOND


def test_those_of_one_whose_name_is_a_part_of_anothers_are_saved_too(machine: Machine) -> None:
    machine.add("veth0", "eth0.1", "eth0x1")
    machine.place("veth0", "eth0x1", "eth0", "eth0.1")
    assert [line.partition("/")[0] for line in machine.saved[::2]] == [
        *("veth0", "eth0x1", "eth0", "eth0.1"),
    ]


def test_what_an_earlier_version_has_saved_without_a_name_is_the_first_ones(
    machine: Machine,
) -> None:
    machine.before.parent.mkdir(parents=True)
    earlier = ["arp_ignore 4", "arp_announce 4"]
    machine.before.write_text("\n".join(earlier) + "\n")
    machine.place("eth0", "eth1")
    assert machine.saved == earlier + SECOND


def test_they_are_not_saved_where_the_file_has_set_them_already(machine: Machine) -> None:
    machine.place("eth0")
    machine.before.unlink()
    machine.place("eth0")
    assert machine.saved == []
