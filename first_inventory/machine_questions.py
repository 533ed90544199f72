"""Asks the machines over SSH, as a deploy would reach them, and changes nothing there."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from types import TracebackType
from typing import Any, TypeVar

import gevent
from pyinfra.api import Config, FactBase, Host, Inventory, State, StringCommand
from pyinfra.api.exceptions import ConnectError, FactProcessError, PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.context import ctx_config, ctx_inventory, ctx_state

from controller import rendering
from controller.ssh import machine_connector, root_rights, surroundings
from first_inventory import findings
from first_inventory.findings import (
    HeardRouter,
    MachineDetails,
    MachineFindings,
    MachineProblem,
    NetworkServices,
)
from first_inventory.shared_networks import SharedNetwork
from settings import Mistake
from tasks.machine import clock
from tasks.machine.survey import Survey

T = TypeVar("T")
# How long others are listened for: VRRP's adverts come every second, seldom every few.
LISTEN_S = 4.0
# The time servers that a machine's own services name, those that DHCP gave first.
_TIME_SERVERS = r"""
cat /run/chrony-dhcp/*.sources /etc/chrony/sources.d/*.sources /etc/chrony/conf.d/*.conf \
    /etc/chrony/chrony.conf /etc/chrony.conf /etc/ntpsec/ntp.conf /etc/ntp.conf 2>/dev/null |
    sed -nE 's/^[[:space:]]*(server|pool|peer)[[:space:]]+([^[:space:]]+).*/\2/p'
timedatectl show-timesync --property ServerName --value 2>/dev/null"""


class MachineDetailsFact(FactBase[MachineDetails]):
    """`MachineDetails`, in one round trip, with tools that every machine has."""

    def command(self) -> str:
        steps = (
            "uname -n",
            "ip -j route show default || true",
            clock.WHO_KEEPS_IT,
            _TIME_SERVERS,
            "ss -Hltnp 'sport = :80' || true",
            "date +%s.%N",  # last, since it is compared with the time here when all has been said
        )
        return "; echo @; ".join(steps)

    def process(self, output: list[str]) -> MachineDetails:
        try:
            return findings.details_of("\n".join(output), time.time())
        except (ValueError, KeyError) as error:
            raise FactProcessError(f"what this machine says cannot be read: {error}") from error


class NotAsked(Exception):
    """What kept machines from being asked: `mistakes` holds all of it."""

    def __init__(self, mistakes: Sequence[Mistake]):
        super().__init__(*mistakes)
        self.mistakes = tuple(mistakes)


class AskedMachines:
    """The machines, connected; to be used in `with`, which ends the connections."""

    def __init__(self, names: Sequence[str], login: Mapping[str, Any]):
        """names: as SSH knows them. login: pyinfra's own settings, for all of them."""
        machine_connector.install()
        self._inventory = Inventory((list(names), dict(login)))  # type: ignore[no-untyped-call]
        config = Config(SHELL=surroundings.SHELL)  # type: ignore[no-untyped-call]
        self._state = State()
        self._contexts = (
            ctx_state.use(self._state),
            ctx_config.use(config),
            ctx_inventory.use(self._inventory),
        )
        for context in self._contexts:
            context.__enter__()
        self._state.init(self._inventory, config)
        self._state.set_stage(StateStage.Connect)
        self.hosts = {host.name: host for host in self._inventory}

    def __enter__(self) -> AskedMachines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connected = [host for host in self.hosts.values() if host.connected]
        gevent.joinall([gevent.spawn(host.disconnect) for host in connected], timeout=5)
        for context in reversed(self._contexts):
            context.__exit__(kind, error, trace)

    def connect(self) -> None:
        """Connect to all of them, as root or as who becomes it. Raises `NotAsked`."""
        refused = self._all(self._refusal)
        mistakes: list[Mistake] = [
            MachineProblem.saying(name, why) for name, why in refused.items() if why
        ]
        reached = [host for host in self.hosts.values() if host.connected]
        for host, (said, remedy) in root_rights.problems_of(reached).items():
            saying = f"Tandem is not root there, and has to be: {said}. {remedy}"
            mistakes.append(MachineProblem.saying(host.name, saying))
        if mistakes:
            raise NotAsked(mistakes)

    def ask_all(self, listen_s: float) -> list[MachineFindings]:
        """What they have, and whom they hear. Raises `NotAsked`."""
        listening = {
            name: gevent.spawn(self._network, host, "hear", f"{listen_s:g}")
            for name, host in self.hosts.items()
        }
        surveyed = self._facts(Survey)
        details = self._facts(MachineDetailsFact)
        return [
            MachineFindings(
                host=name,
                ssh_address=_address(host),
                surveyed=surveyed[name],
                details=details[name],
                heard=_heard(listening[name].get()),
            )
            for name, host in self.hosts.items()
        ]

    def owners(
        self, network: SharedNetwork, addresses: Iterable[IPv4Address]
    ) -> dict[str, dict[str, str]]:
        """Who has these addresses, and the other machines' own: the MAC of each that answers, by
        the machine that asked; without those that cannot ask."""

        def ask(host: Host) -> list[str] | None:
            interface, own = network.places[host.name]
            wanted = [each for each in {*addresses, *network.addresses} if each != own.ip]
            return self._network(host, "who", interface, *map(str, sorted(wanted)))

        return {
            name: dict(line.split(" ", 1) for line in lines)
            for name, lines in self._all(ask).items()
            if lines is not None
        }

    def services(self, addresses: Sequence[str]) -> dict[str, NetworkServices]:
        """Which of these serve each machine; without those that cannot ask."""
        answers = self._all(lambda host: self._network(host, "serves", *addresses))
        return {
            name: findings.services_in(lines)
            for name, lines in answers.items()
            if lines is not None
        }

    def _all(self, ask: Callable[[Host], T]) -> dict[str, T]:
        greenlets = {name: gevent.spawn(ask, host) for name, host in self.hosts.items()}
        return {name: greenlet.get() for name, greenlet in greenlets.items()}

    def _refusal(self, host: Host) -> str:
        """Why it is not reached; "" if it is."""
        try:
            host.connect(raise_exceptions=True, show_errors=False)
        except ConnectError as error:
            return str(error.args[0])
        return ""

    def _facts(self, fact: type[FactBase[T]]) -> dict[str, T]:
        """The fact of each machine. Raises `NotAsked`."""
        asked = fact()

        def ask(host: Host) -> T | str:
            try:
                done, lines, said = _run(host, str(asked.command()))
                return asked.process(lines) if done else said or "it gave no answer"
            except PyinfraError as error:
                return str(error)

        answers = self._all(ask)
        mistakes = [
            MachineProblem.saying(name, why)
            for name, why in answers.items()
            if isinstance(why, str)
        ]
        if mistakes:
            raise NotAsked(mistakes)
        return answers  # type: ignore[return-value]

    def _network(self, host: Host, *words: str) -> list[str] | None:
        """What ask_network.py says there; None where it could not be run to its end."""
        program = rendering.read("first_inventory/ask_network.py")
        try:
            _, lines, _ = _run(host, shlex.join(("python3", "-c", program, *words)))
        except PyinfraError:
            return None
        return findings.answered(lines)


def ssh_user_of(name: str) -> str:
    """Who SSH's own configuration logs in as there; else root, as a deploy does."""
    config = get_ssh_config()
    return str((config and config.lookup(name).get("user")) or "root")


def _run(host: Host, command: str) -> tuple[bool, list[str], str]:
    """Whether it succeeded as root, the lines it printed, and what it complained of."""
    done, output = host.run_shell_command(StringCommand(command), **root_rights.arguments_of(host))
    return done, output.stdout_lines, output.stderr.strip()[-300:]


def _heard(lines: list[str] | None) -> frozenset[HeardRouter] | None:
    return None if lines is None else findings.heard_in(lines)


def _address(host: Host) -> str:
    """The address that SSH is connected to; "" where a proxy is in between."""
    client = getattr(host.connector, "client", None)
    transport = client and client.get_transport()
    try:
        return str(transport.sock.getpeername()[0]) if transport else ""
    except (AttributeError, OSError):
        return ""
