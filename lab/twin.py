"""The lab as a Python object: what the command line does, and what tests and drills use.

lab = Lab.load()
lab.ssh("host1", "systemctl is-active nginx").stdout
lab.power_off("host1")
lab.run(["curl", "-s", "http://172.16.12.254/"])
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import inventory_machines
from lab.errors import LabError
from lab.gateway import chrony, mail, services
from lab.guests import access, base, guest, mirrors
from lab.host import bridge, cgroup, requirements
from lab.host.process import run
from lab.paths import STATE, State, checkout_of, user_cache
from lab.plan import PREFIX, PROXY_PORT, Machine, Plan, make_plan, tag_of

Say = Callable[[str], None]


@dataclass(frozen=True)
class MachineStatus:
    """What is true of one machine now."""

    machine: Machine
    on: bool
    plugged: bool
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Lab:
    """A lab that is up."""

    state: State
    plan: Plan

    @classmethod
    def load(cls, checkout: Path | None = None) -> Lab:
        """The lab of a checkout; by default of the current one, or the one this runs inside."""
        root = state_root(checkout)
        state = State(root)
        try:
            plan = Plan.from_json(state.plan.read_text())
        except FileNotFoundError:
            raise LabError("No lab is up here. Boot one: lab up") from None
        if not bridge.exists(plan.gateway_netns):
            raise LabError("The lab's network is gone. Boot it again: lab up")
        return cls(state, plan)

    @property
    def machines(self) -> tuple[Machine, ...]:
        return self.plan.machines

    def machine(self, name: str) -> Machine:
        """The machine of this name. Raises `LabError` that names those there are."""
        found = self.plan.machine(name)
        if found is None:
            known = ", ".join(machine.name for machine in self.machines)
            raise LabError(f"There is no machine {name} in the lab; there are {known}.")
        return found

    def require_reachable(self, name: str) -> None:
        """Raise `LabError` where ssh would wait in vain."""
        machine = self.machine(name)
        if not guest.is_on(self.plan, machine):
            raise LabError(f"{name} has no power: lab power-on {name}")
        if not guest.is_plugged(self.state, machine):
            raise LabError(f"{name} has no cable: lab plug {name}")

    # --- commands --------------------------------------------------------------------------

    def run_command(self, command: Sequence[str]) -> list[str]:
        """`command` as it is to be executed so that it runs in the lab's network."""
        return [*bridge.inside(self.plan.gateway_netns), *command]

    def ssh_command(self, name: str, command: Sequence[str] = ()) -> list[str]:
        """A command on a machine, or a login, as it is to be executed here."""
        return [*guest.ssh(self.state, self.plan), self.machine(name).name, *command]

    def environment(self) -> dict[str, str]:
        return access.environment(os.environ, self.state, str(user_cache()))

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab's network; `options` as for `subprocess.run`."""
        given: dict[str, Any] = {"text": True, "capture_output": True, "env": self.environment()}
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self.run_command(command), **(given | options)
        )
        return done

    def ssh(
        self, name: str, command: str = "true", **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on a machine; `options` as for `subprocess.run`."""
        given: dict[str, Any] = {"text": True, "capture_output": True}
        if "input" not in options:
            given["stdin"] = subprocess.DEVNULL
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self.ssh_command(name, [command]), **(given | options)
        )
        return done

    def enter(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """Become `command`: its exit code, terminal and signals are then its own."""
        # `lab down` ends what still runs in the lab, and finds it here.
        group = cgroup.create(cgroup.root(self.plan.tag) / "run")
        (group / "cgroup.procs").write_text("0")
        # Python ignores it, and a command would inherit that: `yes | head` would complain.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(command[0], list(command), environment)

    # --- cables and power ------------------------------------------------------------------

    def unplug(self, name: str) -> None:
        guest.plug(self.state, self.plan, self.machine(name), False)

    def plug(self, name: str) -> None:
        guest.plug(self.state, self.plan, self.machine(name), True)

    def power_off(self, name: str) -> None:
        """Cut the power: nothing is shut down, the disk stays as it is."""
        machine = self.machine(name)
        with locked(self.state):
            guest.power_off(self.plan, machine)

    def power_on(self, name: str) -> None:
        """Boot the machine from its disk and wait for it."""
        machine = self.machine(name)
        with locked(self.state):
            if guest.is_on(self.plan, machine):
                return
            guest.power_on(self.state, self.plan, machine)
            guest.wait(self.state, self.plan, machine)

    def wipe(self, name: str, say: Say = lambda text: None) -> None:
        """Make it a bare machine again, with the same address and host key."""
        machine = self.machine(name)
        with locked(self.state):
            known = mirrors.ask()
            base_directory = base.ensure(machine.base, known, say)
            guest.power_off(self.plan, machine)
            guest.create_disk(self.state, self.plan, machine, base_directory, known)
            guest.power_on(self.state, self.plan, machine)
            guest.wait(self.state, self.plan, machine)

    # --- looking ---------------------------------------------------------------------------

    def mail(self) -> list[mail.Mail]:
        """Messages that have been delivered, the oldest first."""
        return mail.read(self.state.mail)

    def clear_mail(self) -> None:
        mail.clear(self.state.mail)

    def status(self) -> list[MachineStatus]:
        return [
            MachineStatus(
                machine=machine,
                on=guest.is_on(self.plan, machine),
                plugged=guest.is_plugged(self.state, machine),
                addresses=tuple(bridge.addresses(machine)),
            )
            for machine in self.machines
        ]

    def silent_services(self) -> list[services.Service]:
        """The gateway's services that do not run."""
        return services.silent(self.state, self.plan.tag)


def state_root(checkout: Path | None = None) -> Path:
    """The lab's directory of `checkout`, of the lab this runs inside, or of this directory."""
    inside = os.environ.get("TANDEM_LAB")
    if checkout is None and inside:
        return Path(inside)
    return (checkout_of(Path.cwd()) if checkout is None else checkout.resolve()) / STATE


def up(inventory_path: str, say: Say) -> Lab:
    """Boot what the inventory names, as far as it is not up yet."""
    _refuse_inside("up")
    requirements.require()
    checkout = checkout_of(Path.cwd())
    with ThreadPoolExecutor() as pool:  # pyinfra and apt each take a second
        asking = pool.submit(mirrors.ask)
        wanted = inventory_machines.read(inventory_path, checkout)
        known = asking.result()
    plan = make_plan(checkout, str(Path(inventory_path).resolve()), wanted)
    state = State(checkout / STATE)
    bases = {
        name: base.ensure(name, known, say)
        for name in dict.fromkeys(machine.base for machine in plan.machines)
    }
    chrony.ensure()
    with locked(state, say):
        _clear_remains(state, plan)
        _prepare(state, plan, known)
        lab = Lab(state, plan)
        requirements.raise_limits()
        if not bridge.exists(plan.gateway_netns):
            bridge.create_gateway(plan)
        missing = [machine for machine in plan.machines if not guest.is_on(plan, machine)]
        if missing:
            say(f"Booting {', '.join(machine.name for machine in missing)}")
        for machine in missing:
            if not (state.machine(machine) / "upper").exists():
                guest.create_disk(state, plan, machine, bases[machine.base], known)
            guest.power_on(state, plan, machine)
        if lab.silent_services():
            services.start_services(state, plan, known)
        for machine in missing:
            guest.wait(state, plan, machine)
        services.wait(state, plan)
    return lab


def down(say: Say = lambda text: None) -> bool:
    """Remove the lab of the current checkout with all it has left; False if there was nothing."""
    _refuse_inside("down")
    requirements.require_root()
    checkout = checkout_of(Path.cwd())
    state, tag = State(checkout / STATE), tag_of(checkout)
    with locked(state, say):
        there = state.root.exists() or cgroup.root(tag).exists()
        _remove(state, tag)
    return there


def _refuse_inside(verb: str) -> None:
    if os.environ.get("TANDEM_LAB"):
        raise LabError(f"This runs inside the lab; leave `lab run` first, then: lab {verb}")


def _clear_remains(state: State, plan: Plan) -> None:
    """Remove what a killed lab has left; refuse to change a lab that lives into another one."""
    if not cgroup.alive(cgroup.root(plan.tag)) or not bridge.exists(plan.gateway_netns):
        _remove(state, plan.tag)
        return
    try:
        before = Plan.from_json(state.plan.read_text())
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        _remove(state, plan.tag)
        return
    if before != plan:
        names = ", ".join(machine.name for machine in before.machines)
        raise LabError(f"Another lab is up here: {names}, of {before.inventory}. First: lab down")


def _prepare(state: State, plan: Plan, known: mirrors.Mirrors) -> None:
    """The lab's directory, as far as it is missing; the same for a lab that is up."""
    for folder in (state.root, state.home, state.ssh, state.run, state.logs):
        folder.mkdir(exist_ok=True)
    state.ssh.chmod(0o700)
    state.plan.write_text(plan.to_json())
    if not state.key.with_suffix(".pub").exists():
        state.key.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", plan.tag, "-f", state.key])
    keys = {machine.name: guest.host_public_key(state, machine) for machine in plan.machines}
    (state.ssh / "config").write_text(access.ssh_config(state, plan))
    (state.ssh / "known_hosts").write_text(access.known_hosts(plan, keys))
    proxy = f"http://{plan.machines[0].gateway}:{PROXY_PORT}"
    lines = mirrors.through(known, proxy)
    state.apt_conf.write_text("".join(f"{line}\n" for line in lines))


def _remove(state: State, tag: str) -> None:
    """End every process of the lab; remove its cgroups, namespaces and files."""
    cgroup.remove(cgroup.root(tag))
    bridge.remove_all(tag)
    if state.root.exists():
        shutil.rmtree(state.root)
    if not any(cgroup.hierarchy().glob(f"{PREFIX}*")):
        # Of no use to anybody when the last lab is down, where systemd itself does not run.
        for empty in (Path("/run/systemd/nspawn"), Path("/run/systemd")):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()


@contextmanager
def locked(state: State, say: Say = lambda text: None) -> Iterator[None]:
    """One change of a lab at a time. The checkout itself is the lock: it leaves no file."""
    descriptor = os.open(state.root.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another lab command is at work; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Not left to the closing: beside pyinfra, gevent closes a descriptor when it gets to it.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
