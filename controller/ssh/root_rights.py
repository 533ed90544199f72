"""Whether whoever logs in is root on every machine, or becomes it: said before the first question.

What is asked without these rights is answered, and the answers are untrue: a file that may not be
read looks like one that is not there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import gevent
from pyinfra import logger
from pyinfra.api import Host, State, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import extract_control_arguments
from pyinfra_cli import cli as pyinfra_cli

from settings import Refused

# Who one is there, once sudo or doas has done what it does.
WHO = 'echo "$(id -u) $(id -un)"'
PASSWORD = "sudo: a password is required"

# What is said by whatever should make a user root (a pattern), and what to do about it.
_REMEDIES = {
    r"\b(sudo|doas|dzdo|su): (command )?not found": "It is not there: install it, or set the one "
    "that is, _sudo = True or _doas = True",
    r"must have a tty": "In its sudoers, for the login user: Defaults:USER !requiretty",
    r"a password is required|interactive authentication is required": "Set _sudo_password, begin "
    "at a terminal and be asked for it, or let sudo ask for none (NOPASSWD in its sudoers)",
    r"incorrect password|Sorry, try again": "Is _sudo_password right?",
    r"not in the sudoers file|may not run sudo": "Let sudo allow the login user everything (ALL)",
    r"not allowed to": "Let it allow the login user everything, as root",
    r"doas: (Operation not permitted|Authori[sz]ation required|doas is not enabled)": "In its "
    "doas.conf: permit nopass USER as root",
    r"must be run from a terminal|\bsu: ": "Set _sudo = True or _doas = True instead of _su_user, "
    "or _su_password as well",
    r"unknown user|is not root there|Permission denied": "",  # it depends on what is set
}
_BECOMES = ("_sudo", "_doas", "_dzdo", "_su_user")


def arguments_of(host: Host) -> dict[str, Any]:
    """How pyinfra becomes root there, from the inventory and the command line."""
    every: Any = pop_global_arguments(host.state, host, {})[0]
    found: Any = {key: every[key] for key in CONNECTOR_ARGUMENT_KEYS if key in every}
    extract_control_arguments(found)
    return found  # type: ignore[no-any-return]


def remedy(text: str, arguments: Mapping[str, Any]) -> str:
    """What to do where `text` says that somebody is not root, nor becomes it; "" where it does not.

    `arguments`: what is set, as `arguments_of` has it.
    """
    found = next((said for sign, said in _REMEDIES.items() if re.search(sign, text)), None)
    if found != "":
        return found or ""
    for name in ("_sudo_user", "_doas_user", "_dzdo_user", "_su_user"):
        if (other := arguments.get(name)) not in (None, "", "root"):
            return f"{name} = {other!r} is who one becomes there: leave it out, or set 'root'"
    if any(arguments.get(name) for name in _BECOMES):
        return "Does what is set make the login user root there?"
    return "Set _sudo = True (or _doas = True) beside ssh_user, or ssh_user = 'root'"


def refusal(problems: Mapping[str, tuple[str, str]]) -> str:
    """Why a run does not begin. `problems`: what was said, and the remedy, by machine."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, problem in problems.items():
        alike[problem].append(name)
    lines = [
        f"{', '.join(names)}: {said.rstrip('.')}. {ended(what)}"
        for (said, what), names in alike.items()
    ]
    return "Tandem is not root, and has to be: " + "\n    ".join(
        [*lines, "No machine was touched."]
    )


def ended(sentence: str) -> str:
    """With one mark at its end; "" stays so."""
    return sentence if not sentence or sentence[-1] in ".?!" else f"{sentence}."


def ask_when_connected(*, spares: bool) -> None:
    """Have the run of this process look, before its first question, whether it is root everywhere.

    spares: whether it goes on without machines on which it is not, where others are left.
    The run ends with `Refused` otherwise.
    """
    connect_all = pyinfra_cli.connect_all

    def connect_and_ask(state: State) -> None:
        connect_all(state)
        problems = problems_of(state.active_hosts)
        if not problems:
            return
        if not spares or len(problems) == len(state.active_hosts):
            raise Refused(refusal({host.name: problem for host, problem in problems.items()}))
        for host, (said, what) in problems.items():
            # As one that cannot be reached, which is told where others are judged.
            logger.error(
                f"{host.print_prefix}it is reached, and Tandem is not root: {said}. {what}"
            )
            host.connected = False

    pyinfra_cli.connect_all = connect_and_ask


def problems_of(hosts: Iterable[Host]) -> dict[Host, tuple[str, str]]:
    """The machines, which are connected, on which one is not root: what was said, the remedy."""
    ordered = sorted(hosts, key=lambda host: host.name)
    asked = {host: gevent.spawn(_problem, host) for host in ordered}
    return {host: found for host, greenlet in asked.items() if (found := greenlet.get())}


def _problem(host: Host) -> tuple[str, str] | None:
    if not isinstance(host.connector, SSHConnector):
        return None
    arguments = arguments_of(host)
    if not any(arguments.get(name) for name in _BECOMES) and _logs_in_as_root(host):
        return None  # nothing has to be asked
    said = _said(host, arguments)
    return (said, remedy(said, arguments) or "See what it says there") if said else None


def _logs_in_as_root(host: Host) -> bool:
    client = getattr(host.connector, "client", None)
    transport = client and client.get_transport()
    return transport is not None and transport.get_username() == "root"


def _said(host: Host, arguments: Mapping[str, Any]) -> str:
    """Why one is not root there; "" if one is."""
    try:
        done, output = host.run_shell_command(StringCommand(WHO), **arguments)
    except EOFError:
        return f"{PASSWORD}, and nobody is here to type it"
    except PyinfraError as error:
        return str(error)
    if not done:
        lines = [line.strip() for line in (output.stderr or output.stdout).splitlines()]
        return "; ".join(filter(None, lines))[-300:] or "nothing was said"
    uid, _, user = (output.stdout_lines or ["?"])[-1].partition(" ")
    return "" if uid == "0" else f"{user or 'the login user'} is not root there"
