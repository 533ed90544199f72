"""The lab's routers: what two machines announce to them is spread, cut, and back again.

The machines' side is a BIRD by hand; what a deploy makes of it is tested elsewhere.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.host import cgroup
from lab.host.bridge import NAMESPACES, inside, listening
from lab.twin import Lab
from tests.support.lab.own_lab import lab_command, own_lab
from tests.support.lab.pair import HOSTS, wait_until
from tests.support.lab.routed.announcers import PORT, announcing, configuration, reconfigure

INVENTORY = "tests/support/inventories/routed_pair.py"
VIP, VIP6 = "198.51.100.80", "2001:db8::80"
OTHERS = "203.0.113.0/24"
# BFD takes 0.15 s to tell, a session a few seconds to come back.
SOON_S, BACK_S = 5, 30


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Both machines announce the VIPs; host1 something else, too."""
    directory = tmp_path_factory.mktemp("routed") / "tandem"
    with own_lab(directory, INVENTORY) as lab, ExitStack() as announcers:
        for machine in lab.machines:
            more = (OTHERS,) if machine.name == "host1" else ()
            text = configuration(machine, more)
            announcers.enter_context(announcing(machine, place_of(lab), text))
        assert wait_until(lambda: all_up(lab), BACK_S), lab.router_status()
        yield lab
    assert not list(NAMESPACES.glob(f"{lab.plan.tag}*"))
    assert not cgroup.root(lab.plan.tag).exists()


def all_send_to(lab: Lab, *addresses: str) -> bool:
    """Whether those are the VIP's next hops of every router."""
    return all(next_hops(lab, VIP, netns) == set(addresses) for _, netns in ways(lab))


def place_of(lab: Lab) -> Path:
    """Beside the lab's checkout."""
    return lab.state.root.parent.parent


def all_up(lab: Lab) -> bool:
    """Every machine has its sessions with every router, and the gateway knows both ways."""
    whole = all(each.established == 2 * len(HOSTS) for each in lab.router_status())
    return whole and all(len(next_hops(lab, vip)) == 2 for vip in (VIP, VIP6))


def next_hops(lab: Lab, vip: str, netns: str = "") -> set[str]:
    """Where it goes to; by default from the gateway."""
    family = "-6" if ":" in vip else "-4"
    ip = [*inside(netns or lab.plan.gateway_netns), "ip", family, "route", "show", vip]
    return set(re.findall(r"via (\S+)", lab.run(ip).stdout))


def answers(lab: Lab, vip: str, number: int = 64) -> Counter[str]:
    """Who has answered fresh connections from as many clients as there are."""
    sources = clients(lab, 6 if ":" in vip else 4)
    url = f"http://[{vip}]:{PORT}/" if ":" in vip else f"http://{vip}:{PORT}/"
    asked = "".join(
        f"curl -gqs --noproxy '*' -m 3 --interface {sources[n % len(sources)]} {url} || echo none;"
        "echo;"
        for n in range(number)
    )
    return Counter(lab.run(["sh", "-c", asked]).stdout.split())


def both_answer(lab: Lab, vip: str) -> None:
    """A sixth of 64 at the least: by chance it is less once in a million times."""
    found = answers(lab, vip)
    assert set(found) == set(HOSTS) and min(found.values()) > 64 / 6, found


@pytest.mark.parametrize("vip", [VIP, VIP6])
def test_fresh_connections_are_spread_over_machines(routed: Lab, vip: str) -> None:
    both_answer(routed, vip)


def test_each_router_spreads_over_all_its_machines(routed: Lab) -> None:
    """Though the gateway has spread over routers by a hash before."""
    sources = clients(routed)
    flows = [(source, port) for source in sources for port in range(40000, 40004)]
    first = hops_of(routed, routed.plan.gateway_netns, flows)
    second = {router: hops_of(routed, netns, flows, "clients") for router, netns in ways(routed)}
    found = Counter((hop, second[hop][number]) for number, hop in enumerate(first))
    assert len(found) == 4 and min(found.values()) > len(flows) / 16, found


def test_one_clients_connections_are_spread(routed: Lab) -> None:
    flows = [(clients(routed)[0], port) for port in range(40000, 40032)]
    for _, netns in ways(routed):
        assert len(set(hops_of(routed, netns, flows, "clients"))) == 2


def clients(lab: Lab, version: int = 4) -> list[str]:
    assert lab.plan.client_network is not None
    return [each for each in lab.plan.client_network.sources if (":" in each) is (version == 6)]


def ways(lab: Lab) -> list[tuple[str, str]]:
    """Each router's address on the clients' side, and its namespace."""
    return [
        (router.card("clients").addresses[0].partition("/")[0], router.netns)
        for router in lab.plan.routers
    ]


def hops_of(lab: Lab, netns: str, flows: list[tuple[str, int]], coming: str = "") -> list[str]:
    """Where the kernel would send each flow's segments, that come in there or are its own."""
    iif = f" iif {coming}" if coming else ""
    script = "; ".join(
        f"ip route get {VIP} from {source} ipproto tcp sport {port} dport 80{iif}"
        for source, port in flows
    )
    return re.findall(r"via (\S+)", lab.run([*inside(netns), "sh", "-c", script]).stdout)


def test_what_is_nobodys_to_announce_is_not_routed(routed: Lab) -> None:
    assert OTHERS in routed.ask_router("show route filtered")
    for router in routed.plan.routers:
        assert OTHERS not in routed.ask_router("show route", router.name)
        assert not next_hops(routed, OTHERS, router.netns)


def test_who_yields_gets_what_nobody_else_takes(routed: Lab) -> None:
    one, two = routed.machines
    try:
        reconfigure(one, place_of(routed), configuration(one, yields=True))
        assert wait_until(lambda: all_send_to(routed, two.address), SOON_S)
        reconfigure(two, place_of(routed), configuration(two, yields=True))
        assert wait_until(lambda: all_send_to(routed, one.address, two.address), SOON_S)
        both_answer(routed, VIP)
    finally:
        for machine in routed.machines:
            reconfigure(machine, place_of(routed), configuration(machine))
    assert wait_until(lambda: all_up(routed), BACK_S), routed.router_status()


def test_a_machine_without_its_cable_gets_nothing_until_it_is_back(routed: Lab) -> None:
    routed.unplug("host1")
    try:
        assert wait_until(lambda: all_send_to(routed, "172.16.12.62"), SOON_S)
        assert set(answers(routed, VIP, 16)) == {"host2"}
    finally:
        routed.plug("host1")
    assert wait_until(lambda: all_up(routed), BACK_S), routed.router_status()


@pytest.mark.parametrize(
    ("words", "way"), [(("172.16.12.1",), "198.18.0.3"), (("router2", "clients"), "198.18.0.2")]
)
def test_a_router_without_a_cable_is_gone_round(
    routed: Lab, words: tuple[str, ...], way: str
) -> None:
    checkout = routed.state.root.parent
    lab_command(checkout, "unplug", *words)
    try:
        assert wait_until(lambda: next_hops(routed, VIP) == {way}, SOON_S), next_hops(routed, VIP)
        both_answer(routed, VIP)
        where = next(each for each in routed.router_status() if words[0] in each.router.known_as)
        assert where.unplugged == (words[1] if len(words) > 1 else "nodes",)
    finally:
        lab_command(checkout, "plug", *words)
    assert wait_until(lambda: all_up(routed), BACK_S), routed.router_status()


def test_routers_may_keep_flows_where_they_are(routed: Lab) -> None:
    """What keeps them follows BIRD; without it all is as before."""
    checkout = routed.state.root.parent
    netns = routed.plan.routers[1].netns
    lab_command(checkout, "resilient")
    try:
        assert wait_until(lambda: _has_groups(routed, netns), SOON_S)
        both_answer(routed, VIP)
        routed.unplug("host1")
        assert wait_until(lambda: all_send_to(routed, "172.16.12.62"), SOON_S)
        assert set(answers(routed, VIP, 16)) == {"host2"}
    finally:
        routed.plug("host1")
        lab_command(checkout, "resilient", "--off")
    assert not _has_groups(routed, netns)
    assert wait_until(lambda: all_up(routed), BACK_S), routed.router_status()
    both_answer(routed, VIP6)


def _has_groups(lab: Lab, netns: str) -> bool:
    return "resilient" in lab.run([*inside(netns), "ip", "nexthop", "show"]).stdout


def test_a_router_that_is_restarted_has_its_sessions_back(routed: Lab) -> None:
    lab_command(routed.state.root.parent, "restart-router", "172.16.12.2")
    second = routed.router_status()[1]
    assert second.runs and second.established < 2 * len(HOSTS)
    assert set(answers(routed, VIP, 16)) <= set(HOSTS)
    assert wait_until(lambda: all_up(routed), BACK_S), routed.router_status()


def test_a_router_that_has_died_is_told_and_started_again(routed: Lab) -> None:
    checkout = routed.state.root.parent
    first, second = routed.plan.routers
    cgroup.kill(cgroup.root(routed.plan.tag) / f"routing.{first.name}")
    assert [each.runs for each in routed.router_status()] == [False, True]
    lab_command(checkout, "up", INVENTORY)
    assert wait_until(lambda: all_up(routed), BACK_S), routed.router_status()
    for router in (first, second):
        assert ("udp", 123) in listening(router.netns)  # an inventory's time server may be one


@pytest.mark.parametrize("wrong", [{"password": "guessed"}, {"security": False}])
def test_whoever_has_another_password_or_may_be_far_away_is_not_heard(
    routed: Lab, wrong: dict[str, Any]
) -> None:
    machine = routed.machine("host1")
    try:
        reconfigure(machine, place_of(routed), configuration(machine, **wrong))
        assert wait_until(lambda: all_send_to(routed, "172.16.12.62"), SOON_S)
        time.sleep(3)  # it tries again each second
        assert all(each.established == len(HOSTS) for each in routed.router_status())
    finally:
        reconfigure(machine, place_of(routed), configuration(machine))
    assert wait_until(lambda: all_up(routed), BACK_S), routed.router_status()
