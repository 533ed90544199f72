"""Snapshots that real machines gave, healthy pairs and a bare one, and ways to spoil them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from verify import judge
from verify.judge import VerifierVerdict
from verify.observe.probe import END, whole
from verify.snapshot import Snapshot

SAMPLES = Path(__file__).with_name("snapshots")
HEALTHY: dict[str, Any] = json.loads((SAMPLES / "healthy.json").read_text())
# The default profile; HEALTHY is the classic one, which has more that can be wrong.
DEFAULT: dict[str, Any] = json.loads((SAMPLES / "healthy-default.json").read_text())
# The same with three VIPs: host1 is to hold the first, host2 172.16.12.253 and fd61:1::252.
SEVERAL: dict[str, Any] = json.loads((SAMPLES / "healthy-several-vips.json").read_text())
# A VIP on eth0, for host1, and one on eth1, for host2; VRRP for both on eth1.
TWO_NETWORKS: dict[str, Any] = json.loads((SAMPLES / "healthy-two-networks.json").read_text())
# DEFAULT with all that is only asked for where it is switched on: TLS, a site, metrics, a cache, an
# IPv6 address that moves along.
EVERYTHING: dict[str, Any] = json.loads((SAMPLES / "healthy-everything.json").read_text())
# A routed pair, of IPv4 and IPv6, with two routers.
ROUTED: dict[str, Any] = json.loads((SAMPLES / "healthy-routed.json").read_text())
BARE: dict[str, Any] = json.loads((SAMPLES / "bare.json").read_text())
BOTH = ("host1", "host2")
# Checks that have nothing to judge in the snapshots: without metrics, without a limit of new
# connections, in the classic profile, and without TLS and sites.
METRICS = {"MET-01", "MET-02"}
LIMITS = {"SYS-12"}
HANDOVER = {"HO-01", "HO-02", "HO-03", "HO-04", "HO-05", "HO-06"}
WEB = {"TLS-01", "TLS-02", "TLS-03", "TLS-04", "X-14", "X-15"}
# What is judged where a person has checks of their own.
OWN = {"KA-23"}
# And where something is passed on as it is.
STREAMS = {"NGX-25", "X-26"}
# What the default profile alone has.
WATCH = {"KA-21", "KA-22"}
# What a routed cluster alone has.
ROUTING = {f"RT-{number:02}" for number in range(1, 20)}


def told(text: str) -> str:
    """A shell's answer as a snapshot has it."""
    return f"{text}\n\n{END}"


def said(sample: dict[str, Any], host: str, probe: str) -> str:
    """What a shell has answered in a sample, without what ends it."""
    return whole(sample["looks"][host]["sections"][probe]["text"])


class Spoiled:
    """A copy of a snapshot, changed before it is judged."""

    def __init__(self, data: dict[str, Any] = HEALTHY):
        self.data = copy.deepcopy(data)

    def section(self, host: str, probe: str) -> dict[str, Any]:
        """To be changed: how long it was then says nothing."""
        found: dict[str, Any] = self.data["looks"][host]["sections"][probe]
        found.pop("length", None)
        return found

    def replace(self, host: str, probe: str, old: str, new: str, count: int = -1) -> Spoiled:
        """Replace words in what a probe printed; they have to be there."""
        section = self.section(host, probe)
        assert old in section["text"], section["text"]
        section["text"] = section["text"].replace(old, new, count)
        return self

    def says(self, host: str, probe: str) -> str:
        """What a shell has answered."""
        return said(self.data, host, probe)

    def add(self, host: str, probe: str, line: str) -> Spoiled:
        """One more line, before one that counts them."""
        *lines, last = self.says(host, probe).split("\n")
        number = re.fullmatch(r"((?:heard )?)(\d+)( \w+|)", last)
        if number and (number[1] or number[3]):
            lines += [line, f"{number[1]}{int(number[2]) + 1}{number[3]}"]
        else:
            lines += [line] if last == "none" else [last, line]
        return self.answer(host, probe, "\n".join(lines), self.section(host, probe)["status"])

    def answer(self, host: str, probe: str, text: str, status: int = 0) -> Spoiled:
        """Another answer; of a shell, with what ends it."""
        section = self.section(host, probe)
        asked = section["command"].startswith("curl ")
        section.update(text=text if asked else told(text), status=status)
        return self

    def vrrp(self, host: str, probe: str = "vrrp", /, **values: Any) -> Spoiled:
        """Other values in keepalived's state; those of `stats` are added to."""
        state = json.loads(self.says(host, probe))
        for name, value in values.items():
            if name in state[0]["stats"]:
                state[0]["stats"][name] += value
            else:
                assert name in state[0]["data"], name
                state[0]["data"][name] = value
        return self.answer(host, probe, json.dumps(state))

    def vrrp_twice(self, host: str, /, **values: Any) -> Spoiled:
        """Other values in both of keepalived's states, so that nothing changes between them."""
        return self.vrrp(host, "vrrp_before", **values).vrrp(host, **values)

    def link(
        self, host: str, change: Callable[[dict[str, Any]], object], name: str = "eth0"
    ) -> Spoiled:
        """Another interface of that name in the kernel's list."""
        links = json.loads(self.says(host, "addresses"))
        change(next(link for link in links if link["ifname"] == name))
        return self.answer(host, "addresses", json.dumps(links))

    def lose(self, host: str, problem: str = "Could not connect (timed out)") -> Spoiled:
        self.data["looks"][host] = {"host": host, "problem": problem}
        return self

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot.model_validate(self.data)

    def judge(self, only: str = "", skip: str = "") -> VerifierVerdict:
        return judge.judge(self.snapshot, judge.select(only, skip))


def bad(verdict: VerifierVerdict) -> set[str]:
    """What is bad by itself, and not only unknown because of it."""
    return {finding.id for finding in verdict.causes}
