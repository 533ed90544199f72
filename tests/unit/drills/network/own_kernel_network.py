"""A network of the test's own, where the drills' scripts meet a real kernel; nothing leaves it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import Node
from tests.support import fakes
from tests.support.drilling.drill_world import HOSTS

OWN, VIP = "172.16.12.61", "172.16.12.254"
NETWORK = ("unshare", "--map-root-user", "--net", "--", "sh", "-c")
# As the lab's machines have it: one end of a cable is called eth0.
MACHINE = (
    "ip link set lo up; ip link add eth0 type veth peer name far; ip link set far up; "
    f"ip link set eth0 up; ip address add {OWN}/16 brd + dev eth0; "
    "ip route add default via 172.16.0.1 dev eth0\n"
)


def node() -> Node:
    (cluster,) = settings.load(fakes.inventory(HOSTS))
    return cluster.nodes[0]


def shell(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs it on such a machine, whose /run/tandem-drill and whose services are the test's."""
    if subprocess.run([*NETWORK, "true"], capture_output=True).returncode:
        pytest.skip("no network of one's own can be had here")
    for real, own in (
        ("/run/tandem-drill", f"{directory}/drill"),
        ("/var/lib/tandem-drill", f"{directory}/kept"),
        ("/etc/systemd/system", f"{directory}/units"),
        ("/etc/", f"{directory}/etc/"),
        ("/usr/lib/tandem/service", f"echo service >>{directory}/services; :"),
    ):
        script = script.replace(real, own)
    folders = f"mkdir -p {directory}/drill {directory}/units {directory}/etc\n"
    command: list[Any] = [*NETWORK, folders + MACHINE + script]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)
