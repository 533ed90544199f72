"""X-11: what the controller itself gets from the VIP. It may have no way there: then skip=X-11."""

from __future__ import annotations

from collections import Counter

from verify.checks.check import Across, Answer, holds_if, on_vip
from verify.checks.premises import vip_served
from verify.read.machine_view import CannotTell
from verify.snapshot import VIP_REQUESTS


@on_vip(
    "X-11",
    "the controller gets a node's page, many times over",
    reads=("from_here",),
    needs=(vip_served,),
    reason="Answers that alternate between nodes are how clients notice a split brain, where one "
    "machine has the VIP; and only the controller asks from outside the cluster.",
    remedy="Pages of two nodes: as X-01 and X-07, find the second holder. No answer, though X-10 "
    "holds: the controller has no way to the VIP (it is behind a bastion, or without IPv6); then "
    "--data skip=X-11.",
)
def one_node_answers(across: Across) -> Answer:
    gets = across.from_here
    if not gets:
        raise CannotTell("the controller did not ask the VIP")
    if len(gets) < VIP_REQUESTS and not gets[-1].problem:
        raise CannotTell(f"the controller asked {len(gets)} times, not {VIP_REQUESTS}")
    names = {node.page: node.name for node in across.cluster.nodes}
    counts: Counter[str] = Counter()
    for get in gets:
        page = get.body.rstrip("\n")
        who = names.get(page, repr(page[:60])) if get.status == 200 else get.problem
        counts[who or f"HTTP {get.status}"] += 1
    shown = ", ".join(
        f"{count} by {who}" if who in names.values() else f"{count}: {who}"
        for who, count in counts.items()
    )
    # Of a routed cluster each request may be any node's.
    of_one = not across.cluster.routed
    right = (len(counts) == 1 or not of_one) and counts.keys() <= set(names.values())
    whose = "one node" if of_one else "the cluster's nodes"
    return holds_if(right, expected=f"{len(gets)} by {whose}", actual=shown)
