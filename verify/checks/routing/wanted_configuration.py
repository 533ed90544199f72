"""What bird.conf has to say, by the settings, and what is otherwise. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Cluster, Node
from settings.network.routed_settings import Router
from settings.values import Interface
from verify.observe.routing.bird_probes import session
from verify.read.blocks import Block
from verify.read.routing.bird_output import statements

# What a node of the last resort says in front of its path, so that every router takes another way.
PREPENDED = 3
# What may stand outside of all blocks.
_PLAIN = ("log", "debug", "router", "timeformat", "watchdog", "graceful", "hostname")


def otherwise(conf: Block, node: Node, cluster: Cluster) -> Iterator[str]:
    """What is wrong with a whole configuration."""
    root = conf.last("router")
    if root != f"id {node.address}":
        yield f"router {root or 'id is not given'}, not id {node.address}"
    blocks = {inner.words: inner for inner in conf.block if inner.block}
    bare = [inner.words for inner in conf.block if not inner.block]
    known: set[tuple[str, ...]] = {
        ("protocol", "device", "device1"),
        ("template", "bgp", "routers"),
        *(("protocol", "bfd", "bfd1") for router in node.routers if router.bfd),
    }
    for vip in cluster.addresses:
        known |= {("filter", f"announce{vip.version}")}
        known |= {("protocol", "static", f"vip_{kind}{vip.version}") for kind in _KINDS}
        yield from _of_vip(blocks, vip, node)
    for number, router in enumerate(node.routers, start=1):
        found = next(
            (each for each in blocks if each[:3] == ("protocol", "bgp", session(number))), None
        )
        if found is None:
            yield f"no protocol bgp {session(number)} for {router.address}"
            continue
        known.add(found)
        template = blocks.get(("template", *found[1:2], *found[4:5])) if "from" in found else None
        inherited = template.block if template else ()
        its = Block(found, (*inherited, *blocks[found].block))
        for fault in _of_router(its, router, node):
            yield f"{session(number)} {fault}"
    yield from _of_bfd(blocks, node)
    other = [words for words in blocks if words not in known] + bare
    yield from (f"it has {' '.join(words)}" for words in other if words[0] not in _PLAIN)


_KINDS = ("serves", "yields")


def _of_vip(blocks: dict[tuple[str, ...], Block], vip: Interface, node: Node) -> Iterator[str]:
    single = f"{vip.ip}/{vip.max_prefixlen}"
    for kind in _KINDS:
        name = f"vip_{kind}{vip.version}"
        found = blocks.get(("protocol", "static", name))
        if found is None:
            yield f"no protocol static {name}"
            continue
        routes = [" ".join(route.words[1:]) for route in found.every("route")]
        if routes != [f"{single} blackhole"]:
            yield f"{name} has {', '.join(routes) or 'no route'}, not {single}"
        if [each.words[1:] for each in found.every("disabled")] not in ([("yes",)], [()]):
            yield f"{name} begins enabled"
    name = f"announce{vip.version}"
    found = blocks.get(("filter", name))
    wanted = [
        f"if net != {single} then reject",
        f"if proto = vip_yields{vip.version} then",
        *[f"bgp_path.prepend({node.asn})"] * PREPENDED,
        "bgp_community.add((65535, 0))",
        "accept",
    ]
    if found is None:
        yield f"no filter {name}"
    elif wrong := [each for each in statements(found) if each not in wanted]:
        yield f"filter {name} has: {', '.join(wrong)}"
    elif list(statements(found)) != wanted:
        yield f"filter {name} does not let {single} out as it should"


def _of_router(its: Block, router: Router, node: Node) -> Iterator[str]:
    version = router.address.version
    said = {
        "local": its.last("local").rpartition("as ")[2],
        "neighbor": its.last("neighbor"),
        "bfd": its.last("bfd"),
        "password": "yes" if its.last("password") else "no",
        "multihop": its.last("multihop") or "no",
        "ttl": its.last("ttl") or "security off",
    }
    near = router.hops == 1
    wanted = {
        "local": str(node.asn),
        "neighbor": f"{router.address} as {router.asn}",
        "bfd": "on" if router.bfd else "off",
        "password": "yes" if router.password_origins else "no",
        "multihop": "no" if near else str(router.hops),
        "ttl": "security on" if near else "security off",
    }
    for name, right in wanted.items():
        if said[name] != right:
            yield f"has {name} {said[name] or '(nothing)'}, not {right}"
    channels = {
        inner.words[0]: inner for inner in its.block if inner.words[0].startswith(("ipv", "vpn"))
    }
    if list(channels) != [f"ipv{version}"]:
        yield f"speaks of {', '.join(channels) or 'nothing'}, not of ipv{version}"
    for channel in channels.values():
        for name, right in (
            ("import", "none"),
            ("export", f"filter announce{version}"),
            ("next", "hop self"),
        ):
            # ("import limit" is another one, and does no harm. What is kept of what is not taken
            # would fill the memory, as far as a router likes.)
            found = [" ".join(each.words[1:]) for each in channel.every(name)]
            found = [each for each in found if not each.startswith("limit")]
            if found != [right]:
                yield f"has {name} {', '.join(found) or '(nothing)'}, not {right}"


def _of_bfd(blocks: dict[tuple[str, ...], Block], node: Node) -> Iterator[str]:
    silent = [router for router in node.routers if router.bfd]
    found = blocks.get(("protocol", "bfd", "bfd1"))
    if not silent:
        return
    if found is None:
        yield "no protocol bfd bfd1"
        return
    wanted = {
        f"min rx interval {node.bfd_interval_ms} ms",
        f"min tx interval {node.bfd_interval_ms} ms",
        f"multiplier {node.bfd_misses}",
    }
    for kind, its in (
        ("interface", [router for router in silent if router.hops == 1]),
        ("multihop", [router for router in silent if router.hops > 1]),
    ):
        said = [set(statements(block)) for block in found.every(kind)]
        if its and not said:
            yield f"bfd1 has no {kind}"
        for each in said:
            if lacking := sorted(wanted - each):
                yield f"bfd1 has not {', '.join(lacking)}"
