"""Goes back to a generation: asks the machines which they keep, and stages one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pyinfra import logger
from pyinfra.api import FactBase, Host, State
from pyinfra.operations import python

import settings
from controller import all_hosts, run_changes
from controller.batched_facts import change
from settings import Cluster
from tasks.change import rollback_plan
from tasks.change.deploy_record import PROGRAM
from tasks.change.rollback_plan import ClusterRollback, KeptGeneration, MachineHistory
from tasks.machine.quoting import quoted


class HistoryFact(FactBase[MachineHistory]):
    """The `MachineHistory`, in one round trip."""

    default = MachineHistory

    def command(self) -> str:
        # Where an earlier version has deployed, there is no such program, or no such command of it.
        earlier = "{ [ ! -e /var/lib/tandem ] || echo '{\"unrecorded\": 1}'; }"
        return f"{PROGRAM} list 2>/dev/null || {earlier}"

    def process(self, output: list[str]) -> MachineHistory:
        try:
            said = json.loads("\n".join(output))
        except ValueError:
            said = {"unreadable": 1}
        return rollback_plan.parse_history(said)


def _histories(host: Host, cluster: Cluster) -> dict[str, MachineHistory]:
    found = all_hosts.run_once(
        host, HistoryFact, lambda state: all_hosts.get_facts(state, HistoryFact)
    )
    return {node.name: found[node.name] for node in cluster.nodes if node.name in found}


def plan(host: Host, cluster: Cluster) -> ClusterRollback:
    """Where this host's cluster goes. Raises `Refused`, before any machine is touched."""
    return rollback_plan.plan_rollback(
        cluster.name, _histories(host, cluster), settings.options(host.inventory).to
    )


def show(host: Host, cluster: Cluster) -> None:
    """Log which generations there are."""
    python.call(
        name="Which generations there are",
        function=_show,
        cluster=cluster.name,
        machines=_histories(host, cluster),
    )


def _show(state: State, host: Host, cluster: str, machines: dict[str, MachineHistory]) -> None:
    if host.name == next(iter(machines)):  # once for a cluster
        for line in rollback_plan.listing(cluster, machines):
            logger.info(line)


@change("sites and files are as they were then")
def restore(generation: KeptGeneration, unit: str) -> Iterator[str]:
    """Serve the sites of a generation and put its files into their places; keepalived.conf waits
    for the machine's turn.

    + unit: the path of nginx's, which comes with nginx's generation.
    """
    if generation.differs:
        for what in generation.differs:
            if what == "nginx's unit":
                run_changes.note_file(unit)
                run_changes.this_plan().units_read = True  # by apply-nginx
                continue
            if not what.startswith("/"):
                run_changes.note_step(f"{what} as it was then")
                continue
            run_changes.note_file(what)
            if run_changes.is_planning():
                # What is in others only the machine knows.
                run_changes.this_plan().texts[what] = generation.units.get(what, "")
        yield quoted(PROGRAM, "restore", generation.id)


def conclude(cluster: Cluster, plan: ClusterRollback) -> None:
    """Say where the cluster is now."""
    first = next(iter(plan.machines.values())).generations[plan.target]
    python.call(
        name="What comes next",
        function=_conclude,
        first=next(iter(plan.machines)),
        message=f"{cluster.name} is at generation {first.text}: {plan.why}. The inventory still "
        "asks for the newest one: the next deploy would bring it back. Change the setting, the "
        "snippet or the site first.",
    )


def _conclude(state: State, host: Host, first: str, message: str) -> None:
    if host.name == first:
        logger.warning(message)
