"""A password for sudo that nobody else sees: in no list of processes, and in no file.

pyinfra's own way shows it among the words of `env`, to whoever looks at /proc, and needs a /tmp in
which a program can be run.
"""

from __future__ import annotations

import getpass
import os
import sys
from functools import cache
from typing import Any

from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import make_unix_command_for_host

from controller.ssh.surroundings import SHELL, for_any_shell
from report import live_line

VARIABLE = "TANDEM_PASSWORD"
# Where the program that sudo asks can be; the first in which it can be written, and run, is taken.
_PLACES = '"/run/user/$(id -u)" "$HOME" /tmp /var/tmp /dev/shm'
_MAKE = f"""
for place in {_PLACES}; do
    [ -d "$place" ] && asks=$(mktemp "$place/.tandem-asks-XXXXXXXX" 2>/dev/null) || continue
    printf '#!/bin/sh\nprintf "%%s\\\\n" "${VARIABLE}"\n' >"$asks" 2>/dev/null
    chmod 700 "$asks"
    [ "$({VARIABLE}=works "$asks" 2>/dev/null)" = works ] && echo "$asks" && exit
    rm -f "$asks"
done
echo "no place to put a program in that gives sudo its password: tried" {_PLACES} >&2
exit 1"""


def command_line(
    host: Host, command: StringCommand, arguments: dict[str, Any]
) -> tuple[StringCommand, str, str]:
    """How `command` is put to a machine, as whoever pyinfra's `arguments` make of the login user.

    Returns it for people, without secrets, and for the machine; and the line that has to come first
    on its standard input, "" for none.
    """
    given = {"_shell_executable": SHELL, **arguments}
    password = given.get("_sudo") and _password(host, given)
    if password:
        given["_sudo_password"] = "-"  # pyinfra only has to know that there is one
        _provide(host, given.get("_temp_dir"))
    shown = make_unix_command_for_host(host.state, host, command, **given)
    text = shown.get_raw_value()
    if not given.get("_su_user"):  # which may be the end of a pipe
        text = f"exec {text}"
    # pyinfra reads what sudo says.
    text = f"export LC_ALL=C; {text}"
    if password:
        return shown, for_any_shell(text, VARIABLE), f"{password}\n"
    return shown, for_any_shell(text), ""


def ask_once(prompt: str) -> str:
    """The password that a person types, for all machines that want one. `prompt`: pyinfra's, which
    names one machine.

    Without a terminal it is the first line of the standard input. Raises EOFError if nobody is
    there, or gives one.
    """
    if not (password := _typed()):
        raise EOFError
    return password


@cache
def _typed() -> str:
    live_line.end()
    if _at_terminal():
        return getpass.getpass("    sudo password, for every machine that asks for one: ")
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _at_terminal() -> bool:
    """Whether somebody can be asked, as getpass finds out."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin.isatty()
    return True


def _password(host: Host, arguments: dict[str, Any]) -> str:
    return str(
        arguments.get("_sudo_password") or host.connector_data.get("prompted_sudo_password") or ""
    )


def _provide(host: Host, temp_dir: str | None) -> None:
    """Have a program there that sudo asks, where pyinfra looks for its own."""
    key = f"sudo_askpass_path__{temp_dir or host.get_temp_dir_config()}"  # type: ignore[no-untyped-call]
    if not host.connector_data.get(key):
        done, output = host.run_shell_command(StringCommand(_MAKE))
        if not done or not output.stdout_lines:
            raise PyinfraError(f"{host.name}: {output.stderr or 'sudo cannot be given a password'}")
        host.connector_data[key] = output.stdout_lines[0]
