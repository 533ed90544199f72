"""How many new connections a client may make where no keepalived is to load that."""

from __future__ import annotations

import re
from typing import Any

import pytest

import settings
from tasks.change.routed.former_spread import FormerSpreadFact
from tasks.handover import handover_service, second_chance
from tests.support import fakes
from tests.unit.tasks.routed.test_routed_deploy import ROUTED
from tests.unit.tasks.test_deploy import machines

LIMITED = ROUTED | {"client_limits": {"new_connections_per_s": 20}}


def three(given: dict[str, Any]) -> settings.Cluster:
    hosts = {
        f"host{n}": {"ssh_hostname": f"172.16.12.6{n}", "page": f"page {n}"} for n in (1, 2, 3)
    }
    (found,) = settings.load(fakes.inventory(hosts, given))
    return found


def told(**given: Any) -> str:
    """What nftables is told on the first machine, without comments."""
    cluster = three(LIMITED | given)
    return re.sub(r" *#.*", "", second_chance.client_rules(cluster.nodes[0], cluster))


@pytest.mark.parametrize("handover", [True, False])
def test_each_family_is_limited_hand_over_or_not(handover: bool) -> None:
    text = told(handover=handover)
    assert re.findall(r"^table (\w+) tandem_clients \{$", text, re.M) == ["ip", "ip6"]
    assert text.count("limit rate over 20/second burst 100 packets } drop") == 2
    # Where a machine's nginx is asked for, it is asked by the others.
    assert "ip saddr { 172.16.12.62, 172.16.12.63 } accept" in text


def test_a_connection_is_counted_where_it_is_taken_and_nowhere_else() -> None:
    """What is given to another node leaves in `prerouting`, what is given to this one comes in by
    the mesh: neither may be let by, nor counted in `prerouting`."""
    text = told()
    assert set(re.findall(r"hook (\w+)", text)) == {"input"}
    assert not re.search(r"iif\w* (?!\"lo\" accept)", text)
    assert "tcp flags & (syn | ack) == syn update @connecting" in text


@pytest.mark.parametrize("limits", [None, {"connections": 5}])
def test_without_it_there_is_no_table(limits: Any) -> None:
    assert "table" not in told(client_limits=limits)


@pytest.mark.usefixtures("no_download")
def test_the_file_is_brought_also_where_it_is_to_say_that_there_is_no_limit() -> None:
    for commands in fakes.run(
        "deploy.py", machines("debian12", "debian12", settings=ROUTED)
    ).values():
        assert "/etc/tandem/clients.nft" in fakes.placing(commands)


def test_the_hand_over_is_given_the_file() -> None:
    for given in (ROUTED, LIMITED, LIMITED | {"handover": False}):
        cluster = three(given)
        command = second_chance.command(cluster.nodes[0], cluster)
        assert "--clients /etc/tandem/clients.nft" in command


@pytest.mark.usefixtures("no_download")
def test_elsewhere_it_is_keepalived_s() -> None:
    for commands in fakes.run("deploy.py", machines("debian12", "debian12")).values():
        assert "/etc/tandem/clients.nft" not in fakes.placing(commands)


def test_it_goes_with_the_profile() -> None:
    """keepalived's own file has it from then on, and its unit loads that."""
    of_bgp = FormerSpreadFact().command().partition("s/^/bgp /")[0]
    assert second_chance.CLIENTS in of_bgp


def test_it_goes_with_the_hand_over() -> None:
    footprint = handover_service.FOOTPRINT
    assert "tandem_clients" in footprint.tables and second_chance.CLIENTS in footprint.files
