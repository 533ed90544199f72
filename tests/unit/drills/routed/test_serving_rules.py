"""Of a routed cluster all nodes announce the address, but for those at which a drill is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drills.analysis import serving_rules, verdict
from drills.analysis.routed_outage import RoutedTiming
from drills.analysis.serving_rules import ServingRules
from drills.results import DrillVerdict, FaultInterval, HolderSample, Repeat, Request
from drills.scenarios import catalogues
from drills.scenarios.scenario import Drill
from tests.support.drilling.judged_repeats import (
    ALL_SERVE,
    BOTH_SERVE,
    WITHDRAWN,
    bitten,
    client,
    judged,
)
from tests.support.samples import DEFAULT, REFUSED, stream

BY_NAME = catalogues.ROUTED.by_name
NODES = ("host1", "host2", "host3", "host4")
SLOW = RoutedTiming(**{**vars(DEFAULT), "advert_s": 0.3, "missed_adverts": 3}, nodes=4)
every_routed_drill = pytest.mark.parametrize(
    "drill", catalogues.ROUTED.drills, ids=lambda drill: drill.name
)


def spread_over(requests: tuple[Request, ...], *nodes: str) -> tuple[Request, ...]:
    """Answered by each of the nodes in turn."""
    return tuple(
        request._replace(node=nodes[number % len(nodes)] if request.outcome == "ok" else "")
        for number, request in enumerate(requests)
    )


def of_four(drill: Drill, requests: tuple[Request, ...], **more: object) -> Repeat:
    """One repeat with four nodes, all of which announce the address."""
    assert isinstance(drill.rules, ServingRules)
    four = replace(drill, rules=replace(drill.rules, nodes=4))
    load = bitten(drill).long_lived
    given = {"samples": (HolderSample(0.0, NODES),), "long_lived": load}
    return judged(four, requests, **(given | more))


@every_routed_drill
@pytest.mark.parametrize("at_s", [0.1, 9.3], ids=["before", "afterwards"])
def test_a_node_that_is_missing_in_a_steady_state_fails_a_drill(drill: Drill, at_s: float) -> None:
    missing = (HolderSample(at_s, ("host1",)), HolderSample(at_s + 0.3, BOTH_SERVE))
    samples = tuple(sorted((*WITHDRAWN, *missing)))
    made = bitten(drill, count=2000, samples=samples, undone_s=8.0, steady_s=9.0)
    assert "1 to 2 nodes announced the address where all 2 have to" in made.problems
    assert verdict.over_all(drill, [made], [], 1)[0] is DrillVerdict.FAILED
    short = tuple(one._replace(at_s=one.at_s - 0.21 * (one is missing[1])) for one in samples)
    assert not any("where all 2" in text for text in bitten(drill, samples=short).problems)


@every_routed_drill
def test_that_no_node_announces_the_address_fails_every_drill(drill: Drill) -> None:
    samples = (*ALL_SERVE, HolderSample(0.6, ()), HolderSample(0.9, BOTH_SERVE))
    made = bitten(drill, samples=samples)
    assert isinstance(drill.rules, ServingRules)
    said = "0 of 2 nodes announced the address from 0.60 s to 0.90 s"
    assert f"{said}, and {2 - drill.rules.out} have to" in made.problems


@pytest.mark.parametrize("name", ["upgrade", "reload", "watch-crash", "rogue-announcement"])
def test_where_nginx_and_bird_go_on_nobody_withdraws(name: str) -> None:
    made = bitten(BY_NAME[name], samples=WITHDRAWN)
    said = "1 of 2 nodes announced the address from 0.52 s to 1.10 s, and 2 have to"
    assert said in made.problems
    assert bitten(BY_NAME[name], samples=ALL_SERVE).problems == ()


def test_a_control_without_the_second_chance_is_judged_alike_and_says_so() -> None:
    off = replace(SLOW, handover=False)
    plain, control = (BY_NAME["drain"].fitted(timing) for timing in (SLOW, off))
    assert control.budget == plain.budget
    how = [str(drill.theory(timing)) for drill, timing in ((plain, SLOW), (control, off))]
    assert ("nothing is lost" in how[0], "is reset" in how[1]) == (True, True)
    made = [of_four(drill, stream(set())).notes for drill in (plain, control)]
    assert (serving_rules.SWITCHED_OFF in made[0], made[1][0]) == (
        False,
        serving_rules.SWITCHED_OFF,
    )


@every_routed_drill
def test_a_node_to_which_nothing_is_done_goes_on(drill: Drill) -> None:
    other = (*ALL_SERVE, HolderSample(0.52, ("host1",)), HolderSample(1.1, BOTH_SERVE))
    made = bitten(drill, samples=other)
    assert "host2 withdrew at 0.52 s, and nothing was done to it" in made.problems
    # A deploy has every machine's turn, and only the number counts.
    deploy = (FaultInterval("deploy.py", "", 0.5, 1.6),)
    problems = bitten(drill, samples=other, faults=deploy).problems
    assert not any("nothing was done" in text for text in problems)


@pytest.mark.parametrize("name", ["link-cut", "power-off", "nginx-crash", "drain"])
def test_connections_of_a_node_to_which_nothing_is_done_stay(name: str) -> None:
    drill = BY_NAME[name]
    on = {host: replace(client(0.1, 1.0, "reset"), node=host) for host in BOTH_SERVE}
    whole = bitten(drill).long_lived
    said = [
        [
            text
            for text in bitten(drill, long_lived=(*whole, on[host])).problems
            if "nothing" in text
        ]
        for host in BOTH_SERVE
    ]
    told = "keep-alive (port 4711, host2): reset at 1.00 s, its request 12"
    assert said == [[], [f"1 connections of nodes to which nothing was done: {told}"]]


def test_more_than_one_nodes_share_of_requests_is_too_much() -> None:
    """Of 60 requests a half is 30, and 4 standard deviations more are 45."""
    drill = BY_NAME["power-off"]
    for lost, problems in ((range(100, 160, 2), ()), (range(100, 160), ("60 of 60 requests",))):
        requests = spread_over(stream(set(lost)), *BOTH_SERVE)
        load = bitten(drill).long_lived
        made = judged(drill, requests, long_lived=load)
        shares = [text for text in made.problems if "share" in text]
        assert len(shares) == len(problems)
        assert all(text.startswith(said) for text, said in zip(shares, problems, strict=True))
    assert "60 of the 60 requests of its 0.305 s were lost" in made.notes
    # Of each node's flows a router has a part.
    assert not BY_NAME["router-restart"].rules.their_share  # type: ignore[attr-defined]


def test_a_quarter_of_what_is_asked_is_the_share_of_one_of_four() -> None:
    lost = [number for number in range(100, 300) if number % 4 == 0]
    requests = spread_over(stream(set(lost)), *NODES[1:])
    drill = BY_NAME["power-off"]
    assert not any("share" in text for text in of_four(drill, requests).problems)
    half = spread_over(stream(set(range(100, 300, 2))), *NODES[1:])
    (said,) = (text for text in of_four(drill, half).problems if "share" in text)
    assert said.startswith("100 of 199 requests were lost from 0.49")
    assert said.endswith(" s on, and a share of 25% is what 1 of 4 nodes have")


@pytest.mark.parametrize(
    ("nodes", "count", "uneven"),
    [
        (NODES, 4000, False),
        ((*NODES, "host1"), 4000, True),  # two fifths, and a quarter is equal
        ((*NODES, "host1"), 2000, False),  # too few to say so
        (NODES[:3], 4000, True),  # one that gets nothing
    ],
)
def test_fresh_connections_are_spread_evenly(
    nodes: tuple[str, ...], count: int, uneven: bool
) -> None:
    made = of_four(BY_NAME["reload"], spread_over(stream(set(), count), *nodes))
    assert bool([text for text in made.problems if "fresh connections" in text]) is uneven
    (note,) = (text for text in made.notes if "fresh connections" in text)
    assert note.startswith(f"of {count} fresh connections host1 ")
    assert note.endswith("host4 0.0%") is (nodes == NODES[:3])


def test_shares_are_counted_while_all_announce_and_routers_know_it() -> None:
    samples = (HolderSample(0.0, NODES), HolderSample(1.0, NODES[1:]), HolderSample(3.0, NODES))
    made = of_four(BY_NAME["drain"], spread_over(stream(set(), 1000), *NODES), samples=samples)
    found = ServingRules(nodes=4).shares(made)
    counted = 200 + (1000 - 600) - serving_rules.SPREADS_S * 200
    assert sum(found.values()) == pytest.approx(counted, abs=2)


def test_a_node_that_answers_and_never_announced_had_a_deaf_monitor() -> None:
    rules = ServingRules()
    answers = [(number / 10, "host2") for number in range(20)]
    assert rules.void((HolderSample(0.0, ("host1",)),), answers) == (
        "host2 has answered from 0.00 s to 1.90 s, and nobody recorded that it announced the "
        "address"
    )
    assert rules.void(ALL_SERVE, answers) == ""


def test_budgets_are_fitted_to_a_slower_bfd_and_rules_to_the_number_of_nodes() -> None:
    fitted = BY_NAME["link-cut"].fitted(SLOW)
    assert fitted.budget.seconds == pytest.approx(0.94)
    assert fitted.rules == ServingRules(nodes=4)
    fast = replace(SLOW, advert_s=0.05)
    assert BY_NAME["link-cut"].fitted(fast).budget.seconds == 0.20
    assert BY_NAME["drain"].fitted(SLOW).budget == BY_NAME["drain"].budget


def test_a_withdrawal_is_where_detection_ends() -> None:
    drill = BY_NAME["nginx-freeze"]
    requests = tuple(
        one._replace(outcome=REFUSED) if 100 <= number < 130 and number % 2 else one
        for number, one in enumerate(spread_over(stream(set()), *BOTH_SERVE))
    )
    made = judged(drill, requests, long_lived=bitten(drill).long_lived)
    assert made.announced and made.moves == 1
    assert made.detection_s == pytest.approx(0.52 - 0.5, abs=0.006)
