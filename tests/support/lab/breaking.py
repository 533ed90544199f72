"""What a test does to a machine of the lab, undone whatever happens."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drills.clients import rogue_router
from lab.twin import Lab

VIP = "172.16.12.254"
# What a standby says that may hold the VIP.
TRUSTED = "grep -qx 0 /run/tandem/failed && grep -qx backup /run/keepalived/state"


def on(lab: Lab, host: str, command: str) -> str:
    done = lab.ssh(host, command)
    assert done.returncode == 0, f"{host}: {command}: {done.stderr}"
    return done.stdout


def until(lab: Lab, host: str, condition: str, seconds: float = 12) -> None:
    """Wait until a shell command succeeds on a machine."""
    on(
        lab,
        host,
        f"for _ in $(seq {int(seconds * 10)}); do {{ {condition}; }} >/dev/null 2>&1 && exit 0; "
        "sleep 0.1; done; exit 1",
    )


def holds_vip(lab: Lab, host: str) -> None:
    until(lab, host, f"ip -4 address show dev eth0 | grep -q ' {VIP}/'")


def takes_over(lab: Lab, host: str, other: str) -> None:
    """The other one's keepalived ends, and this one holds the VIP; then it is as before."""
    on(lab, other, "systemctl stop keepalived")
    try:
        holds_vip(lab, host)
    finally:
        on(lab, other, "systemctl start keepalived")
    holds_vip(lab, other)


@contextmanager
def shell(lab: Lab, host: str, inject: str, undo: str) -> Iterator[None]:
    try:
        on(lab, host, inject)
        yield
    finally:
        on(lab, host, undo)


@contextmanager
def edited(lab: Lab, host: str, file: str, sed: str, after: str = "true") -> Iterator[None]:
    """A file changed with sed, `after` run on it; then the file as it was, to the nanosecond."""
    kept = f"/run/before-fault-{Path(file).name}"
    inject = f"cp -a {file} {kept} && sed -i {shlex.quote(sed)} {file} && {after}"
    with shell(lab, host, inject, f"mv {kept} {file} && {after}"):
        yield


@contextmanager
def stranger(lab: Lab) -> Iterator[None]:
    """Somebody on the lab's network who speaks VRRP with our number, as the drill has it."""
    about = ("172.16.0.1", VIP, "61", "3", "0.05", "120")
    words = [rogue_router.__file__, *about, *(machine.address for machine in lab.machines)]
    process = subprocess.Popen(lab.run_command([sys.executable, *words]))
    try:
        time.sleep(1.2)
        assert process.poll() is None
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def forgotten(lab: Lab) -> Iterator[None]:
    """Afterwards nobody remembers where the VIP was."""
    try:
        yield
    finally:
        lab.run(["ip", "neighbour", "flush", "to", VIP])
        for host in ("host1", "host2"):
            lab.ssh(host, f"ip neighbour flush to {VIP}")
