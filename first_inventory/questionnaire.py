"""The conversation: little is asked of a person, the rest of the machines; then it is written."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from first_inventory import (
    findings_table,
    inventory_file_writing,
    proposal,
    readiness,
    shared_networks,
    vip_choice,
)
from first_inventory import given_answers as said
from first_inventory.findings import MachineFindings, NetworkServices
from first_inventory.given_answers import GivenAnswers, WrongAnswer
from first_inventory.machine_questions import NotAsked
from first_inventory.person import LEFT, Person
from first_inventory.shared_networks import SharedNetwork
from first_inventory.vip_choice import VipChoice
from settings import Mistake, Refused, TypedMistake
from settings.mistakes.mistake import merge

Owners = dict[str, dict[str, str]]


class AskableMachines(Protocol):
    """What `machine_questions.AskedMachines` is asked."""

    def connect(self) -> None: ...
    def ask_all(self, listen_s: float) -> list[MachineFindings]: ...
    def owners(self, network: SharedNetwork, addresses: Iterable[IPv4Address]) -> Owners: ...
    def services(self, addresses: Sequence[str]) -> dict[str, NetworkServices]: ...


class InventoryRequest(NamedTuple):
    """What init.py was started with. path: the file, named `file` by the person; listen_s: for how
    long others are listened for."""

    answers: GivenAnswers
    path: Path
    file: str
    replaces: bool
    listen_s: float


@dataclass
class Questionnaire:
    """One conversation. connect: makes the machines of (names, login). user_of: who SSH's own
    configuration logs in as on a machine."""

    person: Person
    connect: Callable[[Sequence[str], Mapping[str, Any]], AbstractContextManager[AskableMachines]]
    user_of: Callable[[str], str]

    def conduct(self, request: InventoryRequest) -> None:
        """Ask, look, propose, write. Raises `Refused`, with nothing written."""
        request = self._place(request)
        known = self._who(request.answers)
        assert known.hosts
        login: dict[str, Any] = {"ssh_user": known.user}
        if known.sudo:
            login["_sudo"] = True
        self.person.tell(
            f"\n--> Asking {', '.join(known.hosts)} over SSH, and listening for others that speak "
            f"VRRP for {request.listen_s:g} s. Nothing is changed there."
        )
        with self.connect(known.hosts, login) as asked:
            try:
                asked.connect()
                machines = asked.ask_all(request.listen_s)
            except NotAsked as error:
                raise _refused(error.mistakes, known, request) from error
            networks = shared_networks.shared(machines)
            if not networks:
                raise _refused(shared_networks.apart(machines), known, request)
            self.person.show(findings_table.machines(machines))
            self.person.tell()
            known, choice, owners = self._vip(asked, known, machines, networks, request)
            known, proposed, services = self._settings(asked, known, machines, choice, owners)
        apart = vip_choice.unseen(choice.network, owners)
        self._write(request, proposed, machines, services, apart)

    def _place(self, request: InventoryRequest) -> InventoryRequest:
        """Where to write; asked only where something is there already."""
        if self.person.attended and request.path.exists() and not request.replaces:
            kept = inventory_file_writing.backup(request.path).name
            self.person.tell(f"{request.file} is there already.")
            file = self.person.ask(
                f"File to write ({request.file} replaces it, and keeps the old one as {kept})",
                str,
                str(Path(request.file).with_name(_free_name(request.path).name)),
            )
            beside = Path(file).parent == Path(request.file).parent
            path = request.path.parent / Path(file).name if beside else Path(file)
            request = request._replace(path=path, file=file, replaces=path == request.path)
        inventory_file_writing.refuse_unwritable(request.path, replace=request.replaces)
        return request

    def _who(self, known: GivenAnswers) -> GivenAnswers:
        """The machines, and who logs in there."""
        person = self.person
        if person.attended and known.hosts is None:
            person.tell(
                "The machines: two or more, as `ssh` knows them (addresses, or names of your\n"
                "~/.ssh/config). The first is to hold the VIP, the floating address."
            )
            known = replace(known, hosts=person.ask("Machines", said.hosts_of))
        assert known.hosts
        if known.user is None:
            user = person.ask("SSH logs in as", said.user_of, self.user_of(known.hosts[0]))
            known = replace(known, user=user)
        if known.user == "root":
            return replace(known, sudo=bool(known.sudo))
        if known.sudo is None:
            known = replace(known, sudo=person.agrees(f"Does {known.user} become root by sudo?"))
        if not known.sudo:
            raise Refused(
                f"{known.user} is not root, and Tandem has to be: --sudo, or --user root. With "
                f"doas, write the file with --sudo first and edit it (docs/operations.md). {LEFT}"
            )
        return known

    def _vip(
        self,
        asked: AskableMachines,
        known: GivenAnswers,
        machines: Sequence[MachineFindings],
        networks: Sequence[SharedNetwork],
        request: InventoryRequest,
    ) -> tuple[GivenAnswers, VipChoice, Owners]:
        """The VIP that nobody has, and who has which of the addresses that were asked for."""
        owners: Owners = {}

        def read(text: str) -> VipChoice:
            choice = vip_choice.chosen(text, networks, machines)
            owners.clear()
            owners.update(_owners(asked, machines, choice.network, choice.vip.ip))
            vip_choice.refuse_taken(choice, _union(owners))
            return choice

        choice = None
        if known.vip is not None:
            try:
                choice = read(known.vip)
            except WrongAnswer as error:
                if not self.person.attended:
                    free = self._free(asked, machines, networks[0])
                    hint = f". Nobody answers for {free}" if free else ""
                    told = TypedMistake.saying(f"--vip: {error}{hint}")
                    raise _refused([told], replace(known, vip=None), request) from error
                self.person.tell(f"    {error}.")
        if choice is None:
            where = " or ".join(str(each.network) for each in networks)
            self.person.tell(
                f"The VIP: a free address of {where}, which no DHCP server gives away."
            )
            free = self._free(asked, machines, networks[0])
            choice = self.person.ask("VIP", read, free or None)
        return replace(known, vip=str(choice.vip)), choice, owners

    def _free(
        self, asked: AskableMachines, machines: Sequence[MachineFindings], network: SharedNetwork
    ) -> str:
        """An address for which nobody answers, "" if there is none, or nobody can ask."""
        answered = _owners(asked, machines, network)
        taken = _union(answered)
        found = map(str, vip_choice.candidates(machines, network))
        return next((each for each in found if each not in taken and answered), "")

    def _settings(
        self,
        asked: AskableMachines,
        known: GivenAnswers,
        machines: Sequence[MachineFindings],
        choice: VipChoice,
        owners: Owners,
    ) -> tuple[GivenAnswers, proposal.InventoryProposal, dict[str, NetworkServices]]:
        """The rest: time, mail, the cluster's name; and what comes of it all."""
        person = self.person
        given = [each for each in (known.ntp_server, known.smtp_server) if each]
        services = asked.services([*proposal.time_candidates(machines), *given])
        server, reason = proposal.time_server(machines, services)
        if known.ntp_server is None:
            typed = person.ask(
                "Time server (none: clocks are left alone)",
                said.ntp_server_of,
                server or "none",
            )
            known = replace(known, ntp_server=typed)
        if known.ntp_server != server:
            server, reason = known.ntp_server or "", "as it was given to init.py"
        if known.email is None:
            known = replace(
                known, email=person.ask("Mail about failovers to", said.email_of, "none")
            )
        if known.email and not known.smtp_server:
            found = proposal.mail_server(machines, services)
            if not (found or person.attended):
                raise Refused(
                    f"--smtp-server: name the server for mails to {known.email[0]}. {LEFT}"
                )
            smtp = person.ask(
                "Mail server (port 25, no password)", said.smtp_server_of, found or None
            )
            known = replace(known, smtp_server=smtp)
        if known.cluster is None:
            known = replace(known, cluster=person.ask("Cluster's name", said.cluster_of, "web"))
        new = [each for each in (known.ntp_server, known.smtp_server) if each and each not in given]
        if set(new) - set(proposal.time_candidates(machines)):
            services = _both(services, asked.services(new))
        proposed = proposal.proposal(
            known, machines, choice, (server, reason), probed=len(owners) > 0
        )
        return known, proposed, services

    def _write(
        self,
        request: InventoryRequest,
        proposed: proposal.InventoryProposal,
        machines: Sequence[MachineFindings],
        services: Mapping[str, NetworkServices],
        apart: Sequence[str],
    ) -> None:
        text = inventory_file_writing.text_of(
            proposed, shlex.quote(request.file), datetime.date.today()
        )
        with inventory_file_writing.beside(request.path, text) as new:
            cluster, mistakes = inventory_file_writing.read_back(new)
            if cluster is None:
                raise Refused(_listed("This inventory would be refused:", mistakes, LEFT))
            ready = readiness.readiness(proposed, cluster.nodes, machines, services, apart)
            self.person.tell()
            self.person.show(findings_table.proposed(proposed))
            notes = [*ready.notes, *inventory_file_writing.overruled(new, proposed.cluster)]
            if notes:
                self.person.tell(_listed("\n--> Worth a look:", notes))
            if ready.barring:
                title = "\n--> The file is right. To be mended before deploy.py:"
                self.person.tell(_listed(title, ready.barring))
            if not self.person.agrees(f"\nWrite {request.file}?"):
                raise Refused(f"Not confirmed. {LEFT}")
            kept = inventory_file_writing.put_in_place(new, request.path)
        old = f" The old one is {kept.name}." if kept else ""
        after = "mend what is named above, then " if ready.barring else ""
        self.person.tell(
            f"\n--> Written: {request.file}.{old} Next: {after}"
            f".venv/bin/pyinfra {shlex.quote(request.file)} deploy.py --dry"
        )


def _refused(
    mistakes: Iterable[Mistake], known: GivenAnswers, request: InventoryRequest
) -> Refused:
    """What is wrong with the machines, all at once, and how to begin again without typing all."""
    again = said.typed(known, request.file)
    return Refused(_listed("this cannot be an inventory yet:", mistakes, f"{LEFT} Then: {again}"))


def _listed(title: str, mistakes: Iterable[Mistake], end: str = "") -> str:
    lines = [f"    - {mistake}" for mistake in merge(mistakes)]
    return "\n".join((title, *lines, *([f"    {end}"] if end else ())))


def _owners(
    asked: AskableMachines,
    machines: Sequence[MachineFindings],
    network: SharedNetwork,
    *addresses: IPv4Address,
) -> Owners:
    """Who has these, and the addresses that may be free, where that can be found out."""
    candidates = vip_choice.candidates(machines, network)
    owners = asked.owners(network, [*addresses, *candidates])
    return vip_choice.without_proxies(owners, candidates)


def _union(owners: Owners) -> dict[str, str]:
    return {address: mac for found in owners.values() for address, mac in found.items()}


def _both(
    one: Mapping[str, NetworkServices], other: Mapping[str, NetworkServices]
) -> dict[str, NetworkServices]:
    nothing = NetworkServices()
    return {
        host: NetworkServices(
            one.get(host, nothing).time | found.time, one.get(host, nothing).mail | found.mail
        )
        for host, found in other.items()
    }


def _free_name(path: Path) -> Path:
    """A name near `path` that no file has."""
    number = 2
    while (free := path.with_name(f"{path.stem}_{number}.py")).exists():
        number += 1
    return free
