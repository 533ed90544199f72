"""The machine's own address beside the VIP, taken away and set again; a VIP that a stranger has."""

from __future__ import annotations

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import VIP, on, until
from tests.support.lab.deployment import Deployed, deploy, verify
from tests.support.lab.own_address import OWN, away, by_itself
from tests.support.lab.pair import holders, wait_until
from tests.support.lab.pair import page as served

CLASSIC = ("--data", "vrrp_version=2")


def own_address_again(lab: Lab, host: str, away_s: float) -> None:
    """Take it away for so long."""
    with by_itself(lab, host, away(away_s)):
        pass


def is_as_before(lab: Lab, host: str) -> None:
    """One holder; the own address is the source, and stays when keepalived begins anew."""
    assert wait_until(lambda: holders(lab) == ["host1"], 30)
    on(lab, host, "systemctl restart keepalived")
    assert wait_until(lambda: holders(lab) == ["host1"], 30)
    until(lab, host, f"ip route get 172.16.0.1 | grep -q 'src {OWN[host].partition('/')[0]} '")
    assert served(lab)


@pytest.mark.parametrize("host", OWN)
@pytest.mark.parametrize("away_s", [0, 4])
def test_an_own_address_that_comes_and_goes_stays(
    lab: Lab, deployed: Deployed, host: str, away_s: float
) -> None:
    own_address_again(lab, host, away_s)
    is_as_before(lab, host)


def test_the_same_in_the_classic_profile(lab: Lab, deployed: Deployed) -> None:
    done = deploy(lab, *CLASSIC)
    assert done.returncode == 0, done.stdout
    try:
        for host in OWN:
            for away_s in (0, 6):
                own_address_again(lab, host, away_s)
                is_as_before(lab, host)
    finally:
        back = deploy(lab)
        assert back.returncode == 0, back.stdout
    settled = verify(lab, "--data", "wait=30")
    assert settled.returncode == 0, settled.stdout


def test_a_vip_that_a_stranger_has_is_refused_with_the_mac(lab: Lab, deployed: Deployed) -> None:
    shown = lab.run(["ip", "-o", "-4", "address", "show"]).stdout
    bridge = next(line.split()[1] for line in shown.splitlines() if " 172.16.0.1/" in line)
    link = lab.run(["ip", "-o", "link", "show", "dev", bridge]).stdout.split()
    mac = link[link.index("link/ether") + 1]
    taken = "172.16.12.250"
    lab.run(["ip", "address", "add", f"{taken}/32", "dev", bridge])
    try:
        done = deploy(lab, "--data", f"vip={taken}/16")
    finally:
        lab.run(["ip", "address", "delete", f"{taken}/32", "dev", bridge])
    assert done.returncode == 1
    assert f"vip = {taken}/16: somebody has it already, with the MAC {mac}" in done.stdout
    assert holders(lab) == ["host1"] and VIP in on(lab, "host1", "ip address show dev eth0")
