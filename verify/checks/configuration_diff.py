"""What differs between two machines' configurations, apart from what has to."""

from __future__ import annotations

import difflib

from verify.read.keepalived_output import Block, lines

# A node's own name, state, priority and place among its peers.
OWN = {
    *(("router_id",), ("state",), ("priority",)),
    *(("unicast_src_ip",), ("unicast_peer",), ("mcast_src_ip",)),
}


def _common(block: Block) -> Block:
    return Block(
        block.words, tuple(_common(inner) for inner in block.block if inner.words[:1] not in OWN)
    )


def difference(one_name: str, one: Block, other_name: str, other: Block) -> str:
    """The lines that differ, as a diff without context; "" when only OWN ones do."""
    found = difflib.unified_diff(
        list(lines(_common(one))),
        list(lines(_common(other))),
        one_name,
        other_name,
        lineterm="",
        n=0,
    )
    return "\n".join(line for line in found if not line.startswith("@@"))
