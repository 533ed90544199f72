"""What a machine of the lab that cannot be reached meanwhile does by itself, and what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

from lab.twin import Lab
from tests.support.lab.breaking import VIP, holds_vip, on
from tests.support.lab.pair import wait_until

OWN = {"host1": "172.16.12.61/16", "host2": "172.16.12.62/16"}
SEEN = "/run/vip-seen"
RESTORE = "ip address add {own} dev eth0 2>/dev/null; ip route replace default via 172.16.0.1"
TRUSTED = "grep -qx 0 /run/tandem/failed && grep -qx backup /run/keepalived/state"


@contextmanager
def by_itself(lab: Lab, host: str, script: str) -> Iterator[None]:
    """Have a machine, which cannot be reached meanwhile, carry a script out; it notes on the way
    how often it had the VIP."""
    note = (
        f"while sleep 0.05; do ip -o -4 address show dev eth0 | grep -c ' {VIP}/'; done >{SEEN} & "
    )
    body = f"{note}{script.format(own=OWN[host])}; kill %1"
    on(lab, host, f"systemd-run --quiet --collect --unit=away bash -c {quote(body)}")
    try:
        yield
        assert wait_until(
            lambda: lab.ssh(host, "! systemctl -q is-active away").returncode == 0, 60
        )
    finally:
        on(lab, host, RESTORE.format(own=OWN[host]))


def had_the_vip(lab: Lab, host: str) -> bool:
    seen = set(on(lab, host, f"cat {SEEN}").split())
    assert seen, "nothing was noted"
    return "1" in seen


def takes_over(lab: Lab, host: str, other: str) -> None:
    """The other one's keepalived ends, and this one holds the VIP; then it is as before."""
    on(lab, other, "systemctl stop keepalived")
    try:
        holds_vip(lab, host)
    finally:
        on(lab, other, "systemctl start keepalived")
    holds_vip(lab, other)
