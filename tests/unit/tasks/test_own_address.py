"""The machine's own address beside the VIP: what the classic profile asks, and what is kept."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import settings
from controller import rendering
from tasks.keepalived import vips
from tests.unit.settings.test_settings import inventory

OWN = "2: eth0    inet 172.16.12.61/16 brd 172.16.255.255 scope global eth0"
VIP = "2: eth0    inet 172.16.12.254/16 scope global eth0:0"
# As `ip -o address show dev eth0 …` does of what the files say.
IP = """#!/bin/sh
case "$*" in
"-o address show dev eth0 to 172.16.12.61") grep -F ' 172.16.12.61/' "$0.all" ;;
"-o address show dev eth0 primary") grep -v secondary "$0.all" ;;
*) exit 9 ;;
esac
exit 0
"""


def _asks(tmp_path: Path, carried: str) -> int:
    """The status of the classic profile's question where the interface has these addresses."""
    (cluster,) = settings.load(inventory(vrrp_version=2))
    text = rendering.render(
        "keepalived/classic.conf.j2", node=cluster.preferred, cluster=cluster, realtime=True
    )
    script = re.search(r'script +"(/usr/bin/sh -c \'ip [^"]*)"', text)
    assert script
    (tmp_path / "ip.all").write_text(carried)
    (tmp_path / "ip").write_text(IP)
    (tmp_path / "ip").chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", script[1]], env=path, check=False).returncode


@pytest.mark.parametrize(
    ("carried", "takes_part"),
    [
        (f"{OWN}\n", True),
        (f"{OWN}\n{VIP.replace('eth0:0', 'secondary eth0:0')}\n", True),
        ("", False),
        (f"{VIP}\n", False),
        (f"{VIP}\n{OWN.replace('eth0', 'secondary eth0')}\n", False),
        # Not a VIP's, but a longer one's.
        (f"2: eth0    inet 1172.16.12.254/16 scope global eth0\n{OWN}\n", True),
    ],
)
def test_a_classic_node_takes_part_while_its_own_address_is_first(
    tmp_path: Path, carried: str, takes_part: bool
) -> None:
    assert (_asks(tmp_path, carried) == 0) is takes_part


@pytest.mark.parametrize("before", ["0", "1"])
def test_what_the_kernel_did_before_is_noted_once(tmp_path: Path, before: str) -> None:
    kernel = tmp_path / "proc/sys/net/ipv4/conf/eth0/promote_secondaries"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(f"{before}\n")
    shell = vips.keep_others(["eth0"]).replace("/proc/", f"{tmp_path}/proc/")
    shell = shell.replace("/var/", f"{tmp_path}/var/")
    for _ in range(2):
        subprocess.run(["sh", "-ec", shell], check=True)
    assert kernel.read_text() == "1\n"
    (noted,) = tmp_path.rglob("sysctls")
    assert noted.read_text() == f"net/ipv4/conf/eth0/promote_secondaries {before}\n"


def test_a_kernel_that_cannot_be_told_stops_nothing(tmp_path: Path) -> None:
    shell = vips.keep_others(["eth0"]).replace("/proc/", f"{tmp_path}/proc/")
    subprocess.run(["sh", "-ec", shell.replace("/var/", f"{tmp_path}/var/")], check=True)
    assert list(tmp_path.iterdir()) == [], "nothing is written down, to go back to"
