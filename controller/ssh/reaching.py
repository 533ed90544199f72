"""How a machine is known over SSH; why it could not be reached, in words that say what to do."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    NoValidConnectionsError,
    PasswordRequiredException,
    SSHException,
)
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.sshuserclient.client import get_ssh_config

_KNOWN_HOSTS = "_pyinfra_ssh_known_hosts_file"
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)


def known_hosts(options: Mapping[str, Any]) -> dict[str, str]:
    """Of pyinfra's `options` for a connection, the file of known hosts where it reads a wrong one.

    It takes a path with a space in it, as ssh_config has it in quotes, for several.
    """
    config = get_ssh_config(options["_pyinfra_ssh_config_file"])
    if not config or options[_KNOWN_HOSTS]:
        return {}
    named = str(config.lookup(options["hostname"]).get("userknownhostsfile", ""))
    several = all(part.startswith(("/", "~", "none")) for part in named.split()[1:])
    return {} if several else {_KNOWN_HOSTS: named}


@contextmanager
def explaining(user: str, address: str, port: int) -> Iterator[None]:
    """Have what keeps a machine from being reached say what to look at. Raises `ConnectError`."""
    try:
        yield
    except PyinfraError as error:
        # pyinfra raises it while it handles what ended the attempt.
        cause = error.__context__ or error
        raise ConnectError(explained(cause, user, address, port)) from error


def explained(error: BaseException, user: str, address: str, port: int) -> str:
    """What went wrong, and what to look at, in one line. `error`: what ended the attempt.

    `user`: who was to log in; `address`: as the inventory has it, a name or an address.
    """
    by_hand = f"ssh -p {port} {user}@{address}"
    match error:
        case BadHostKeyException():
            return (
                f"its host key is another one than known_hosts has for {error.hostname}. Was the "
                f"machine installed anew? Then: ssh-keygen -R {_known_as(error.hostname, port)}. "
                "Or does another one answer there?"
            )
        case PasswordRequiredException():
            return (
                "the key that is to open it is encrypted: set ssh_key_password, or give the key to "
                "ssh-agent (ssh-add)"
            )
        case AuthenticationException():
            return (
                f"it refuses the key of {user}, or has no such user ({error}): is ssh_user right, "
                f"and the key in that user's authorized_keys? {by_hand} says more"
            )
        case NoValidConnectionsError():
            # Where it has several addresses, the first says it.
            return explained(next(iter(error.errors.values())), user, address, port)
        case ConnectionRefusedError():
            return (
                f"it is there, and refuses connections to port {port}: does sshd run, and at that "
                "port (ssh_port)? Or does a firewall refuse?"
            )
        case socket.gaierror():
            return (
                f"{address!r} is a name that this controller cannot resolve ({error.strerror}): is "
                "ssh_hostname right?"
            )
        case TimeoutError():
            return (
                f"{address} did not answer at port {port} in time: is it powered on, is the "
                "address right, does a firewall drop it?"
            )
        case OSError() if error.errno in _UNREACHABLE:
            return (
                f"there is no route to {address} ({error.strerror}): is it powered on, is the "
                "address right, is this controller in that network?"
            )
        case SSHException() if "No host key for" in str(error):
            return (
                f"its host key is in no known_hosts: {by_hand} shows it, to be compared and "
                "accepted once; or ssh_strict_host_key_checking = 'accept-new'"
            )
        case SSHException() if "No authentication methods" in str(error):
            return (
                f"this controller has no key to log in with as {user}: set ssh_key, or start "
                f"ssh-agent; {by_hand} has to work without a password"
            )
        case SSHException() if "protocol banner" in str(error):
            return (
                f"what answers at port {port} of {address} does not speak SSH, or closes at once "
                f"({error}): is ssh_port right? {by_hand} -v shows what it says"
            )
    return f"{type(error).__name__ if not str(error) else error} ({by_hand} -v shows more)"


def _known_as(hostname: str, port: int) -> str:
    return hostname if port == 22 else f"'[{hostname}]:{port}'"
