"""RT: do the routers hear of this machine what they should, and nothing else?"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import groupby

from settings.network.routed_settings import Router
from verify.checks.check import Answer, Here, fails, faultless, holds, on_host, warns
from verify.checks.premises import announces_vip, bird_installed, bird_running, has_bfd
from verify.checks.routing.wanted_configuration import PREPENDED
from verify.read.machine_view import CannotTell
from verify.read.routing.bird_output import ESTABLISHED, GRACEFUL_SHUTDOWN, ExportedRoute
from verify.read.routing.routed_answers import AnnouncedAs

# BIRD rounds to milliseconds.
ROUNDED_S = 0.002
BFD_UP = "Up"
# How routers see that it is so.
_MARKED = " (prepended, 65535:0)"
# Routers have nothing to tell machines. Updates are all that is counted of what is not kept: of one
# default route that changes its way, or comes and goes, there are many after months. Of a session
# that is not of today a few routes are not told from that, and a table is.
MOST_HEARD, MOST_HEARD_SINCE_LONG = 100, 10_000


def _routers(here: Here) -> Iterator[tuple[int, Router]]:
    """The node's routers with their numbers, as BIRD's sessions have them."""
    yield from enumerate(here.node.routers, start=1)


@on_host(
    "RT-06",
    "the session with every router is established",
    reads=("bird_protocols",),
    needs=(announces_vip, bird_running),
    settles=True,
    reason="A router without a session sends this machine nothing; one session less is one way "
    "less, until the last is gone.",
    remedy="birdc show protocols all SESSION says what is wrong. `Connect` without an error: is "
    "the router there, does it have this machine as a neighbour, the same password (RT-04), and, "
    "where it is a direct one, TTL security as here? journalctl -u bird has what came before.",
)
def established(here: Here) -> Answer:
    faults, shown = [], []
    for number, router in _routers(here):
        found = here.machine.bgp_session(number)
        state = found.details.get("BGP state") or found.info.partition(" ")[0] or found.state
        error = found.details.get("Last error", "")
        if state != ESTABLISHED:
            why = f", {error}" if error else ""
            faults.append(f"{router.address} {state} since {found.since}{why}")
        elif found.details.get("Neighbor address") != str(router.address):
            other = found.details.get("Neighbor address", "nobody")
            faults.append(f"{found.name} is with {other}, not with {router.address}")
        shown.append(f"{router.address} since {found.since}")
    return faultless(faults, expected=f"each {ESTABLISHED}", found=", ".join(shown))


@on_host(
    "RT-07",
    "BFD is up with every router that has it",
    reads=("bird_bfd",),
    needs=(announces_vip, has_bfd, bird_running),
    settles=True,
    reason="Without BFD a machine that loses its power or its cable keeps its clients until BGP's "
    "hold time is over: seconds instead of a fraction of one.",
    remedy="Does the router have BFD switched on for this neighbour, and does UDP 3784 pass (4784 "
    "with routers in between)? A router that notices later takes packets less often than "
    "bfd_interval_ms (its min-rx, receive-interval): shorten that there, or set bfd_interval_ms as "
    "it has it, so that everybody knows. How many may be missing is bfd_misses, here alone; the "
    "router's own multiplier is for its silence.",
)
def bfd(here: Here) -> Answer:
    sessions = here.machine.bfd_sessions
    wanted_s = here.node.bfd_detection_ms / 1000
    expected = f"each {BFD_UP}, and notices this machine's silence within {wanted_s:g} s"
    faults: list[str] = []
    slow: list[str] = []
    shown: list[str] = []
    for _, router in _routers(here):
        if not router.bfd:
            continue
        found = sessions.get(router.address)
        if found is None:
            faults.append(f"{router.address} has none")
        elif found.state != BFD_UP:
            faults.append(f"{router.address} {found.state} since {found.since}")
        else:
            # What clients wait for: the router counts what is missing by our multiplier.
            noticed_s = found.interval_s * here.node.bfd_misses
            told = (
                f"{router.address} notices this machine after {noticed_s:g} s, this machine the "
                f"router after {found.timeout_s:g} s"
            )
            (slow if noticed_s > wanted_s + ROUNDED_S else shown).append(told)
    if slow and not faults:
        return warns(expected=expected, actual="; ".join(slow))
    return faultless(faults, expected=expected, found="; ".join(shown))


@on_host(
    "RT-08",
    "this machine announces the VIP as it may serve",
    reads=("bird_protocols", "watch_says", "keepalived_down", "nginx_processes"),
    needs=(announces_vip, bird_running),
    settles=True,
    reason="A machine that is announced and does not serve takes its share of all clients with it; "
    "one that serves and is not announced has none.",
    remedy="journalctl -u tandem-watch -u bird says what the watch has told BIRD, and why. Does "
    "the watch run (KA-21)? A drain ends with switchover.py --data undrain=HOST.",
)
def announces(here: Here) -> Answer:
    machine = here.machine
    announced = machine.announced(here.cluster)
    said, drained = machine.watch_says, machine.drained_by
    flags = f"(failed {said['failed']}, last resort {said['last-resort']})"
    wanted: tuple[AnnouncedAs, ...]
    if not machine.nginx_masters:
        wanted, why = (AnnouncedAs.NOTHING,), "nginx does not run"
    elif drained:
        wanted, why = (AnnouncedAs.YIELDS, AnnouncedAs.NOTHING), f"it is drained by {drained}"
    elif (said["failed"], said["last-resort"]) == ("0", "0"):
        wanted, why = (AnnouncedAs.SERVES,), f"the watch says that it serves {flags}"
    elif said["last-resort"] == "1":
        wanted, why = (AnnouncedAs.YIELDS,), f"the watch says that it is the last resort {flags}"
    else:
        # (On trial it is behind all others.)
        wanted = (AnnouncedAs.NOTHING, AnnouncedAs.YIELDS)
        why = f"the watch says that it does not serve {flags}"
    shown = f"announced {announced}{_MARKED * (announced is AnnouncedAs.YIELDS)}"
    if announced not in wanted:
        return fails(expected=" or ".join(wanted), actual=f"{shown}, although {why}")
    if drained and machine.nginx_masters:
        return warns(expected="not drained", actual=f"{shown}: {why}")
    return holds(f"{shown}: {why}")


@on_host(
    "RT-09",
    "each router is told the VIP alone, and takes none",
    reads=("bird_exported:*", "bird_protocols"),
    needs=(announces_vip, bird_running),
    settles=True,
    reason="A route too many draws others' traffic here; a wrong next hop, or a mark that is "
    "missing, sends clients where nobody is, or to a machine that is about to go.",
    remedy="birdc show route export SESSION all shows what that router is told. Run deploy.py; "
    "whoever has added a protocol or a route to bird.conf finds it named in RT-03.",
)
def told_alone(here: Here) -> Answer:
    faults, shown, many = [], [], []
    there = 0
    for number, router in _routers(here):
        session, told = here.machine.bgp_session(number), here.machine.exported(number)
        if session.imported:
            faults.append(f"{session.imported} routes of {router.address} are taken")
        if session.details.get("BGP state") != ESTABLISHED:
            continue  # what RT-06 says
        most = MOST_HEARD if session.is_of_today else MOST_HEARD_SINCE_LONG
        if session.heard - session.withdrawn > most:
            many.append(
                f"{router.address} has sent {session.heard} updates and {session.withdrawn} "
                f"withdrawals of routes since {session.since}"
            )
        there += 1
        faults += [f"{router.address} {fault}" for fault in _faults(here, router, told)]
        hop = session.details.get("BGP Next hop", "").partition(" ")[0]
        if told and (not hop or ip_address(hop) not in here.node.own_addresses):
            faults.append(f"{router.address} is told {hop or 'nothing'} as the next hop")
        shown += [each.prefix for each in told if each.prefix not in shown]
    if not there and not faults:
        raise CannotTell("no session is established (RT-06)", "RT-06")
    expected = (
        f"only {' and '.join(str(vip) for vip in here.cluster.addresses)}, by way of this machine"
    )
    if many and not faults:
        # They are not taken: it is the router that has a mistake.
        return warns(expected=f"{expected}; nothing is told here", actual="; ".join(many))
    return faultless(faults, expected=expected, found=", ".join(shown) or "nothing is announced")


def _faults(here: Here, router: Router, told: tuple[ExportedRoute, ...]) -> Iterator[str]:
    """What is wrong with what a router is told."""
    version = router.address.version
    announced = here.machine.announced_of(version)
    vips = {str(vip.network) for vip in here.cluster.addresses if vip.version == version}
    found = {each.prefix for each in told}
    wanted = set() if announced is AnnouncedAs.NOTHING else vips
    yield from (f"is told {each}" for each in sorted(found - wanted))
    yield from (f"is not told {each}" for each in sorted(wanted - found))
    behind = announced is AnnouncedAs.YIELDS
    path = (str(here.node.asn),) * PREPENDED * behind
    for each in told:
        if each.path != path:
            yield f"gets {each.prefix} with AS path {_path(each.path)}, expected {_path(path, '')}"
        if (GRACEFUL_SHUTDOWN in each.communities) != behind:
            yield f"is told {each.prefix} with{'out' * behind} the community {GRACEFUL_SHUTDOWN}"


def _path(path: tuple[str, ...], prepended: str = "prepended ") -> str:
    """What stands before the machine's own number: each number, and how many times."""
    if not path:
        return "not prepended" if prepended else "none"
    numbers = {number: len(list(same)) for number, same in groupby(path)}
    shown = (f"{number} x{times}" if times > 1 else number for number, times in numbers.items())
    return f"{prepended}({', '.join(shown)})"


@on_host(
    "RT-10",
    "BIRD has put no route into this machine",
    reads=("bird_kernel",),
    needs=(announces_vip, bird_installed),
    reason="A route that a router has told takes this machine's own traffic elsewhere; BIRD is "
    "here to speak, not to listen.",
    remedy="ip route show table all proto bird shows them. Take the `protocol kernel` out of "
    "bird.conf (RT-03), or run deploy.py; then systemctl restart bird.",
)
def none_in_kernel(here: Here) -> Answer:
    return faultless(list(here.machine.kernel_routes), expected="none of BIRD's in the kernel")
