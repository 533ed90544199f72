"""Where a cluster has several VIPs: each is looked at for itself, and what is wrong says which."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.snapshots import HEALTHY, SEVERAL, Spoiled
from verify.checks.check import Outcome
from verify.judge import every_check

FIRST, SECOND, THIRD = "web", "web 172.16.12.253", "web fd61:1::252"


def _state(spoiled: Spoiled, host: str, place: int, **values: Any) -> Spoiled:
    for probe in ("vrrp_before", "vrrp"):
        told = json.loads(spoiled.says(host, probe))
        told[place]["data"].update(values)
        spoiled.answer(host, probe, json.dumps(told))
    return spoiled


def _also_on(host: str, address: str, family: str, label: str) -> Callable[[Spoiled], Spoiled]:
    found = {"family": family, "local": address, "prefixlen": 32, "scope": "host", "label": label}
    found["valid_life_time"] = 2**32 - 1
    return lambda spoiled: spoiled.link(host, lambda link: link["addr_info"].append(found))


def _gone_from(host: str, address: str) -> Callable[[Spoiled], Spoiled]:
    def go(link: dict[str, Any]) -> None:
        kept = [one for one in link["addr_info"] if one["local"] != address]
        assert len(kept) < len(link["addr_info"])
        link["addr_info"] = kept

    return lambda spoiled: spoiled.link(host, go)


def test_each_vip_has_every_finding_of_its_own_and_all_are_well() -> None:
    verdict = Spoiled(SEVERAL).judge()
    assert verdict.passed
    own = {check.id for check in every_check() if check.each_vip}
    for view in (SECOND, THIRD):
        assert {finding.id for finding in verdict.findings if finding.cluster == view} == own


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(
            _also_on("host1", "172.16.12.253", "inet", "eth0:1"), ("X-01", SECOND), id="two"
        ),
        pytest.param(_gone_from("host2", "fd61:1::252"), ("X-01", THIRD), id="none"),
        pytest.param(
            lambda s: s.answer("host1", "handover_table@2", "Error: No such file or directory", 1),
            ("HO-02", THIRD),
            id="no table of the third",
        ),
        pytest.param(
            lambda s: s.answer("host2", "speakers_table@1", "Error: No such file or directory", 1),
            ("SYS-04", SECOND),
            id="anybody may speak for the second",
        ),
        pytest.param(
            lambda s: s.replace("host1", "page:vip@1", "slaves", "other"),
            ("X-10", SECOND),
            id="another page",
        ),
        pytest.param(
            lambda s: _state(s, "host1", 2, effective_priority=250), ("KA-05", THIRD), id="priority"
        ),
    ],
)
def test_what_is_wrong_with_one_vip_is_said_of_it_alone(
    spoil: Callable[[Spoiled], Spoiled], expected: tuple[str, str]
) -> None:
    found = {
        (finding.id, finding.cluster)
        for finding in spoil(Spoiled(SEVERAL)).judge().findings
        if finding.outcome is Outcome.FAIL
    }
    assert expected in found
    assert {cluster for _, cluster in found} == {expected[1]}


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ("same 8\nsame 8\n2 secrets", Outcome.OK),
        ("same 8\ndifferent 8\n2 secrets", Outcome.FAIL),
        ("same 8\n1 secrets", Outcome.FAIL),
    ],
)
def test_in_the_classic_profile_each_vip_has_the_secret(told: str, outcome: Outcome) -> None:
    spoiled = Spoiled(HEALTHY).answer("host1", "keepalived_secret", told)
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["more_vips"] = [["172.16.12.253/16", "host2"]]
    found = {f.host: f.outcome for f in spoiled.judge().findings if f.id == "KA-12"}
    assert found["host1"] is outcome
