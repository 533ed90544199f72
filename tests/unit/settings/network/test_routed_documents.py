"""What the documents of the routed profile show: inventories that are accepted, routers that fit
them, sums that are right."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import Cluster
from tasks.handover import second_chance
from tests.support import reading_documents as reading
from tests.unit.settings.test_settings import inventory

ROUTERS, PLANNING = "docs/routed-routers.md", "docs/routed-planning.md"
SNIPPETS = {
    heading: text
    for heading, text in re.findall(
        r"^## (.+)\n(?:(?!^## ).*\n)*?```text\n((?:(?!```).*\n)+)```", reading.text(ROUTERS), re.M
    )
}


def shown(document: str, directory: Path) -> Cluster:
    """The cluster of a page's inventory, whose passwords are had from `directory`."""
    scope: dict[str, Any] = {}
    exec(reading.text(document).split("```python\n")[1].split("```")[0], scope)
    (directory / "bgp").write_text("not-this-one\n")
    hosts, group = scope["web"]
    group["routers"] = [
        router | {"password_file": str(directory / "bgp")} for router in group["routers"]
    ]
    (found,) = settings.load(inventory(dict(hosts), **group))
    return found


@pytest.mark.parametrize("document", ["docs/routed.md", ROUTERS])
def test_an_inventory_that_a_page_shows_is_accepted(document: str, tmp_path: Path) -> None:
    cluster = shown(document, tmp_path)
    assert cluster.routed and list(settings.warnings(cluster)) == []


def test_each_router_has_a_snippet() -> None:
    assert [name.split()[0] for name in SNIPPETS] == [
        *("FRR", "BIRD", "Arista", "MikroTik", "Juniper"),
    ]


@pytest.mark.parametrize("router", sorted(SNIPPETS))
def test_a_snippet_is_that_of_the_inventory_beside_it(router: str, tmp_path: Path) -> None:
    cluster, text = shown(ROUTERS, tmp_path), SNIPPETS[router]
    for node in cluster.nodes:
        for own in (node.address, node.address6):
            assert re.search(rf"(?<![\w:.]){own}(?![\w:.]*\w)", text), own
        for ours in node.routers:
            assert str(ours.asn) in text and ours.password.get_secret_value() in text
        assert str(node.asn) in text
    for vip in cluster.addresses:
        assert str(vip) in text
    # BFD as the machines have it; whoever announces the community comes behind all others.
    assert re.search(rf"\D{cluster.preferred.bfd_interval_ms}\D", text)
    assert re.search(r"65535[:, ]+0\b|graceful-shutdown|GSHUT", text)


def moved(count: int, leaves: int) -> Fraction:
    """The share of flows that change machines when one of `count` leaves, by ranges of a hash."""
    after = [number for number in range(count) if number != leaves]
    stays = Fraction(0)
    for place, number in enumerate(after):
        begins = max(Fraction(number, count), Fraction(place, count - 1))
        ends = min(Fraction(number + 1, count), Fraction(place + 1, count - 1))
        stays += max(Fraction(0), ends - begins)
    return 1 - stays


@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_how_much_moves_is_as_it_is_told(count: int) -> None:
    (row,) = re.findall(rf"^\| {count} \| (\d+ %.+) \|$", reading.text(PLANNING), re.M)
    told = [int(each) for each in re.findall(r"(\d+) %", re.sub(r" \(\d+ %\)", "", row))]
    shares = [moved(count, leaves) for leaves in range(count)]
    ranges = [min(shares), sum(shares) / count, max(shares)]
    right = [Fraction(1, count), *dict.fromkeys(ranges), 1 - Fraction(1, count)]
    assert told == [int(100 * share + Fraction(1, 2)) for share in right]


def test_the_bounds_of_the_second_chance_are_those_of_the_rules() -> None:
    flat = " ".join(reading.text("docs/routed.md").split())
    for number, unit in (
        (second_chance.QUESTIONS_PER_S, "a second"),
        (second_chance.CONNECTIONS, "for each"),
        (second_chance.KNOWN_S, "s from"),
    ):
        assert re.search(rf"{number:,} {unit}", flat), number
    for word, value in second_chance.WORDS.items():
        assert f"| {word} ({value}) |" in flat
