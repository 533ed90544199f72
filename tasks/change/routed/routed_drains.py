"""Drains a machine of a routed cluster on purpose, or ends that; what it has goes on meanwhile."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyinfra import host as this_host
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.operations import python

import settings
from controller import all_hosts, run_changes
from controller.batched_facts import change
from settings import Cluster, Mistake, Refused, RunOptions
from tasks.bird import withdrawal
from tasks.change.routed import routed_status
from tasks.change.routed.routed_status import RoutedStatus, RoutedStatusFact
from tasks.change.routed.routed_turns import ANNOUNCED_S, WITHDRAWN_S
from tasks.keepalived import DRAIN_FILE, vips


@dataclass(frozen=True)
class DrainPlan:
    """What one run does to a cluster.

    + before: its machines, by name, as far as they are part of the run.
    + leaves, returns: the machine whose drain begins, or ends; "" for none.
    """

    cluster: Cluster
    before: Mapping[str, RoutedStatus]
    leaves: str = ""
    returns: str = ""

    @property
    def begins(self) -> bool:
        """Whether the machine is not drained yet."""
        return bool(self.leaves) and not self.before[self.leaves].drained


def mistakes(options: RunOptions, clusters: tuple[Cluster, ...]) -> Iterator[Mistake]:
    """What is wrong with the options of switchover.py for a routed cluster."""
    for cluster in clusters:
        names = [node.name for node in cluster.nodes]
        if cluster.routed and options.to in names:
            others = ", ".join(f"drain={name}" for name in names if name != options.to)
            right = (
                f"every machine of {cluster.name} has the VIP, and none has it alone: to have "
                f"{options.to} serve, undrain={options.to}; to have no other one serve, one after "
                f"the other, {others}"
            )
            yield Mistake("--data", "to", options.to, right)


def plan_drain(
    cluster: Cluster, before: Mapping[str, RoutedStatus], options: RunOptions
) -> DrainPlan:
    """What to do. Raises `Refused` where nobody would serve then. Pure."""
    if options.undrain:
        if options.undrain not in before:
            raise Refused(f"{options.undrain} was left out by --limit. Nothing was changed.")
        return DrainPlan(cluster, before, returns=options.undrain)
    if options.drain not in before:
        raise Refused(f"{options.drain} was left out by --limit. Nothing was changed.")
    plan = DrainPlan(cluster, before, leaves=options.drain)
    others = {node.name: before.get(node.name) for node in cluster.nodes}
    found = {
        name: status or RoutedStatus(trouble=routed_status.NOT_IN_RUN)
        for name, status in others.items()
        if name != options.drain
    }
    if plan.begins and all(status.idle or status.drained for status in found.values()):
        raise Refused(
            f"No other machine of {cluster.name} serves, should {options.drain} be drained "
            f"({routed_status.told(found)}). Nothing was changed."
        )
    return plan


def carry_out(host: Host) -> None:
    """Drain a machine, or end that, and wait until it is so."""
    plan = _plan(host)
    end(name="Drain: ends", plan=plan)
    begin(name="Drain: begins", plan=plan)
    wait_for_routers(name="Drain: wait until routers know", plan=plan)
    wait_for_connections(name="Drain: wait until no connection lives on it any more", plan=plan)
    python.call(name="Drain: report", function=_report, plan=plan)


def _plan(host: Host) -> DrainPlan | None:
    """This host's cluster's, after asking its machines; None if it is not meant."""
    options = settings.options(host.inventory)
    _, cluster = settings.of(host)
    if (options.drain or options.undrain) not in [node.name for node in cluster.nodes]:
        return None

    def ask_and_plan(state: State) -> DrainPlan:
        found = all_hosts.get_facts(state, RoutedStatusFact, routed_status.arguments)
        before = {node.name: found[node.name] for node in cluster.nodes if node.name in found}
        return plan_drain(cluster, before, options)

    return all_hosts.run_once(host, "drain", ask_and_plan)


@change("no drain ends here")
def end(plan: DrainPlan | None) -> Iterator[str]:
    """End the drain of the machine that returns."""
    if plan and this_host.name == plan.returns and plan.before[plan.returns].drained:
        run_changes.note_step("drain ends")
        yield f"rm -f {DRAIN_FILE} || {{ {_say_why()}; exit 1; }}"


@change("no drain begins here")
def begin(plan: DrainPlan | None) -> Iterator[str]:
    """Begin the drain of the machine that leaves."""
    if plan and this_host.name == plan.leaves and plan.begins:
        run_changes.note_step("drain begins")
        directory = DRAIN_FILE.rpartition("/")[0]
        yield f"mkdir -p {directory} && : >{DRAIN_FILE} || {{ {_say_why()}; exit 1; }}"


def _say_why() -> str:
    """Shell that says what keeps a drain from being begun or ended, and what to do."""
    why = f"{DRAIN_FILE} cannot be written: make room there, or see why it is read-only (dmesg)"
    return f"echo {shlex.quote(f'{why}. Then run this again.')} >&2"


@change("routers know", counts=False)
def wait_for_routers(plan: DrainPlan | None) -> Iterator[str]:
    """Wait until the machine is withdrawn, or announced again."""
    if not plan:
        return
    if this_host.name == plan.leaves and plan.before[plan.leaves].announced.protocols:
        yield withdrawal.wait_until_withdrawn(this_host.name, WITHDRAWN_S)
    # (One that could not serve anyway is not waited for: what it lacks is told at the end.)
    it = plan.before.get(plan.returns)
    if this_host.name == plan.returns and it and it.drained and not it.trouble:
        yield withdrawal.wait_until_announced(this_host.name, ANNOUNCED_S)


@change("not asked for", counts=False)
def wait_for_connections(plan: DrainPlan | None) -> Iterator[str]:
    """Where `wait=` was given, let the drained machine's last connections end."""
    options = settings.options(this_host.inventory)
    if plan and this_host.name == plan.leaves and options.wait:
        yield vips.wait_until_none(plan.cluster, this_host.name, round(options.wait))


def _report(state: State, host: Host, plan: DrainPlan | None) -> bool:
    """Say what each machine does now, once for a cluster."""
    if plan is None or host.name != (plan.leaves or plan.returns):
        return True
    names = [node.name for node in plan.cluster.nodes]
    found = {host.name: host.get_fact(RoutedStatusFact, **routed_status.arguments(host))}
    found |= routed_status.of_others(host, [name for name in names if name != host.name])
    serve = [name for name in names if not found[name].idle]
    logger.info(f"--> {plan.cluster.name}: {', '.join(serve) or 'NOBODY'} serves")
    for name in names:
        if found[name].idle:
            logger.info(f"    {name} does not: {found[name].idle}")
    if host.name == plan.leaves:
        living = host.get_fact(vips.Connections, cluster=plan.cluster)
        logger.info(
            f"--> {host.name}: {living} connections live on it and go on there"
            + ("; wait until they have ended before you switch it off" if living else "")
        )
        return True
    return host.name in serve
