"""RT: do the routers know what the machines have told them?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address

from verify.checks.check import FROM_ROUTERS, Across, Answer, fails, holds, in_cluster, warns
from verify.checks.premises import all_have_vip, routers_are_asked
from verify.observe.routing.asked_routers import RouterQuestion, questions
from verify.read.machine_view import CannotTell, MachineView
from verify.read.routing.bird_output import ESTABLISHED
from verify.read.routing.named_addresses import named
from verify.read.routing.routed_answers import AnnouncedAs


@dataclass(frozen=True)
class _Announcer:
    """How a machine is announced in a router's family, and whether to that router itself; by which
    addresses the router may call it."""

    kind: AnnouncedAs
    tells: bool
    addresses: frozenset[IPv4Address | IPv6Address]


@in_cluster(
    "RT-19",
    "each router names the machines that serve, no others",
    reads=(FROM_ROUTERS, "bird_protocols", "addresses", "units"),
    needs=(all_have_vip, routers_are_asked),
    settles=True,
    reason="What clients get is what the router has installed: one that filters a machine's route, "
    "or knows of one path alone, gives that machine nothing; one that keeps a route of a machine "
    "that is gone gives it clients.",
    remedy="On the router: does it accept the VIP from each machine (filters, limits of prefixes), "
    "and use several paths (maximum-paths; multipath-relax, where machines have different "
    "ASNs)? Where the command fails: run it by hand, as it is shown, in this directory, without a "
    "terminal; it has 10 s, and prints something also where there is no route.",
)
def names_who_serves(across: Across) -> Answer:
    faults: list[str] = []
    doubts: list[str] = []
    shown: list[str] = []
    untold: list[str] = []
    views = {(view.address, view.command): view for view in across.router_views}
    for asked in questions(across.cluster):
        view = views.get((asked.address, asked.command))
        problem = view.problem if view else "was not run"
        if not view or problem:
            untold.append(f"{asked.address}: its view_command {problem}")
            continue
        there = across.by_machine(partial(_announcer, across, asked))
        said = named(view.text)
        names = [name for name, its in there.items() if its.addresses & said]
        told, doubted = _judged(there, names)
        faults += [f"{asked.address} {fault}" for fault in told]
        doubts += [f"{asked.address} {doubt}" for doubt in doubted]
        shown.append(f"{asked.address} names {', '.join(names) or 'none'}")
    expected = "each names those that serve, and no others"
    if faults:
        return fails(expected=expected, actual="; ".join(faults))
    if untold:
        raise CannotTell("; ".join(untold))
    if doubts:
        return warns(expected=expected, actual="; ".join(doubts))
    return holds("; ".join(shown))


def _judged(there: dict[str, _Announcer], names: list[str]) -> tuple[list[str], list[str]]:
    """What is wrong with whom a router names, and what may be."""
    faults = [
        f"does not name {name}"
        for name, its in there.items()
        if its.tells and its.kind is AnnouncedAs.SERVES and name not in names
    ]
    faults += [
        f"names {name}, which announces nothing"
        for name in names
        if there[name].kind is AnnouncedAs.NOTHING
    ]
    somebody = any(its.kind is AnnouncedAs.SERVES for its in there.values())
    doubts = [
        # It may be a table of all that was told, in which it has its place.
        f"names {name}, which is announced {AnnouncedAs.YIELDS}"
        for name in names
        if somebody and there[name].kind is AnnouncedAs.YIELDS
    ]
    return faults, doubts


def _announcer(across: Across, asked: RouterQuestion, machine: MachineView) -> _Announcer:
    node = across.node(machine.name)
    router = ip_address(asked.address)
    own = {each for each in node.own_addresses if each.version == router.version}
    if router.version == 6:
        # Routers may know a neighbour by this one alone.
        own |= {
            each.ip
            for link in machine.interfaces.values()
            for each in link.addresses
            if each.ip.version == 6 and each.ip.is_link_local
        }
    if not machine.bird_running:
        return _Announcer(AnnouncedAs.NOTHING, False, frozenset(own))
    tells = any(
        machine.bgp_session(number).details.get("BGP state") == ESTABLISHED
        for number, each in enumerate(node.routers, start=1)
        if each.address == router
    )
    return _Announcer(machine.announced_of(router.version), tells, frozenset(own))
