"""What nft lists of the rules that a deploy renders is what the verifier reads."""

from __future__ import annotations

import pytest

import settings
from tasks.handover import forwarding
from tasks.keepalived import configuration
from tests.support import nft_listing
from tests.unit.settings.test_settings import inventory
from tests.unit.tasks.test_handover_tables import cluster_of
from verify.read.nft_output import connecting, hand_over, shown


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


@pytest.mark.parametrize(
    ("family", "unlimited"),
    [("ip", "10.0.0.0/8, 172.16.12.62, 192.0.2.7, 192.0.2.8"), ("ip6", "fd00::/8")],
)
def test_the_verifier_reads_whose_connections_are_not_counted(family: str, unlimited: str) -> None:
    """Networks in one another, and addresses beside one another, as nft takes and lists them."""
    trusted = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "192.0.2.8", "fd00::/8", "fd00:1::5"]
    limits = {"new_connections_per_s": 20}
    (cluster,) = settings.load(inventory(client_limits=limits, trusted_proxies=trusted))
    rules = configuration.speakers_table(cluster.nodes[0], cluster)
    found = connecting(nft_listing.listed(rules, f"{family} tandem_clients"))
    assert shown(found.unlimited) == unlimited
