"""How much memory nginx and the kernel use on a machine, and for how many connections."""

from __future__ import annotations

import re
from dataclasses import dataclass

from settings import Node

PAGE_KB = 4


@dataclass(frozen=True)
class MemoryUse:
    """In kB. `pss`: nginx's own, each shared page counted once over all of its processes; `slab`
    and `tcp`: the kernel's objects and TCP's buffers, of the whole machine."""

    pss: int
    rss: int
    slab: int
    tcp: int
    connections: int


def script(node: Node) -> str:
    """The shell that prints it."""
    return (
        "for comm in $(grep -lxs nginx /proc/[0-9]*/comm); do cat ${comm%comm}smaps_rollup; done "
        '2>/dev/null | awk \'/^Pss:/ { p += $2 } /^Rss:/ { r += $2 } END { print "pss", p; '
        'print "rss", r }\'; awk \'/^Slab:/ { print "slab", $2 }\' /proc/meminfo; '
        "sed -n 's/^TCP: .* mem /tcp /p' /proc/net/sockstat; "
        f"curl -qs --noproxy '*' --max-time 5 http://127.0.0.1:{node.http_port}/nginx_status"
    )


def parse(text: str) -> MemoryUse:
    """What `script` prints. Raises ValueError where something of it is missing."""
    found = dict(re.findall(r"^(pss|rss|slab|tcp) (\d+)$", text, re.MULTILINE))
    active = re.search(r"^Active connections: (\d+)", text, re.MULTILINE)
    if len(found) != 4 or not active:
        raise ValueError(f"no account of memory: {text.strip()[:200] or 'nothing'}")
    pss, rss, slab, tcp_pages = (int(found[name]) for name in ("pss", "rss", "slab", "tcp"))
    return MemoryUse(pss, rss, slab, tcp_pages * PAGE_KB, int(active[1]))


def per_connection(before: MemoryUse, after: MemoryUse, connections: int, *, lab: bool) -> str:
    """What one connection costs, by two readings, in words."""

    def each(one: int, two: int) -> str:
        return f"{max(0, two - one) / connections:.2f} kB"

    kernel = each(before.slab + before.tcp, after.slab + after.tcp)
    whose = " (both ends of it: the lab is one kernel)" if lab else ""
    return (
        f"per connection nginx {each(before.pss, after.pss)} (PSS {before.pss} to {after.pss} kB, "
        f"RSS {before.rss} to {after.rss} kB), kernel {kernel}{whose}"
    )
