"""The VIP moved on purpose: by drains alone, so that a node serves until the next one has it."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterator, Mapping
from dataclasses import dataclass

from pyinfra import host as this_host
from pyinfra import logger
from pyinfra.api import FactBase, Host, State, StringCommand, operation
from pyinfra.operations import python

import settings
from controller import all_hosts
from settings import Cluster, Mistake, Refused, RunOptions, election
from tasks.keepalived import vips
from tasks.machine import service_state
from tasks.watch import health_watch

# The recipe's own file: whoever finds it there by hand does the same.
DOWN = "/etc/keepalived/down"
VERBS = ("to", "drain", "undrain")
# Longer than the slowest profile takes to notice and to move.
SETTLES_S = 30


@dataclass(frozen=True)
class Standing:
    """A node as it stands before a move. `holds`: the VIPs it has. `trouble`: why it could not hold
    any, or "".

    `aside`: it is drained only because an earlier `to=` gave the VIPs to another.
    """

    holds: frozenset[str]
    drained: bool
    trouble: str
    aside: bool = False


class NodeStanding(FactBase[Standing]):
    """What `Standing` holds, in one round trip."""

    @staticmethod
    def default() -> Standing:
        return Standing(frozenset(), False, "it does not answer")

    def command(self, interface: str, held: tuple[str, ...], http_port: int) -> str:
        return (
            f"{vips.show_held(interface, held)}; "
            f"test -e {DOWN} && echo drained; "
            f"grep -qs ^to= {DOWN} && echo aside; "
            f"{service_state.MANAGER} is-active -q keepalived || "
            "echo 'trouble keepalived does not run there'; "
            f"curl -fs -o /dev/null --max-time 2 http://127.0.0.1:{http_port}/tandem-health || "
            "echo 'trouble nginx does not answer there'; "
            f"{health_watch.TRUSTS} || echo 'trouble its nginx has failed and is not trusted yet'; "
            # A fact without any output is taken for the default.
            "echo seen"
        )

    def process(self, output: list[str]) -> Standing:
        trouble = [line.removeprefix("trouble ") for line in output if line.startswith("trouble ")]
        return Standing(
            holds=vips.held(output),
            drained="drained" in output,
            trouble=next(iter(trouble), ""),
            aside="aside" in output,
        )


@dataclass(frozen=True)
class Plan:
    """One switch-over. `drained`: after it, by node. `holders`: who then has each VIP of `cluster`.

    `leaving`: the node that is being drained, "" for none.
    """

    cluster: Cluster
    before: Mapping[str, Standing]
    drained: Mapping[str, bool]
    holders: Mapping[str, str]
    leaving: str

    def wanted(self, node: str) -> frozenset[str]:
        """The VIPs that a node has afterwards."""
        return frozenset(vip for vip, holder in self.holders.items() if holder == node)

    @property
    def begins(self) -> frozenset[str]:
        """Nodes whose drain begins, or becomes one of its own."""
        return frozenset(
            name
            for name, on in self.drained.items()
            if on
            if not self.before[name].drained or (name == self.leaving and self.before[name].aside)
        )

    @property
    def ends(self) -> frozenset[str]:
        """Nodes whose drain ends."""
        return frozenset(n for n, on in self.drained.items() if not on and self.before[n].drained)


def mistakes(options: RunOptions, clusters: tuple[Cluster, ...]) -> Iterator[Mistake]:
    """What is wrong with what switchover.py was told, before any machine is asked."""
    given = {verb: getattr(options, verb) for verb in VERBS if getattr(options, verb)}
    names = [node.name for cluster in clusters for node in cluster.nodes]
    if len(given) != 1:
        told = " ".join(f"{verb}={name}" for verb, name in given.items()) or "(nothing)"
        yield Mistake("--data", "to", told, "give one of to=HOST, drain=HOST, undrain=HOST")
    for verb, name in given.items():
        if name not in names:
            yield Mistake("--data", verb, name, f"no such machine; there are {', '.join(names)}")


def planned(cluster: Cluster, before: Mapping[str, Standing], options: RunOptions) -> Plan:
    """What to drain for what was asked. Raises `Refused` where it would not come to that."""
    names = [node.name for node in cluster.nodes]
    verb = next(verb for verb in VERBS if getattr(options, verb))
    target: str = getattr(options, verb)
    drained = {name: before[name].drained for name in names if name in before}
    # Whoever comes before it in a VIP's line has to stand back; whoever comes after it in all need
    # not any more if it did for an earlier to=.
    lines = [[node.name for node in vrrp.nodes] for vrrp in cluster.vips]
    ahead = {name for line in lines for name in line[: line.index(target)]}
    if verb == "to":
        drained |= {name: True for name in ahead if name in before}
    if verb != "drain":
        after = set(before) - ahead - {target}
        if len(lines) > 1 and verb == "undrain" and before[target].aside:
            after = set(before)  # all VIPs had gone to one node: each goes back to its own
        drained |= {name: False for name in after if before[name].aside}
    drained[target] = verb == "drain"
    able = [name for name in names if name in before and not before[name].trouble]
    if verb == "to" and target not in able:
        why = before[target].trouble if target in before else "it was left out by --limit"
        raise Refused(f"{target} cannot hold the VIP now: {why}. Nothing was changed.")
    if not able:
        raise Refused(f"No machine of {cluster.name} could hold the VIP. Nothing was changed.")
    holders = {str(vrrp.vip.ip): _elected(vrrp, able, drained) for vrrp in cluster.vips}
    # Also not to one that was drained before: it is being worked on.
    if verb == "drain" and any(drained.get(holder) for holder in holders.values()):
        why = "; ".join(
            f"{name}: {before[name].trouble or 'it is drained itself'}"
            for name in names
            if name in before and name != target
        )
        raise Refused(
            f"No other machine could take the VIP from {target} ({why or 'none was asked'}). "
            "Nothing was changed."
        )
    return Plan(
        cluster=cluster,
        before=before,
        drained=drained,
        holders=holders,
        leaving=target if verb == "drain" else "",
    )


def _elected(vrrp: Cluster, able: Container[str], drained: Mapping[str, bool]) -> str:
    standings = [
        election.NodeState(dead=node.name not in able, drained=drained.get(node.name, False))
        for node in vrrp.nodes
    ]
    return vrrp.nodes[election.elected(standings)].name


def plan(host: Host) -> Plan | None:
    """The plan for this host's cluster, after a look at its machines; None if it is not meant."""
    options = settings.options(host.inventory)
    target = next(getattr(options, verb) for verb in VERBS if getattr(options, verb))
    _, cluster = settings.of(host)
    if target not in [node.name for node in cluster.nodes]:
        return None

    def look(state: State) -> Plan:
        standings = all_hosts.get_facts(state, NodeStanding, asked)
        mine = {node.name: standings[node.name] for node in cluster.nodes if node.name in standings}
        return planned(cluster, mine, options)

    return all_hosts.run_once(host, "switch-over", look)


def asked(host: Host) -> dict[str, object]:
    node, cluster = settings.of(host)
    return {
        "interface": node.interface,
        "held": vips.of(cluster),
        "http_port": node.http_port,
    }


@operation()
def undrained(plan: Plan | None) -> Generator[StringCommand, None, None]:
    """End the drains that are to end; and let keepalived see it before another begins."""
    if plan is None or this_host.name not in plan.ends:
        this_host.noop("no drain ends here")
        return
    yield StringCommand(f"rm -f {DOWN}" + (f" && sleep {_look_s(plan)}" if plan.begins else ""))


@operation()
def drained(plan: Plan | None) -> Generator[StringCommand, None, None]:
    """Begin the drains that are to begin."""
    if plan is None or this_host.name not in plan.begins:
        this_host.noop("no drain begins here")
        return
    # The others first: in a longer line the VIP would stop at each that has not yet stood back.
    last = plan.before[this_host.name].holds and len(plan.begins) > 1
    wait = f"sleep {_look_s(plan)} && " if last else ""
    leave = f": >{DOWN}" if plan.leaving else f"echo to={next(iter(plan.holders.values()))} >{DOWN}"
    yield StringCommand(wait + leave)


def _look_s(plan: Plan) -> int:
    """By then keepalived has run its check once more."""
    node = plan.cluster.preferred
    return (node.check_interval_s if node.classic else 1) + 1


@operation()
def settled(plan: Plan | None) -> Generator[StringCommand, None, None]:
    """Wait until each VIP is on the node that shall hold it, and on no other."""
    if plan is None or (
        not plan.begins | plan.ends
        and plan.before[this_host.name].holds == plan.wanted(this_host.name)
    ):
        this_host.noop("it is so")
        return
    node, _ = settings.of(this_host)
    there = plan.wanted(this_host.name)
    yield StringCommand(
        vips.wait_for(node, there=there, gone=plan.holders.keys() - there, seconds=SETTLES_S)
    )


@operation()
def emptied(plan: Plan | None) -> Generator[StringCommand, None, None]:
    """Where `wait=` was given, let the drained node's last connections end."""
    options = settings.options(this_host.inventory)
    if plan is None or this_host.name != plan.leaving or not options.wait:
        this_host.noop("not asked for")
        return
    found = vips.connections(settings.of(this_host)[1])
    yield StringCommand(
        f"for try in $(seq {round(options.wait)}); do "
        f'[ -n "$({found})" ] || exit 0; sleep 1; done; '
        f"echo 'connections that still live on {this_host.name}:' >&2; {found} >&2; exit 1"
    )


class Connections(FactBase[int]):
    """How many connections to the VIPs live on a machine."""

    default = int

    def command(self, cluster: Cluster) -> str:
        return f"{vips.connections(cluster)} | wc -l"

    def process(self, output: list[str]) -> int:
        return int(output[0])


def report(plan: Plan | None) -> None:
    """Say where the VIPs are now, once."""
    python.call(name="Switch-over: report", function=_said, plan=plan)


def _said(state: State, host: Host, plan: Plan | None) -> bool:
    if plan is None or host.name not in (*plan.holders.values(), plan.leaving):
        return True
    _, cluster = settings.of(host)
    right = True
    if wanted := plan.wanted(host.name):
        standing = host.get_fact(NodeStanding, **asked(host))
        drains = [name for name, on in plan.drained.items() if on]
        left = f"; drained: {', '.join(drains)}" if drains else ""
        for vip in sorted(wanted):
            where = "is on" if vip in standing.holds else "IS NOT YET ON"
            logger.info(f"--> {cluster.name}: {vip} {where} {host.name}{left}")
        right = wanted <= standing.holds
    if host.name == plan.leaving:
        living = host.get_fact(Connections, cluster=cluster)
        logger.info(
            f"--> {host.name}: {living} connections live on it and go on there"
            + ("; wait until they have ended before you switch it off" if living else "")
        )
    return right
