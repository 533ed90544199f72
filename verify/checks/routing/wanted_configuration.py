"""What bird.conf has to say, by the settings, and what is otherwise. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import takewhile

from settings import Cluster, Node
from settings.network.routed_settings import Router
from settings.values import Interface
from verify.observe.routing.bird_probes import session
from verify.read.blocks import Block
from verify.read.routing.bird_output import statements

# What a node of the last resort says in front of its path, so that every router takes another way.
PREPENDED = 3
# The preferences of its own routes: of both, the first is told.
_KINDS = {"serves": 200, "yields": 100}
# What is the same for all machines.
_PLAIN_BLOCKS = {
    ("protocol", "device", "device1"): ("scan time 10",),
    ("template", "bgp", "routers"): (
        *("hold time 9", "startup hold time 9", "keepalive time 3", "connect delay time 0"),
        *("connect retry time 1", "error wait time 1, 30", "error forget time 40"),
    ),
}
# How blocks begin in a session that say which routes it is about.
_CHANNELS = ("ipv", "vpn", "flow", "mpls")
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
        *_PLAIN_BLOCKS,
        *(("protocol", "bfd", "bfd1") for router in node.routers if router.bfd),
    }
    for name, wanted in _PLAIN_BLOCKS.items():
        if name not in blocks:
            yield f"no {' '.join(name)}"
            continue
        faults = _compared(statements(blocks[name]), wanted)
        yield from (f"{name[0]} {name[2]} {fault}" for fault in faults)
    for vip in cluster.addresses:
        known |= {("filter", f"announce{vip.version}")}
        known |= {("protocol", "static", f"vip_{kind}{vip.version}") for kind in _KINDS}
        yield from _of_vip(blocks, vip, node)
    for number, router in enumerate(node.routers, start=1):
        words = next(
            (each for each in blocks if each[:3] == ("protocol", "bgp", session(number))), None
        )
        if words is None:
            yield f"no protocol bgp {session(number)} for {router.address}"
            continue
        known.add(words)
        if words[3:] != ("from", "routers"):
            yield f"{session(number)} is not from routers"
        for fault in _of_router(blocks[words], router, node):
            yield f"{session(number)} {fault}"
    yield from _of_bfd(blocks, node)
    other = [words for words in blocks if words not in known] + bare
    yield from (f"it has {' '.join(words)}" for words in other if words[0] not in _PLAIN)


def _compared(found: Iterable[str], wanted: Iterable[str]) -> Iterator[str]:
    """What is other than it should be, is missing, or is there besides, in whatever order."""
    # (No password comes as far as here: RT-04 compares them.)
    said = Counter("password" if each.startswith("password ") else each for each in found)
    over, lacking = said - Counter(wanted), Counter(wanted) - said
    for right in lacking.elements():
        alike, other = max(((_alike(each, right), each) for each in over), default=(0, ""))
        if not alike:
            yield f"has no {right}"
            continue
        over -= Counter([other])
        rest = right.split()[alike:] if len(other.split()) > alike else right.split()
        yield f"has {other}, not {' '.join(rest)}"
    yield from (f"has {each} besides" for each in over.elements())


def _alike(one: str, other: str) -> int:
    """How many words at the beginning are the same."""
    both = zip(one.split(), other.split(), strict=False)
    return sum(1 for _ in takewhile(lambda words: words[0] == words[1], both))


def _of_vip(blocks: dict[tuple[str, ...], Block], vip: Interface, node: Node) -> Iterator[str]:
    single = f"{vip.ip}/{vip.max_prefixlen}"
    for kind, preference in _KINDS.items():
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
        said = [each for each in statements(found) if not each.startswith(("route", "disabled"))]
        wanted = [f"ipv{vip.version}", f"preference {preference}"]
        yield from (f"{name} {fault}" for fault in _compared(said, wanted))
    name = f"announce{vip.version}"
    found = blocks.get(("filter", name))
    filters = [
        f"if net != {single} then reject",
        f"if proto = vip_yields{vip.version} then",
        *[f"bgp_path.prepend({node.asn})"] * PREPENDED,
        "bgp_community.add((65535, 0))",
        "accept",
    ]
    if found is None:
        yield f"no filter {name}"
    elif wrong := [each for each in statements(found) if each not in filters]:
        yield f"filter {name} has: {', '.join(wrong)}"
    elif list(statements(found)) != filters:
        yield f"filter {name} does not let {single} out as it should"


def _of_router(its: Block, router: Router, node: Node) -> Iterator[str]:
    version = router.address.version
    own = node.address if version == 4 else node.address6
    near = router.hops == 1
    wanted = [
        f"local as {node.asn}" if near else f"local {own} as {node.asn}",
        f"neighbor {router.address} as {router.asn}",
        *(["direct", "ttl security on", "check link on"] if near else [f"multihop {router.hops}"]),
        *(["password"] if router.password_origins else []),
        f"bfd {'on' if router.bfd else 'off'}",
    ]
    channels = [each for each in its.block if each.words[0].startswith(_CHANNELS)]
    rest = tuple(each for each in its.block if each not in channels)
    yield from _compared(statements(Block((), rest)), wanted)
    spoken = [" ".join(channel.words) for channel in channels]
    if spoken != [f"ipv{version}"]:
        yield f"speaks of {', '.join(spoken) or 'nothing'}, not of ipv{version}"
    for channel in channels:
        # (What is kept of what is not taken would fill the memory, as far as a router likes.)
        yield from _compared(statements(channel), _told(version))


def _told(version: int) -> list[str]:
    return [
        "import none",
        "import limit 1 action block",
        f"export filter announce{version}",
        "next hop self",
    ]


def _of_bfd(blocks: dict[tuple[str, ...], Block], node: Node) -> Iterator[str]:
    silent = [router for router in node.routers if router.bfd]
    found = blocks.get(("protocol", "bfd", "bfd1"))
    if not silent:
        return
    if found is None:
        yield "no protocol bfd bfd1"
        return
    wanted = [
        f"min rx interval {node.bfd_interval_ms} ms",
        f"min tx interval {node.bfd_interval_ms} ms",
        f"idle tx interval {max(node.bfd_interval_ms, 200)} ms",
        f"multiplier {node.bfd_misses}",
    ]
    for kind, its in (
        ("interface", [router for router in silent if router.hops == 1]),
        ("multihop", [router for router in silent if router.hops > 1]),
    ):
        blocks_of_kind = [*found.every(kind)]
        if its and not blocks_of_kind:
            yield f"bfd1 has no {kind}"
        for each in blocks_of_kind:
            yield from (f"bfd1 {fault}" for fault in _compared(statements(each), wanted))
    others = [each for each in found.block if each.words[0] not in ("interface", "multihop")]
    yield from (f"bfd1 has {each} besides" for each in statements(Block((), tuple(others))))
