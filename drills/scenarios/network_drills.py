"""The drills of what changes underneath: addresses, interfaces, firewalls, names, many clients."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from drills.analysis import expected_outage
from drills.analysis.expected_outage import Timing
from drills.analysis.fault_evidence import shown
from drills.control.network import leaving
from drills.results import Budget, Measure, Theory
from drills.scenarios import burdens, network_failures
from drills.scenarios.network_failures import holder, leaves, standby
from drills.scenarios.scenario import Drill

# What serves goes on: connections, downloads, and the address where it is.
UNTOUCHED = Budget(lost=0, moves=0, failed=0, cut=0, reconnected=0)
REPLACED = Budget(seconds=0.40)
# The cluster announces the address once a second (vrrp_garp_master_refresh).
ANNOUNCED = Budget(seconds=1.5, moves=0)


def _noticed_by_others(timing: Timing) -> Theory | None:
    """The recipe's checks need no inotify; by whom else it is noticed is not the protocol's.

    nginx is kept down: nobody starts it again meanwhile.
    """
    kept_down = replace(timing, restart_s=math.inf)
    return expected_outage.nginx_gone(kept_down) if timing.fault_by_check else None


_standby = partial(
    Drill, budget=UNTOUCHED, long_lived=True, evidence=shown(), about_s=22.0, times=0.4
)
_holder = partial(
    Drill, theory=expected_outage.silence, budget=REPLACED, evidence=shown(), about_s=12.0
)

NETWORK: tuple[Drill, ...] = (
    _standby(
        "standby-address-lost",
        "standby's address lost",
        f"a standby's own address is removed, and added again {leaving.AWAY_S} s later; the link "
        "stays",
        steps=leaves(leaving.own_address_lost, standby),
    ),
    _holder(
        "own-address-lost",
        "holder's address lost",
        f"the holder's own address is removed, and added again {leaving.AWAY_S} s later; the link "
        "stays",
        steps=leaves(leaving.own_address_lost, holder),
    ),
    Drill(
        "own-address-back",
        "holder's address anew",
        "the holder's own address is removed and added again at once, then keepalived restarted",
        expected_outage.goodbye,
        Budget(seconds=0.05),
        steps=network_failures.own_address_back,
        about_s=8,
        evidence=shown(),
    ),
    Drill(
        "address-late-at-boot",
        "address late at boot",
        f"a standby boots, and its own address comes when keepalived has run for {leaving.LATE_S} "
        "s; afterwards the holder's power is cut",
        expected_outage.silence,
        Budget(seconds=0.35),
        steps=network_failures.holder_dies,
        prepare=network_failures.booted_without_address,
        needs="lab,systemd",
        times=0.4,
        about_s=40,
        evidence=shown(2),
    ),
    _standby(
        "standby-interface-down",
        "standby's interface down",
        f"a standby's interface is set down, and up again {leaving.DOWN_S} s later",
        steps=leaves(leaving.interface_down, standby),
    ),
    _holder(
        "interface-down-up",
        "holder's interface down",
        f"the holder's interface is set down, and up again {leaving.DOWN_S} s later",
        steps=leaves(leaving.interface_down, holder),
    ),
    Drill(
        "interface-recreated",
        "standby's interface anew",
        "a standby's interface is deleted and made again under its name; then the holder's cable "
        "is pulled",
        expected_outage.silence,
        Budget(seconds=0.35),
        steps=network_failures.holder_cut,
        prepare=network_failures.card_is_another,
        needs="lab",
        about_s=14,
        evidence=shown(2),
    ),
    _holder(
        "vm-pause",
        "holder paused",
        f"the holder stands still for {network_failures.PAUSED_S:g} s, off the network",
        budget=Budget(seconds=0.35),
        steps=network_failures.paused,
        needs="lab",
        evidence=shown(),
    ),
    Drill(
        "vrrp-link-cut",
        "VRRP's link cut",
        "the holder's cable of the network in which only VRRP is spoken is pulled",
        expected_outage.silence,
        Budget(seconds=0.35),
        steps=network_failures.vrrp_cut,
        needs="lab,apart",
        evidence=shown(),
    ),
    Drill(
        "vip-taken-by-stranger",
        "a stranger has the VIP",
        f"another machine on the network takes the address for {network_failures.STRANGER_S:g} s, "
        "and announces it",
        lambda timing: None,  # when the neighbours hear of the holder again
        ANNOUNCED,
        steps=network_failures.stranger,
        measure=Measure.RECOVERY,
        needs="lab,ipv4",
        about_s=14,
        evidence=shown(),
    ),
    _standby(
        "rules-flushed",
        "firewall rules flushed",
        "nft flush ruleset on every node",
        steps=network_failures.rules_flushed,
        # On machines of your own it would open what their firewalls close.
        needs="lab,rules",
        evidence=shown(2),
    ),
    _standby(
        "resolver-dead",
        "resolver dead",
        "no name can be resolved, and the name server says nothing; keepalived is reloaded on the "
        "holder",
        steps=network_failures.resolver_dead,
        evidence=shown(2),
    ),
    Drill(
        "inotify-exhausted",
        "no inotify left",
        "keepalived gets no inotify instance on the holder; then nginx dies there for good",
        _noticed_by_others,
        # chk_failed runs once a second, and what it tells is a lower priority: then silence.
        Budget(seconds=1.4, one_holder_s=2.0),
        steps=network_failures.nginx_dies,
        prepare=network_failures.without_inotify,
        steady_s=2.0,
        needs="systemd",
        about_s=12,
        evidence=shown(2),
    ),
    _standby(
        "firewall-without-vrrp",
        "firewall without VRRP",
        "a standby's stateful firewall, which has no rule for VRRP, is started anew "
        f"{network_failures.RESTARTS} times",
        steps=network_failures.firewalled,
        prepare=network_failures.firewall_known,
        needs="nft",
        evidence=shown(2),
    ),
    _standby(
        "ipv6-lost",
        "standby's IPv6 lost",
        "a standby's IPv6 addresses are gone, as after its interface was down; the verifier has to "
        "say so",
        steps=network_failures.address6_lost,
        needs="vip6",
    ),
)

OVERLOAD: tuple[Drill, ...] = (
    _standby(
        "slow-clients",
        "slow clients",
        f"nothing: {burdens.SLOW} clients hold half a request each for {burdens.SLOW_S:g} s",
        steps=burdens.slow_clients,
        needs="slow",
    ),
    _standby(
        "request-flood",
        "flood of requests",
        f"nothing: {burdens.FLOOD_RATE:g} requests per second more, for {burdens.FLOOD_S:g} s",
        steps=burdens.request_flood,
    ),
)
