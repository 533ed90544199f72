"""What cannot work of the routers that a machine announces the VIP to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from settings.cluster import Cluster
from settings.mistakes.mistake import Bars, Mistake
from settings.network.routed_settings import VIP_HERE, Router
from settings.node import Node
from settings.secret_origins import SecretError
from settings.values import Interface, judged, written


def _each_router(node: Node) -> Iterator[Mistake]:
    if node.routed:
        for index, router in enumerate(node.routers):
            for part in (_view, _of_use, _of_another_system, _password):
                yield from judged(part(node, f"routers[{index}]", router))


def _view(node: Node, setting: str, router: Router) -> Iterator[Mistake]:
    """Commands that ask for a network where one address is announced."""
    whole = router.address.max_prefixlen
    for given in re.findall(rf"{re.escape(VIP_HERE)}/(\d+)\b(?!\.)", " ".join(router.view_command)):
        if int(given) != whole:
            remedy = (
                f"one address is announced, and nothing with /{given}: write {VIP_HERE}/{whole}"
            )
            yield Mistake(node.name, f"{setting}.view_command", router.view_command, remedy)
            return


def _of_use(node: Node, setting: str, router: Router) -> Iterator[Mistake]:
    """A session has addresses of its own family alone: the next hop is the machine's own there."""
    version = router.address.version
    if version not in {vip.version for vip in (node.vip, node.vip6) if vip}:
        remedy = f"no VIP is of IPv{version}, so nothing is announced to it: leave it out"
        yield Mistake(node.name, f"{setting}.address", router.address, remedy)


def _of_another_system(node: Node, setting: str, router: Router) -> Iterator[Mistake]:
    if router.asn == node.asn:
        remedy = (
            "the machine's own asn is the same, and has to be another: in a drain the way through "
            "it is made longer, which routers of the same system would take for a loop"
        )
        yield Mistake(node.name, f"{setting}.asn", router.asn, remedy)


def _password(node: Node, setting: str, router: Router) -> Iterator[Mistake]:
    found = router.password_origins
    for origin in found[1:]:
        remedy = f"{found[0].setting} is set, too: give one of them"
        yield Mistake(node.name, f"{setting}.{origin.setting}", origin.where, remedy)
    for origin in found[:1]:
        try:
            router.read_password()
        except SecretError as error:
            named = f"{setting}.{origin.setting}"
            yield Mistake(node.name, named, origin.where, str(error), Bars.DEPLOY)


def _once(node: Node) -> Iterator[Mistake]:
    if node.routed:
        each = [router.address for router in node.routers]
        for index, address in enumerate(each):
            if address in each[:index]:
                where = f"routers[{index}].address"
                yield Mistake(node.name, where, address, "it is named before: leave it out")


def of_machine(node: Node, carried: Mapping[str, Sequence[Interface]]) -> Iterator[Mistake]:
    """Routers that are in no network of the machine's, and are not said to be further away; that
    are behind an interface which no setting names; or that have an address which no machine has.

    + carried: each interface that the machine has, with its addresses.
    """
    near = list(networks(carried))
    behind: dict[str, dict[int, Interface]] = defaultdict(dict)
    for index, router in enumerate(node.routers):
        wrong = partial(Mistake, node.name, f"routers[{index}].address", router.address)
        version = router.address.version
        around = {name: there for name, there in near if router.address in there.network}
        if what := next(filter(None, (_whole(router, there) for there in around.values())), ""):
            yield wrong(f"this is the {what}: give the router's own address there")
        elif router.hops == 1 and not around:
            shown = ", ".join(str(there) for _, there in near if there.version == version)
            yield wrong(
                f"this machine has {shown or f'no network of IPv{version}'}: give the router's "
                'address there; or, with others in between, "hops", how far it is'
            )
        elif router.hops == 1 and not around.keys() & _named(node, version):
            name, there = next(iter(around.items()))
            behind[name][index] = there
    for name, found in behind.items():
        right = written({name: _own_addresses(node, name, found.values())})
        for index, there in found.items():
            remedy = (
                f"it is behind {name}, where this machine has {there}, and no setting says so: "
                f"give that in more_interfaces, {right}"
            )
            where = f"routers[{index}].address"
            yield Mistake(node.name, where, node.routers[index].address, remedy)


def _named(node: Node, version: int) -> set[str]:
    """The interfaces of which the settings know the machine's own address of that family: BIRD's
    configuration, firewalld and the verifier have no others."""
    further = {each.name for each in node.interfaces[1:] if each.own(version)}
    return {node.interface, *further}


def _own_addresses(node: Node, name: str, more: Iterable[Interface]) -> str | list[str]:
    """What more_interfaces has to say of that interface: what it says now, and `more`."""
    its = {own.version: own for each, said in node.more_interfaces if each == name for own in said}
    its |= {there.version: there.ip for there in more}
    shown = [str(its[version]) for version in sorted(its)]
    return shown[0] if len(shown) == 1 else shown


def networks(carried: Mapping[str, Sequence[Interface]]) -> Iterator[tuple[str, Interface]]:
    """The networks that others may be in, each as an interface has it."""
    for name, addresses in carried.items():
        for each in addresses if name != "lo" else ():
            if each.network.num_addresses > 1 and not each.is_link_local:
                yield name, each


def _whole(router: Router, there: Interface) -> str:
    """What an address is that is no machine's, but stands for a network; "" where it is none."""
    network = there.network
    if network.num_addresses < 4:
        return ""
    if router.address == network.network_address:
        return f"address of the network {network} itself"
    if network.version == 4 and router.address == network.broadcast_address:
        return f"broadcast address of {network}"
    return ""


def between(clusters: Sequence[Cluster]) -> Iterator[Mistake]:
    """Routers that are machines of these clusters, or VIPs, or are said to be in two systems."""
    nodes = [node for cluster in clusters for node in cluster.nodes]
    taken = dict(whose for node in nodes for whose in judged(_addresses(node)))
    for node in nodes:
        yield from judged(_no_router(node, taken))
    yield from _of_one_system(nodes)


def _of_one_system(nodes: Sequence[Node]) -> Iterator[Mistake]:
    """Routers that another machine, of whatever cluster, has said to be in another system."""
    known: dict[object, tuple[int, str]] = {}
    for node in nodes:
        for index, address, asn in judged(_systems(node)):
            said, whose = known.setdefault(address, (asn, node.name))
            if said != asn and whose != node.name:
                remedy = f"{whose} has {said} for {address}: one of them is wrong"
                yield Mistake(node.name, f"routers[{index}].asn", asn, remedy)


def _systems(node: Node) -> Iterator[tuple[int, object, int]]:
    for index, router in enumerate(node.routers if node.routed else ()):
        yield index, router.address, router.asn


def _addresses(node: Node) -> Iterator[tuple[object, str]]:
    """Each address that is its own or a VIP, and whose it is."""
    for own in node.own_addresses:
        yield own, f"the address of {node.name} itself"
    for _, vip in node.vip_settings:
        yield vip.ip, f"a VIP of {node.cluster}"


def _no_router(node: Node, taken: Mapping[object, str]) -> Iterator[Mistake]:
    for index, router in enumerate(node.routers if node.routed else ()):
        if whose := taken.get(router.address):
            where = f"routers[{index}].address"
            remedy = f"this is {whose}: give the router's own"
            yield Mistake(node.name, where, router.address, remedy)


PARTS = (_each_router, _once)
