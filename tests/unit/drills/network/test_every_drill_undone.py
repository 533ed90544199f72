"""What has to hold of what every drill of a failure does: generated from their list."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from drills.analysis.fault_evidence import Observed
from drills.scenarios import catalogues
from drills.scenarios.catalogue import BY_NAME, FAULTS
from drills.scenarios.network_drills import NETWORK, OVERLOAD
from drills.scenarios.routed.routed_catalogue import ROUTED_FAULTS
from drills.scenarios.scenario import Drill
from settings import Cluster
from tests.support import fakes
from tests.support.drilling.drill_rehearsal import Rehearsal, rehearse
from tests.support.drilling.drill_world import HOSTS
from tests.support.drilling.judged_repeats import WITHDRAWN, drill_id

NEW = (*NETWORK, *OVERLOAD)
# Without those that deploy.
ROUTED = (*ROUTED_FAULTS, *catalogues.ROUTED.chosen(("drain", "node-leaves", "node-joins")))
# What is over when its step is: clients of the drill's own, a command, a boot; nginx itself starts
# another worker.
ENDS = {"burden", "stranger", "command", "reboot", "worker"}


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """A pair of whose addresses one is of IPv6, and moves along."""
    hosts = {
        name: {**data, "address6": f"fd61:1::{number}"}
        for number, (name, data) in enumerate(HOSTS.items(), start=61)
    }
    (found,) = settings.load(fakes.inventory(hosts, vip6="fd61:1::254/64"))
    return found


@pytest.fixture(scope="module")
def routed() -> Cluster:
    """A pair that announces its address to two routers."""
    routers = [{"address": f"172.16.12.{number}", "asn": 64512} for number in (1, 2)]
    given: dict[str, Any] = {
        "spread": "bgp",
        "asn": 65010,
        "routers": routers,
        "vip": "198.51.100.80/32",
    }
    (found,) = settings.load(fakes.inventory(HOSTS, **given))
    return found


@pytest.mark.parametrize("drill", (*FAULTS, *NEW, *ROUTED), ids=drill_id)
def test_what_a_drill_breaks_is_noted_before_and_undone(
    drill: Drill, cluster: Cluster, routed: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = rehearse(drill, routed if drill in ROUTED else cluster, monkeypatch)
    assert control.undo_log.entries
    for applied in control.undo_log.entries:
        if applied.undo is None:
            ended = applied.fault.lasts_s or applied.fault.key in ENDS
            assert ended and applied.to_at is not None, str(applied)
        else:  # a run after one that was killed finds it noted
            assert applied.record is not None, str(applied)
    assert control.restore(at_end=True) == ""
    assert (control.left(), control.broken) == ((), set())


@pytest.mark.parametrize("drill", (*NEW, *ROUTED), ids=drill_id)
def test_a_drill_of_the_network_looks_for_what_shows_that_it_has_bitten(
    drill: Drill, cluster: Cluster, routed: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = rehearse(drill, routed if drill in ROUTED else cluster, monkeypatch)
    sights = tuple(control.sights)
    found = drill.evidence(Observed(sights, WITHDRAWN, (), 0.0, 0.0, 1.0))
    assert found.bit, found.text
    assert not drill.evidence(Observed((), (), (), 0.0, 0.0, 1.0)).bit
    assert control.problems == []


@pytest.mark.parametrize("name", ["standby-address-lost", "interface-down-up"])
def test_an_address_that_is_away_is_looked_for_once_it_is_to_be_back(
    name: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the machine is reached meanwhile, by another of its addresses."""
    waits: list[float] = []
    monkeypatch.setattr(Rehearsal, "wait", lambda control, seconds: waits.append(seconds))
    control = rehearse(BY_NAME[name], cluster, monkeypatch)
    (fault,) = {one.fault for one in control.undo_log.entries}
    assert max(waits) > fault.lasts_s + 1


def test_what_is_broken_is_seen_to_be_broken_before_it_is_undone(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the two tests above would show nothing."""
    for name in ("link-cut", "power-off", "own-address-lost", "nginx-crash"):
        assert rehearse(BY_NAME[name], cluster, monkeypatch).broken
