"""Before Tandem is taken off machines: who leaves in what order, what is refused, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyinfra import logger
from pyinfra.api import FactBase, Host, State

import settings
from controller import all_hosts, run_changes
from settings import Cluster, Node, Refused
from settings.values import in_url
from tasks.bird.withdrawal import SHOW_ANNOUNCED, announced
from tasks.change.vip_move import NodeStatusFact, status_arguments
from tasks.keepalived import vips
from tasks.machine import install_record, survey
from tasks.machine.footprint import IS_DEPLOYED, READ_ONLY, REMOUNT
from tasks.machine.survey import SurveyedMachine


@dataclass(frozen=True)
class BeforeRemoval:
    """A machine before Tandem is removed from it.

    + deployed: whether any of Tandem is there.
    + recorded: whether there is a record of the packages that came with deploys.
    + answering: the addresses of other nodes, as it reaches them, whose nginx answers.
    + connections: how many to the VIP live there.
    + read_only: directories in which nothing could be removed.
    + announces: whether routers send it a share.
    """

    deployed: bool = False
    holds: frozenset[str] = frozenset()
    recorded: bool = False
    answering: frozenset[str] = frozenset()
    connections: int = 0
    read_only: tuple[str, ...] = ()
    announces: bool = False


class BeforeRemovalFact(FactBase[BeforeRemoval]):
    """The `BeforeRemoval`, in one round trip, with tools that every machine has."""

    default = BeforeRemoval

    def command(
        self,
        held: tuple[str, ...],
        connections: str,
        http_port: int,
        others: tuple[str, ...],
    ) -> str:
        asked = "".join(
            f"curl -qgfs --noproxy '*' -o /dev/null --max-time 1 "
            f"http://{other}:{http_port}/tandem-health && "
            f"echo answers {other}; "
            for other in others
        )
        return (
            f"{IS_DEPLOYED} && echo ours; "
            f"{vips.show_held(held)}; "
            f"[ -e {install_record.PACKAGES} ] && echo recorded; {asked}"
            f"{connections} 2>/dev/null | sed 's/.*/lives/'; "
            f"{READ_ONLY} | sed 's/^/read-only /'; {SHOW_ANNOUNCED}; true"
        )

    def process(self, output: list[str]) -> BeforeRemoval:
        answering = (line.split()[1] for line in output if line.startswith("answers "))
        return BeforeRemoval(
            deployed="ours" in output,
            holds=vips.held(output),
            recorded="recorded" in output,
            answering=frozenset(answering),
            connections=output.count("lives"),
            read_only=tuple(line.split()[1] for line in output if line.startswith("read-only ")),
            announces=announced(output).serves,
        )


@dataclass(frozen=True)
class Leaving:
    """One cluster's part of a run: who leaves, in this order, and who stays.

    + able: those of this run that could hold a VIP.
    """

    cluster: Cluster
    found: Mapping[str, BeforeRemoval]
    able: frozenset[str] = frozenset()

    @property
    def order(self) -> list[Node]:
        """Standbys first; who serves, last."""
        there = [node for node in reversed(self.cluster.nodes) if node.name in self.found]
        serves = {name: found.announces or bool(found.holds) for name, found in self.found.items()}
        return sorted(there, key=lambda node: serves[node.name])

    @property
    def staying(self) -> list[Node]:
        return [node for node in self.cluster.nodes if node.name not in self.found]

    @property
    def deployed(self) -> list[Node]:
        return [node for node in self.order if self.found[node.name].deployed]

    @property
    def serving(self) -> list[Node]:
        """Who stays, and answers."""
        heard = frozenset[str]().union(*(found.answering for found in self.found.values()))
        return [node for node in self.staying if in_url(node.own) in heard]

    @property
    def drains(self) -> int:
        """How many machines of a routed cluster withdraw while another one serves."""
        announcing = [node for node in self.order if self.found[node.name].announces]
        return len(announcing if self.serving else announcing[:-1])

    @property
    def moves(self) -> int:
        """How often a VIP comes to another machine, as long as there is one that could hold it."""
        moves, order = 0, self.order
        holders = {vip: name for name, found in self.found.items() for vip in found.holds}
        for number, leaves in enumerate(order):
            able = {node.name for node in self.serving}
            able |= {node.name for node in order[number + 1 :]} & self.able
            for vrrp in self.cluster.vips:
                vip = str(vrrp.vip.ip)
                if holders.get(vip) == leaves.name:
                    holders[vip] = next((n.name for n in vrrp.nodes if n.name in able), "")
                    moves += bool(holders[vip])
        return moves


@dataclass(frozen=True)
class RemovalPlan:
    """What this run removes. `machines` by name."""

    machines: Mapping[str, SurveyedMachine]
    leaving: tuple[Leaving, ...]

    def of(self, cluster: Cluster) -> Leaving:
        return next(each for each in self.leaving if each.cluster == cluster)


def refusals(
    leaving: Leaving, machines: Mapping[str, SurveyedMachine], *, interrupt: bool
) -> list[str]:
    """Why it must not begin; pure."""
    found = [
        f"{node.name}: another nginx is installed there, in the places of ours: remove its package "
        "first (apt-get remove nginx)"
        for node in leaving.deployed
        if machines[node.name].foreign_nginx
    ]
    found += [
        f"{node.name}: {', '.join(leaving.found[node.name].read_only)}: read-only file system: "
        f"{REMOUNT}"
        for node in leaving.deployed
        if leaving.found[node.name].read_only
    ]
    if leaving.staying and leaving.deployed and not leaving.serving and not interrupt:
        silent = ", ".join(f"{node.name} ({node.own})" for node in leaving.staying)
        names = ", ".join(node.name for node in leaving.deployed)
        found.append(
            f"{leaving.cluster.name}: nobody else would serve: {silent} does not answer {names}. "
            "Mend that first; run without --limit to take the whole cluster away; or accept the "
            "interruption with --data interrupt=1"
        )
    return found


def costs(leaving: Leaving) -> list[str]:
    """What a person has to know before it begins, in lines; pure."""
    cluster, names = leaving.cluster, [node.name for node in leaving.deployed]
    addresses = " and ".join(str(vip.ip) for vip in cluster.addresses)
    go = "go" if len(cluster.addresses) > 1 else "goes"
    if not names:
        return [f"{cluster.name}: nothing of Tandem is there"]
    one_after_another = ", then ".join(names)
    if leaving.staying:
        serving = ", ".join(node.name for node in leaving.serving) or "nobody"
        lines = [f"{cluster.name}: {one_after_another} leaves; {serving} goes on with {addresses}"]
    else:
        lines = [
            f"{cluster.name}: {one_after_another}. {addresses} {go} away with {names[-1]}, and "
            "nobody answers there any more"
        ]
    connections = sum(leaving.found[name].connections for name in names)
    if connections:
        seconds = cluster.preferred.drain_timeout_s
        lines.append(f"    {connections} connections live there; they have {seconds} s to end")
    unrecorded = [name for name in names if not leaving.found[name].recorded]
    if unrecorded:
        lines.append(
            f"    {', '.join(unrecorded)}: no record of what packages deploys have brought: all "
            "of them stay"
        )
    return lines


def plan(host: Host) -> RemovalPlan:
    """What this run will do, after asking all its machines once. Raises `Refused`."""
    return all_hosts.run_once(host, "teardown", _plan)


def _plan(state: State) -> RemovalPlan:
    machines = all_hosts.get_facts(state, survey.Survey)
    found = all_hosts.get_facts(state, BeforeRemovalFact, lambda host: _arguments(host, machines))
    options = settings.options(state.inventory)
    status = all_hosts.get_facts(state, NodeStatusFact, status_arguments)
    able = frozenset(name for name, its in status.items() if not its.trouble and not its.drained)
    clusters = dict.fromkeys(settings.of(state.inventory.get_host(name))[1] for name in found)
    leaving = tuple(
        Leaving(
            cluster,
            {node.name: found[node.name] for node in cluster.nodes if node.name in found},
            able,
        )
        for cluster in clusters
    )
    refused = [
        refusal
        for each in leaving
        for refusal in refusals(each, machines, interrupt=options.interrupt)
    ]
    if refused:
        raise Refused("; ".join(refused) + ". No machine was touched.")
    logger.info("--> What goes away:")
    for each in leaving:
        if each.cluster.routed:
            run_changes.count_drains(each.cluster.name, lambda changes, each=each: each.drains)  # type: ignore[misc]
        else:
            run_changes.count_moves(each.cluster.name, lambda changes, each=each: each.moves)  # type: ignore[misc]
        for line in costs(each):
            logger.info(f"    {line}")
    return RemovalPlan(machines, leaving)


def _arguments(host: Host, machines: Mapping[str, SurveyedMachine]) -> dict[str, object]:
    node, cluster = settings.of(host)
    staying = (peer for peer in cluster.peers(node) if peer.name not in machines)
    return {
        "held": vips.of(cluster),
        "connections": vips.connections(cluster),
        "http_port": node.http_port,
        "others": tuple(in_url(peer.own) for peer in staying),
    }


def reminders(plan: RemovalPlan) -> list[str]:
    """What a person has to do next, where a cluster goes on without a machine."""
    return [
        f"Take {', '.join(node.name for node in leaving.deployed)} out of the inventory and "
        f"deploy: until then the other machines of {leaving.cluster.name} go on speaking to it."
        for leaving in plan.leaving
        if leaving.staying and leaving.deployed
    ]
