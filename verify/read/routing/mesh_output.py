"""Reads the mesh between the nodes, and the tables of the second chance. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from verify.read.lists import counted
from verify.read.nft_output import RAW_PRIORITY, NftTable, each_of


@dataclass(frozen=True)
class Mesh:
    """The mesh's interface; `forwards` has the node's address behind each card's, `neighbours` the
    card's behind each address in the mesh."""

    is_up: bool
    kind: str
    mac: str
    mtu: int
    vni: int
    port: int
    local: str
    learns: bool
    forwards: dict[str, str]
    neighbours: dict[str, str]

    def behind(self, address: str) -> list[str]:
        """The cards that are at a node's own address."""
        return [mac for mac, its in self.forwards.items() if its == address]

    def called(self, mac: str) -> dict[int, str]:
        """What that card's node is called in the mesh, in IPv4 and IPv6."""
        return {ip_address(its).version: its for its, at in self.neighbours.items() if at == mac}


def mesh(text: str) -> Mesh | None:
    """Lines `link`, `forwarding` and `neighbours`, each with JSON; None for `none`, where there is
    no such interface. Raises ValueError or LookupError for anything else."""
    if text.strip() == "none":
        return None
    said = dict(line.split(" ", 1) for line in text.splitlines())
    (link,) = _objects(said["link"])
    info = link["linkinfo"]
    its: dict[str, Any] = info.get("info_data", {})
    return Mesh(
        is_up="UP" in link["flags"],
        kind=info["info_kind"],
        mac=link["address"],
        mtu=link["mtu"],
        vni=its.get("id", 0),
        port=its.get("port", 0),
        local=its.get("local") or its.get("local6", ""),
        learns=its.get("learning", True),
        forwards={
            entry["mac"]: entry["dst"] for entry in _objects(said["forwarding"]) if "dst" in entry
        },
        neighbours={entry["dst"]: entry["lladdr"] for entry in _objects(said["neighbours"])},
    )


def _objects(text: str) -> list[dict[str, Any]]:
    found = json.loads(text or "[]")
    if not isinstance(found, list):
        raise ValueError("no list")
    return [entry for entry in found if entry != {}]


def heard(text: str) -> dict[tuple[str, str], str]:
    """Of each set of beats, by family and name: there, empty or absent. Raises ValueError for
    anything else."""
    found = {}
    for line in counted(text, "{} sets"):
        family, name, how = line.split()
        if how not in ("there", "empty", "absent"):
            raise ValueError(line)
        found[family, name] = how
    return found


@dataclass(frozen=True)
class SecondChance:
    """What a table of the second chance does, for which addresses.

    `gives_to` are the nodes' addresses in the mesh that segments are given to, `hears` the cards'
    of those whose word counts.
    """

    addresses: frozenset[str]
    asks_sockets: bool
    before_filters: bool
    gives_to: frozenset[str]
    devices: frozenset[str]
    hears: frozenset[str]


def second_chance(text: str) -> SecondChance:
    """The table `tandem_handover` of one family, of a routed cluster."""
    table = NftTable(text)
    dups = [dup for rule in table.rules for dup in each_of(rule, "dup")]
    maps = [vmap for rule in table.rules for vmap in each_of(rule, "vmap")]
    return SecondChance(
        # All others are left alone.
        addresses=frozenset(
            str(match["right"])
            for rule in table.chains.get("prerouting", [])
            for match in each_of(rule, "match")
            if match["op"] == "!=" and match["left"].get("payload", {}).get("field") == "daddr"
        ),
        asks_sockets=any("1" in table.compared(rule, "wildcard") for rule in table.rules),
        before_filters=("prerouting", RAW_PRIORITY) in table.hooks,
        gives_to=frozenset(dup["addr"] for dup in dups),
        devices=frozenset(str(dup.get("dev", "")) for dup in dups),
        hears=frozenset(
            sender for vmap in maps for sender, verdict in vmap["data"]["set"] if "goto" in verdict
        ),
    )
