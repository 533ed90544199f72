"""Why a machine cannot be reached: each cause has words of its own, which say what to look at."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.ssh_exception import (
    BadAuthenticationType,
    BadHostKeyException,
    NoValidConnectionsError,
)
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.sshuserclient.client import SSHClient

from controller.ssh import reaching

AT = ("192.0.2.61", 22)
KEY = paramiko.ECDSAKey.generate()
CAUSES: dict[str, tuple[BaseException, str]] = {
    "a refused key": (
        paramiko.AuthenticationException("Authentication failed."),
        "it refuses the key of ann, or has no such user",
    ),
    "a user who needs a password": (
        BadAuthenticationType("Bad authentication type", ["password"]),
        "it refuses the key of ann, or has no such user",
    ),
    "no key at all": (
        paramiko.SSHException("No authentication methods available"),
        "this controller has no key to log in with as ann: set ssh_key",
    ),
    "an encrypted key": (paramiko.PasswordRequiredException("x"), "set ssh_key_password"),
    "a refused connection": (
        NoValidConnectionsError({AT: ConnectionRefusedError(errno.ECONNREFUSED, "x")}),
        "it is there, and refuses connections to port 22: does sshd run",
    ),
    "no route": (
        NoValidConnectionsError({AT: OSError(errno.EHOSTUNREACH, "No route to host")}),
        "there is no route to 192.0.2.61 (No route to host): is it powered on",
    ),
    "no network": (
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        "there is no route to 192.0.2.61 (Network is unreachable)",
    ),
    "no answer": (TimeoutError("timed out"), "did not answer at port 22 in time: is it powered on"),
    "an unknown host key": (
        paramiko.SSHException("StrictPolicy: No host key for h found in known_hosts"),
        "its host key is in no known_hosts: ssh -p 22 ann@192.0.2.61 shows it",
    ),
    "another host key": (
        BadHostKeyException("192.0.2.61", KEY, KEY),
        "its host key is another one than known_hosts has for 192.0.2.61",
    ),
    "a name of nobody": (
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        "is a name that this controller cannot resolve (Name or service not known)",
    ),
    "another service": (
        paramiko.SSHException("Error reading SSH protocol banner"),
        "does not speak SSH",
    ),
    "anything else": (EOFError("it ended"), "it ended (ssh -p 22 ann@192.0.2.61 -v shows more)"),
}


@pytest.mark.parametrize(("cause", "said"), CAUSES.values(), ids=CAUSES)
def test_each_cause_has_its_own_words(cause: BaseException, said: str) -> None:
    told = reaching.explained(cause, "ann", *AT)
    assert said in told
    others = [words for name, (_, words) in CAUSES.items() if words != said and words in told]
    assert others == [] and "\n" not in told


def test_only_what_may_be_off_is_asked_whether_it_is_on() -> None:
    asked = {name for name, (cause, _) in CAUSES.items() if "powered on" in _told(cause)}
    assert asked == {"no route", "no network", "no answer"}


def _told(cause: BaseException) -> str:
    return reaching.explained(cause, "ann", *AT)


def test_what_pyinfra_says_gives_way_to_the_cause() -> None:
    no_key = "has no key to log in with as ann"
    with pytest.raises(ConnectError, match=no_key), reaching.explaining("ann", *AT):
        try:
            raise paramiko.SSHException("No authentication methods available")
        except paramiko.SSHException as error:
            raise ConnectError(f"SSH error ({error})")  # noqa: B904
    no_file = "No such private key file"
    with pytest.raises(ConnectError, match=no_file), reaching.explaining("ann", *AT):
        raise PyinfraError(f"{no_file}: /nowhere")


def options(config: Path, known_hosts: str | None) -> dict[str, Any]:
    """Of pyinfra's, for a connection to this machine."""
    return {
        "hostname": "192.0.2.61",
        "_pyinfra_ssh_config_file": str(config),
        reaching._KNOWN_HOSTS: known_hosts,
    }


@pytest.mark.parametrize(
    ("directory", "line", "wrong"),
    [
        ("a b", 'UserKnownHostsFile "{0}"', True),
        ("a b", "UserKnownHostsFile {0}", True),
        ("ab", 'UserKnownHostsFile "{0}"', False),
        ("ab", "UserKnownHostsFile {0} {0}2", False),
        ("ab", "User ann", False),
    ],
)
def test_a_path_with_a_space_is_one_file_of_known_hosts(
    tmp_path: Path, directory: str, line: str, wrong: bool
) -> None:
    known = tmp_path / directory / "known_hosts"
    known.parent.mkdir()
    known.write_text(f"192.0.2.61 {KEY.get_name()} {KEY.get_base64()}\n")
    config = tmp_path / "config"
    config.write_text(f"Host *\n    {line.format(known)}\n")
    found = reaching.known_hosts(options(config, None))
    assert found == ({reaching._KNOWN_HOSTS: str(known)} if wrong else {})
    # What pyinfra makes of the same file by itself.
    client: Any = SSHClient()
    files = client.parse_config("192.0.2.61", ssh_config_file=str(config))[4]
    assert (str(known) not in files) is (wrong or "Known" not in line)


def test_a_file_that_the_inventory_names_is_taken(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text('Host *\n    UserKnownHostsFile "/a b/known"\n')
    assert reaching.known_hosts(options(config, "/mine")) == {}
