"""The report of a routed cluster's drill: who announced, and each node's share of the answers."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

from drills.report import drills_page, picture, picture_lanes, picture_shares
from drills.results import ClusterInfo, DrillResult, Repeat, Spread, from_json, to_json
from tests.support.drilling import drill_reports
from tests.support.drilling.drill_plans import PLANS
from tests.support.drilling.judged_repeats import BOTH_SERVE, WITHDRAWN

SVG = "{http://www.w3.org/2000/svg}"


def routed(announced: bool = True) -> DrillResult:
    """A drill of which each request is answered by another of two nodes than the one before."""
    found = drill_reports.drill(PLANS[0], repeats=1)

    def spread_out(made: Repeat) -> Repeat:
        requests = tuple(
            one._replace(node=BOTH_SERVE[number % 2] if one.node else "")
            for number, one in enumerate(made.requests)
        )
        return replace(
            made, requests=requests, holders=WITHDRAWN, announced=announced, moves=1, min_holders=2
        )

    return replace(found, repeats=tuple(map(spread_out, found.repeats)))


def words(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_each_node_has_a_lane_of_when_it_announced() -> None:
    cluster = ClusterInfo("web", "198.51.100.80/32", BOTH_SERVE)
    said = words(picture.drill_svg(routed(), cluster))
    assert {"announced by host1", "announced by host2"} <= set(said)
    assert not any(text.startswith("VIP held") for text in said)
    said = words(picture.drill_svg(routed(announced=False), cluster))
    assert "VIP held by host1" in said
    (span,) = picture_lanes.holding(routed().repeats[0], "host2")
    assert span.from_s == 0.0


def test_the_lane_of_answers_has_each_nodes_share_and_few_boxes() -> None:
    """A box for each request would be as large as all of its dots."""
    (made,) = routed().repeats
    bins = picture_shares.shares(made.requests)
    ok = sum(one.outcome == "ok" for one in made.requests)
    assert sum(sum(answered.values()) for answered in bins.values()) == ok
    assert bins[0] == {"host1": 10, "host2": 10}
    cluster = ClusterInfo("web", "198.51.100.80/32", BOTH_SERVE)
    boxes = {
        announced: picture.drill_svg(routed(announced), cluster).count("v20h")
        + len(re.findall(r"v10h", picture.drill_svg(routed(announced), cluster)))
        for announced in (True, False)
    }
    assert boxes[True] < 2 * len(bins) + 40 < boxes[False]


def test_the_page_says_how_many_announced_and_how_often_one_withdrew() -> None:
    report = replace(drill_reports.report(PLANS[:1], repeats=1), drills=(routed(),))
    page = drills_page.page(report)
    assert "withdrawals of the address" in page
    assert "nodes that announce it in steady states" in page
    assert "moves of the address" not in page
    (read,) = from_json(to_json(report)).drills
    assert read.repeats[0].announced and isinstance(read.spread, Spread)
