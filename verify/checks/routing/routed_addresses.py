"""RT: is the VIP where it has to be, and answered for as it has to be?"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from settings.mistakes import vip_mistakes
from settings.values import Interface
from verify.checks.check import (
    Across,
    Answer,
    Here,
    faultless,
    in_cluster,
    on_host,
)
from verify.checks.premises import all_have_vip, announces_vip, nginx_running
from verify.observe.http_probes import PAGE_OF_VIP, PAGE_OF_VIP6
from verify.read.system_output import Address

LOOPBACK = "lo"


@on_host(
    "RT-11",
    "the VIP is on lo, and on no other interface",
    reads=("addresses",),
    needs=(announces_vip,),
    settles=True,
    reason="Without it the kernel takes no segment for the VIP; on another interface the machine "
    "answers for it, and a network's neighbours come past the routers.",
    remedy="Does tandem-handover run (HO-01)? It keeps the address on lo. On another interface: ip "
    "address delete VIP dev INTERFACE, and look for who sets it (NET-06).",
)
def on_lo_alone(here: Here) -> Answer:
    faults: list[str] = []
    shown: list[str] = []
    lo = here.machine.interfaces.get(LOOPBACK)
    for vip in here.cluster.addresses:
        elsewhere = {address.interface for address in here.machine.addresses(vip.ip)}
        faults += [f"{vip.ip} is on {name}" for name in sorted(elsewhere)]
        found = [address for address in (lo.addresses if lo else ()) if address.ip == vip.ip]
        if not found:
            faults.append(f"{vip.ip} is not on {LOOPBACK}")
        faults += [f"{vip.ip} {fault}" for each in found for fault in _otherwise(here, vip, each)]
        shown.append(str(vip))
    return faultless(faults, expected=f"{' and '.join(shown)} on {LOOPBACK} alone")


def _otherwise(here: Here, vip: Interface, found: Address) -> Iterator[str]:
    """What is wrong with a VIP on lo."""
    if found.prefix != vip.max_prefixlen:
        yield f"on {LOOPBACK} has the prefix /{found.prefix}, not /{vip.max_prefixlen}"
    # Nothing that leaves this machine is to come from it unasked.
    if vip.version == 4 and found.scope != here.cluster.scope:
        yield f"on {LOOPBACK} has the scope {found.scope}, not {here.cluster.scope}"
    if vip.version == 6 and "deprecated" not in found.flags:
        yield f"on {LOOPBACK} is not deprecated"
    if found.valid_s is not None:
        yield f"goes from {LOOPBACK} in {found.valid_s} s"


@on_host(
    "RT-12",
    "the VIP is in no network of the machine's own",
    reads=("addresses",),
    needs=(announces_vip,),
    reason="Whoever is in that network takes the VIP for a neighbour, asks for its MAC, and gets "
    "no answer: for those machines the site is down.",
    remedy="Give `vip` an address that is in no machine's network, or the machine another network.",
)
def in_no_network(here: Here) -> Answer:
    carried = {
        name: [ip_interface(f"{each.ip}/{each.prefix}") for each in link.addresses]
        for name, link in here.machine.interfaces.items()
    }
    wrong = [mistake.remedy for mistake in vip_mistakes.of_networks(here.node, carried)]
    return faultless(wrong, expected="in no network of an interface")


@on_host(
    "RT-13",
    "nginx answers on the VIP itself, in each family",
    reads=(PAGE_OF_VIP, PAGE_OF_VIP6),
    needs=(announces_vip, nginx_running),
    settles=True,
    reason="Routers send what is for the VIP: an nginx that listens on the machine's own address "
    "alone looks well, and serves nobody.",
    remedy="Is the VIP on lo (RT-11)? Does nginx listen on every address, [::] among them (ss "
    "-ltn)? Run deploy.py.",
)
def serves_vip(here: Here) -> Answer:
    faults: list[str] = []
    shown: list[str] = []
    for probe, vip in zip((PAGE_OF_VIP, PAGE_OF_VIP6), here.cluster.addresses, strict=False):
        answer = here.machine.asked(probe, timed=True)
        page = answer.body.rstrip("\n")
        said = f"{answer.status}, {page[:80]!r}" if answer.status else answer.body
        right = answer.status == 200 and page == here.node.page
        (shown if right else faults).append(f"{vip.ip}: {said}")
    return faultless(faults, expected=f"200, {here.node.page!r} of each", found="; ".join(shown))


@in_cluster(
    "RT-18",
    "nobody answers ARP for the VIP",
    reads=("heard", "addresses"),
    needs=(all_have_vip,),
    settles=True,
    reason="Who answers for the VIP in the machines' network takes what a neighbour sends to it, "
    "whether it serves or not; and a router that sees it there may stop asking BGP.",
    remedy="If the MAC is a machine's of ours: HO-03 and RT-11 say what is wrong there. If not: "
    "the switch knows its port; a router with proxy ARP answers for every address that it has a "
    "way to.",
)
def nobody_answers(across: Across) -> Answer:
    found = across.by_machine(lambda machine: machine.heard.macs)
    owners = {
        link.mac: f"{link.name} of {name}"
        for name, machine in across.machines.items()
        for link in machine.interfaces.values()
    }
    macs = sorted(frozenset[str]().union(*found.values()))
    faults = [f"{mac} ({owners.get(mac, 'no machine of ours')})" for mac in macs]
    return faultless(faults, expected="nobody")
