"""How many new connections a client may make: what nftables is told, and what is found of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from settings import Cluster
from tasks.keepalived import configuration
from tests.support.snapshots import DEFAULT, EVERYTHING, LIMITS, Spoiled, bad
from tests.unit.settings.test_several_vips import cluster
from verify.checks.check import Outcome

# So that both profiles can be had of the same machines.
GIVEN = {"more_vips": {}, "nginx_weight": -9, "maintenance_weight": -9}
TWENTY = {"client_limits": {"new_connections_per_s": 20}}
LIMIT = "limit rate over 20/second burst 100 packets } drop"


def told(whole: Cluster) -> str:
    """What nftables is told on the first node, without comments."""
    text = configuration.speakers_table(whole.nodes[0], whole)
    return re.sub(r" *#.*", "", text)


def chains(text: str) -> dict[str, str]:
    """The tables of clients, by their family."""
    return dict(re.findall(r"^table (ip6?) tandem_clients \{\n(.*?)^\}", text, re.M | re.S))


@pytest.mark.parametrize("limits", [None, {"connections": 5}, {"requests_per_s": 5}])
@pytest.mark.parametrize("version", [2, 3])
def test_without_it_an_earlier_table_goes_and_none_comes(limits: Any, version: int) -> None:
    text = told(cluster(client_limits=limits, vrrp_version=version, **GIVEN))
    assert (
        "delete table ip tandem_clients\n" in text and "delete table ip6 tandem_clients\n" in text
    )
    assert not chains(text)


@pytest.mark.parametrize("version", [2, 3])
def test_each_family_is_limited_and_the_other_machines_are_not(version: int) -> None:
    found = chains(told(cluster(**TWENTY, vrrp_version=version, **GIVEN)))
    assert found.keys() == {"ip", "ip6"}
    # What changes by itself (a counter) would be loaded again and again.
    new = "tcp dport { 80 } tcp flags & (syn | ack) == syn update @connecting { CLIENT " + LIMIT
    for family, others, client in (
        ("ip", "172.16.12.62, 172.16.12.63", "ip saddr"),
        ("ip6", "fd61:1::62, fd61:1::63", "ip6 saddr & ffff:ffff:ffff:ffff::"),
    ):
        rules = found[family].split("policy accept;")[1].split("\n")
        assert [line.strip() for line in rules if line.strip(" }")] == [
            'iif "lo" accept',
            f"{family} saddr {{ {others} }} accept",
            new.replace("CLIENT", client),
        ]


def test_where_it_is_not_asked_for_nothing_is_judged() -> None:
    verdict = Spoiled(DEFAULT).judge("SYS-12")
    assert {finding.outcome for finding in verdict.findings} == {Outcome.SKIP}


def test_what_was_asked_for_is_found() -> None:
    verdict = Spoiled(EVERYTHING).judge("SYS-12")
    assert {finding.answer.actual for finding in verdict.findings} == {"100 a second, 500 at once"}
    assert not verdict.bad


@pytest.mark.parametrize("probe", ["clients_table", "clients_table6"])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"rate": 100', '"rate": 90', "the rules grant 90 a second, 500 at once"),
        ('"burst": 500', '"burst": 5', "the rules grant 100 a second, 5 at once"),
        ('"per": "second"', '"per": "minute"', "the rules limit nobody"),
        ('"inv": true', '"inv": false', "the rules limit nobody"),
        ("[80, 443]", "[80, 8443]", "not on port 443"),
        # Of either family.
        ('62"', '99"', "without limit are"),
    ],
)
def test_a_table_that_does_something_else_is_found(
    old: str, new: str, said: str, probe: str
) -> None:
    verdict = Spoiled(EVERYTHING).replace("host1", probe, old, new).judge()
    (finding,) = [one for one in verdict.bad if one.id == "SYS-12"]
    assert (finding.host, finding.outcome) == ("host1", Outcome.FAIL)
    assert said in finding.answer.actual


def test_a_rule_that_lets_everybody_by_is_found() -> None:
    everybody = '{"rule": {"chain": "input", "expr": [{"accept": null}]}}'
    verdict = (
        Spoiled(EVERYTHING)
        .replace("host1", "clients_table", "]}", f", {everybody}]}}")
        .judge("SYS-12")
    )
    (finding,) = verdict.bad
    assert "anybody" in finding.answer.actual, finding.answer.actual


@pytest.mark.parametrize("probe", ["clients_table", "clients_table6"])
def test_a_table_that_was_flushed_is_found(probe: str) -> None:
    gone = Spoiled(EVERYTHING).answer("host1", probe, "Error: No such file or directory", 1)
    assert bad(gone.judge()) == LIMITS
