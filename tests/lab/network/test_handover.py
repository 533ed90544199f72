"""Connections go on when the address moves on purpose, on machines with nginx and keepalived."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab.twin import Lab
from tests.support.clients.staying import Clients
from tests.support.lab.breaking import holds_vip, on, until
from tests.support.lab.deployment import Done, deploy, pyinfra, verify

VIPS = ("172.16.12.254", "fd61:1::254")
INVENTORY6 = "tests/support/inventories/ipv6_pair.py"
OFF = ("--data", "handover=False")
DOWN = "/etc/keepalived/down"
BYTES = 32 << 20
# Longer than any move takes, on a machine that is busy, too: clients end when they are told to.
LIVES_S = 90


def deploy6(lab: Lab, *words: str) -> Done:
    done = pyinfra(lab, "-y", INVENTORY6, "deploy.py", *words)
    assert done.returncode == 0, done.stdout
    return done


def settled(lab: Lab, *words: str) -> None:
    done = pyinfra(lab, INVENTORY6, "verify.py", "--data", "wait=30", *words)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def dual(lab: Lab) -> Iterator[tuple[Lab, str]]:
    """The pair with IPv6 as well, and the checksum of a large file that both have."""
    lab.run(["ip", "address", "replace", "fd61:1::1/64", "dev", "lan", "nodad"], check=True)
    for number, machine in enumerate(lab.machines, start=61):
        on(lab, machine.name, f"ip address replace fd61:1::{number}/64 dev eth0 nodad")
    deploy6(lab)
    on(lab, "host1", f"head -c {BYTES} /dev/urandom >/usr/html/big")
    content = lab.ssh("host1", "cat /usr/html/big", text=False).stdout
    done = lab.ssh("host2", "cat >/usr/html/big", input=content, text=False)
    assert done.returncode == 0
    checksum = on(lab, "host2", "sha256sum </usr/html/big").split()[0]
    settled(lab)
    yield lab, checksum
    for machine in lab.machines:
        on(lab, machine.name, "rm -f /usr/html/big")
    assert deploy(lab).returncode == 0
    for number, machine in enumerate(lab.machines, start=61):
        on(lab, machine.name, f"ip address delete fd61:1::{number}/64 dev eth0")
    lab.run(["ip", "address", "delete", "fd61:1::1/64", "dev", "lan"])
    done = verify(lab, "--data", "wait=30")
    assert done.returncode == 0, done.stdout


def beginning(lab: Lab) -> None:
    """host1 has the address, and nobody carries anything any more."""
    holds_vip(lab, "host1")
    until(lab, "host2", f"! ip address show dev lo | grep -q {VIPS[0]}", 30)
    until(lab, "host1", f"ip address show dev lo | grep -q {VIPS[0]}")


@contextmanager
def drained(lab: Lab) -> Iterator[None]:
    try:
        on(lab, "host1", f"touch {DOWN}")
        holds_vip(lab, "host2")
        yield
    finally:
        on(lab, "host1", f"rm -f {DOWN}")


def there_and_back_by_hand(lab: Lab) -> None:
    with drained(lab):
        time.sleep(1)
    holds_vip(lab, "host1")


def keepalived_stopped_and_started(lab: Lab) -> None:
    on(lab, "host1", "systemctl stop keepalived")
    holds_vip(lab, "host2")
    time.sleep(1)
    on(lab, "host1", "systemctl start keepalived")
    holds_vip(lab, "host1")


def keepalived_restarted(lab: Lab) -> None:
    on(lab, "host1", "systemctl restart keepalived")
    time.sleep(1)
    holds_vip(lab, "host1")


def handover_restarted_meanwhile(lab: Lab) -> None:
    with drained(lab):
        for host in ("host1", "host2"):
            on(lab, host, "systemctl restart tandem-handover")
            time.sleep(0.5)
    holds_vip(lab, "host1")
    for host in ("host1", "host2"):
        on(lab, host, "systemctl restart tandem-handover")
        time.sleep(0.5)


@pytest.mark.parametrize(
    "change",
    [
        there_and_back_by_hand,
        keepalived_stopped_and_started,
        keepalived_restarted,
        handover_restarted_meanwhile,
    ],
    ids=lambda change: change.__name__,
)
def test_downloads_and_keep_alive_connections_survive(
    dual: tuple[Lab, str], change: Callable[[Lab], None]
) -> None:
    lab, checksum = dual
    beginning(lab)
    clients = Clients(lab, LIVES_S, checksum)
    change(lab)
    assert clients.run, "the address has to be back while the clients run"
    assert clients.problems() == []


@pytest.mark.parametrize("fault", ["cable", "power"])
def test_a_node_that_comes_back_and_takes_the_address_cuts_nothing(
    dual: tuple[Lab, str], fault: str
) -> None:
    lab, checksum = dual
    beginning(lab)
    cut, mend = {
        "cable": (lab.unplug, lab.plug),
        "power": (lab.power_off, lab.power_on),
    }[fault]
    cut("host1")
    try:
        holds_vip(lab, "host2")
        clients = Clients(lab, LIVES_S, checksum)
    finally:
        mend("host1")
    if fault == "power":
        on(lab, "host1", "ip address replace fd61:1::61/64 dev eth0 nodad")
    holds_vip(lab, "host1")
    assert clients.run, "the address has to be back while the clients run"
    assert clients.problems() == []
    settled(lab)


def test_a_node_that_carries_is_healthy_to_the_verifier(dual: tuple[Lab, str]) -> None:
    lab, checksum = dual
    beginning(lab)
    clients = Clients(lab, LIVES_S, checksum)
    try:
        with drained(lab):
            done = pyinfra(lab, INVENTORY6, "verify.py", "--data", "wait=5")
            on(lab, "host1", f"ip address show dev lo | grep {VIPS[0]}/32")
        assert done.returncode == 0, done.stdout
    finally:
        clients.end()


def test_switched_off_clients_are_reset_at_once(dual: tuple[Lab, str]) -> None:
    lab, checksum = dual
    beginning(lab)
    deploy6(lab, *OFF)
    try:
        settled(lab, *OFF)
        assert "tandem_handover" not in on(lab, "host1", "nft list ruleset")
        clients = Clients(lab, 20, checksum)
        began_s = time.monotonic()
        with drained(lab):
            problems = clients.problems_of_themselves()
        assert time.monotonic() - began_s < 12, "they have waited until their time was over"
        assert len([problem for problem in problems if "ConnectionReset" in problem]) == 4
    finally:
        deploy6(lab)
    settled(lab)
