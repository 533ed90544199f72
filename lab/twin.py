"""A running lab as a Python object, for the command line, the drills and the tests.

lab = Lab.load()
lab.ssh("host1", "systemctl is-active nginx").stdout
lab.power_off("host1")
lab.run(["curl", "-s", "http://172.16.12.254/"])
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.gateway import mail, routing, services
from lab.guests import access, base, guest
from lab.host import bridge, cgroup, lock, mirrors
from lab.paths import STATE, State, checkout_of, user_cache
from lab.plan import LabMachine, LabPlan, LabRouter, Login

Progress = Callable[[str], None]  # takes one line at a time of what a command is doing


def no_progress(line: str) -> None:
    """Progress for callers that show none."""


@dataclass(frozen=True)
class MachineStatus:
    """The state of one machine now."""

    machine: LabMachine
    on: bool
    unplugged: tuple[str, ...]  # the interfaces without a cable
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Lab:
    """A lab that is up."""

    state: State
    plan: LabPlan

    @classmethod
    def load(cls, checkout: Path | None = None) -> Lab:
        """The lab of a checkout; by default the one this process runs inside, or the current one.

        Raises `LabError` if none is up.
        """
        inside = os.environ.get("TANDEM_LAB")
        if checkout is None and inside:
            state = State(Path(inside))
        else:
            state = State((checkout or checkout_of(Path.cwd())).resolve() / STATE)
        try:
            plan = LabPlan.from_json(state.plan.read_text())
        except FileNotFoundError:
            raise LabError("No lab is up here. Boot one: lab up") from None
        except (ValueError, KeyError, TypeError):
            raise LabError("The lab was booted by another version. Boot it again: lab up") from None
        if not bridge.exists(plan.gateway_netns):
            raise LabError("The lab's network is gone. Boot it again: lab up")
        return cls(state, plan)

    @property
    def machines(self) -> tuple[LabMachine, ...]:
        return self.plan.machines

    def machine(self, name: str) -> LabMachine:
        """The machine of this name. Raises `LabError` with the known names."""
        by_name = {machine.name: machine for machine in self.machines}
        if name not in by_name:
            known = ", ".join(by_name)
            raise LabError(f"There is no machine {name} in the lab; there are {known}.")
        return by_name[name]

    def router(self, name: str = "") -> LabRouter:
        """The router of this name or address; by default the first. Raises `LabError` if none."""
        for router in self.plan.routers:
            if name in ("", *router.known_as):
                return router
        known = ", ".join(" or ".join(router.known_as) for router in self.plan.routers)
        raise LabError(
            f"There is no router {name} in the lab; there are {known}."
            if known
            else "The lab has no routers: no machine of its inventory announces an address."
        )

    def require_reachable(self, name: str) -> None:
        """Raise `LabError` if the machine has no power or no cable: ssh would only time out."""
        machine = self.machine(name)
        if not guest.is_on(self.plan, machine):
            raise LabError(f"{name} has no power: lab power-on {name}")
        if not guest.is_plugged(self.state, machine):
            raise LabError(f"{name} has no cable: lab plug {name}")

    # --- commands --------------------------------------------------------------------------

    def run_command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in the lab's network."""
        return [*bridge.inside(self.plan.gateway_netns), *command]

    def ssh_command(self, name: str, command: Sequence[str] = ()) -> list[str]:
        """The command line that runs `command` on a machine; without one, a login."""
        return [*guest.ssh(self.state, self.plan), self.machine(name).name, *command]

    def environment(self) -> dict[str, str]:
        """The environment for commands in the lab's network."""
        return access.environment(os.environ, self.state, str(user_cache()))

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab's network; `options` as for `subprocess.run`."""
        return _run(self.run_command(command), {"env": self.environment()} | options)

    def ssh(
        self, name: str, command: str = "true", **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on a machine; `options` as for `subprocess.run`."""
        stdin = {} if "input" in options else {"stdin": subprocess.DEVNULL}
        return _run(self.ssh_command(name, [command]), stdin | options)

    def enter(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """Replace this process by `command`; does not return."""
        # `lab down` ends the processes of this cgroup.
        group = cgroup.create(cgroup.root(self.plan.tag) / "run")
        (group / "cgroup.procs").write_text("0")
        # Python ignores SIGPIPE and the command would inherit that: `yes | head` would fail.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(command[0], list(command), environment)

    # --- cables and power ------------------------------------------------------------------

    # An interface that is not given is the machine's first.

    def unplug(self, name: str, interface: str = "") -> None:
        """Take an interface's link down; `name` may be a router's, or its address."""
        self._plug(name, interface, False)

    def plug(self, name: str, interface: str = "") -> None:
        """Take an interface's link up."""
        self._plug(name, interface, True)

    def _plug(self, name: str, interface: str, plugged: bool) -> None:
        machines = {machine.name: machine for machine in self.machines}
        routers = {word: each for each in self.plan.routers for word in each.known_as}
        if name in machines:
            machine = machines[name]
            guest.plug(self.state, self.plan, machine, machine.card(interface), plugged)
        elif name in routers:
            routing.plug(self.plan, routers[name], interface, plugged)
        elif not routers:
            self.machine(name)  # says which there are
        else:
            known = ", ".join([*machines, *routers])
            raise LabError(f"There is no machine or router {name} in the lab; there are {known}.")

    def restart_router(self, name: str = "") -> None:
        """Kill a router's BIRD and start it again; its sessions come back by themselves."""
        router = self.router(name)
        with locked(self.state):
            routing.restart(self.state, self.plan, router)

    def keep_flows(self, keeps: bool) -> None:
        """Whether routers keep flows where they are when a machine comes or goes."""
        self.router()
        with locked(self.state):
            routing.keep_flows(self.state, self.plan, keeps)

    def ask_router(self, question: str, name: str = "") -> str:
        """What a router's BIRD answers, as to `birdc`: "show route", say."""
        return routing.ask(self.state, self.router(name).name, question)

    def take_card(self, name: str, interface: str = "") -> None:
        """Take a network card out of a running machine: its interface is gone."""
        machine = self._running(name)
        guest.exchange(self.state, self.plan, machine, machine.card(interface), False)

    def give_card(self, name: str, interface: str = "") -> None:
        """Give a running machine whose card is out one of the same name and addresses."""
        machine = self._running(name)
        guest.exchange(self.state, self.plan, machine, machine.card(interface), True)

    def pause(self, name: str) -> None:
        """Have a running machine stand still, off the network, as one that is moved."""
        guest.pause(self.state, self.plan, self._running(name), True)

    def resume(self, name: str) -> None:
        """Have a machine go on that stands still."""
        guest.pause(self.state, self.plan, self._running(name), False)

    def is_paused(self, name: str) -> bool:
        """Whether a running machine stands still."""
        return guest.is_paused(self.plan, self._running(name))

    def _running(self, name: str) -> LabMachine:
        machine = self.machine(name)
        if not guest.is_on(self.plan, machine):
            raise LabError(f"{name} has no power: lab power-on {name}")
        return machine

    def power_off(self, name: str) -> None:
        """Cut the power: nothing is shut down; the disk stays as it is."""
        machine = self.machine(name)
        with locked(self.state):
            guest.power_off(self.plan, machine)

    def power_on(self, name: str) -> None:
        """Boot the machine from its disk and wait for it."""
        machine = self.machine(name)
        with locked(self.state):
            if guest.is_on(self.plan, machine):
                return
            self._boot(machine)

    def wipe(self, name: str, progress: Progress = no_progress) -> None:
        """Give the machine a new bare disk; its address and host key stay."""
        machine = self.machine(name)
        with locked(self.state):
            known = mirrors.ask()
            base_directory = base.ensure(machine, known, progress)
            guest.power_off(self.plan, machine)
            guest.create_disk(self.state, self.plan, machine, base_directory, known)
            self._boot(machine)
            self.make_login(machine)

    def _boot(self, machine: LabMachine) -> None:
        guest.power_on(self.state, self.plan, machine)
        guest.wait(self.state, self.plan, machine)

    def make_login(self, machine: LabMachine, login: Login | None = None) -> None:
        """Have the user there that logs in, the inventory's where no other is given."""
        wanted = login or machine.login
        if not wanted.is_bare:
            guest.make_login(self.state, machine, wanted)

    # --- state ---------------------------------------------------------------------------

    def mail(self) -> list[mail.Mail]:
        """Delivered messages, the oldest first."""
        return mail.read(self.state.mail)

    def clear_mail(self) -> None:
        mail.clear(self.state.mail)

    def status(self) -> list[MachineStatus]:
        """Power, cable and addresses of every machine."""
        return [
            MachineStatus(
                machine=machine,
                on=guest.is_on(self.plan, machine),
                unplugged=tuple(
                    card.interface
                    for card in machine.cards
                    if not guest.is_plugged(self.state, machine, card)
                ),
                addresses=tuple(bridge.addresses(machine)),
            )
            for machine in self.machines
        ]

    def router_status(self) -> list[routing.RouterStatus]:
        """Cables and sessions of every router."""
        return routing.status(self.state, self.plan)

    def stopped_services(self) -> list[services.GatewayService]:
        """The gateway's services that are not running."""
        return services.stopped(self.state, self.plan.tag)


def _run(command: Sequence[str], options: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    given = {"text": True, "capture_output": True} | options
    done: subprocess.CompletedProcess[str] = subprocess.run(command, **given)
    return done


def locked(state: State, progress: Progress = no_progress) -> AbstractContextManager[None]:
    """One change of a lab at a time: the lock is the checkout's own directory."""
    return lock.exclusive(
        state.root.parent, lambda: progress("Another lab command is running; waiting for it")
    )
