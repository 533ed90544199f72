"""The command line of the lab: one function per subcommand."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from lab import lifecycle
from lab.errors import LabError
from lab.gateway import services
from lab.gateway.routing import RouterStatus
from lab.host import requirements
from lab.paths import AUTHORITY, checkout_of
from lab.twin import Lab, MachineStatus
from report import live_line

app = typer.Typer(
    help="A twin of an inventory on this machine: real guests, real network, nothing leaves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Options after the first word belong to the command that `lab run` or `lab ssh` starts.
PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}

Host = Annotated[str, typer.Argument(help="A machine's name in the inventory.")]
InterfaceOf = Annotated[
    str, typer.Argument(metavar="[INTERFACE]", help="One of its interfaces; by default the first.")
]


def progress(stage: str) -> None:
    """Tell what goes on, on stderr; stdout carries the answer."""
    live_line.begin(stage)


def tell(line: str) -> None:
    """Print a line on stderr; stdout carries the answer."""
    live_line.say(line)


@app.command()
def up(
    inventory: Annotated[str, typer.Argument(help="The inventory to boot.")] = "inventory.py",
) -> None:
    """Boot a twin of every machine in the inventory."""
    lab = lifecycle.up(inventory, progress, tell)
    show(lab)
    for line in next_steps(inventory, lab.machines[0].name, sys.argv[0], os.environ):
        tell(line)


def next_steps(
    inventory: str, machine: str, called: str, environment: Mapping[str, str]
) -> list[str]:
    """What a person types next. `called`: this command as it was typed."""
    own = "lab" if called.endswith("__main__.py") else quote(called)
    if "SUDO_USER" in environment:
        own = f"sudo {own}"
    pyinfra = quote(str(Path(called).with_name("pyinfra"))) if "/" in own else "pyinfra"
    deploy = f"{own} run -- {pyinfra} {quote(inventory)} deploy.py"
    steps = {
        deploy: "as on your own machines",
        f"{own} ssh {quote(machine)}": "log in there, as root",
        f"{own} mail": "what the machines have mailed",
        f"{own} down": "remove it all; certificates stay (.lab-ca)",
    }
    width = max(map(len, steps))
    return ["Next:", *(f"    {step:<{width}}   {what}" for step, what in steps.items())]


@app.command()
def down() -> None:
    """Remove the lab and everything it has created."""
    tell("The lab is down." if lifecycle.down(progress) else "No lab was up.")


@app.command(context_settings=PASS_ON)
def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
) -> None:
    """Run a command inside the lab's network: lab run -- pyinfra inventory.py deploy.py"""
    lab = load()
    lab.enter(lab.run_command(command), lab.environment())


@app.command(context_settings=PASS_ON)
def ssh(
    name: Host,
    command: Annotated[list[str] | None, typer.Argument(help="Without it: a login.")] = None,
) -> None:
    """Run a command on a machine, or log in."""
    lab = load()
    lab.require_reachable(name)
    lab.enter(lab.ssh_command(name, command or ()), dict(os.environ))


@app.command()
def status() -> None:
    """Show every machine (power, cable, addresses held) and the gateway."""
    show(load())


def _switch(verb: str, act: Callable[[Lab, str], None], meaning: str) -> None:
    """Add a command that does `act` to a machine."""

    @app.command(verb, help=meaning)
    def command(name: Host) -> None:
        act(load(), name)


def _cable(verb: str, act: Callable[[Lab, str, str], None], meaning: str) -> None:
    """Add a command that does `act` to an interface of a machine."""

    @app.command(verb, help=meaning)
    def command(name: Host, interface: InterfaceOf = "") -> None:
        act(load(), name, interface)


_cable("unplug", Lab.unplug, "Pull the network cable of a machine, or of a router.")
_cable("plug", Lab.plug, "Put the cable back.")
_cable("take-card", Lab.take_card, "Take a running machine's network card out.")
_cable("give-card", Lab.give_card, "Give it one again: same name, MAC and addresses.")
_switch("pause", Lab.pause, "Have a machine stand still, off the network.")
_switch("resume", Lab.resume, "Have it go on.")
_switch("power-off", Lab.power_off, "Cut a machine's power; its disk stays as it is.")
_switch("power-on", Lab.power_on, "Boot a machine from its disk and wait until it answers.")


@app.command("restart-router")
def restart_router(
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="A router's; by default the first.")
    ] = "",
) -> None:
    """Kill a router's BIRD, and start it again."""
    load().restart_router(address)


@app.command()
def resilient(
    off: Annotated[bool, typer.Option("--off", help="Have them hash flows anew again.")] = False,
) -> None:
    """Have routers keep flows where they are when a machine comes or goes (resilient ECMP)."""
    load().keep_flows(not off)


@app.command()
def wipe(name: Host) -> None:
    """Make a machine bare again, with the same address and host key."""
    load().wipe(name, progress)


@app.command()
def mail(
    clear: Annotated[bool, typer.Option("--clear", help="Delete all messages.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the messages that the machines have sent."""
    lab = load()
    if clear:
        lab.clear_mail()
        return
    messages = lab.mail()
    if as_json:
        print(json.dumps([asdict(message) for message in messages], indent=2))
        return
    for message in messages:
        print(f"From: {message.sender}\nTo: {', '.join(message.recipients)}")
        print(f"Date: {message.date}\nSubject: {message.subject}\n\n{message.body.strip()}\n")
    if not messages:
        tell("No mail.")


@app.command()
def ca(
    names: Annotated[list[str], typer.Argument(help="Host names and addresses, also the VIP.")],
    name: Annotated[str, typer.Option(help="Base name of the two files.")] = "web",
    days: Annotated[int, typer.Option(min=1, help="Days of validity.")] = 90,
) -> None:
    """Issue a certificate by this checkout's own authority; it needs neither root nor a lab."""
    from lab.gateway.authority import issue  # slow to import

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name == "ca":
        raise LabError(f"--name {name}: give letters, digits, dots and hyphens, and not ca")
    if wrong := [each for each in names if not re.fullmatch(r"(\*\.)?[A-Za-z0-9.:-]+", each)]:
        raise LabError(f"Neither host names nor addresses: {', '.join(wrong)}")
    for path in issue(checkout_of(Path.cwd()) / AUTHORITY, names, name=name, days=days):
        print(path)


def load() -> Lab:
    """The lab of this checkout. Raises `LabError` without root or without a lab."""
    requirements.require_root()
    return Lab.load()


def _cables(row: MachineStatus) -> str:
    if not row.unplugged:
        return "plugged"
    which = f": {', '.join(row.unplugged)}" if len(row.machine.cards) > 1 else ""
    return f"[red]unplugged[/]{which}"


def router_line(status: RouterStatus) -> str:
    """A router in a line of `lab status`."""
    router = status.router
    cables = f"[red]unplugged[/]: {', '.join(status.unplugged)}" if status.unplugged else "plugged"
    waits = [f"{name} {state}" for name, _, state in status.sessions if state != "Established"]
    told = f"{status.established} of {len(status.sessions)} sessions established"
    told += f" ({', '.join(waits)})" if waits else ""
    told += "; resilient" if status.resilient else ""
    told = told if status.runs else "[red]BIRD is not running: lab up[/]"
    return f"{router.name}  {', '.join(router.addresses)}, AS {router.asn}: {cables}; {told}"


def show(lab: Lab) -> None:
    """Print the lab as a table on stdout."""
    live_line.end()
    # Slow to import, and `lab run` does not need it.
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("machine", "address", "login", "power", "cable", "base"):
        table.add_column(column, no_wrap=True)
    table.add_column("holds", overflow="fold")
    for row in lab.status():
        table.add_row(
            row.machine.name,
            row.machine.address,
            row.machine.login.told,
            "on" if row.on else "[red]off[/]",
            _cables(row),
            row.machine.base,
            ", ".join(row.addresses) or "-",
        )
    # A pipe has no width; lines must not be folded there.
    console = Console(width=None if sys.stdout.isatty() else 1000)
    console.print(table)
    for each in lab.router_status():
        console.print(router_line(each))
    stopped = lab.stopped_services()
    shown = [
        f"{service.purpose}{' [red](not running: lab up)[/]' if service in stopped else ''}"
        for service in services.services(lab.state, 0)
        if service.inside or service in stopped
    ]
    console.print(f"gateway  {', '.join(lab.plan.gateway_addresses)}: {'; '.join(shown)}")
    console.print("names    of the machines and their servers, in /etc/hosts; there is no DNS")
    console.print(f"logs     {lab.state.logs}", markup=False, highlight=False)


def main() -> None:
    """Run the command line; a `LabError` becomes a message and exit code 1."""
    # A root shell opened by `su` may lack these directories.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    try:
        if sys.argv[1:3] == ["run", "--"] and len(sys.argv) > 3:
            run(sys.argv[3:])  # bypasses typer's parser, which starts slowly
        app()
    except LabError as error:
        tell(f"lab: {error}")
        sys.exit(1)
