"""The VIP moved on purpose: by drains alone, so that a node serves until the next one has it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from pyinfra import host as this_host
from pyinfra import logger
from pyinfra.api import FactBase, Host, State, StringCommand, operation
from pyinfra.operations import python

import election
import settings
from constraints import Mistake, Refused
from settings import Cluster, Node, RunOptions
from tasks import service, together, watch

# The recipe's own file: whoever finds it there by hand does the same.
DOWN = "/etc/keepalived/down"
VERBS = ("to", "drain", "undrain")
# Longer than the slowest profile takes to notice and to move.
SETTLES_S = 30


@dataclass(frozen=True)
class Standing:
    """A node as it stands before a move. `trouble`: why it could not hold the VIP, or "".

    `aside`: it is drained only because an earlier `to=` gave the VIP to another.
    """

    holds: bool
    drained: bool
    trouble: str
    aside: bool = False


class NodeStanding(FactBase[Standing]):
    """What `Standing` holds, in one round trip."""

    @staticmethod
    def default() -> Standing:
        return Standing(False, False, "it does not answer")

    def command(self, interface: str, vip: str, http_port: int) -> str:
        return (
            f"ip -o address show dev {interface} | grep -q ' {vip}/' && echo holds; "
            f"test -e {DOWN} && echo drained; "
            f"grep -qs ^to= {DOWN} && echo aside; "
            f"{service.MANAGER} is-active -q keepalived || "
            "echo 'trouble keepalived does not run there'; "
            f"curl -fs -o /dev/null --max-time 2 http://127.0.0.1:{http_port}/tandem-health || "
            "echo 'trouble nginx does not answer there'; "
            f"{watch.TRUSTS} || echo 'trouble its nginx has failed and is not trusted yet'; "
            # A fact without any output is taken for the default.
            "echo seen"
        )

    def process(self, output: list[str]) -> Standing:
        trouble = [line.removeprefix("trouble ") for line in output if line.startswith("trouble ")]
        return Standing(
            holds="holds" in output,
            drained="drained" in output,
            trouble=next(iter(trouble), ""),
            aside="aside" in output,
        )


@dataclass(frozen=True)
class Plan:
    """One switch-over. `drained`: after it, by node. `holder`: who then has the VIP of `cluster`.

    `leaving`: the node that is being drained, "" for none.
    """

    cluster: Cluster
    before: Mapping[str, Standing]
    drained: Mapping[str, bool]
    holder: str
    leaving: str

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
    if verb == "to":
        # Whoever comes before it in line has to stand back; whoever comes after it does anyway.
        drained |= dict.fromkeys(names[: names.index(target)], True)
        drained = {name: on for name, on in drained.items() if name in before}
    if verb != "drain":
        # Whoever comes after it and stood back for an earlier to= need not any more.
        after = names[names.index(target) + 1 :]
        drained |= {name: False for name in after if name in before and before[name].aside}
    drained[target] = verb == "drain"
    able = [name for name in names if name in before and not before[name].trouble]
    if verb == "to" and target not in able:
        why = before[target].trouble if target in before else "it was left out by --limit"
        raise Refused(f"{target} cannot hold the VIP now: {why}. Nothing was changed.")
    if not able:
        raise Refused(f"No machine of {cluster.name} could hold the VIP. Nothing was changed.")
    standings = [
        election.Standing(dead=name not in able, drained=drained.get(name, False)) for name in names
    ]
    holder = names[election.elected(standings)]
    # Also not to one that was drained before: it is being worked on.
    if verb == "drain" and drained.get(holder):
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
        holder=holder,
        leaving=target if verb == "drain" else "",
    )


def plan(host: Host) -> Plan | None:
    """The plan for this host's cluster, after a look at its machines; None if it is not meant."""
    options = settings.options(host.inventory)
    target = next(getattr(options, verb) for verb in VERBS if getattr(options, verb))
    _, cluster = settings.of(host)
    if target not in [node.name for node in cluster.nodes]:
        return None

    def look(state: State) -> Plan:
        standings = together.facts(state, NodeStanding, asked)
        mine = {node.name: standings[node.name] for node in cluster.nodes if node.name in standings}
        return planned(cluster, mine, options)

    return together.once(host, "switch-over", look)


def asked(host: Host) -> dict[str, object]:
    node, _ = settings.of(host)
    return {
        "interface": node.interface,
        "vip": str(node.vip.ip),
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
    leave = f": >{DOWN}" if plan.leaving else f"echo to={plan.holder} >{DOWN}"
    yield StringCommand(wait + leave)


def _look_s(plan: Plan) -> int:
    """By then keepalived has run its check once more."""
    node = plan.cluster.preferred
    return (node.check_interval_s if node.classic else 1) + 1


@operation()
def settled(plan: Plan | None) -> Generator[StringCommand, None, None]:
    """Wait until the VIP is on the node that shall hold it, and on no other."""
    if plan is None or (
        not plan.begins | plan.ends
        and plan.before[this_host.name].holds == (this_host.name == plan.holder)
    ):
        this_host.noop("it is so")
        return
    node, _ = settings.of(this_host)
    yield StringCommand(wait_for(node, there=this_host.name == plan.holder, seconds=SETTLES_S))


def wait_for(node: Node, *, there: bool, seconds: int) -> str:
    """Shell that waits until the VIP is on this node, or gone from it, and fails after that."""
    test = f"ip -o address show dev {node.interface} | grep -q ' {node.vip.ip}/'"
    wish, word = (test, "not on") if there else (f"! {test}", "still on")
    return (
        f"for try in $(seq {seconds * 10}); do {wish} && exit 0; sleep 0.1; done; "
        f"echo '{node.vip.ip} is {word} {node.name} after {seconds} s' >&2; "
        f"{service.MANAGER} log keepalived >&2; exit 1"
    )


def _connections(node: Node) -> str:
    return f"ss -Htn state established state close-wait state fin-wait-1 src {node.vip.ip}"


@operation()
def emptied(plan: Plan | None) -> Generator[StringCommand, None, None]:
    """Where `wait=` was given, let the drained node's last connections end."""
    options = settings.options(this_host.inventory)
    if plan is None or this_host.name != plan.leaving or not options.wait:
        this_host.noop("not asked for")
        return
    node, _ = settings.of(this_host)
    yield StringCommand(
        f"for try in $(seq {round(options.wait)}); do "
        f'[ -n "$({_connections(node)})" ] || exit 0; sleep 1; done; '
        f"echo 'connections that still live on {node.name}:' >&2; {_connections(node)} >&2; exit 1"
    )


class Connections(FactBase[int]):
    """How many connections to the VIP live on a machine."""

    default = int

    def command(self, node: Node) -> str:
        return f"{_connections(node)} | wc -l"

    def process(self, output: list[str]) -> int:
        return int(output[0])


def report(plan: Plan | None) -> None:
    """Say where the VIP is now, once."""
    python.call(name="Switch-over: report", function=_said, plan=plan)


def _said(state: State, host: Host, plan: Plan | None) -> bool:
    if plan is None or host.name not in (plan.holder, plan.leaving):
        return True
    node, cluster = settings.of(host)
    if host.name == plan.holder:
        standing = host.get_fact(NodeStanding, **asked(host))
        drains = [name for name, on in plan.drained.items() if on]
        left = f"; drained: {', '.join(drains)}" if drains else ""
        where = "is on" if standing.holds else "IS NOT YET ON"
        logger.info(f"--> {cluster.name}: {cluster.vip.ip} {where} {host.name}{left}")
        return standing.holds
    living = host.get_fact(Connections, node=node)
    logger.info(
        f"--> {host.name}: {living} connections live on it and go on there"
        + ("; wait until they have ended before you switch it off" if living else "")
    )
    return True
