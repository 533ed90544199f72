"""RT: do the routers know what the machines have told them?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address

from verify.checks.check import FROM_ROUTERS, Across, Answer, fails, holds, in_cluster, warns
from verify.checks.premises import all_have_vip, routers_are_asked
from verify.observe.routing import mesh_probes
from verify.observe.routing.asked_routers import RouterQuestion, questions
from verify.read.machine_view import CannotTell, MachineView
from verify.read.routing.named_addresses import is_in, named
from verify.read.routing.routed_answers import AnnouncedAs

# Of what a router's command has printed.
SHOWN = 100


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
    reads=(FROM_ROUTERS, "bird_protocols", "addresses", "units", "mesh_heard"),
    needs=(all_have_vip, routers_are_asked),
    settles=True,
    reason="What clients get is what the router has installed: one that filters a machine's route, "
    "or knows of one path alone, gives that machine nothing; one that keeps a route of a machine "
    "that is gone gives it clients.",
    remedy="On the router: does it accept the VIP from each machine (filters, limits of prefixes), "
    "and use several paths (maximum-paths; multipath-relax, where machines have different "
    "ASNs)? Where the command fails: run it by hand, as it is shown, in this directory, without a "
    "terminal; it has 10 s, and prints something also where there is no route (ip route show … && "
    "echo asked).",
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
        gone = [name for name in _gone(across) if said & {*across.node(name).own_addresses}]
        told, doubted = _judged(there, names)
        told += [f"names {name}, which does not answer (HOST-01)" for name in gone]
        vip = _vip(across, asked)
        if told and not names and not gone and not is_in(view.text, vip):
            told = [
                f"names neither {vip} nor a machine: it has no route, or the command shows "
                "something else"
            ]
        printed = f"{asked.address} printed: {' '.join(view.text.split())[:SHOWN]}"
        faults += [f"{asked.address} {fault}" for fault in told] + [printed] * bool(told)
        doubts += [f"{asked.address} {doubt}" for doubt in doubted] + [printed] * bool(doubted)
        shown.append(f"{asked.address} names {', '.join(names) or 'none'}")
    expected = "each names those that serve, and no others"
    if faults:
        return fails(expected=expected, actual="; ".join(faults))
    if untold:
        raise CannotTell("; ".join(untold))
    if doubts:
        return warns(expected=expected, actual="; ".join(doubts))
    return holds("; ".join(shown))


def _vip(across: Across, asked: RouterQuestion) -> IPv4Address | IPv6Address:
    """The VIP of the router's family."""
    version = ip_address(asked.address).version
    return next(vip.ip for vip in across.cluster.addresses if vip.version == version)


def _gone(across: Across) -> list[str]:
    """The machines that were not reached, unless another one hears in the mesh that they are there:
    then they may serve, and only the controller has no way to them."""
    places = mesh_probes.places(across.cluster)
    heard: set[str] = set()
    for machine in across.machines.values():
        if across.node(machine.name).handover:
            with suppress(CannotTell):
                found = machine.mesh_heard.items()
                heard |= {beats for (_, beats), how in found if how == "there"}
    return [
        node.name
        for node in across.cluster.nodes
        if node.name not in across.machines and f"alive_{places[node.name]}" not in heard
    ]


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
    if router.version == 6 and machine:
        # Routers may know a neighbour by this one alone.
        own |= {
            each.ip
            for link in machine.interfaces.values()
            for each in link.addresses
            if each.ip.version == 6 and each.ip.is_link_local
        }
    if not machine.bird_running:
        return _Announcer(AnnouncedAs.NOTHING, False, frozenset(own))
    tells = machine.tells(node, lambda each: each.address == router)
    return _Announcer(machine.announced_of(router.version), tells, frozenset(own))
