"""What cannot work where every machine announces the VIP to routers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from settings.cluster import Cluster
from settings.mistakes.mistake import Bars, Mistake
from settings.network import mesh_addresses
from settings.network.routed_settings import PORTS, PRIVATE_ASNS, Router
from settings.node import Node
from settings.programs import hook_files
from settings.secret_origins import SecretError
from settings.values import UNREAD, Interface, judged

MOST_NODES = 16
# How long BFD may take to tell. Sooner, a virtual machine that was not scheduled counts as gone;
# later, nobody needs BFD for it.
SOONEST_MS, LATEST_MS = 30, 10_000
# What has no effect in the other profile. (`more_vips` has a mistake of its own.)
OF_VRRP = (
    *("virtual_router_id", "vrrp_version", "advert_interval_s", "missed_adverts", "preempt"),
    *("auth_pass", "auth_pass_file", "auth_pass_env", "auth_pass_command"),
    *("label", "vrrp_interface", "nginx_weight", "maintenance_weight"),
    *("check_interval_s", "check_fall"),
)
OF_KEEPALIVED = ("checks", "notification_email", "notification_email_from", "smtp_server")
OF_BGP = ("asn", "routers", "bfd_interval_ms", "bfd_misses")


def without_effect(
    where: str, given: Mapping[str, object], defaults: Mapping[str, object]
) -> Iterator[Mistake]:
    """What is set for the machine `where` and belongs to the profile that it has not.

    + defaults: what group_data/all.py says, which nobody has set.
    """
    spread = given.get("spread", "vrrp")
    no_vrrp = 'leave it out: with spread = "bgp" '
    idle = {
        "bgp": {
            **dict.fromkeys(OF_VRRP, f"{no_vrrp}nobody speaks VRRP"),
            **dict.fromkeys(OF_KEEPALIVED, f"{no_vrrp}no keepalived is there, whose it is"),
        },
        "vrrp": dict.fromkeys(OF_BGP, 'set spread = "bgp" as well, or leave it out'),
    }
    for name, remedy in idle.get(str(spread), {}).items():
        if name in given and given[name] != defaults.get(name, given[name]):
            yield Mistake(where, name, given[name], remedy)


def _alone(node: Node) -> Iterator[Mistake]:
    """The VIP is an address, and no part of a network that machines have in common."""
    if not node.routed:
        return
    for setting, vip in node.vip_settings:
        if setting != "more_vips" and vip.network.num_addresses > 1:
            own = node.address if vip.version == 4 else node.address6
            right = f"give {vip.ip}/{vip.max_prefixlen}"
            if own is not UNREAD and own and own in vip.network:
                right = (
                    f"give an address that is in no machine's network, with /{vip.max_prefixlen}"
                )
            remedy = f"every machine announces one address, which no network is around: {right}"
            yield Mistake(node.name, setting, vip, remedy)


def _one_vip(node: Node) -> Iterator[Mistake]:
    if node.routed and node.more_vips:
        shown = ", ".join(str(vip) for vip, _ in node.more_vips)
        remedy = (
            'with spread = "bgp" every machine has the VIP, and none needs a VIP of its own: leave '
            "it out; a further address is a further cluster's"
        )
        yield Mistake(node.name, "more_vips", shown, remedy)


def _in_mesh(node: Node) -> Iterator[Mistake]:
    """Addresses in the network that nodes call each other by, each on the interface `tandem`."""
    if not node.routed:
        return
    given: list[tuple[str, object]] = [("address", node.address)]
    given += [(name, vip.ip) for name, vip in node.vip_settings]
    given += [("more_interfaces", each) for _, each, _ in node.interfaces[1:]]
    given += [(f"routers[{n}].address", each.address) for n, each in enumerate(node.routers)]
    for setting, address in given:
        if isinstance(address, IPv4Address) and address in IPv4Network(mesh_addresses.NETWORK):
            remedy = (
                f"{mesh_addresses.NETWORK} is the mesh's, in which the machines of a routed "
                "cluster give each other segments: give an address that is not in it"
            )
            yield Mistake(node.name, setting, address, remedy)


def _hooks(node: Node) -> Iterator[Mistake]:
    """Programs that nobody would run."""
    if not node.routed:
        return
    found, _ = hook_files.read(node.hooks)
    if found:
        shown = ", ".join(hook.name for hook in found)
        remedy = (
            f'keepalived runs hooks, and with spread = "bgp" there is none: take {shown} out, or, '
            "if another cluster needs them, give this one a directory without programs"
        )
        yield Mistake(node.name, "hooks", node.hooks, remedy, Bars.DEPLOY)


def _asn(node: Node) -> Iterator[Mistake]:
    if node.routed and node.asn is None:
        few, many = ((each[0], each[-1]) for each in PRIVATE_ASNS)
        remedy = (
            "give this machine's autonomous system: the one that the routers expect, or a private "
            f"one, {few[0]} to {few[1]} or {many[0]} to {many[1]}"
        )
        yield Mistake.of(node, "asn", remedy)


def _routers(node: Node) -> Iterator[Mistake]:
    if node.routed and not node.routers:
        like = '[{"address": "10.1.0.1", "asn": 64512}]'
        yield Mistake(node.name, "routers", "[]", f"name the routers of this machine, {like}")


def _each_router(node: Node) -> Iterator[Mistake]:
    if node.routed:
        for index, router in enumerate(node.routers):
            for part in (_reachable, _of_use, _of_another_system, _password):
                yield from judged(part(node, f"routers[{index}]", router))


def _reachable(node: Node, setting: str, router: Router) -> Iterator[Mistake]:
    address = router.address
    wrong = partial(Mistake, node.name, f"{setting}.address", address)
    nobodys = address.is_multicast or address.is_unspecified or address.is_loopback
    if nobodys or (address.version == 4 and address.is_reserved):
        yield wrong("no router has this address: give the one that it has towards this machine")
    elif address.version == 6 and address.is_link_local:
        yield wrong("every wire may have this address: give another one of the router's")


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


def _served(node: Node) -> Iterator[Mistake]:
    """VIPs that no router would hear of."""
    if not node.routed or not node.routers:
        return
    for setting, vip in node.vip_settings:
        if setting != "more_vips" and not node.routers_of(vip.version):
            remedy = (
                f"it is announced over IPv{vip.version}, and none of routers has an address there: "
                f"give the router's IPv{vip.version} address as one more of them"
            )
            yield Mistake(node.name, setting, vip, remedy)


def _once(node: Node) -> Iterator[Mistake]:
    if node.routed:
        each = [router.address for router in node.routers]
        for index, address in enumerate(each):
            if address in each[:index]:
                where = f"routers[{index}].address"
                yield Mistake(node.name, where, address, "it is named before: leave it out")


def _detection(node: Node) -> Iterator[Mistake]:
    """Whether BFD tells in a time that is of use."""
    if node.routed and not SOONEST_MS <= node.bfd_detection_ms <= LATEST_MS:
        remedy = (
            f"with bfd_interval_ms = {node.bfd_interval_ms} a silent machine counts as gone after "
            f"{node.bfd_detection_ms} ms: let it be {SOONEST_MS} to {LATEST_MS}"
        )
        yield Mistake.of(node, "bfd_misses", remedy)


def _ports(node: Node) -> Iterator[Mistake]:
    """Ports of the web's, or of exporters, that BIRD has."""
    if not node.routed:
        return
    used = {"http_port": "tcp"}
    used |= {"https_port": "tcp"} if node.tls_certificate else {}
    used |= {"metrics_nginx_port": "tcp", "metrics_port": "tcp"} if node.metrics else {}
    for setting, protocol in used.items():
        port = getattr(node, setting)
        if port is not UNREAD and (whose := PORTS.get((protocol, port))):
            yield Mistake.of(node, setting, f'this is {whose} with spread = "bgp"; give another')
    if node.speaks_http3 and ("udp", node.https_port) in PORTS:
        yield Mistake.of(
            node, "https_port", "UDP of this port is BFD's: give another, or http3 = False"
        )


def of_networks(node: Node, carried: Mapping[str, Sequence[Interface]]) -> Iterator[Mistake]:
    """VIPs in a network of the machine's own: its neighbours ask for them there, and no router.

    + carried: each interface that the machine has, with its addresses.
    """
    for setting, vip in node.vip_settings:
        for name, there in _networks(carried):
            if vip.ip in there.network:
                remedy = (
                    f"{name} has {there}: who is in that network asks for the VIP by "
                    f"{'ARP' if vip.version == 4 else 'neighbour discovery'}, where no machine "
                    "answers. Give an address that is in no machine's network"
                )
                yield Mistake(node.name, setting, vip, remedy)


def of_machine(node: Node, carried: Mapping[str, Sequence[Interface]]) -> Iterator[Mistake]:
    """Routers that are in no network of the machine's, and are not said to be further away."""
    near = [there for _, there in _networks(carried)]
    for index, router in enumerate(node.routers):
        if router.hops == 1 and not any(router.address in there.network for there in near):
            version = router.address.version
            shown = ", ".join(str(there) for there in near if there.version == version)
            remedy = (
                f"this machine has {shown or f'no network of IPv{version}'}: give the router's "
                'address there; or, with others in between, "hops", how far it is'
            )
            where = f"routers[{index}].address"
            yield Mistake(node.name, where, router.address, remedy)


def _networks(carried: Mapping[str, Sequence[Interface]]) -> Iterator[tuple[str, Interface]]:
    """The networks that others may be in, each as an interface has it."""
    for name, addresses in carried.items():
        for each in addresses if name != "lo" else ():
            if each.network.num_addresses > 1 and not each.is_link_local:
                yield name, each


def within(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    """What is wrong between the machines of the cluster `name`."""
    if not nodes or not nodes[0].routed:
        return
    if len(nodes) > MOST_NODES:
        remedy = (
            f'with spread = "bgp" give {MOST_NODES} or less: what a machine does not know it asks '
            "all the others for"
        )
        yield Mistake(name, "hosts", len(nodes), remedy)
    for place, node in enumerate(nodes):
        yield from judged(_of_one_system(node, nodes[:place]))


def _of_one_system(node: Node, before: Sequence[Node]) -> Iterator[Mistake]:
    """Routers that another machine has said to be in another autonomous system."""
    for index, router in enumerate(node.routers):
        for other in before:
            others = {each.address: each.asn for each in other.routers}
            if others.get(router.address, router.asn) != router.asn:
                remedy = f"{other.name} has {others[router.address]} for {router.address}"
                where = f"routers[{index}].asn"
                yield Mistake(node.name, where, router.asn, f"{remedy}: one of them is wrong")
                break


def between(clusters: Sequence[Cluster]) -> Iterator[Mistake]:
    """Routers that are machines of these clusters, or VIPs."""
    nodes = [node for cluster in clusters for node in cluster.nodes]
    taken = dict(whose for node in nodes for whose in judged(_addresses(node)))
    for node in nodes:
        yield from judged(_no_router(node, taken))


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


PARTS = (
    *(_alone, _one_vip, _in_mesh, _hooks, _asn, _routers, _each_router, _served, _once),
    *(_detection, _ports),
)
