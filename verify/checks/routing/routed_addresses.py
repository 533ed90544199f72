"""RT: is the VIP where it has to be, and answered for as it has to be?"""

from __future__ import annotations

from ipaddress import ip_interface

from settings.mistakes import vip_mistakes
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
        # Nothing that leaves this machine is to come from it unasked.
        marked = [
            each.scope == here.cluster.scope if vip.version == 4 else "deprecated" in each.flags
            for each in found
        ]
        if not found:
            faults.append(f"{vip.ip} is not on {LOOPBACK}")
        elif not all(marked) or any(each.prefix != vip.max_prefixlen for each in found):
            faults.append(
                f"{vip.ip}/{found[0].prefix} on {LOOPBACK} has the scope {found[0].scope}"
                f"{' and is not deprecated' * (vip.version == 6)}"
            )
        elif any(each.valid_s is not None for each in found):
            faults.append(f"{vip.ip} goes from {LOOPBACK} in {found[0].valid_s} s")
        shown.append(str(vip))
    return faultless(faults, expected=f"{' and '.join(shown)} on {LOOPBACK} alone")


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
