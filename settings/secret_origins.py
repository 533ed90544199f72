"""Where a secret is had from: a file, a variable of the environment, or a command that prints it.

A command is run once in a run of Tandem, whatever the number of machines, also if it fails: nobody
is asked for a passphrase twice. What it prints is kept in memory, and written to no disk of the
controller.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from settings.values import ROOT, local_path

# Long enough for a person to touch a token, or to type a passphrase.
TIMEOUT_S = 60
# Of what a command says on its standard error.
_MOST_SAID = 600
_NUL = "there is a NUL byte in it"


class SecretOrigin(NamedTuple):
    """`setting`: the one that says it, such as "tls_key_command"; `where`: what it says.

    A path, the name of a variable (`..._env`), or the words of a command (`..._command`).
    """

    setting: str
    where: str | tuple[str, ...]


class SecretError(Exception):
    """A secret that cannot be had; the message says why, and holds nothing of the secret."""


def origins(given: Mapping[str, Any], secret: str, file: str) -> list[SecretOrigin]:
    """What `given` says about where `secret` is had from. `file`: the setting with a path."""
    settings = (file, f"{secret}_env", f"{secret}_command")
    found = [(setting, given.get(setting)) for setting in settings]
    return [
        SecretOrigin(setting, where if isinstance(where, str) else tuple(map(str, where)))
        for setting, where in found
        if where and isinstance(where, str | Sequence)
    ]


def read(origin: SecretOrigin) -> bytes:
    """The secret. Raises `SecretError`."""
    if isinstance(origin.where, tuple):
        secret, problem = _printed(origin.where)
    elif origin.setting.endswith("_env"):
        secret, problem = os.environb.get(origin.where.encode(), b""), ""
    else:
        try:
            secret, problem = local_path(origin.where).read_bytes(), ""
        except OSError as error:
            raise SecretError(f"cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise SecretError(f"cannot be read ({_NUL})") from error
    if not problem and not secret.strip():
        problem = "has nothing in it, or is not there"
    if problem:
        raise SecretError(problem)
    return secret


@cache
def _printed(command: tuple[str, ...]) -> tuple[bytes, str]:
    """What a command prints, and why that is not to be used: one of them is empty."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S
        )
    # Neither is passed on: they carry what has been printed.
    except subprocess.TimeoutExpired:
        return b"", f"has not ended after {TIMEOUT_S} s"
    except OSError as error:
        return b"", f"cannot be run ({error.strerror})"
    except ValueError:
        return b"", f"cannot be run ({_NUL})"
    if done.returncode == 0:
        return done.stdout, ""
    said = done.stderr.decode(errors="replace").strip()[-_MOST_SAID:]
    return b"", f"failed with status {done.returncode} and said: {said or 'nothing'}"
