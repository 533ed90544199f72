"""Ways to spoil what the machines of a routed cluster answer besides."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.snapshots import Spoiled

VIP, VIP6 = "198.51.100.80", "2001:db8::80"
FOREVER = 2**32 - 1
Change = Callable[[Spoiled], Spoiled]


def replaced(probe: str, old: str, new: str, count: int = -1) -> Change:
    """Other words in an answer of host1's."""
    return lambda spoiled: spoiled.replace("host1", probe, old, new, count)


def answered(probe: str, text: str, status: int = 0) -> Change:
    """Another answer of host1's."""
    return lambda spoiled: spoiled.answer("host1", probe, text, status)


def protocol(name: str, old: str, new: str, *hosts: str) -> Change:
    """Other words in what BIRD says of one protocol."""

    def change(spoiled: Spoiled) -> Spoiled:
        for host in hosts or ("host1",):
            head, *paragraphs = spoiled.says(host, "bird_protocols").split("\n\n")
            paragraphs = [*head.rsplit("\n", 1)[1:], *paragraphs]
            (index,) = [i for i, text in enumerate(paragraphs) if text.startswith(f"{name} ")]
            assert old in paragraphs[index], paragraphs[index]
            paragraphs[index] = paragraphs[index].replace(old, new)
            whole = "\n\n".join(paragraphs)
            spoiled.answer(host, "bird_protocols", head.rsplit("\n", 1)[0] + "\n" + whole)
        return spoiled

    return change


def all_down(*hosts: str) -> Change:
    """BIRD announces nothing there."""

    def change(spoiled: Spoiled) -> Spoiled:
        for host in hosts:
            for version in (4, 6):
                protocol(f"vip_serves{version}", " up ", " down ", host)(spoiled)
            for number in range(1, 5):
                table = f"Table master{4 if number < 3 else 6}:"
                spoiled.answer(host, f"bird_exported:{number}", f"BIRD 2.0.12 ready.\n{table}")
        return spoiled

    return change


def yielding(host: str) -> Change:
    """BIRD announces the VIPs there behind all others, as it was seen to."""

    def change(spoiled: Spoiled) -> Spoiled:
        all_down(host)(spoiled)
        for version in (4, 6):
            protocol(f"vip_yields{version}", " down ", " up ", host)(spoiled)
        for number in range(1, 5):
            version, vip = (4, f"{VIP}/32    ") if number < 3 else (6, f"{VIP6}/128    ")
            spoiled.answer(
                host,
                f"bird_exported:{number}",
                f"BIRD 2.0.12 ready.\nTable master{version}:\n"
                f"{vip} blackhole [vip_yields{version} 23:45:30.231] * (100)\n"
                "\tType: static univ\n\tBGP.as_path: 65010 65010 65010\n"
                "\tBGP.community: (65535,0)",
            )
        return spoiled

    return change


def unit(old: str, new: str) -> Change:
    """Other words in what systemd says of BIRD."""

    def change(spoiled: Spoiled) -> Spoiled:
        nginx, bird, *others = spoiled.says("host1", "units").split("\n\n")
        assert old in bird and "Id=bird.service" in bird
        told = "\n\n".join((nginx, bird.replace(old, new), *others))
        return spoiled.answer("host1", "units", told)

    return change


def addresses(change: Callable[[dict[str, dict[str, Any]]], object]) -> Change:
    """Other addresses; the interfaces by their names."""

    def changed(spoiled: Spoiled) -> Spoiled:
        links = json.loads(spoiled.says("host1", "addresses"))
        change({link["ifname"]: link for link in links})
        return spoiled.answer("host1", "addresses", json.dumps(links))

    return changed


def carried(local: str, prefix: int, scope: str = "global") -> dict[str, Any]:
    """An address as an interface has it."""
    found = {"family": "inet6" if ":" in local else "inet", "local": local, "prefixlen": prefix}
    return {**found, "scope": scope, "valid_life_time": FOREVER}


def without_vip(links: dict[str, dict[str, Any]]) -> None:
    """The VIP of IPv6 is not on lo."""
    its = links["lo"]["addr_info"]
    its[:] = [each for each in its if each["local"] != VIP6]


def of_vip(links: dict[str, dict[str, Any]], vip: str, **its: Any) -> None:
    """That VIP is on lo in another way."""
    for each in links["lo"]["addr_info"]:
        if each["local"] == vip:
            each.update(its)


def mesh(line: str, change: Callable[[Any], object]) -> Change:
    """Other values in one of the mesh's lines."""

    def changed(spoiled: Spoiled) -> Spoiled:
        said = dict(each.split(" ", 1) for each in spoiled.says("host1", "mesh").split("\n"))
        value = json.loads(said[line])
        change(value)
        said[line] = json.dumps(value)
        told = "\n".join(f"{name} {text}" for name, text in said.items())
        return spoiled.answer("host1", "mesh", told)

    return changed


def exported(text: str) -> Change:
    """The first router is told something else."""
    return answered("bird_exported:1", f"BIRD 2.0.12 ready.\nTable master4:\n{text}")


def drained(spoiled: Spoiled) -> Spoiled:
    """A person wants host1 drained."""
    return spoiled.replace("host1", "keepalived_down", "absent /etc", "there /etc")
