"""A machine of the recipe's pair whose own address goes and comes back: it does that by itself,
since nobody reaches it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

from lab.twin import Lab
from tests.support.lab.breaking import VIP, on
from tests.support.lab.pair import wait_until

OWN = {"host1": "172.16.12.61/16", "host2": "172.16.12.62/16"}
# Steps of a script; {own} stands for the address.
GONE = "ip address delete {own} dev eth0"
BACK = (
    "ip address add {own} brd + dev eth0 2>/dev/null; "
    "ip route replace default via 172.16.0.1 onlink dev eth0"
)
_SEEN = "/run/vip-seen"


def away(seconds: float) -> str:
    """The script that takes it away for so long."""
    return f"{GONE}; sleep {seconds}; {BACK}"


@contextmanager
def by_itself(lab: Lab, host: str, script: str) -> Iterator[None]:
    """Have a machine carry a script out; it notes on the way how often it had the VIP."""
    note = (
        f"while sleep 0.05; do ip -o -4 address show dev eth0 | grep -c ' {VIP}/'; done >{_SEEN} & "
    )
    body = f"{note}{script.format(own=OWN[host])}; kill %1"
    on(lab, host, f"systemd-run --quiet --collect --unit=away bash -c {quote(body)}")
    try:
        yield
        assert wait_until(
            lambda: lab.ssh(host, "! systemctl -q is-active away").returncode == 0, 60
        )
    finally:
        on(lab, host, BACK.format(own=OWN[host]))


def had_the_vip(lab: Lab, host: str) -> bool:
    """Whether it had the VIP while it carried its last script out."""
    seen = set(on(lab, host, f"cat {_SEEN}").split())
    assert seen, "nothing was noted"
    return "1" in seen
