"""A few drills of a pair that announces its address to two routers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drills.analysis.long_lived_counts import count_long_lived
from drills.results import DrillResult
from lab.twin import Lab
from tests.support.lab.drill_runs import assert_drill_sound, drilled
from tests.support.lab.own_lab import own_lab, pyinfra
from tests.support.lab.pair import HOSTS, on

INVENTORY = "tests/support/inventories/routed_pair.py"
DRILLS = ("nginx-crash", "link-cut", "drain", "rogue-announcement")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with own_lab(tmp_path_factory.mktemp("routed-drills") / "tandem", INVENTORY) as lab:
        first = pyinfra(lab, "-y", INVENTORY, "deploy.py")
        assert first.returncode == 0, first.stdout
        yield lab


@pytest.fixture(scope="module")
def results(pair: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DrillResult]:
    return drilled(pair, INVENTORY, tmp_path_factory.mktemp("report"), f"drills={','.join(DRILLS)}")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_of_a_routed_pair(results: dict[str, DrillResult], name: str) -> None:
    result = results[name]
    assert_drill_sound(result)
    for repeat in result.counted:
        assert repeat.announced
        assert repeat.holders[0].holders == repeat.holders[-1].holders == HOSTS
        assert {request.node for request in repeat.requests} >= set(HOSTS)
        assert (repeat.moves > 0) is (name != "rogue-announcement")
        counted = count_long_lived(repeat.long_lived)
        assert counted.clients >= 50 and counted.downloads >= 20
        if name in ("drain", "rogue-announcement"):
            assert (repeat.lost_count, counted.failed, counted.cut) == (0, 0, 0)


def test_what_is_lost_is_one_machines_share(results: dict[str, DrillResult]) -> None:
    """A machine that falls silent has half of the flows; others are answered meanwhile."""
    for repeat in results["link-cut"].counted:
        assert repeat.lost_count > 0
        for window in repeat.windows:
            meanwhile = [r for r in repeat.requests if window.from_s < r.due_s < window.to_s]
            assert 0 < sum(r.outcome == "ok" for r in meanwhile) < len(meanwhile)


def test_everything_is_back(pair: Lab, results: dict[str, DrillResult]) -> None:
    assert results
    for name in HOSTS:
        assert on(pair, name, "ls /run/tandem-drill /etc/keepalived/down 2>/dev/null || true") == ""
    assert all(each.established == 4 for each in pair.router_status())
