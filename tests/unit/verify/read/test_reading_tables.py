"""nftables' tables, from the JSON that nft lists: whom they let in, and whom they are for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.snapshots import DEFAULT, SAMPLES, SEVERAL, said
from verify.read import nft_output


def _table(probe: str, sample: dict[str, Any] = DEFAULT, host: str = "host2") -> str:
    return said(sample, host, probe)


@pytest.mark.parametrize(
    ("probe", "vip", "peer"),
    [
        ("handover_table", "172.16.12.254", "172.16.12.61"),
        ("handover_table@1", "172.16.12.253", "172.16.12.61"),
        ("handover_table@2", "fd61:1::252", "fd61:1::61"),
    ],
)
def test_a_handover_table_is_read(probe: str, vip: str, peer: str) -> None:
    found = nft_output.hand_over(_table(probe, SEVERAL))
    assert found.addresses == {vip}
    assert found.sent_on_to == found.heard_of == {peer}
    assert found.asks_sockets and found.before_filters
    assert found.carriers == ({peer} if probe == "handover_table" else set())


def test_a_table_of_speakers_is_read() -> None:
    found = nft_output.speakers(_table("speakers_table", SEVERAL))
    assert [(rule.interface, rule.vrid) for rule in found.rules] == [("eth0", 61), ("eth0", 62)]
    for rule in found.rules:
        assert rule.accepted == {"172.16.12.61"} and rule.drops_others and not rule.routed
        assert found.on("eth0", rule.vrid) is rule
    assert found.on("eth1", 61) is None and not found.strangers
    (rule6,) = nft_output.speakers(_table("speakers_table@2", SEVERAL)).rules
    assert rule6.vrid == 63 and rule6.accepted == {"fd61:1::61"}


@pytest.mark.parametrize("kind", ["concat", "|"])
def test_a_rule_that_somebody_has_added_lets_anybody_in(kind: str) -> None:
    """Whom it is for cannot be told, so it counts as everybody."""
    fields = [{"payload": {"protocol": "ip", "field": name}} for name in ("saddr", "daddr")]
    match = {"match": {"op": "==", "left": {kind: fields}, "right": "@pairs"}}
    text = _table("speakers_table")
    table = json.loads(text)
    table["nftables"].append({"rule": {"expr": [match, {"accept": None}]}})
    (found,) = nft_output.speakers(json.dumps(table)).rules
    assert found.accepted == {"172.16.12.61", nft_output.ANYBODY} and found.routed


def test_several_speakers_are_a_set() -> None:
    text = _table("speakers_table").replace(
        '"right": "172.16.12.61"', '"right": {"set": ["172.16.12.61", "172.16.12.63"]}'
    )
    (found,) = nft_output.speakers(text).rules
    assert found.accepted == {"172.16.12.61", "172.16.12.63"}


def test_a_metrics_table_without_its_last_rule_lets_everybody_in() -> None:
    text = (SAMPLES / "metrics-table.json").read_text()
    found = nft_output.scrapers(text)
    assert found.rejects_others and found.ports == {"9113", "9114"}
    assert [str(network) for network in found.accepted] == ["172.16.12.62/32"]
    assert not nft_output.scrapers(text.replace('"reject"', '"accept"')).rejects_others


@pytest.mark.parametrize(
    ("right", "accepted"),
    [
        ({"prefix": {"addr": "0.0.0.0", "len": 0}}, ["0.0.0.0/0"]),
        ({"set": ["10.0.0.5", {"prefix": {"addr": "10.1.0.0", "len": 24}}]}, None),
        ({"range": ["10.0.0.4", "10.0.0.7"]}, ["10.0.0.4/30"]),
    ],
)
def test_whom_a_metrics_table_accepts_is_read(right: object, accepted: list[str] | None) -> None:
    text = (SAMPLES / "metrics-table.json").read_text()
    assert '"right": "172.16.12.62"' in text
    found = nft_output.scrapers(
        text.replace('"right": "172.16.12.62"', f'"right": {json.dumps(right)}')
    )
    assert [str(network) for network in found.accepted] == (
        accepted or ["10.0.0.5/32", "10.1.0.0/24"]
    )


@pytest.mark.parametrize("verdict", ["accept", "return"])
def test_a_rule_that_names_no_scraper_lets_everybody_in(verdict: str) -> None:
    table = json.loads((SAMPLES / "metrics-table.json").read_text())
    table["nftables"].insert(4, {"rule": {"chain": "scrape", "expr": [{verdict: None}]}})
    found = nft_output.scrapers(json.dumps(table))
    assert "0.0.0.0/0" in [str(network) for network in found.accepted]


def test_a_beat_that_anybody_may_send_is_read() -> None:
    table = json.loads(_table("handover_table"))
    beat = next(
        item["rule"] for item in table["nftables"] if "'update'" in str(item) and "rule" in item
    )
    beat["expr"] = [each for each in beat["expr"] if "saddr" not in str(each)]
    assert nft_output.hand_over(json.dumps(table)).heard_of == {nft_output.ANYBODY}


@pytest.mark.parametrize("text", ["table ip tandem_vrrp {\n}", "{}", "[]", ""])
def test_what_is_not_nfts_json_is_refused(text: str) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        nft_output.speakers(text)
