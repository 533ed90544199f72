"""One guest: create its disk, switch its power, plug its cables, wait for its boot."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from lab.errors import LabError
from lab.guests import base, disk, login_user
from lab.host import bridge, cgroup
from lab.host.mirrors import Mirrors
from lab.host.process import run, start, tail
from lab.paths import PACKAGE, State
from lab.plan import Card, LabMachine, LabPlan, Login

BOOT_TIMEOUT_S = 60.0


def group(tag: str, machine: LabMachine) -> Path:
    """The cgroup of the machine's processes."""
    return cgroup.root(tag) / f"machine.{machine.slug}"


def is_on(plan: LabPlan, machine: LabMachine) -> bool:
    """Whether the machine has power."""
    return cgroup.alive(group(plan.tag, machine))


def is_plugged(state: State, machine: LabMachine, card: Card | None = None) -> bool:
    """Whether that card of the machine has its cable; by default the first."""
    return not _unplugged(state, machine, card or machine.card()).exists()


def public_key(key: Path, comment: str) -> str:
    """The public part of the SSH key at `key`, which is created on first use."""
    public = key.with_suffix(".pub")
    if not public.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        key.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key])
    return public.read_text()


def create_disk(
    state: State, plan: LabPlan, machine: LabMachine, base_directory: Path, mirrors: Mirrors
) -> None:
    """Replace the machine's disk by a bare one."""
    files = disk.files(plan, machine, base.recipe_of(machine).suite, mirrors)
    identity = disk.identity(state.host_key(machine), state.key)
    disk.create(state.machine(machine), base_directory, files | identity)


def power_on(state: State, plan: LabPlan, machine: LabMachine) -> None:
    """Start the machine from its disk; `wait` waits for its boot."""
    whole = group(plan.tag, machine)
    # cgroup2 allows processes in leaves only: the script gets one, the guest another.
    script_group = cgroup.create(whole / "script")
    environment = {
        "CARDS": "\n".join(
            f"{card.interface} {card.mac} {card.port} {card.bridge}" for card in machine.cards
        ),
        "CGROUP": str(whole / "guest"),
        "CGROUP2": str(cgroup.hierarchy()),
        "DISK": str(state.machine(machine)),
        "GATEWAY": plan.gateway_netns,
        "HOST": machine.slug,
        "NETNS": machine.netns,
    }
    start(
        ["sh", PACKAGE / "guests" / "machine.sh"],
        cgroup=script_group,
        log=state.log(machine.slug),
        directory=state.machine(machine),
        env=environment,
    )


def power_off(plan: LabPlan, machine: LabMachine) -> None:
    """Cut the power: the links go down and all processes die; nothing is shut down."""
    for card in machine.cards:
        bridge.set_port(plan, card, "down")
    cgroup.kill(group(plan.tag, machine))
    bridge.remove_cards(plan, machine)


def plug(state: State, plan: LabPlan, machine: LabMachine, card: Card, plugged: bool) -> None:
    """Plug or unplug a card's cable; this survives power cuts."""
    mark = _unplugged(state, machine, card)
    if plugged:
        mark.unlink(missing_ok=True)
    else:
        mark.touch()
    bridge.set_port(plan, card, _cable(state, machine, card))


def pause(state: State, plan: LabPlan, machine: LabMachine, paused: bool) -> None:
    """Have the machine stand still, as a virtual machine that is moved; or go on.

    Nothing arrives meanwhile that it could read afterwards: its cables are out for so long.
    """
    # What it sends at once when it goes on has to arrive.
    for card in machine.cards:
        bridge.set_port(plan, card, "down" if paused else _cable(state, machine, card))
    cgroup.freeze(group(plan.tag, machine) / "guest", paused)


def is_paused(plan: LabPlan, machine: LabMachine) -> bool:
    """Whether the machine stands still."""
    return cgroup.is_frozen(group(plan.tag, machine) / "guest")


def exchange(state: State, plan: LabPlan, machine: LabMachine, card: Card, there: bool) -> None:
    """Take out a card of a machine that is on, or give it that one where it is out."""
    if there:
        bridge.give_card(plan, machine, card, _cable(state, machine, card))
    else:
        bridge.take_card(plan, card)


def wait(state: State, plan: LabPlan, machine: LabMachine) -> None:
    """Wait until the machine has booted and, if plugged, accepts the lab's SSH key.

    Raises `LabError` with the end of its console if it does not.
    """
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while not _listens(machine):
        _check_booting(state, plan, machine, deadline, "no sshd")
        time.sleep(0.05)
    if not is_plugged(state, machine):
        return
    # A failed unit ("degraded") does not make the boot fail; the verifier reports it.
    command = (
        "if test -d /run/systemd/system; then systemctl is-system-running --wait || true; "
        "else while pgrep -f '^/bin/sh /etc/init.d/rc' >/dev/null; do sleep 0.05; done; fi"
    )
    while True:
        done = subprocess.run(
            [*ssh(state, plan), "-o", "ConnectTimeout=1", machine.name, command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            return
        _check_booting(state, plan, machine, deadline, done.stderr.strip())
        time.sleep(0.05)


def make_login(state: State, machine: LabMachine, login: Login) -> None:
    """Have a user there that logs in as `login` says; done again, it changes nothing.

    The machine has to be on; it need not be plugged. Raises `LabError` with what it said.
    """
    done = subprocess.run(
        [*_ssh(state, machine.netns), machine.name, login_user.script(login)],
        input=login_user.passwords(login),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip() or f"exit {done.returncode}"
        raise LabError(f"{machine.name}: the user {login.user} could not be made: {said}")


def _listens(machine: LabMachine) -> bool:
    """Whether sshd listens in the machine's namespace; False before that exists."""
    try:
        return ("tcp", machine.ssh_port) in bridge.listening(machine.netns)
    except LabError:
        return False


def _check_booting(
    state: State, plan: LabPlan, machine: LabMachine, deadline: float, reason: str
) -> None:
    """Raise `LabError`, with the end of its console, if the machine is dead or too late."""
    late = time.monotonic() > deadline
    if late or not is_on(plan, machine):
        what = f"did not answer in {BOOT_TIMEOUT_S:.0f} s ({reason})" if late else "did not boot"
        log = state.log(machine.slug)
        raise LabError(f"{machine.name} {what}; the end of {log}:\n{tail(log)}")


def ssh(state: State, plan: LabPlan) -> tuple[str, ...]:
    """The ssh command line up to the machine's name: whoever it lets in is root."""
    return _ssh(state, plan.gateway_netns)


def _ssh(state: State, netns: str) -> tuple[str, ...]:
    # -F: OpenSSH takes the home directory from the user database, not from HOME.
    return (*bridge.inside(netns), "ssh", "-F", str(state.ssh / "config"), "-l", "root")


def _unplugged(state: State, machine: LabMachine, card: Card) -> Path:
    return state.machine(machine) / f"unplugged.{card.interface}"


def _cable(state: State, machine: LabMachine, card: Card) -> str:
    return "up" if is_plugged(state, machine, card) else "down"
