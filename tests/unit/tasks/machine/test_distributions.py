"""Distributions that people have and that cannot be had here: what is read of them, and what they
would be asked. os-release is as each of them has it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from controller import program_archive
from tasks.machine import clock, packages
from tasks.machine.survey import Survey, SurveyedMachine, mismatches, parse_survey
from tests.support import fakes
from tests.unit.tasks.test_deploy import machines

pytestmark = pytest.mark.usefixtures("no_download")

DEBIAN_12 = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""
UBUNTU_22 = """PRETTY_NAME="Ubuntu 22.04.5 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
VERSION="22.04.5 LTS (Jammy Jellyfish)"
VERSION_CODENAME=jammy
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=jammy
"""
UBUNTU_24 = """PRETTY_NAME="Ubuntu 24.04.2 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.2 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
LOGO=ubuntu-logo
"""
RHEL_9 = """NAME="Red Hat Enterprise Linux"
VERSION="9.4 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"
"""
ROCKY_10 = """NAME="Rocky Linux"
VERSION="10.0 (Red Quartz)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="10.0"
PLATFORM_ID="platform:el10"
PRETTY_NAME="Rocky Linux 10.0 (Red Quartz)"
"""
STREAM_9 = """NAME="CentOS Stream"
VERSION="9"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="9"
PLATFORM_ID="platform:el9"
PRETTY_NAME="CentOS Stream 9"
"""
SID = """PRETTY_NAME="Debian GNU/Linux forky/sid"
NAME="Debian GNU/Linux"
VERSION_CODENAME=forky
ID=debian
"""


def surveyed(os_release: str, directory: Path) -> SurveyedMachine:
    """A machine with this os-release, read by the shell as a survey does."""
    path = directory / "os-release"
    path.write_text(os_release)
    first = Survey().command().partition("; echo @; ")[0].replace("/etc/os-release", str(path))
    read = subprocess.run(["sh", "-c", first], capture_output=True, text=True, check=True).stdout
    rest = fakes.survey().partition("\n@\n")[2]
    return parse_survey(f"{read}@\n{rest}")


@pytest.mark.parametrize(
    ("os_release", "family", "ident", "release"),
    [
        (DEBIAN_12, "debian", "debian", 12),
        (UBUNTU_22, "debian", "ubuntu", 22),
        (UBUNTU_24, "debian", "ubuntu", 24),
        (RHEL_9, "redhat", "rhel", 9),
        (ROCKY_10, "redhat", "rocky", 10),
        (STREAM_9, "redhat", "centos", 9),
        (SID, "debian", "debian", 0),
    ],
)
def test_a_machine_is_recognised(
    os_release: str, family: str, ident: str, release: int, tmp_path: Path
) -> None:
    found = surveyed(os_release, tmp_path)
    assert (found.family, found.ident, found.release) == (family, ident, release)
    node = settings.load(fakes.inventory())[0].nodes[0]
    assert list(mismatches(node, found)) == []


def test_releases_of_one_distribution_share_no_build(tmp_path: Path) -> None:
    names = {surveyed(each, tmp_path).platform for each in (UBUNTU_22, UBUNTU_24, DEBIAN_12, SID)}
    assert len(names) == 4


@pytest.mark.parametrize(
    ("distribution", "refused"),
    [
        *(("debian11", True), ("debian12", False), ("debian13", False), ("ubuntu20", True)),
        *(("ubuntu22", False), ("ubuntu24", False), ("alma8", True), ("rocky10", False)),
    ],
)
def test_six_missed_adverts_need_a_keepalived_that_counts(distribution: str, refused: bool) -> None:
    """`down_timer_adverts` came with 2.2.3; Ubuntu 22.04 has 2.2.4, 24.04 and EL 9 have 2.2.8."""
    for missed in (6, 3):
        node = settings.load(fakes.inventory(missed_adverts=missed))[0].nodes[0]
        found = list(mismatches(node, parse_survey(fakes.survey(distribution))))
        assert [each.setting for each in found] == ["missed_adverts"] * (refused and missed == 6)


ROUTED: dict[str, Any] = {
    "spread": "bgp",
    "vip": "192.0.2.80/32",
    "asn": 65010,
    "routers": [{"address": "172.16.0.1", "asn": 64512}],
}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, []),
        # No keepalived has to count anything there.
        ({"distribution": "debian11"}, []),
        ({"init": "init"}, ["init = 'init': with spread = \"bgp\" units of systemd"]),
        ({"prefix": 24}, ["routers[0].address = 172.16.0.1: this machine has 172.16.12.61/24"]),
    ],
)
def test_what_a_machine_of_a_routed_cluster_needs(found: dict[str, Any], said: list[str]) -> None:
    node = settings.load(fakes.inventory(**ROUTED))[0].nodes[0]
    told = [str(each) for each in mismatches(node, parse_survey(fakes.survey(**found)))]
    assert len(told) == len(said) and all(map(str.__contains__, told, said)), told


@pytest.mark.parametrize("place", ["etc", "run"])
@pytest.mark.parametrize("unit", ["nginx", "keepalived", "bird", "tandem-watch", "tandem-handover"])
def test_a_masked_unit_is_refused_before_anything_is_touched(
    unit: str, place: str, tmp_path: Path
) -> None:
    """Or it would be found in the machine's turn, when the others have been changed."""
    for directory in ("etc", "run"):
        (tmp_path / directory / "systemd" / "system").mkdir(parents=True)
    units = tmp_path / place / "systemd" / "system"
    (units / f"{unit}.service").symlink_to("/dev/null")
    (units / "logrotate.service").symlink_to("/dev/null")
    command = Survey().command().rpartition("; echo @; ")[2]
    for directory in ("etc", "run"):
        command = command.replace(f"/{directory}/systemd", f"{tmp_path}/{directory}/systemd")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    found = parse_survey(fakes.survey(masked=done.stdout.split()))
    # keepalived and BIRD are not of the same profile.
    given, others = ({}, ROUTED) if unit != "bird" else (ROUTED, {})
    node = settings.load(fakes.inventory(**given))[0].nodes[0]
    (mistake,) = mismatches(node, found)
    assert f"{unit}.service" in str(mistake) and f"systemctl unmask {unit}" in str(mistake)
    other = settings.load(fakes.inventory(**others))[0].nodes[0]
    assert bool(list(mismatches(other, found))) == (unit not in ("keepalived", "bird"))


@pytest.mark.parametrize("distribution", ["ubuntu22", "ubuntu24", "debian13"])
def test_the_family_of_debian_is_asked_the_same(distribution: str) -> None:
    def installs(name: str) -> list[str]:
        commands = fakes.run("deploy.py", machines(name, name))["@fake/host1"]
        return [command for command in commands if " package-manager " in command]

    (first, *_) = one = installs("debian12")
    assert " ntpsec-ntpdate " in first and " nftables" in first
    assert installs(distribution) == one


@pytest.mark.parametrize("distribution", ["rocky9", "rocky10"])
def test_the_family_of_red_hat_has_dnf_and_chrony(distribution: str) -> None:
    commands = fakes.run("deploy.py", machines(distribution, distribution))["@fake/host1"]
    install = next(c for c in commands if "package-manager 300 dnf install" in c)
    for name in ("keepalived", "chrony", "python3", "policycoreutils-python-utils"):
        assert (f" {name}" in install) == (name != "policycoreutils-python-utils")


# --- the clock -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "offset_s"),
    [
        ("2025-03-05 12:00:00.000 (+0000) -0.000123 +/- 0.000045 172.16.0.1 s2 no-leap", -0.000123),
        (
            "server 172.16.0.1, stratum 2, offset +1.250000, delay 0.02588\n"
            " 5 Mar 12:00:00 ntpdate[123]: step time server 172.16.0.1 offset +1.250000 sec",
            1.25,
        ),
        (
            "5 Mar 12:00:00 ntpdate[9]: adjust time server 172.16.0.1 offset -0.000123 sec",
            -0.000123,
        ),
        ("2025-03-05T12:00:00Z System clock wrong by 0.000214 seconds (ignored)", 0.000214),
        ("5 Mar 12:00:00 ntpdate[9]: no server suitable for synchronization found", None),
        ("", None),
    ],
)
def test_whichever_ntpdate_is_there_is_understood(said: str, offset_s: float | None) -> None:
    assert clock.MeasuredClock().process(said.splitlines()).offset_s == offset_s


@pytest.mark.parametrize("service", clock.SERVICES)
def test_who_keeps_the_clock_already_is_left_alone(service: str) -> None:
    """Ubuntu's timesyncd, above all: chrony and it exclude each other as packages."""
    line = f"service={service}.service loaded active running Network Time"
    assert clock.MeasuredClock().process([line]).service == service
    answers: dict[str, Any] = {"systemctl list-units --plain": [line]}
    both = machines("ubuntu22", "ubuntu22", answers=answers)
    commands = fakes.run("deploy.py", both)["@fake/host1"]
    assert not [c for c in commands if "install chrony" in c or "ntpdate -b" in c]


# --- Python --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distribution", "package"),
    [("debian12", "python3-minimal"), ("ubuntu24", "python3-minimal"), ("rocky10", "python3")],
)
def test_python_comes_before_anything_that_needs_it(distribution: str, package: str) -> None:
    """Minimal images have none."""
    commands = fakes.run("deploy.py", machines(distribution, distribution))["@fake/host1"]
    installed = next(
        place
        for place, command in enumerate(commands)
        if " package-manager " in command and f" {package}" in command.rpartition("manager ")[2]
    )
    programs = [f"/usr/lib/tandem/{name.rpartition('/')[2]}" for name in program_archive.PROGRAMS]
    before = [
        command
        for command in commands[:installed]
        if command.startswith((*programs, "/usr/bin/python3", "python3"))
    ]
    assert before == []
    assert "python" not in packages.MissingPackages().command("debian", "curl")
    assert "python" not in Survey().command()


def test_a_machine_without_ip_is_told_what_to_install() -> None:
    parts = fakes.survey().split("\n@\n")
    parts[9] = ""
    with pytest.raises(ValueError, match="iproute2"):
        parse_survey("\n@\n".join(parts))


def test_a_vip_of_another_network_than_the_machines_is_refused_by_the_survey() -> None:
    for prefix in (16, 24):
        node = settings.load(fakes.inventory())[0].nodes[0]
        found = list(mismatches(node, parse_survey(fakes.survey(prefix=prefix))))
        assert [each.setting for each in found] == ["vip"] * (prefix == 24)
        assert all("give 172.16.12.254/24" in each.remedy for each in found)
