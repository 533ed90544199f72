"""Reads nftables' tables from the JSON of `nft -j list table` (libnftables-json(5)). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Network,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import Any

# What nft calls "raw": before connection tracking, and so before every usual filter.
RAW_PRIORITY = -300
# The virtual router's number is a VRRP packet's second byte.
VRID_FIELD = "@th,8,8"
# A sender that a rule does not name.
ANYBODY = "anybody"
# What ends a packet's way through a table of ours, whose chains accept what no rule drops.
_LETS_IN = ({"accept": None}, {"return": None})

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class HandOver:
    """What a hand-over's table does for one address that moves.

    `sent_on_to` are the nodes that segments are sent on to, `heard_of` those whose word that they
    carry the address counts, and `carriers` those that say so just now.
    """

    addresses: frozenset[str]
    asks_sockets: bool
    before_filters: bool
    sent_on_to: frozenset[str]
    heard_of: frozenset[str]
    carriers: frozenset[str]


@dataclass(frozen=True)
class SpeakersRule:
    """Who may speak VRRP on an interface as one of our virtual routers.

    `accepted` has ANYBODY where a rule names no sender, and `routed` says whether one lets in what
    has passed a router.
    """

    interface: str
    vrid: int
    accepted: frozenset[str]
    routed: bool
    drops_others: bool


@dataclass(frozen=True)
class SpeakersTable:
    """Who may speak VRRP as our virtual routers, and who was turned away in the last minute: None
    where nobody remembers them."""

    rules: tuple[SpeakersRule, ...]
    strangers: frozenset[str] | None

    def on(self, interface: str, vrid: int) -> SpeakersRule | None:
        """The rule for a virtual router on an interface; None where there is none."""
        wanted = (interface, vrid)
        return next((it for it in self.rules if (it.interface, it.vrid) == wanted), None)


class NftTable:
    """One table: the statements of each rule in order, the rules of each chain, and each set's
    elements by its name.

    Raises ValueError, LookupError or TypeError for what is no such JSON.
    """

    def __init__(self, text: str):
        objects = [item for entry in json.loads(text)["nftables"] for item in entry.items()]
        if sum(kind == "table" for kind, _ in objects) != 1:
            raise ValueError("not one table")
        rules = [its for kind, its in objects if kind == "rule"]
        self.rules: list[list[Statement]] = [rule["expr"] for rule in rules]
        self.chains: dict[str | None, list[list[Statement]]] = {}
        for rule in rules:
            self.chains.setdefault(rule.get("chain"), []).append(rule["expr"])
        self.sets = {its["name"]: _values(its) for kind, its in objects if kind == "set"}
        self.hooks = {
            (its.get("hook"), its.get("prio")) for kind, its in objects if kind == "chain"
        }

    def compared(self, rule: list[Statement], field: str) -> frozenset[str]:
        """The values that a rule wants `field` to have; empty where it does not look at it."""
        return frozenset(
            value
            for match in each_of(rule, "match")
            if match["op"] in ("==", "in") and _field(match["left"]) == field
            for value in _values(match["right"])
        )

    def senders(self, rule: list[Statement]) -> frozenset[str]:
        """Whose packets a rule is for."""
        return self.compared(rule, "saddr") or frozenset({ANYBODY})


def each_of(rule: list[Statement], kind: str) -> Iterator[Any]:
    return (statement[kind] for statement in rule if kind in statement)


def _field(left: Any) -> str:
    """The name of what a match looks at: saddr, dport, iifname, wildcard, @th,8,8."""
    ((kind, inner),) = left.items()
    if kind == "&":  # masked
        return _field(inner[0])
    if isinstance(inner, list):  # several at once, in a rule of somebody else's
        return str(kind)
    if "base" in inner:
        return f"@{inner['base']},{inner['offset']},{inner['len']}"
    return str(inner.get("field") or inner.get("key") or kind)


def _values(found: Any) -> tuple[str, ...]:
    """Single values out of a value, a list, or a set; elements may have a timeout beside them."""
    if isinstance(found, list):
        return tuple(value for each in found for value in _values(each))
    if not isinstance(found, dict):
        return (str(found),)
    if "prefix" in found:
        return (f"{found['prefix']['addr']}/{found['prefix']['len']}",)
    if "range" in found:
        return ("-".join(map(str, found["range"])),)
    return _values(found.get("set", found.get("val", found.get("elem", []))))


def hand_over(text: str) -> HandOver:
    """The table `tandem_handover` of one VIP."""
    table = NftTable(text)
    # The set that each node's beat renews, by the node's address.
    beats = {
        address: update["set"].removeprefix("@")
        for rule in table.rules
        for update in each_of(rule, "set")
        for address in table.senders(rule)
    }
    of_tcp = [
        rule
        for rule in table.rules
        if any(_field(match["left"]) == "flags" for match in each_of(rule, "match"))
    ]
    return HandOver(
        addresses=frozenset().union(*(table.compared(rule, "daddr") for rule in of_tcp)),
        asks_sockets=any("1" in table.compared(rule, "wildcard") for rule in table.rules),
        before_filters=("prerouting", RAW_PRIORITY) in table.hooks,
        sent_on_to=frozenset(dup["addr"] for rule in table.rules for dup in each_of(rule, "dup")),
        heard_of=frozenset(beats),
        carriers=frozenset(peer for peer, name in beats.items() if table.sets.get(name)),
    )


def speakers(text: str) -> SpeakersTable:
    """The table `tandem_vrrp`."""
    table = NftTable(text)
    entrances = [
        (goto["target"], rule)
        for rule in table.rules
        for goto in each_of(rule, "goto")
        if _vrids(table, rule)
    ]
    targets = {target for target, _ in entrances}
    # What may come before: rules of the chains that everything passes.
    passed = [rule for name, its in table.chains.items() if name not in targets for rule in its]
    return SpeakersTable(
        rules=tuple(
            _speakers_rule(table, rule, vrid, [*passed, *table.chains.get(target, [])])
            for target, rule in entrances
            for vrid in sorted(_vrids(table, rule))
        ),
        strangers=frozenset(table.sets["strangers"]) if "strangers" in table.sets else None,
    )


def _speakers_rule(
    table: NftTable, entrance: list[Statement], vrid: int, rules: list[list[Statement]]
) -> SpeakersRule:
    accepting = [rule for rule in rules if any(end in rule for end in _LETS_IN)]
    return SpeakersRule(
        interface=", ".join(sorted(table.compared(entrance, "iifname"))),
        vrid=vrid,
        accepted=frozenset().union(*map(table.senders, accepting)),
        routed=any(
            "255" not in table.compared(rule, "ttl") | table.compared(rule, "hoplimit")
            for rule in accepting
        ),
        drops_others=[{"drop": None}] in rules,
    )


def _vrids(table: NftTable, rule: list[Statement]) -> frozenset[int]:
    if "vrrp" not in table.compared(rule, "protocol") | table.compared(rule, "l4proto"):
        return frozenset()
    return frozenset(int(value, 0) for value in table.compared(rule, VRID_FIELD))


@dataclass(frozen=True)
class Connecting:
    """How many new connections a client may make: (connections per second, at once, ports) of each
    rule that drops what is more, and from whom all are taken, as `networks` has them."""

    limits: tuple[tuple[int, int, frozenset[str]], ...]
    unlimited: tuple[IPv4Network | IPv6Network, ...]


def connecting(text: str) -> Connecting:
    """The table `tandem_clients`."""
    table = NftTable(text)
    limited = [
        (limit["rate"], limit["burst"], table.compared(rule, "dport"))
        for rule in table.rules
        for update in each_of(rule, "set")
        for limit in each_of(update["stmt"], "limit")
        if limit["inv"] and limit["per"] == "second" and {"drop": None} in rule
    ]
    free = [
        table.senders(rule)
        for rule in table.rules
        if any(end in rule for end in _LETS_IN) and "lo" not in table.compared(rule, "iif")
    ]
    senders = frozenset[str]().union(*free)
    return Connecting(tuple(limited), networks(one for each in senders for one in _networks(each)))


@dataclass(frozen=True)
class Scrapers:
    """Who may read metrics: the networks that a rule of the table accepts, and whether it rejects
    all others on the ports that it is for."""

    accepted: tuple[IPv4Network | IPv6Network, ...]
    rejects_others: bool
    ports: frozenset[str]


def scrapers(text: str) -> Scrapers:
    """The table `tandem_metrics`."""
    table = NftTable(text)
    accepted: list[IPv4Network | IPv6Network] = []
    for rule in table.rules:
        itself = "lo" in table.compared(rule, "iif") | table.compared(rule, "iifname")
        if any(end in rule for end in _LETS_IN) and not itself:
            for sender in table.senders(rule):
                accepted += _networks(sender)
    entrances = [rule for rule in table.rules if any(True for _ in each_of(rule, "goto"))]
    last = [
        table.chains.get(goto["target"], [[]])[-1]
        for it in entrances
        for goto in each_of(it, "goto")
    ]
    return Scrapers(
        accepted=networks(accepted),
        rejects_others=bool(last) and all(map(_rejects, last)),
        ports=frozenset().union(*(table.compared(rule, "dport") for rule in entrances)),
    )


def _rejects(rule: list[Statement]) -> bool:
    return any("reject" in statement or statement == {"drop": None} for statement in rule)


def networks(
    found: Iterable[IPv4Network | IPv6Network],
) -> tuple[IPv4Network | IPv6Network, ...]:
    """The same in as few networks as possible, in order: as nft lists them, too."""
    listed = tuple(found)
    return (
        *collapse_addresses(one for one in listed if isinstance(one, IPv4Network)),
        *collapse_addresses(one for one in listed if isinstance(one, IPv6Network)),
    )


def shown(found: Iterable[IPv4Network | IPv6Network]) -> str:
    """The same as a person writes them."""
    each = (str(one).removesuffix(f"/{one.max_prefixlen}") for one in found)
    return ", ".join(ANYBODY if one in ("0.0.0.0/0", "::/0") else one for one in each)


def _networks(sender: str) -> Iterable[IPv4Network | IPv6Network]:
    if sender == ANYBODY:
        return (ip_network("0.0.0.0/0"), ip_network("::/0"))
    if "-" in sender:
        first, last = map(ip_address, sender.split("-"))
        return summarize_address_range(first, last)
    return (ip_network(sender),)
