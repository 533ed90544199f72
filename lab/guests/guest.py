"""One guest's life: its disk, its power, its cable."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from lab.errors import LabError
from lab.guests import base, disk
from lab.guests.mirrors import Mirrors
from lab.host import bridge, cgroup
from lab.host.process import run, start, tail
from lab.paths import PACKAGE, State
from lab.plan import BRIDGE, Machine, Plan

BOOT_TIMEOUT_S = 60.0


def group(tag: str, machine: Machine) -> Path:
    return cgroup.root(tag) / f"machine.{machine.slug}"


def is_on(plan: Plan, machine: Machine) -> bool:
    return cgroup.alive(group(plan.tag, machine))


def is_plugged(state: State, machine: Machine) -> bool:
    return not _unplugged(state, machine).exists()


def host_public_key(state: State, machine: Machine) -> str:
    """The machine's public host key, made now if it has none; a wiped machine keeps it."""
    folder = state.machine(machine)
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "host_key"
    if not key.with_suffix(".pub").exists():
        key.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", key])
    return key.with_suffix(".pub").read_text()


def create_disk(
    state: State, plan: Plan, machine: Machine, base_directory: Path, mirrors: Mirrors
) -> None:
    """A bare machine's disk, in place of whatever was there."""
    public = host_public_key(state, machine)
    keys = disk.Keys(
        host=(state.machine(machine) / "host_key").read_text(),
        host_public=public,
        authorized=state.key.with_suffix(".pub").read_text(),
    )
    suite = base.recipe(machine.base).suite
    content = disk.files(plan, machine, suite, mirrors, keys, disk.new_machine_id())
    disk.create(state.machine(machine), base_directory, content)


def power_on(state: State, plan: Plan, machine: Machine) -> None:
    """Start the machine from its disk; `wait` tells when it is there."""
    whole = group(plan.tag, machine)
    # Processes only in leaves, as cgroup2 wants it: the script here, the guest in its own.
    mains = cgroup.create(whole / "mains")
    environment = {
        "BRIDGE": BRIDGE,
        "CGROUP": str(whole / "guest"),
        "CGROUP2": str(cgroup.hierarchy()),
        "DISK": str(state.machine(machine)),
        "GATEWAY": plan.gateway_netns,
        "HOST": machine.slug,
        "INTERFACE": machine.interface,
        "MAC": machine.mac,
        "NETNS": machine.netns,
        "PORT": machine.port,
    }
    log = state.log(machine.slug)
    script = ["sh", str(PACKAGE / "guests" / "machine.sh")]
    start(script, cgroup=mains, log=log, directory=state.machine(machine), env=environment)


def power_off(plan: Plan, machine: Machine) -> None:
    """A power cut: silent on the network and dead in the same instant, nothing shut down."""
    bridge.set_port(plan, machine, "down")
    cgroup.kill(group(plan.tag, machine))
    bridge.remove_card(plan, machine)


def plug(state: State, plan: Plan, machine: Machine, plugged: bool) -> None:
    """Put the cable in, or pull it out; it stays so over power cuts."""
    mark = _unplugged(state, machine)
    if plugged:
        mark.unlink(missing_ok=True)
    else:
        mark.touch()
    bridge.set_port(plan, machine, "up" if plugged else "down")


def wait(state: State, plan: Plan, machine: Machine) -> None:
    """Until the machine has booted and, if it has its cable, lets the lab's key in."""
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while not _listens(machine):
        _require_hope(state, plan, machine, deadline, "no sshd")
        time.sleep(0.05)
    if not is_plugged(state, machine):
        return
    # A failed unit ("degraded") is for whoever asks the machine to find, not for its boot.
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
        _require_hope(state, plan, machine, deadline, done.stderr.strip())
        time.sleep(0.05)


def _listens(machine: Machine) -> bool:
    """Whether sshd is there, seen from within the machine's namespace, once that exists."""
    try:
        return ("tcp", machine.ssh_port) in bridge.listening(machine.netns)
    except LabError:
        return False


def _require_hope(state: State, plan: Plan, machine: Machine, deadline: float, reason: str) -> None:
    """Raise `LabError` when the machine is dead or too late, with the end of its console."""
    late = time.monotonic() > deadline
    if late or not is_on(plan, machine):
        what = f"did not answer in {BOOT_TIMEOUT_S:.0f} s ({reason})" if late else "did not boot"
        log = state.log(machine.slug)
        raise LabError(f"{machine.name} {what}; the end of {log}:\n{tail(log)}")


def ssh(state: State, plan: Plan) -> tuple[str, ...]:
    """The words before a machine's name and a command for it."""
    # OpenSSH takes the home directory from the user database and not from HOME.
    return (*bridge.inside(plan.gateway_netns), "ssh", "-F", str(state.ssh / "config"))


def _unplugged(state: State, machine: Machine) -> Path:
    return state.machine(machine) / "unplugged"
