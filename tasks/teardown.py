"""Taking Tandem off machines: in what order, what is refused, what it costs, and what runs there.

What lies there is in teardown_places.py; the rest is undone beside where it is done.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from pyinfra import host as this_host
from pyinfra import logger
from pyinfra.api import FactBase, Host, State, StringCommand, operation

import settings
from constraints import Refused
from settings import Cluster, Node
from tasks import (
    account,
    asking,
    brought,
    firewalld,
    machine,
    metrics,
    packages,
    place,
    selinux,
    service,
    supervision,
    switchover,
    together,
    turns,
    units,
)
from tasks import teardown_places as places
from tasks.machine import Machine

SERVICES = ("keepalived", "nginx", "tandem-watch", "tandem-handover")


@dataclass(frozen=True)
class Found:
    """A machine before it is taken apart. `ours`: whether any of Tandem is there; `answering`: the
    addresses of other nodes, beside it, whose nginx answers; `living`: connections to the VIP."""

    ours: bool
    holds: bool
    recorded: bool
    answering: frozenset[str]
    living: int


class Look(FactBase[Found]):
    """What `Found` holds, in one round trip, with tools that every machine has."""

    @staticmethod
    def default() -> Found:
        return Found(False, False, False, frozenset(), 0)

    def command(
        self, interface: str, vips: tuple[str, ...], http_port: int, others: tuple[str, ...]
    ) -> str:
        sources = " or ".join(f"src {vip}" for vip in vips)
        asked = "".join(
            f"curl -gfs -o /dev/null --max-time 1 http://{other}:{http_port}/tandem-health && "
            f"echo answers {other}; "
            for other in others
        )
        return (
            f"{places.IS_OURS} && echo ours; "
            f"{switchover.show_held(interface, vips)}; "
            f"[ -e {brought.PACKAGES} ] && echo recorded; {asked}"
            f"ss -Htn state established '( {sources} )' 2>/dev/null | sed 's/.*/lives/'; true"
        )

    def process(self, output: list[str]) -> Found:
        answering = (line.split()[1] for line in output if line.startswith("answers "))
        return Found(
            ours="ours" in output,
            holds=bool(switchover.held(output)),
            recorded="recorded" in output,
            answering=frozenset(answering),
            living=output.count("lives"),
        )


@dataclass(frozen=True)
class Leaving:
    """One cluster's part of a run: who leaves, in this order, and who stays."""

    cluster: Cluster
    found: Mapping[str, Found]

    @property
    def order(self) -> list[Node]:
        """Standbys first; who serves, last."""
        there = [node for node in reversed(self.cluster.nodes) if node.name in self.found]
        return sorted(there, key=lambda node: self.found[node.name].holds)

    @property
    def staying(self) -> list[Node]:
        return [node for node in self.cluster.nodes if node.name not in self.found]

    @property
    def deployed(self) -> list[Node]:
        return [node for node in self.order if self.found[node.name].ours]

    @property
    def serving(self) -> list[Node]:
        """Who stays, and answers."""
        heard = frozenset[str]().union(*(found.answering for found in self.found.values()))
        return [node for node in self.staying if url_host(node) in heard]


@dataclass(frozen=True)
class Plan:
    """What this run takes away. `machines` by name."""

    machines: Mapping[str, Machine]
    leaving: tuple[Leaving, ...]

    def of(self, cluster: Cluster) -> Leaving:
        return next(each for each in self.leaving if each.cluster == cluster)


def refusals(leaving: Leaving, machines: Mapping[str, Machine], *, interrupt: bool) -> list[str]:
    """Why it must not begin; pure."""
    found = [
        f"{node.name}: another nginx is installed there, in the places of ours: remove its package "
        "first (apt-get remove nginx)"
        for node in leaving.deployed
        if machines[node.name].foreign_nginx
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
    vips = " and ".join(str(vip.ip) for vip in cluster.addresses)
    if not names:
        return [f"{cluster.name}: nothing of Tandem is there"]
    one_after_another = ", then ".join(names)
    if leaving.staying:
        serving = ", ".join(node.name for node in leaving.serving) or "nobody"
        lines = [f"{cluster.name}: {one_after_another} leaves; {serving} goes on with {vips}"]
    else:
        lines = [
            f"{cluster.name}: {one_after_another}. {vips} goes away with {names[-1]}, and nobody "
            "answers there any more"
        ]
    living = sum(leaving.found[name].living for name in names)
    if living:
        seconds = cluster.preferred.drain_timeout_s
        lines.append(f"    {living} connections live there; they have {seconds} s to end")
    unrecorded = [name for name in names if not leaving.found[name].recorded]
    if unrecorded:
        lines.append(
            f"    {', '.join(unrecorded)}: no record of what packages deploys have brought: all "
            "of them stay"
        )
    return lines


def plan(host: Host) -> Plan:
    """What this run will do, after one look at all its machines. Raises `Refused`."""
    return together.once(host, "teardown", _planned)


def _planned(state: State) -> Plan:
    machines = together.facts(state, machine.Survey)
    found = together.facts(state, Look, lambda host: _asked(host, machines))
    options = settings.options(state.inventory)
    clusters = dict.fromkeys(settings.of(state.inventory.get_host(name))[1] for name in found)
    leaving = tuple(
        Leaving(
            cluster, {node.name: found[node.name] for node in cluster.nodes if node.name in found}
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
        for line in costs(each):
            logger.info(f"    {line}")
    return Plan(machines, leaving)


def _asked(host: Host, machines: Mapping[str, Machine]) -> dict[str, object]:
    node, cluster = settings.of(host)
    staying = (peer for peer in cluster.peers(node) if peer.name not in machines)
    return {
        "interface": node.interface,
        "vips": switchover.vips(cluster),
        "http_port": node.http_port,
        "others": tuple(url_host(peer) for peer in staying),
    }


def url_host(node: Node) -> str:
    """A node's own address as a URL has it."""
    return f"[{node.own}]" if node.own and node.own.version == 6 else str(node.own)


def ahead(cluster: Cluster, node: Node, machine: Machine) -> None:
    """Have all that this machine's turn has to know asked at once."""
    asking.turns.ahead(Running)
    asking.turns.ahead(Addresses, **_addresses(node, cluster))
    asking.turns.ahead(Tables)
    asking.turns.ahead(Settings)
    asking.turns.ahead(Forgotten)
    for each in places.EVERY:
        asking.turns.ahead(places.There, places=each)
    asking.turns.ahead(account.BroughtAccount)
    if machine.family:
        asking.turns.ahead(packages.BroughtPackages, family=machine.family)
    asking.turns.ahead(firewalld.Opened)
    if machine.selinux:
        asking.turns.ahead(selinux.Labelled)
    if not machine.systemd:
        asking.turns.ahead(supervision.Respawned)
    place.ahead(metrics.TABLE)
    for name in ("tandem-watch", "tandem-handover"):
        place.ahead(units.path(name, machine))


# --- what runs -----------------------------------------------------------------------------------


@operation()
def given_away(node: Node, leaving: Leaving) -> Generator[StringCommand, None, None]:
    """Give the VIP to another machine, if this one holds it and another can take it."""
    if not leaving.found[node.name].ours:
        this_host.noop("nothing of Tandem is there")
        return
    if not this_host.get_fact(switchover.NodeStanding, **switchover.asked(this_host)).holds:
        this_host.noop("it does not hold the VIP")
        return
    able = [peer.name for peer in leaving.serving]
    for peer in leaving.order:
        other = this_host.inventory.get_host(peer.name)
        if peer.name != node.name and other in this_host.state.active_hosts:
            standing = other.get_fact(switchover.NodeStanding, **switchover.asked(other))
            able += [] if standing.trouble or standing.drained else [peer.name]
    if not able:
        this_host.noop("no other machine could take it: it goes away here")
        return
    asking.changed()
    yield StringCommand(f"mkdir -p /run/tandem && touch {turns.DRAIN}")
    left = switchover.wait_for(node, gone=switchover.vips(leaving.cluster), seconds=turns.LEAVES_S)
    yield StringCommand(f"( {left} ) || {{ rm -f {turns.DRAIN}; exit 1; }}")


class Running(FactBase[list[str]]):
    """Which of our services run, or would at the next boot."""

    default = list

    def command(self) -> str:
        return (
            f"if [ -x {service.MANAGER} ]; then for each in {' '.join(SERVICES)}; do "
            f"{service.MANAGER} is-active --quiet $each || "
            f"{service.MANAGER} is-enabled --quiet $each && echo $each; "
            "done 2>/dev/null; fi; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def stopped(name_of_service: str) -> Generator[StringCommand, None, None]:
    """Stop it, and keep it from the next boot."""
    if name_of_service not in asking.turns.answer(Running):
        this_host.noop(f"{name_of_service} does not run")
        return
    asking.changed()
    yield StringCommand(f"{service.MANAGER} disable --now {name_of_service}")


class Tables(FactBase[list[str]]):
    """Our tables of nftables, "FAMILY NAME" each: all whose name begins with tandem_."""

    default = list

    def command(self) -> str:
        return "nft list tables 2>/dev/null | sed -n 's/^table \\(.* tandem_.*\\)$/\\1/p'; true"

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def tables_gone() -> Generator[StringCommand, None, None]:
    """Delete them; nobody else's rules are touched."""
    found = asking.turns.answer(Tables)
    if not found:
        this_host.noop("there are none")
        return
    asking.changed()
    for table in found:
        yield StringCommand(f"nft delete table {table}")


class Addresses(FactBase[list[str]]):
    """Where a machine of ours has the VIPs: "ADDRESS/PREFIX INTERFACE" each."""

    default = list

    def command(self, vips: tuple[str, ...], interface: str) -> str:
        shown = "".join(f"ip -o address show to {vip}; " for vip in vips)
        mine = f'$2 == "lo" || $2 == "{interface}" {{ print $4, $2 }}'
        return f"if {places.IS_OURS}; then {{ {shown}}} | awk '{mine}'; fi; true"

    def process(self, output: list[str]) -> list[str]:
        return output


def _addresses(node: Node, cluster: Cluster) -> dict[str, object]:
    vips = tuple(str(vip.ip) for vip in cluster.addresses)
    return {"vips": vips, "interface": node.interface}


@operation()
def addresses_gone(node: Node, cluster: Cluster) -> Generator[StringCommand, None, None]:
    """Take them off, where a service that was killed has left them."""
    found = asking.turns.answer(Addresses, **_addresses(node, cluster))
    if not found:
        this_host.noop("it has no VIP")
        return
    asking.changed()
    for line in found:
        address, interface = line.split()
        yield StringCommand(f"ip address delete {address} dev {interface}")


class Settings(FactBase[list[str]]):
    """Kernel settings as they were before a deploy changed them, where they are others now."""

    default = list

    def command(self) -> str:
        return (
            "while read -r name value; do "
            '[ "$(cat "/proc/sys/$name" 2>/dev/null)" = "$value" ] || echo "$name $value"; '
            f"done 2>/dev/null <{brought.SYSCTLS}; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return [line for line in output if " " in line]


@operation()
def settings_restored() -> Generator[StringCommand, None, None]:
    """Give kernel settings the values that they had."""
    found = asking.turns.answer(Settings)
    if not found:
        this_host.noop("they are as they were")
        return
    asking.changed()
    for line in found:
        name, _, value = line.partition(" ")
        yield StringCommand(f"echo '{value}' >/proc/sys/{name}")


class Forgotten(FactBase[list[str]]):
    """Units of ours that systemd still knows although their files have gone."""

    default = list

    def command(self) -> str:
        return (
            f"if {places.IS_OURS} && [ -d /run/systemd/system ]; then "
            "for unit in nginx tandem-watch tandem-handover; do "
            "[ -e /etc/systemd/system/$unit.service ] || "
            '[ -z "$(systemctl list-units --all --plain --no-legend $unit.service)" ] || '
            "echo $unit; done; "
            '[ "$(systemctl show keepalived --value --property=NeedDaemonReload)" != yes ] || '
            "echo keepalived; fi; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def units_forgotten() -> Generator[StringCommand, None, None]:
    """Have systemd read its units again, without ours."""
    found = asking.turns.answer(Forgotten)
    if not found:
        this_host.noop("systemd knows none of ours")
        return
    asking.changed()
    yield StringCommand(
        "systemctl daemon-reload; systemctl reset-failed",
        f"{' '.join(found)} 2>/dev/null || true",
    )


def reminders(plan: Plan) -> list[str]:
    """What a person has to do next, where a cluster goes on without a machine."""
    return [
        f"Take {', '.join(node.name for node in leaving.deployed)} out of the inventory and "
        f"deploy: until then the other machines of {leaving.cluster.name} go on speaking to it."
        for leaving in plan.leaving
        if leaving.staying and leaving.deployed
    ]
