"""X: are the machines of a cluster configured alike, but for what the inventory sets apart?"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping

from settings import Node
from verify.checks.check import Across, Answer, faultless, in_cluster
from verify.checks.premises import (
    keepalived_somewhere,
    nginx_accepted_everywhere,
    nginx_somewhere,
    one_has_vip,
    two_reached,
)
from verify.read.blocks import Block
from verify.read.keepalived_output import lines
from verify.read.nginx_output import SNIPPETS, Dump

# A node's own name, state, priority and place among its peers.
OWN = {
    *(("router_id",), ("smtp_helo_name",), ("state",), ("priority",)),
    *(("unicast_src_ip",), ("unicast_peer",), ("mcast_src_ip",)),
}
# What nodes may set apart, and the directives of our own files (templates/nginx) that follow from
# it. Each node's own are NGX-07's and NGX-22's.
FOLLOWS: dict[str, Callable[[Node], object]] = {
    "worker_connections": lambda node: node.worker_connections,
    "worker_rlimit_nofile": lambda node: node.worker_connections,
    "keepalive_timeout": lambda node: node.keepalive_timeout_s,
    "keepalive_requests": lambda node: node.keepalive_requests,
    "client_header_timeout": lambda node: node.client_header_timeout_s,
    "client_body_timeout": lambda node: node.client_body_timeout_s,
    "send_timeout": lambda node: node.send_timeout_s,
    **{
        f"limit_{kind}{more}": lambda node: node.client_limits
        for kind in ("conn", "req")
        for more in ("", "_zone", "_status")
    },
    "listen": lambda node: node.listen_backlog,
    "add_header X-Cache-Status": lambda node: node.cache,
    "map $sent_http_x_cache_status": lambda node: node.cache,
    "proxy_no_cache": lambda node: node.cache,
    **{
        f"proxy_cache{more}": lambda node: node.cache
        for more in (
            *("", "_path", "_key", "_valid", "_revalidate", "_lock", "_use_stale"),
            *("_background_update", "_bypass"),
        )
    },
}
LINES_SHOWN = 60
# A build's own directory: machines of two platforms have two builds.
_BUILD = re.compile(r"/usr/lib/tandem/nginx/[^/\s]+")


@in_cluster(
    "X-12",
    "keepalived.conf differs only where it must",
    reads=("keepalived_conf",),
    needs=(one_has_vip, two_reached, keepalived_somewhere),
    reason="An unintended difference takes effect at the next failover.",
    remedy="Run deploy.py. The lines shown with - and + differ.",
)
def same_keepalived(across: Across) -> Answer:
    found = across.by_machine(lambda machine: machine.keepalived_conf)
    written = {
        name: list(lines(_common(whole, _own(across.node(name))))) for name, whole in found.items()
    }
    return faultless(
        list(_differences(written)),
        expected="the same but for router_id, state, priority, own addresses and interfaces",
        found=f"{len(found)} files",
    )


def _own(node: Node) -> re.Pattern[str]:
    """What stands for this node's own addresses and interfaces, and not within a longer word."""
    own = (*(interface.name for interface in node.interfaces), *node.own_addresses)
    words = "|".join(re.escape(str(each)) for each in own)
    return re.compile(rf"(?<![\w.-])({words})(?![\w.-])")


def _common(block: Block, own: re.Pattern[str]) -> Block:
    return Block(
        tuple(own.sub("(its own)", word) for word in block.words),
        tuple(_common(inner, own) for inner in block.block if inner.words[:1] not in OWN),
    )


@in_cluster(
    "X-13",
    "nginx's configuration differs only where settings do",
    reads=("nginx_dump", "system"),
    needs=(two_reached, nginx_somewhere, nginx_accepted_everywhere),
    reason="A site that is configured differently on the standby changes with the next failover: "
    "what one node allows, another denies.",
    remedy="Run deploy.py; what is meant to stay belongs in files/nginx/conf.d/, for all nodes. "
    "The lines shown with - and + differ. (Secrets are shown as digests.)",
)
def same_nginx(across: Across) -> Answer:
    found = across.by_machine(lambda machine: machine.nginx_dump)
    cpus = across.by_machine(lambda machine: machine.system.cpus)
    nodes = across.cluster.nodes
    apart = {name for name, value in FOLLOWS.items() if len(set(map(value, nodes))) > 1}
    if len({(cpus[name], across.node(name).workload) for name in found}) > 1:
        apart.add("worker_processes")
    own_snippets = len({(node.nginx_snippets, node.nginx_files) for node in nodes}) > 1
    written = {
        name: list(_nginx_lines(dump, apart, snippets=not own_snippets))
        for name, dump in found.items()
    }
    shown = f"{len(found)} machines, {len(next(iter(found.values())).files)} files"
    return faultless(
        list(_differences(written, lambda name, line: _anonymous(line, across.node(name)))),
        expected="the same but for what the inventory sets apart",
        found=f"{shown}, snippets aside (nginx_snippets or nginx_files differs)"
        if own_snippets
        else shown,
    )


def _nginx_lines(dump: Dump, apart: set[str], *, snippets: bool) -> Iterator[str]:
    """Each file with its name, without the directives that nodes may set apart in our own."""
    for file, tree in dump.trees.items():
        if not file.startswith(SNIPPETS):
            tree = _without(tree, apart)
        elif not snippets:
            continue
        yield f"# {file}"
        yield from lines(tree)


def _without(block: Block, names: set[str]) -> Block:
    """Each name is a directive, or one with its first parameter."""
    kept = (
        inner
        for inner in block.block
        if inner.words[0] not in names and " ".join(inner.words[:2]) not in names
    )
    return Block(block.words, tuple(_without(inner, names) for inner in kept))


def _anonymous(line: str, node: Node) -> str:
    """A line without what is a node's own: a snippet may be rendered with its name or address."""
    for own, word in {
        node.name: "(name)",
        **{str(own): "(address)" for own in node.own_addresses},
        node.page: "(page)",
    }.items():
        line = re.sub(rf"(?<![\w.-]){re.escape(own)}(?![\w-]|\.\w)", word, line)
    return _BUILD.sub("(build)", line)


def _differences(
    written: Mapping[str, list[str]],
    alike: Callable[[str, str], str] = lambda name, line: line,
) -> Iterator[str]:
    """The first one beside each of the others, as a diff without context.

    Lines that differ are the same where `alike`, of the machine's name and the line, is.
    """
    first, *others = written
    for other in others:
        found: list[str] = []
        for one, two in _unequal(written[first], written[other]):
            theirs = [alike(first, line) for line in one], [alike(other, line) for line in two]
            for minus, plus in _unequal(*theirs, shown=(one, two)):
                found += [f"-{line}" for line in minus] + [f"+{line}" for line in plus]
        if len(found) > LINES_SHOWN:
            found[LINES_SHOWN:] = [f"… {len(found) - LINES_SHOWN} more lines"]
        if found:
            yield "\n".join([f"--- {first}", f"+++ {other}", *found])


def _unequal(
    one: list[str], two: list[str], shown: tuple[list[str], list[str]] | None = None
) -> Iterator[tuple[list[str], list[str]]]:
    """The runs of lines that differ; as they are `shown`, where that is another form of both."""
    these, those = shown or (one, two)
    matcher = difflib.SequenceMatcher(None, one, two, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            yield these[a:b], those[c:d]
