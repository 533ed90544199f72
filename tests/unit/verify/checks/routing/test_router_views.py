"""RT-19: what routers say of themselves is compared with who serves, and silence is no evidence."""

from __future__ import annotations

import json

import pytest

from tests.support.routed.routing_answers import all_down, drained, protocol, unit, yielding
from tests.support.snapshots import BOTH, ROUTED, Spoiled, bad
from verify.checks.check import Answer, Outcome
from verify.observe.routing import asked_routers
from verify.read.routing.named_addresses import named

ROUTERS = ("172.16.12.1", "172.16.12.2", "fd61:1::1", "fd61:1::2")
COMMAND = ["ssh", "admin@router", "show ip route {vip}"]
FRR = """\
Routing entry for 198.51.100.80/32
  Known via "bgp", distance 20, metric 0, best
  Last update 00:12:02 ago
  * 172.16.12.61, via eth0, weight 1
  * 172.16.12.62, via eth0, weight 1
"""
FRR6 = """\
  * fd61:1::61, via eth0, weight 1
  * fd61:1::62, via eth0, weight 1
"""


def asked(*views: str | None) -> Spoiled:
    """A healthy pair whose routers can be asked; what they say. Without words: what is right."""
    found = Spoiled(ROUTED)
    for node in found.data["clusters"][0]["nodes"]:
        for router in node["routers"]:
            router["view_command"] = COMMAND
    said = views or (FRR, FRR, FRR6, FRR6)
    cluster = found.snapshot.clusters[0]
    found.data["router_views"] = {
        "web": [
            {"address": each.address, "command": each.command, "text": text}
            for each, text in zip(asked_routers.questions(cluster), said, strict=True)
            if text is not None
        ]
    }
    return found


def answer(spoiled: Spoiled) -> Answer:
    (found,) = (each for each in spoiled.judge(only="RT-19").findings if each.id == "RT-19")
    assert found.command or found.outcome is Outcome.SKIP
    return found.answer


def without(text: str, *words: str) -> str:
    return "".join(line for line in text.splitlines(True) if not any(w in line for w in words))


def test_where_no_router_can_be_asked_there_is_nothing_to_judge() -> None:
    assert answer(Spoiled(ROUTED)).outcome is Outcome.SKIP


def test_routers_that_name_all_who_serve_are_well() -> None:
    found = answer(asked())
    assert found.outcome is Outcome.OK
    assert found.actual.startswith("172.16.12.1 names host1, host2; 172.16.12.2 names host1")


def test_each_router_is_asked_once_with_the_vip_of_its_family() -> None:
    cluster = asked().snapshot.clusters[0]
    assert [(each.address, each.words[-1]) for each in asked_routers.questions(cluster)] == [
        ("172.16.12.1", "show ip route 198.51.100.80"),
        ("172.16.12.2", "show ip route 198.51.100.80"),
        ("fd61:1::1", "show ip route 2001:db8::80"),
        ("fd61:1::2", "show ip route 2001:db8::80"),
    ]
    (shown,) = asked().judge(only="RT-19").findings
    assert "ssh admin@router 'show ip route 198.51.100.80'   (from here)" in shown.command


def test_a_machine_that_a_router_filters_is_missed() -> None:
    found = answer(asked(FRR, without(FRR, ".62,"), FRR6, FRR6))
    told, printed = found.actual.split("; ", 1)
    assert (found.outcome, told) == (Outcome.FAIL, "172.16.12.2 does not name host2")
    # What it printed is shown, as far as that is of use.
    assert printed.startswith("172.16.12.2 printed: Routing entry for 198.51.100.80/32 Known via")
    assert len(printed) <= len("172.16.12.2 printed: ") + 100


@pytest.mark.parametrize("text", ["% Network not in table\n", "BIRD 2.0.12 ready.\n", "asked\n"])
def test_a_router_without_a_route_names_nobody(text: str) -> None:
    """The command has ended well: it is an answer, whatever it was that it asked for."""
    found = answer(asked(FRR, FRR, text, FRR6))
    assert (found.outcome, found.actual) == (
        Outcome.FAIL,
        "fd61:1::1 names neither 2001:db8::80 nor a machine: it has no route, or the command shows "
        f"something else; fd61:1::1 printed: {text.strip()}",
    )


@pytest.mark.parametrize("spelled", ["2001:DB8:0::80", "2001:db8:0:0:0:0:0:80/128"])
def test_a_route_that_leads_elsewhere_is_one(spelled: str) -> None:
    found = answer(asked(FRR, FRR, f"{spelled} via fe80::99\n", FRR6))
    assert found.actual.startswith("fd61:1::1 does not name host1; fd61:1::1 does not name host2")


def test_where_nobody_serves_a_router_may_know_of_nothing() -> None:
    nothing = ["BIRD 2.0.12 ready.\n"] * 4
    assert answer(all_down(*BOTH)(asked(*nothing))).outcome is Outcome.OK


def test_a_machine_that_has_withdrawn_and_is_still_named_fails() -> None:
    found = answer(all_down("host2")(asked()))
    assert found.outcome is Outcome.FAIL
    assert "172.16.12.1 names host2, which announces nothing" in found.actual


def test_a_machine_whose_bird_is_dead_and_is_still_named_fails() -> None:
    found = answer(unit("ActiveState=active", "ActiveState=failed")(asked()))
    assert "172.16.12.1 names host1, which announces nothing" in found.actual


def test_a_drained_machine_may_be_in_a_table_of_all_that_was_told() -> None:
    yields = yielding("host1")(drained(asked()))
    found = answer(yields)
    assert found.outcome is Outcome.WARN
    assert "172.16.12.1 names host1, which is announced behind all others" in found.actual
    assert yields.judge(skip="NGX-19").passed
    gone = yielding("host1")(drained(asked(*(without(t, "61,") for t in (FRR, FRR, FRR6, FRR6)))))
    assert answer(gone).outcome is Outcome.OK


def test_where_nobody_serves_whoever_is_behind_is_named_rightly() -> None:
    found = answer(yielding("host1")(yielding("host2")(asked())))
    assert found.outcome is Outcome.OK


def test_a_router_without_a_session_need_not_name_the_machine() -> None:
    """RT-06 says so. It may know the machine by another router."""
    down = protocol("router_1", "BGP state:          Established", "BGP state:          Idle")
    for said in (FRR, without(FRR, ".61,")):
        spoiled = down(asked(said, FRR, FRR6, FRR6))
        assert answer(spoiled).outcome is Outcome.OK
    assert bad(spoiled.judge(only="RT")) >= {"RT-06"}


def test_a_machine_that_has_another_router_is_not_missed_by_this_one() -> None:
    spoiled = asked(without(FRR, ".62,"), FRR, FRR6, FRR6)
    del spoiled.data["clusters"][0]["nodes"][1]["routers"][0]
    assert answer(spoiled).outcome is Outcome.OK
    # What it has heard of otherwise, it may name.
    spoiled.data["router_views"]["web"][0]["text"] = FRR
    assert answer(spoiled).outcome is Outcome.OK


def test_a_neighbour_may_be_called_by_its_link_local_address() -> None:
    spoiled = asked()
    (card,) = (
        link for link in json.loads(spoiled.says("host2", "addresses")) if link["ifname"] == "eth0"
    )
    (own,) = (its["local"] for its in card["addr_info"] if its["local"].startswith("fe80"))
    spoiled.data["router_views"]["web"][2]["text"] = FRR6.replace("fd61:1::62", own)
    assert answer(spoiled).outcome is Outcome.OK


@pytest.mark.parametrize("problem", ["has not ended after 10 s", "cannot be run (No such file)"])
def test_a_router_that_does_not_say_is_unknown(problem: str) -> None:
    spoiled = asked()
    spoiled.data["router_views"]["web"][1] |= {"text": "", "problem": problem}
    found = answer(spoiled)
    assert found.outcome is Outcome.UNKNOWN
    assert found.actual == f"172.16.12.2: its view_command {problem}"
    # What is wrong with another one is wrong all the same.
    spoiled.data["router_views"]["web"][0]["text"] = without(FRR, ".62,")
    assert answer(spoiled).outcome is Outcome.FAIL


def test_a_router_that_was_not_asked_is_unknown() -> None:
    found = answer(asked(FRR, None, FRR6, FRR6))
    assert (found.outcome, found.actual) == (
        Outcome.UNKNOWN,
        "172.16.12.2: its view_command was not run",
    )


def unheard(spoiled: Spoiled) -> Spoiled:
    """host2 is switched off: neither the controller nor host1 hears of it."""
    for family in ("ip", "ip6"):
        spoiled.replace("host1", "mesh_heard", f"{family} alive_2 there", f"{family} alive_2 empty")
    return spoiled.lose("host2")


def test_a_machine_that_is_switched_off_and_still_named_fails() -> None:
    found = answer(unheard(asked()))
    assert found.outcome is Outcome.FAIL
    assert "172.16.12.1 names host2, which does not answer" in found.actual
    assert "fd61:1::2 names host2, which does not answer" in found.actual
    assert "host1" not in found.actual.replace("host1, host2", "")
    # The mesh is off: nobody can say that it is there.
    off = asked()
    for node in off.data["clusters"][0]["nodes"]:
        node["handover"] = False
    for host in BOTH:
        del off.data["looks"][host]["sections"]["mesh_heard"]
    assert answer(off.lose("host2")).outcome is Outcome.FAIL


def test_a_machine_that_is_switched_off_and_forgotten_leaves_it_unknown() -> None:
    gone = unheard(asked(*(without(t, "62,") for t in (FRR, FRR, FRR6, FRR6))))
    assert answer(gone).outcome is Outcome.UNKNOWN
    assert "RT-19" not in bad(gone.judge(only="RT,HOST"))


def test_a_machine_that_only_the_controller_does_not_reach_leaves_it_unknown() -> None:
    for host in BOTH:
        assert answer(asked().lose(host)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("* 10.1.0.11, via eth0, weight 1", {"10.1.0.11"}),
        ("\tvia 10.1.0.11 on nodes [host1_0 23:44:56.060] (100)", {"10.1.0.11"}),
        ("gateway=10.1.0.11%ether1 immediate-gw=10.1.0.12@main", {"10.1.0.11", "10.1.0.12"}),
        ("nexthop via 10.1.0.11.", {"10.1.0.11"}),
        # What `ip route show` prints: of several ways, and of one.
        (
            "192.0.2.80 nhid 9 proto bird \n\tnexthop via 10.1.0.11 dev va weight 1 \n",
            {"192.0.2.80", "10.1.0.11"},
        ),
        ("192.0.2.80 via 10.1.0.11 dev va ", {"192.0.2.80", "10.1.0.11"}),
        ('"ip":"10.1.0.11"', {"10.1.0.11"}),
        ("to fd61:1::11 via ge-0/0/0.0, from (fe80::1%eth0)", {"fd61:1::11", "fe80::1"}),
        ("10.1.0.110 110.1.0.11 10.1.0.11.5 v10.1.0.11 10.1.0.11/32", {"10.1.0.110", "110.1.0.11"}),
        ("fd61:1::110 afd61:1::11 fd61:1::11:5 fd61:1::11/128", {"fd61:1::110", "fd61:1::11:5"}),
        ("23:44:56 02:00:00:00:00:11 999.1.1.1", set()),
    ],
)
def test_only_whole_addresses_are_names(text: str, addresses: set[str]) -> None:
    assert {str(each) for each in named(text)} == addresses
