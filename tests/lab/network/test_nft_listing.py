"""What nft lists of the rules that a deploy renders is what the verifier reads."""

from __future__ import annotations

import pytest

from tasks.handover import forwarding
from tests.support import nft_listing
from tests.unit.tasks.test_handover_tables import cluster_of
from verify.read.nft_output import hand_over


@pytest.mark.parametrize(
    ("family", "vip", "peers"),
    [
        ("ip", "172.16.12.254", {"172.16.12.62", "172.16.12.63"}),
        ("ip6", "fd61:1::254", {"fd61:1::62", "fd61:1::63"}),
    ],
)
def test_the_verifier_reads_what_was_rendered(family: str, vip: str, peers: set[str]) -> None:
    cluster = cluster_of(3)
    rules = forwarding.rules(cluster.nodes[0], cluster)
    found = hand_over(nft_listing.listed(rules, f"{family} tandem_handover"))
    assert found.addresses == {vip}
    assert found.sent_on_to == found.heard_of == peers
    assert found.asks_sockets and found.before_filters
    assert found.carriers == peers, "taken for granted when it is loaded"
