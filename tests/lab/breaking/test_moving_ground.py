"""What operators meet on the network, and on a machine that is full: the VIP is on one node that
serves, and all is as before once it is over."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from lab.twin import Lab
from tests.support.clients.load import asking
from tests.support.lab.breaking import TRUSTED, holds_vip, on, shell, takes_over, until
from tests.support.lab.own_address import by_itself, had_the_vip
from tests.support.lab.pair import holders, wait_until

NO_WAY_OUT = ("ip route delete default", "ip route replace default via 172.16.0.1")


@pytest.fixture(autouse=True)
def as_before(healthy: Lab) -> Iterator[None]:
    yield
    assert wait_until(lambda: holders(healthy) == ["host1"], 30)
    for host in ("host1", "host2"):
        until(healthy, host, "grep -qx 0 /run/tandem/failed", 20)


def moves(lab: Lab, host: str, since_s: float) -> int:
    """How often that machine has become MASTER since then, of time.time()."""
    log = on(lab, host, f"journalctl -u keepalived --since @{since_s:.0f} -o cat")
    return log.count("Entering MASTER STATE")


@pytest.mark.timeout(120)
def test_a_cable_that_comes_and_goes_does_not_move_the_vip_each_time(healthy: Lab) -> None:
    began_s = time.time()
    for _ in range(10):
        healthy.unplug("host1")
        time.sleep(0.4)
        healthy.plug("host1")
        time.sleep(0.6)
    assert holders(healthy) == ["host2"]
    log = on(healthy, "host1", f"journalctl -u tandem-watch --since @{began_s:.0f} -o cat")
    assert re.search(r"has lost its link \d+ times", log)
    assert moves(healthy, "host2", began_s) <= 5


@pytest.mark.timeout(120)
def test_a_port_of_a_bridge_hears_nothing_and_takes_no_part(healthy: Lab) -> None:
    into = (
        "ip link add br9 type bridge forward_delay 0; ip link set br9 up; "
        "ip link set eth0 master br9; sleep 4; ip link set eth0 nomaster; ip link delete br9"
    )
    with asking(healthy) as asked, by_itself(healthy, "host2", into):
        pass
    assert asked.lost == {}
    assert not had_the_vip(healthy, "host2")
    until(healthy, "host2", TRUSTED, 20)
    takes_over(healthy, "host2", "host1")


@pytest.mark.timeout(120)
def test_the_vip_is_where_the_rest_of_the_world_is_answered(healthy: Lab) -> None:
    with shell(healthy, "host1", *NO_WAY_OUT):
        holds_vip(healthy, "host2")
        with shell(healthy, "host2", *NO_WAY_OUT):
            time.sleep(2)
            assert len(holders(healthy)) == 1, "its neighbours are served all the same"


@pytest.mark.timeout(120)
def test_a_watch_that_stands_still_is_started_anew(healthy: Lab) -> None:
    running = "systemctl show -p MainPID --value tandem-watch"
    before = on(healthy, "host1", f"{running}; systemctl kill -s STOP tandem-watch").strip()
    until(healthy, "host1", f"[ $({running}) != {before} ] && [ $({running}) != 0 ]", 20)
    assert holders(healthy) == ["host1"]
