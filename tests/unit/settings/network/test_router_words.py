"""What is no address of a router, no number of a system, no router and no profile: each is one
mistake, and what it proposes is accepted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.settings.network.test_routed_settings import (
    BOTH,
    ROUTER,
    ROUTER6,
    cluster,
    hosts,
    refused,
)

PLAIN = 'give the router\'s address towards this machine, "10.1.0.1" or "fd61:1::1"'
TEXT = "give it as text, in quotes: the router's address towards this machine"
NOBODYS = "no router has this address: give the one that it has towards this machine"
EVERYBODYS = "every wire may have this address: give another one of the router's"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("10.1.0.256", PLAIN),
        ("010.1.0.1", PLAIN),
        ("router1.example.org", PLAIN),
        ("", PLAIN),
        (None, TEXT),
        (True, TEXT),
        (5, TEXT),
        (1.5, TEXT),
        (["10.1.0.1"], TEXT),
        ("10.1.0.1/24", "give the address alone: 10.1.0.1"),
        (" 10.1.0.1", "give the address alone: 10.1.0.1"),
        ("fd61:1::1%eth0", "give the address alone: fd61:1::1"),
        ("fe80::1", EVERYBODYS),
        ("fe80::1%eth0", EVERYBODYS),
        ("169.254.1.1", EVERYBODYS),
        ("169.254.1.1/16", EVERYBODYS),
        ("::ffff:10.1.0.1", "this is IPv4's address, as IPv6 writes it: give 10.1.0.1"),
        ("::ffff:169.254.1.1", EVERYBODYS),
        ("::ffff:127.0.0.1", NOBODYS),
        *(
            (address, NOBODYS)
            for address in (
                *("224.0.0.1", "ff02::1", "127.0.0.1", "::1", "0.0.0.0", "0.1.2.3", "::"),
                *("255.255.255.255", "240.0.0.1", "224.0.0.1/4", "::10.1.0.1"),
            )
        ),
    ],
)
def test_what_is_no_router_s_address_is_one_mistake(address: object, said: str) -> None:
    for router in (ROUTER, ROUTER6):
        (told,) = refused(routers=[router | {"address": address}])
        assert told == f"host1, host2: routers[0].address = {address!r}: {said}" or (
            said is TEXT
            and told.startswith(f"host1, host2: routers[0].address = {address!r}: {said}")
        )


def test_addresses_of_both_families_are_read() -> None:
    given = ("10.1.0.1", "fd61:1::1", "FD61:1:0::2")
    routers = [{"address": address, "asn": 64512} for address in given]
    here = cluster(**BOTH | {"routers": routers})
    found = [str(router.address) for router in here.preferred.routers]
    assert found == ["10.1.0.1", "fd61:1::1", "fd61:1::2"]


@pytest.mark.parametrize("number", [5, True, 167837707, b"\n\1\0\5"])
@pytest.mark.parametrize(
    ("setting", "data"),
    [
        ("address", lambda given: {"address": given}),
        ("address6", lambda given: {"address6": given}),
        ("more_interfaces", lambda given: {"more_interfaces": {"eth1": given}}),
        ("more_interfaces", lambda given: {"more_interfaces": {"eth1": ["10.9.0.11", given]}}),
        ("metrics_allow", lambda given: {"metrics_allow": [given]}),
    ],
)
def test_a_number_is_no_address_of_a_machine_either(
    setting: str, data: Callable[[object], dict[str, Any]], number: object
) -> None:
    (told,) = refused(hosts(**data(number)))
    assert told.startswith(f"host1: {setting} = ") and ": give " in told


RANGE = "give 1 to 4294967294"
OLD = "this number stands for numbers that old routers cannot read (RFC 6793): give your own"


@pytest.mark.parametrize(
    ("asn", "said"),
    [
        ("AS65011", "give it as a number: 65011"),
        ("as 65011", "give it as a number: 65011"),
        ("1.10", "give it as a number: 65546"),
        ("0.65011", "give it as a number: 65011"),
        ("AS4294967295", RANGE),
        ("AS0", RANGE),
        ("0.0", RANGE),
        ("70000.1", RANGE),
        ("1.70000", RANGE),
        ("65535.65535", RANGE),
        ("AS23456", OLD),
        ("0.23456", OLD),
        ("0.65535", "this number is nobody's (RFC 7300): give your own"),
        (1.0, RANGE),
        (65010.0, RANGE),
        (1.1, RANGE),
        (True, RANGE),
        ("65_010", RANGE),
        ("-1", RANGE),
        ("ten", RANGE),
        ([1], RANGE),
    ],
)
def test_a_number_that_is_proposed_is_right(asn: object, said: str) -> None:
    for setting, given in (
        ("asn", {"asn": asn}),
        ("routers[0].asn", {"routers": [ROUTER | {"asn": asn}]}),
    ):
        (told,) = refused(**given)
        assert told.startswith(f"host1, host2: {setting} = {asn!r}: {said}")
        if proposed := re.search(r"number: (\d+)$", told):
            cluster(asn=int(proposed[1]), routers=[ROUTER | {"asn": 3}])


def test_a_number_may_be_text() -> None:
    assert cluster(asn="65011").preferred.asn == 65011


LIKE = 'give each of routers as {"address": "10.1.0.1", "asn": 64512}'


@pytest.mark.parametrize(
    ("routers", "said"),
    [
        (["10.1.0.1"], [f"routers[0] = '10.1.0.1': {LIKE}"]),
        ([ROUTER, 5], [f"routers[1] = 5: {LIKE}"]),
        ([None], [f"routers[0] = None: {LIKE}"]),
        ([["10.1.0.1", 64512]], [f"routers[0] = ['10.1.0.1', 64512]: {LIKE}"]),
        ("10.1.0.1", ["routers = '10.1.0.1': give a list of routers, [{"]),
        (ROUTER, ["give a list of routers, [{"]),
        ([{}], ["routers[0].address = '(not set)': give the router's", "routers[0].asn = '(not"]),
        ([ROUTER | {1: 2}], ["routers[0].1 = 2: there is no such setting; there are address, asn"]),
        ([ROUTER | {"colour": 1}], ["routers[0].colour = 1: there is no such setting; there are"]),
        (
            [{"ip": "10.1.0.1", "as": 3}],
            [
                "routers[0].ip = '10.1.0.1': there is no such setting here; write \"address\": ",
                'routers[0].as = 3: there is no such setting here; write "asn": 3',
            ],
        ),
    ],
)
def test_what_is_no_router_is_told_what_one_looks_like(routers: Any, said: list[str]) -> None:
    told = refused(routers=routers)
    assert len(told) == len(said)
    assert all(each in line for each, line in zip(said, told, strict=True)), told


@pytest.mark.parametrize("word", ["BGP", "bpg", " bgp", "anycast", None, 5])
def test_a_word_that_is_no_profile_is_one_mistake(word: object) -> None:
    (told,) = refused(spread=word)
    assert 'ive "vrrp" or "bgp"' in told
    assert ('did you mean "bgp"?' in told) is (str(word).strip() in ("BGP", "bpg", "bgp"))
