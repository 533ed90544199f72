"""A node whose own address, interface or inotify goes, and comes back: it takes part exactly while
it could hold the VIP."""

from __future__ import annotations

import pytest

from lab.twin import Lab
from tests.support.clients.load import asking
from tests.support.lab.breaking import TRUSTED, VIP, holds_vip, on, takes_over, until
from tests.support.lab.own_address import BACK, GONE, away, by_itself, had_the_vip


@pytest.mark.timeout(300)
def test_a_standby_without_its_address_leaves_the_election(healthy: Lab) -> None:
    with asking(healthy) as asked, by_itself(healthy, "host2", away(6)):
        pass
    assert asked.lost == {}
    assert not had_the_vip(healthy, "host2")
    until(healthy, "host2", TRUSTED, 20)
    assert "leaves the election: 172.16.12.62 is not" in on(
        healthy, "host2", "journalctl -u tandem-watch --since -2min -o cat"
    )
    takes_over(healthy, "host2", "host1")


@pytest.mark.timeout(300)
def test_a_keepalived_that_was_started_before_its_address_is_there_takes_part(healthy: Lab) -> None:
    late = f"systemctl stop keepalived; {GONE}; systemctl start keepalived; sleep 5; {BACK}"
    with by_itself(healthy, "host2", late):
        pass
    assert not had_the_vip(healthy, "host2")
    until(healthy, "host2", TRUSTED, 20)
    takes_over(healthy, "host2", "host1")


@pytest.mark.timeout(300)
def test_an_interface_that_is_made_anew_is_used_again(healthy: Lab) -> None:
    bridge = (
        "ip link set eth0 down; ip address flush dev eth0; ip link set eth0 name wire0; sleep 3; "
        "ip link add eth0 type bridge forward_delay 0; ip link set wire0 master eth0; "
        "ip link set wire0 up; ip link set eth0 up; sleep 1; " + BACK
    )
    wire = (
        "ip link delete eth0; ip link set wire0 down; ip link set wire0 name eth0; "
        "ip link set eth0 up; sleep 1; " + BACK
    )
    with by_itself(healthy, "host2", bridge):
        pass
    try:
        until(healthy, "host2", TRUSTED, 20)
        takes_over(healthy, "host2", "host1")
        until(healthy, "host2", "nft list table ip tandem_handover | grep device", 10)
    finally:
        with by_itself(healthy, "host2", wire):
            pass
    until(healthy, "host2", TRUSTED, 20)
    takes_over(healthy, "host2", "host1")


@pytest.mark.timeout(300)
def test_the_vip_leaves_a_dead_nginx_also_where_keepalived_follows_no_file(healthy: Lab) -> None:
    directory = "/run/systemd/system/keepalived.service.d"
    on(
        healthy,
        "host1",
        f"mkdir -p {directory} && echo '[Service]\nSystemCallFilter=~inotify_init inotify_init1' "
        f">{directory}/zz.conf && systemctl daemon-reload && systemctl restart keepalived",
    )
    try:
        holds_vip(healthy, "host1")
        assert "Unable to monitor track files" in on(
            healthy, "host1", "journalctl -u keepalived --since -1min -o cat"
        )
        on(healthy, "host1", "systemctl stop nginx")
        holds_vip(healthy, "host2")
    finally:
        on(
            healthy,
            "host1",
            f"rm -r {directory}; systemctl daemon-reload; systemctl start nginx; "
            "systemctl restart keepalived",
        )
    holds_vip(healthy, "host1")


@pytest.mark.timeout(300)
def test_a_holder_that_cannot_reach_the_others_gives_the_vip_up(healthy: Lab) -> None:
    """They would not hear its adverts, and take the VIP, too."""
    blocked = "unreachable 172.16.12.62/32"
    on(healthy, "host1", f"ip route add {blocked}")
    try:
        holds_vip(healthy, "host2")
        until(healthy, "host1", f"! ip -4 address show dev eth0 | grep ' {VIP}/'")
        assert "no route from 172.16.12.61" in on(
            healthy, "host1", "journalctl -u tandem-watch --since -1min -o cat"
        )
    finally:
        on(healthy, "host1", f"ip route delete {blocked}")
    holds_vip(healthy, "host1")
