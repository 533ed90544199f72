"""Bring a lab up from an inventory, and take it down with everything it has created."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import inventory_machines
from lab.errors import LabError
from lab.gateway import bird, chrony, routing, services
from lab.guests import access, base, guest
from lab.host import bridge, cgroup, mirrors, requirements
from lab.paths import STATE, State, checkout_of
from lab.plan import PREFIX, PROXY_PORT, LabPlan, tag_of
from lab.planning import make_plan
from lab.twin import Lab, Progress, locked, no_progress


def up(inventory_path: str, progress: Progress, tell: Progress = no_progress) -> Lab:
    """Boot every machine of the inventory that is not up yet, and the gateway.

    tell: takes what a person has to know before that, a line at a time.
    Raises `LabError` if this machine cannot carry a lab, or another one is up in this checkout.
    """
    _refuse_inside("up")
    requirements.require()
    checkout = checkout_of(Path.cwd())
    with ThreadPoolExecutor() as pool:  # pyinfra and apt take a second each
        mirrors_found = pool.submit(mirrors.ask)
        found = inventory_machines.read(inventory_path, checkout)
        known = mirrors_found.result()
    plan = make_plan(checkout, str(Path(inventory_path).resolve()), found.machines)
    state = State(checkout / STATE)
    for note in found.notes:
        tell(f"Note: {note}")
    bases = {machine.name: base.ensure(machine, known, progress) for machine in plan.machines}
    chrony.ensure()
    if plan.routers:
        bird.ensure()
    with locked(state, progress):
        _clear_remains(state, plan)
        _prepare(state, plan, known)
        lab = Lab(state, plan)
        requirements.raise_limits()
        if not bridge.exists(plan.gateway_netns):
            bridge.create_gateway(plan)
        routing.create(plan)
        missing = [machine for machine in plan.machines if not guest.is_on(plan, machine)]
        if missing:
            progress(f"Booting {', '.join(machine.name for machine in missing)}")
        for machine in missing:
            if not (state.machine(machine) / "upper").exists():
                guest.create_disk(state, plan, machine, bases[machine.name], known)
            guest.power_on(state, plan, machine)
        if lab.stopped_services():
            services.start_services(state, plan, known)
        routing.start_all(state, plan)
        for machine in missing:
            guest.wait(state, plan, machine)
        services.wait(state, plan)
        for machine in plan.machines:
            lab.make_login(machine)
    return lab


def down(progress: Progress = no_progress) -> bool:
    """Remove the lab of the current checkout; False if there was none."""
    _refuse_inside("down")
    requirements.require_root()
    checkout = checkout_of(Path.cwd())
    state, tag = State(checkout / STATE), tag_of(checkout)
    with locked(state, progress):
        existed = state.root.exists() or cgroup.root(tag).exists()
        _remove(state, tag)
    return existed


def _refuse_inside(verb: str) -> None:
    if os.environ.get("TANDEM_LAB"):
        raise LabError(f"This runs inside the lab; leave `lab run` first, then: lab {verb}")


def _clear_remains(state: State, plan: LabPlan) -> None:
    """Remove the remains of a killed lab; raise `LabError` if another lab is running here."""
    runs = cgroup.alive(cgroup.root(plan.tag)) and bridge.exists(plan.gateway_netns)
    try:
        before = LabPlan.from_json(state.plan.read_text()) if runs else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        before = None
    if before is None:
        _remove(state, plan.tag)
    elif before.without_logins() != plan.without_logins():
        names = ", ".join(machine.name for machine in before.machines)
        raise LabError(f"Another lab is up here: {names}, of {before.inventory}. First: lab down")


def _prepare(state: State, plan: LabPlan, known: mirrors.Mirrors) -> None:
    """Write the lab's directory: plan, keys, SSH and apt configuration. Idempotent."""
    for folder in (state.root, state.home, state.ssh, state.run, state.logs):
        folder.mkdir(exist_ok=True)
    state.ssh.chmod(0o700)
    state.plan.touch(0o600)  # there may be a password in it
    state.plan.write_text(plan.to_json())
    guest.public_key(state.key, plan.tag)
    keys = {
        machine.name: guest.public_key(state.host_key(machine), machine.name)
        for machine in plan.machines
    }
    (state.ssh / "config").write_text(access.ssh_config(state, plan))
    (state.ssh / "known_hosts").write_text(access.known_hosts(plan, keys))
    lines = mirrors.through(known, f"http://{plan.machines[0].gateway}:{PROXY_PORT}")
    state.apt_conf.write_text("".join(f"{line}\n" for line in lines))


def _remove(state: State, tag: str) -> None:
    """End every process of the lab; remove its cgroups, namespaces and files."""
    cgroup.remove(cgroup.root(tag))
    bridge.remove_all(tag)
    if state.root.exists():
        shutil.rmtree(state.root)
    if not any(cgroup.hierarchy().glob(f"{PREFIX}*")):
        # nspawn made these; with the last lab gone they are empty unless systemd runs here.
        for empty in (Path("/run/systemd/nspawn"), Path("/run/systemd")):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
