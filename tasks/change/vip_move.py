"""Moves the VIP on purpose, by drains alone: a node serves until the next one has it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pyinfra import host as this_host
from pyinfra import logger
from pyinfra.api import FactBase, Host, State
from pyinfra.operations import python

import settings
from controller import all_hosts, run_changes
from controller.batched_facts import change
from settings import Cluster, Mistake, RunOptions
from tasks import keepalived
from tasks.change.routed import routed_drains
from tasks.change.vip_move_plan import VERBS, NodeStatus, VipMove, plan_move
from tasks.keepalived import DRAIN_FILE, priorities, vips
from tasks.machine import service_state
from tasks.watch import NGINX_TRUSTED

# Longer than the slowest profile takes to notice and to move.
SETTLES_S = 30


class NodeStatusFact(FactBase[NodeStatus]):
    """The `NodeStatus`, in one round trip."""

    default = NodeStatus

    def command(
        self,
        held: tuple[str, ...],
        states: tuple[str, ...],
        http_port: int,
        weighed: bool,
    ) -> str:
        return (
            f"{vips.show_held(held)}; "
            f"{vips.RANKS} {keepalived.SERVICE.configuration} 2>/dev/null; "
            f"test -e {DRAIN_FILE} && echo drained; "
            f"grep -qs ^to= {DRAIN_FILE} && echo aside; "
            f"{service_state.MANAGER} is-active -q keepalived || "
            "echo 'trouble keepalived does not run there'; "
            f"curl -qfs --noproxy '*' -o /dev/null --max-time 2 "
            f"http://127.0.0.1:{http_port}/tandem-health || "
            "echo 'trouble nginx does not answer there'; "
            f"{NGINX_TRUSTED} || echo 'trouble its nginx has failed and is not trusted yet'; "
            # Also where a check of a person's own with `leave` fails.
            f"grep -qsx fault {' '.join(states)} && "
            "echo 'trouble keepalived is in FAULT there: journalctl -u keepalived says why'; "
            f"{priorities.SHOW_LOST if weighed else 'true'}; "
            # A fact without any output is taken for the default.
            "echo seen"
        )

    def process(self, output: list[str]) -> NodeStatus:
        trouble = [line.removeprefix("trouble ") for line in output if line.startswith("trouble ")]
        return NodeStatus(
            holds=vips.held(output),
            ranks=vips.ranks(output),
            drained="drained" in output,
            trouble=next(iter(trouble), ""),
            aside="aside" in output,
            lost=priorities.lost(output),
        )


def mistakes(options: RunOptions, clusters: tuple[Cluster, ...]) -> Iterator[Mistake]:
    """What is wrong with the options of switchover.py, before any machine is asked."""
    given = {verb: getattr(options, verb) for verb in VERBS if getattr(options, verb)}
    names = [node.name for cluster in clusters for node in cluster.nodes]
    if len(given) != 1:
        options_given = " ".join(f"{verb}={name}" for verb, name in given.items()) or "(nothing)"
        yield Mistake(
            "--data", "to", options_given, "give one of to=HOST, drain=HOST, undrain=HOST"
        )
    for verb, name in given.items():
        if name not in names:
            yield Mistake("--data", verb, name, f"no such machine; there are {', '.join(names)}")
    yield from routed_drains.mistakes(options, clusters)


def plan(host: Host) -> VipMove | None:
    """The move of this host's cluster, after asking its machines; None if it is not meant."""
    options = settings.options(host.inventory)
    target = next(getattr(options, verb) for verb in VERBS if getattr(options, verb))
    _, cluster = settings.of(host)
    if target not in [node.name for node in cluster.nodes]:
        return None

    def ask_and_plan(state: State) -> VipMove:
        found = all_hosts.get_facts(state, NodeStatusFact, status_arguments)
        before = {node.name: found[node.name] for node in cluster.nodes if node.name in found}
        return plan_move(cluster, before, options)

    move = all_hosts.run_once(host, "switch-over", ask_and_plan)
    run_changes.count_moves(cluster.name, lambda changes: move.moves)
    return move


def carry_out(host: Host) -> None:
    """Do what the options of this run say, for this host's cluster."""
    move = plan(host)
    end_drains(name="Switch-over: end drains", plan=move)
    begin_drains(name="Switch-over: drain", plan=move)
    wait_for_vips(
        name="Switch-over: wait until the VIP is where it should be",
        plan=move,
        # What is drained for the move alone is not left so: then the next step fails.
        _ignore_errors=bool(move and move.for_now),
    )
    end_passing_drains(name="Switch-over: end what was drained for the move alone", plan=move)
    wait_for_connections(
        name="Switch-over: wait until no connection lives on it any more", plan=move
    )
    report(move)


def status_arguments(host: Host) -> dict[str, object]:
    """The arguments of `NodeStatusFact` for a host."""
    node, cluster = settings.of(host)
    return {
        "held": vips.of(cluster),
        "states": tuple(vrrp.state_file for vrrp in cluster.vips),
        "http_port": node.http_port,
        "weighed": any(check.weight for check in node.checks),
    }


@change("no drain ends here")
def end_drains(plan: VipMove | None) -> Iterator[str]:
    """End the drains that are to end, and let keepalived notice before another begins."""
    if plan and this_host.name in plan.ends:
        run_changes.note_step("drain ends")
        end = f"rm -f {DRAIN_FILE} || {{ {_say_why()}; exit 1; }}"
        yield end + (f"; sleep {_notice_s(plan)}" if plan.begins else "")


@change("no drain begins here")
def begin_drains(plan: VipMove | None) -> Iterator[str]:
    """Begin the drains that are to begin."""
    if not plan or this_host.name not in plan.begins:
        return
    run_changes.note_step("drain begins")
    # The others first: in a longer line the VIP would stop at each that is not drained yet.
    last = plan.before[this_host.name].holds and len(plan.begins) > 1
    wait = f"sleep {_notice_s(plan)} && " if last else ""
    note = "true" if plan.leaving else f"echo to={next(iter(plan.holders.values()))}"
    # A file without its text, where there is no room for it, would drain all the same.
    begin = f"{wait}{note} >{DRAIN_FILE} || {{ rm -f {DRAIN_FILE}; {_say_why()}; exit 1; }}"
    # Who has no VIP gives none away.
    yield f"{begin}; {keepalived.TELL_DRAIN}" if plan.before[this_host.name].holds else begin


def _say_why() -> str:
    """Shell that says what keeps a drain from being begun or ended, and what to do."""
    why = f"{DRAIN_FILE} cannot be written: make room there, or see why it is read-only (dmesg)"
    return f"echo {shlex.quote(f'{why}. Then run this again.')} >&2"


def _notice_s(plan: VipMove) -> int:
    """By then keepalived has run its check once more."""
    node = plan.cluster.preferred
    return (node.check_interval_s if node.classic else 1) + 1


@change("every VIP is where it should be", counts=False)
def wait_for_vips(plan: VipMove | None) -> Iterator[str]:
    """Wait until each VIP is on the node that shall hold it, and on no other."""
    if not plan:
        return
    node, _ = settings.of(this_host)
    there = plan.wanted(node.name)
    if plan.begins | plan.ends or plan.before[node.name].holds != there:
        gone = plan.holders.keys() - there
        yield vips.wait_for(node, there=there, gone=gone, seconds=SETTLES_S)


@change("not asked for", counts=False)
def wait_for_connections(plan: VipMove | None) -> Iterator[str]:
    """Where `wait=` was given, let the drained node's last connections end."""
    options = settings.options(this_host.inventory)
    if not plan or this_host.name != plan.leaving or not options.wait:
        return
    cluster = settings.of(this_host)[1]
    yield vips.wait_until_none(cluster, this_host.name, round(options.wait))


@change("no drain was for the move alone", counts=False)
def end_passing_drains(plan: VipMove | None) -> Iterator[str]:
    """End the drains that were for the move alone: the VIPs stay where they are.

    Also where they have not moved, which fails here: whoever has them keeps them.
    """
    if plan and this_host.name in plan.for_now:
        node, _ = settings.of(this_host)
        gone = plan.holders.keys() - plan.wanted(node.name)
        left = vips.wait_for(node, gone=gone, seconds=1)
        yield f"rm -f {DRAIN_FILE} || {{ {_say_why()}; exit 1; }}; {left}"


def report(plan: VipMove | None) -> None:
    """Say where the VIPs are now, once."""
    python.call(name="Switch-over: report", function=_report, plan=plan)


def _report(state: State, host: Host, plan: VipMove | None) -> bool:
    if plan is None or host.name not in (*plan.holders.values(), plan.leaving):
        return True
    _, cluster = settings.of(host)
    right = True
    if wanted := plan.wanted(host.name):
        status = host.get_fact(NodeStatusFact, **status_arguments(host))
        drains = [name for name, on in plan.drained.items() if on and name not in plan.for_now]
        left = f"; drained: {', '.join(drains)}" if drains else ""
        for vip in sorted(wanted):
            where = "is on" if vip in status.holds else "IS NOT YET ON"
            logger.info(f"--> {cluster.name}: {vip} {where} {host.name}{left}")
        right = wanted <= status.holds
    if host.name == plan.leaving:
        living = host.get_fact(vips.Connections, cluster=cluster)
        logger.info(
            f"--> {host.name}: {living} connections live on it and go on there"
            + ("; wait until they have ended before you switch it off" if living else "")
        )
    return right
