"""A machine of a routed cluster is drained only where another one serves; and why one does not."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from settings import Refused
from settings.run_options import RunOptions
from tasks.bird.withdrawal import Announced
from tasks.change import vip_move
from tasks.change.routed.routed_drains import DrainPlan, plan_drain
from tasks.change.routed.routed_status import NOT_IN_RUN, RoutedStatus, RoutedStatusFact
from tests.support import fakes

ROUTED: dict[str, Any] = {
    "spread": "bgp",
    "vip": "198.51.100.80/32",
    "asn": 65010,
    "routers": [{"address": "172.16.0.1", "asn": 64512}],
}
WELL = RoutedStatus(Announced(frozenset({"vip_serves4"}), frozenset({"router_1"})), trouble="")
DRAINED = RoutedStatus(Announced(frozenset(), frozenset({"router_1"})), drained=True, trouble="")
DEAD = WELL._replace(announced=Announced(), trouble="nginx does not answer there")
AWAY = RoutedStatus(trouble=NOT_IN_RUN)


def cluster(number: int = 3) -> settings.Cluster:
    hosts = {
        f"host{n}": {"ssh_hostname": f"172.16.12.6{n}", "page": f"page {n}"}
        for n in range(1, number + 1)
    }
    (found,) = settings.load(fakes.inventory(hosts, ROUTED))
    return found


def planned(*before: RoutedStatus, **asked: str) -> DrainPlan:
    names = {f"host{place}": status for place, status in enumerate(before, start=1)}
    found = {name: status for name, status in names.items() if status != AWAY}
    return plan_drain(cluster(len(before)), found, RunOptions.model_validate(asked))


def test_a_machine_is_drained_where_another_one_serves() -> None:
    assert planned(WELL, WELL, drain="host1").begins
    assert planned(WELL, DEAD, DRAINED, WELL, drain="host1").begins
    assert planned(DEAD, WELL, drain="host1").begins, "for work on it"
    assert not planned(DRAINED, WELL, drain="host1").begins, "it is drained already"
    # Whoever waits for its connections to end asks once more.
    assert not planned(DRAINED, DEAD, drain="host1").begins


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ((DEAD,), "host2: nginx does not answer there"),
        ((DRAINED, DEAD), "host2: it is drained (/etc/keepalived/down is there); host3: nginx"),
        ((WELL._replace(drained=True),), "host2"),
        ((AWAY,), "host2: it is not part of this run"),
        (
            (WELL._replace(announced=Announced(WELL.announced.protocols)),),
            "no router has a session",
        ),
        ((WELL._replace(announced=Announced(sessions=frozenset({"r"}))),), "it announces nothing"),
        (
            (WELL._replace(announced=Announced(frozenset({"vip_yields4"}), frozenset({"r"}))),),
            "it announces behind all others only",
        ),
        (
            (WELL._replace(announced=Announced(), turned=True),),
            "a deploy has drained it (/run/tandem/drain is there)",
        ),
    ],
)
def test_the_last_one_is_not_drained(others: tuple[RoutedStatus, ...], why: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(WELL, *others, drain="host1")
    assert why in str(refused.value) and "Nothing was changed" in str(refused.value)


def test_a_machine_comes_back_whatever_the_others_do() -> None:
    plan = planned(DRAINED, DEAD, undrain="host1")
    assert (plan.leaves, plan.returns) == ("", "host1")
    with pytest.raises(Refused, match="left out by --limit"):
        planned(AWAY, WELL, undrain="host1")
    with pytest.raises(Refused, match="left out by --limit"):
        planned(AWAY, WELL, drain="host1")


def test_nobody_has_the_vip_alone() -> None:
    here = cluster()
    (mistake,) = vip_move.mistakes(RunOptions.model_validate({"to": "host2"}), (here,))
    assert "every machine of web has the VIP" in str(mistake)
    assert "undrain=host2" in str(mistake) and "drain=host1, drain=host3" in str(mistake)
    for verb in ("drain", "undrain"):
        assert not list(vip_move.mistakes(RunOptions.model_validate({verb: "host2"}), (here,)))
    (mistake,) = vip_move.mistakes(RunOptions.model_validate({"drain": "host9"}), (here,))
    assert "no such machine" in str(mistake)


def test_what_a_machine_says_of_itself_is_read() -> None:
    said = ["announces vip_serves4", "session router_1", "session router_2", "seen"]
    status = RoutedStatusFact().process(said)
    assert status.announced.serves and not status.idle
    status = RoutedStatusFact().process(["drained", "turned", "trouble BIRD does not run there"])
    assert status.drained and status.turned and status.idle == "BIRD does not run there"
    assert RoutedStatusFact().default().idle == "it does not answer"
