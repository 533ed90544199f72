"""The lab's routers: namespaces, their BIRDs, and the gateway's, which they tell about VIPs."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.gateway import bird, chrony, resilient_routes, router_config
from lab.host import bridge, cgroup
from lab.host.process import run, start, tail
from lab.paths import State
from lab.plan import ClientNetwork, LabPlan, LabRouter
from lab.router_planning import CLIENT_BRIDGE

ANSWERS_TIMEOUT_S = 10.0
# The gateway's own BIRD.
GATEWAY = "gateway"
# Routers tell flows by their ports as well: clients behind one address are spread over machines,
# too. The gateway tells them by their addresses alone: all namespaces have one hash, and a router
# that got only flows from its lower half would know only half of its machines.
BY_PORTS, BY_ADDRESSES = (
    f"for v in 4 6; do echo {policy} > /proc/sys/net/ipv$v/fib_multipath_hash_policy; done"
    for policy in (1, 0)
)
# What a VIP answers comes straight from the machine, not from the router that its segments go to.
ASYMMETRIC = "for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $each; done"
FORWARDS = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"


@dataclass(frozen=True)
class RouterStatus:
    """The state of one router now."""

    router: LabRouter
    runs: bool
    resilient: bool
    unplugged: tuple[str, ...]
    # Machine, its address, and what BIRD says of the session: "Established", or how far it is.
    sessions: tuple[tuple[str, str, str], ...]

    @property
    def established(self) -> int:
        return sum(state == "Established" for _, _, state in self.sessions)


def create(plan: LabPlan) -> None:
    """Create the clients' network and the routers, unless they are there."""
    clients = plan.client_network
    if clients is None:
        return
    if not bridge.has_link(plan, CLIENT_BRIDGE):
        _create_clients(plan, clients)
    for router in plan.routers:
        if not bridge.exists(router.netns):
            _create_router(plan, router)


def start_all(state: State, plan: LabPlan) -> None:
    """Start whatever of theirs does not run, and wait until each BIRD answers."""
    names = [*(router.name for router in plan.routers), *([GATEWAY] if plan.routers else [])]
    stopped = [name for name in names if not cgroup.alive(_group(plan, name))]
    for name in stopped:
        _start_bird(state, plan, name)
    for router in plan.routers:
        if not cgroup.alive(_group(plan, f"{router.name}.ntp")):
            _start_ntp(state, plan, router)
    for name in stopped:
        _wait(state, plan, name)


def restart(state: State, plan: LabPlan, router: LabRouter) -> None:
    """Kill the router's BIRD, which says goodbye to nobody, and start it again."""
    cgroup.kill(_group(plan, router.name))
    _start_bird(state, plan, router.name)
    _wait(state, plan, router.name)


def keep_flows(state: State, plan: LabPlan, keeps: bool) -> None:
    """Have the routers keep flows where they are as their next hops change, or hash them anew."""
    for router in plan.routers:
        group = _group(plan, f"{router.name}.resilient")
        program = [*bridge.inside(router.netns), sys.executable, "-m", resilient_routes.__name__]
        if not keeps:
            cgroup.kill(group)
            run([*program, "clear"])
        elif not cgroup.alive(group):
            log, directory = state.log(f"{router.name}.resilient"), state.root.parent
            start(program, cgroup=cgroup.create(group), log=log, directory=directory)


def plug(plan: LabPlan, router: LabRouter, interface: str, plugged: bool) -> None:
    """Plug or unplug one of the router's cables, by default the one to the machines."""
    bridge.set_port(plan, router.card(interface), "up" if plugged else "down")


def ask(state: State, name: str, question: str) -> str:
    """What the BIRD of a router, or of `GATEWAY`, answers, as to `birdc`. Raises `LabError`."""
    # A socket's path is limited to 107 bytes.
    command = ["env", "-C", str(state.run), bird.path("birdcl"), "-s", f"{name}.ctl"]
    return run([*command, *question.split()], env=bird.environment())


def status(state: State, plan: LabPlan) -> list[RouterStatus]:
    """Of every router: whether it runs, its cables and its sessions."""
    return [_status(state, plan, router) for router in plan.routers]


def _status(state: State, plan: LabPlan, router: LabRouter) -> RouterStatus:
    runs = cgroup.alive(_group(plan, router.name))
    states = protocol_states(ask(state, router.name, "show protocols")) if runs else {}
    return RouterStatus(
        router=router,
        runs=runs,
        resilient=cgroup.alive(_group(plan, f"{router.name}.resilient")),
        unplugged=tuple(
            card.interface for card in router.cards if not bridge.is_up(plan, card.port)
        ),
        sessions=tuple(
            (peer.machine, peer.address, states.get(router_config.node_protocol(number), "down"))
            for number, peer in enumerate(router.peers)
        ),
    )


def protocol_states(answer: str) -> dict[str, str]:
    """By protocol, what `show protocols` says of it: the column Info, or the state without one."""
    rows = re.findall(r"^(\S+) +\S+ +\S+ +(\S+) +\S+(?: +(\S.*))?$", answer, re.MULTILINE)
    return {name: (info or state).strip() for name, state, info in rows if name != "Name"}


def _group(plan: LabPlan, name: str) -> Path:
    return cgroup.root(plan.tag) / f"routing.{name}"


def _create_clients(plan: LabPlan, clients: ClientNetwork) -> None:
    """The gateway's side: it is where clients are, under many addresses."""
    netns, name = plan.gateway_netns, clients.bridge
    lengths = {":" in each: each.partition("/")[2] for each in clients.gateway_addresses}
    sources = [f"{each}/{lengths[':' in each]}" for each in clients.sources]
    commands = [
        f"link add {name} address {bridge.GATEWAY_MACS}:ff type bridge stp_state 0 "
        "forward_delay 0 mcast_snooping 0",
        *(
            f"address add {address} dev {name}{' nodad' if ':' in address else ''}"
            for address in (*clients.gateway_addresses, *sources)
        ),
        f"link set {name} up",
    ]
    run(["ip", "-n", netns, "-batch", "-"], stdin="\n".join(commands))
    run([*bridge.inside(netns), "sh", "-c", f"{BY_ADDRESSES}; {ASYMMETRIC}"])


def _create_router(plan: LabPlan, router: LabRouter) -> None:
    """A namespace with its two cards; it forwards between them, and knows no other way."""
    run(["ip", "netns", "add", router.netns])
    commands = ["link set lo up"]
    for card in router.cards:
        ends = f"{card.port} netns {plan.gateway_netns} type veth peer name {card.interface}"
        run(["ip", "link", "add", *ends.split(), "address", card.mac, "netns", router.netns])
        port = ["link", "set", card.port, "master", card.bridge, "up"]
        run(["ip", "-n", plan.gateway_netns, *port])
        commands += [
            *(
                f"address add {address}{' nodad' if ':' in address else ''} dev {card.interface}"
                for address in card.addresses
            ),
            f"link set {card.interface} up",
        ]
    run(["ip", "-n", router.netns, "-batch", "-"], stdin="\n".join(commands))
    run([*bridge.inside(router.netns), "sh", "-c", f"{BY_PORTS}; {ASYMMETRIC}; {FORWARDS}"])


def _start_bird(state: State, plan: LabPlan, name: str) -> None:
    clients = plan.client_network
    assert clients is not None
    if name == GATEWAY:
        netns, text = plan.gateway_netns, router_config.of_gateway(plan.routers, clients)
    else:
        router = next(each for each in plan.routers if each.name == name)
        netns, text = router.netns, router_config.of_router(router, clients)
    written = state.run / f"{name}.bird.conf"
    written.touch(0o600)  # there may be a password in it
    written.write_text(text)
    # Left by one that was killed; whoever asked there would hear nothing.
    (state.run / f"{name}.ctl").unlink(missing_ok=True)
    files = ("-c", written.name, "-s", f"{name}.ctl", "-P", f"{name}.bird.pid")
    start(
        [*bridge.inside(netns), bird.path("bird"), "-f", *files],
        cgroup=cgroup.create(_group(plan, name)),
        log=state.log(name),
        directory=state.run,
        env=bird.environment(),
    )


def _start_ntp(state: State, plan: LabPlan, router: LabRouter) -> None:
    """Routers tell the time: an inventory may have one as its machines' time server."""
    written, pid = (f"{router.name}.chrony.{kind}" for kind in ("conf", "pid"))
    (state.run / written).write_text(chrony.configuration(pid))
    # Left by one that was killed; its pid may belong to another process by now.
    (state.run / pid).unlink(missing_ok=True)
    start(
        [*bridge.inside(router.netns), *chrony.command(written)],
        cgroup=cgroup.create(_group(plan, f"{router.name}.ntp")),
        log=state.log(f"{router.name}.ntp"),
        directory=state.run,
    )


def _wait(state: State, plan: LabPlan, name: str) -> None:
    """Wait until it answers. Raises `LabError` with the end of its log if it does not."""
    deadline = time.monotonic() + ANSWERS_TIMEOUT_S
    while True:
        try:
            ask(state, name, "show status")
            return
        except LabError as error:
            late = time.monotonic() > deadline
            if late or not cgroup.alive(_group(plan, name)):
                log = tail(state.log(name))
                raise LabError(f"BIRD of {name} does not answer ({error}):\n{log}") from None
        time.sleep(0.02)
