"""The drills where IPv6 addresses move: beside the IPv4 address, and one that speaks VRRP itself.

The second one's drills take the machines' own IPv6 addresses, from a standby and from the holder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import on
from tests.support.lab.drill_runs import assert_drill_sound, data_words, drilled
from tests.support.lab.own_lab import own_lab, pyinfra
from tests.support.lab.pair import wait_until

INVENTORY = "tests/support/inventories/ipv6_pair.py"
VIP6, OWN6 = "fd61:1::252", "fd61:1::62/64"
VIPS = f"more_vips={json.dumps({f'{VIP6}/64': 'host1'})}"
SETTINGS = data_words(VIPS)
# What needs an IPv6 address that moves beside.
BESIDE = ("ipv6-lost",)
# What takes the machines' own IPv6 addresses; `make drill-ipv6` runs the others, too.
OWN_ADDRESSES = (
    *("standby-address-lost", "own-address-lost", "own-address-back", "interface-recreated"),
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with own_lab(tmp_path_factory.mktemp("ipv6") / "tandem", INVENTORY) as lab:
        first = pyinfra(lab, "-y", INVENTORY, "deploy.py", *SETTINGS)
        assert first.returncode == 0, first.stdout
        yield lab


def verified(lab: Lab, *words: str) -> tuple[int, str]:
    done = pyinfra(lab, INVENTORY, "verify.py", *SETTINGS, *words)
    return done.returncode, done.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BESIDE)
def test_an_ipv6_address_that_moves_beside(pair: Lab, tmp_path: Path, name: str) -> None:
    result = drilled(pair, INVENTORY, tmp_path, VIPS, f"drills={name}")[name]
    assert_drill_sound(result)
    (repeat,) = result.counted
    assert any("the verifier named" in note and "NET-05" in note for note in repeat.notes)


@pytest.mark.timeout(1600)
def test_own_addresses_that_go_where_the_vip_is_an_ipv6_address(pair: Lab, tmp_path: Path) -> None:
    wanted = f"drills={','.join(OWN_ADDRESSES)}"
    results = drilled(pair, INVENTORY, tmp_path, VIPS, wanted, f"drilled_vip={VIP6}")
    assert set(results) == set(OWN_ADDRESSES)
    for result in results.values():
        assert_drill_sound(result)


@pytest.mark.timeout(300)
def test_an_ipv6_address_that_is_missing_is_found_until_somebody_puts_it_back(pair: Lab) -> None:
    """On a machine whose kernel does not keep it; by hand, as nobody else does it."""
    away = (
        "systemctl stop tandem-handover; sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=0; "
        "ip -6 route show default >/run/routes6; ip link set eth0 down; ip link set eth0 up; "
        "ip route replace default via 172.16.0.1 dev eth0; systemctl start tandem-handover"
    )
    on(pair, "host2", f"systemd-run --quiet --collect --unit=away sh -c '{away}'")
    assert wait_until(lambda: pair.ssh("host2", "true").returncode == 0, 30)
    try:
        assert on(pair, "host2", f"ip -6 -o address show to {OWN6.partition('/')[0]}") == ""
        code, said = verified(pair)
        assert code == 1 and f"{OWN6.partition('/')[0]} is on no interface" in said
    finally:
        # A default route goes with its interface, too.
        back = 'read -r _ _ router _ </run/routes6; ip route replace ::/0 via "$router" dev eth0'
        on(pair, "host2", f"ip address replace {OWN6} dev eth0 nodad; {back}")
    code, said = verified(pair, "--data", "wait=30")
    assert code == 0, said
