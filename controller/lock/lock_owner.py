"""Who has a lock, as a machine tells it, and what a person is told of it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from controller import revision
from report import wording
from settings import Node

# A machine gives its lock free after so many seconds without a word from the controller.
SILENCE_S = 30
BREAK = "--data break_lock=1"
# Names the run in the environment of what it starts: a drill's own deploys are a part of it.
TOKEN = "TANDEM_LOCK"
# While this file is there a machine leaves the VIP to others. It ends with the run that made it.
DRAIN = "/run/tandem/drain"


class LockOwner(NamedTuple):
    """A run that has a lock, or wants it. `who`: user@controller; `pid`: its process there."""

    token: str
    who: str
    command: str
    pid: int

    def __str__(self) -> str:
        return f"{self.who} runs {self.command} (process {self.pid})"


class Sighting(NamedTuple):
    """A lock that a machine has shown: whose it is (None: that could not be read), for how many
    seconds, and in which of its steps."""

    owner: LockOwner | None
    seconds: float
    step: str

    def told(self, now: datetime) -> str:
        """In words, with the time of day by this controller's clock."""
        who = str(self.owner or "somebody is at work")
        since = now - timedelta(seconds=self.seconds)
        clock = f"{since:%H:%M:%S}" if since.date() == now.date() else f"{since:%Y-%m-%d %H:%M:%S}"
        step = f", now at {self.step!r}" if self.step else ""
        return f"{who} since {clock} ({wording.duration(self.seconds)}){step}"


def this_run(operations: Iterable[str]) -> LockOwner:
    """The run of this process. `operations`: its deploy files."""
    return LockOwner(
        token=os.environ.setdefault(TOKEN, secrets.token_hex(8)),
        who=f"{revision.user()}@{revision.controller()}",
        command=" ".join(operations),
        pid=os.getpid(),
    )


def drain() -> str:
    """The shell command that drains a machine until this run ends it, or is ended."""
    return f"mkdir -p -m 755 {os.path.dirname(DRAIN)} && echo {shlex.quote(token())} >{DRAIN}"


def lift_own_drain() -> str:
    """The shell command that ends a drain of this run, and none of another's."""
    return f"! grep -qsxF {shlex.quote(token())} {DRAIN} || rm -f {DRAIN}"


def token() -> str:
    """What names this run; "" before it has asked for a lock."""
    return os.environ.get(TOKEN, "")


def as_line(owner: LockOwner) -> str:
    """The owner as a machine keeps it."""
    return json.dumps(owner._asdict())


def sighting(text: str) -> Sighting:
    """What hold-lock.sh has told: NOW THEN OWNER, a tab, STEP. What cannot be read is left out."""
    record, _, step = text.partition("\t")
    now, _, rest = record.partition(" ")
    then, _, line = rest.partition(" ")
    seconds, owner = 0.0, None
    with suppress(ValueError):
        seconds = max(0.0, float(now) - float(then))
    with suppress(ValueError, TypeError):
        owner = LockOwner(**json.loads(line))
    return Sighting(owner, seconds, step.strip())


def fixed_order(nodes: Iterable[Node]) -> list[Node]:
    """In the order in which every controller takes the locks, whatever its inventory calls them."""
    return sorted(nodes, key=lambda node: str(node.own))


# What a machine may say instead of an answer, in part, and what to do about it.
OBSTACLES = {
    "must have a tty": "In its sudoers, for the login user: Defaults:USER !requiretty",
    "a password is required": "Give it (_sudo_password), begin at a terminal and be asked for it, "
    "or let sudo ask for none (NOPASSWD)",
    "incorrect password attempt": "Is _sudo_password right?",
    "Sorry, try again": "Is _sudo_password right?",
    "not in the sudoers file": "Let sudo allow the login user everything (ALL)",
    "not allowed to": "Let it allow the login user everything, as root",
    "Permission denied": "Whoever logs in has to be root there, or become root: _sudo = True",
    "Read-only file system": "Tandem's lock, and nginx's and keepalived's pid files, are in /run: "
    "remount it (mount -o remount,rw /run), or see in dmesg why it is so",
    "Operation not permitted": "Who made it so? lsattr /run/tandem.lock; chattr -i it",
    "No space left": "Make room in /run (df /run; du -x /run)",
    "Is a directory": "Remove what is in the place of the lock: rm -r /run/tandem.lock",
    "flock is not there": "Its package is util-linux",
}


def obstacle(machine: str, text: str) -> str:
    """Why a machine's lock cannot be taken at all. `text`: what was said instead of an answer."""
    remedy = next((remedy for sign, remedy in OBSTACLES.items() if sign in text), "")
    return (
        f"The lock on {machine} cannot be taken: {text.rstrip('.')}. "
        f"{remedy}{'. ' if remedy else ''}No machine was touched."
    )


def refusal(machine: str, seen: Sighting, now: datetime) -> str:
    """Why a run does not begin."""
    return (
        f"{machine} is locked: {seen.told(now)}. Let that run end, and start this one again. If "
        f"its process is dead or cut off, the lock ends by itself within {SILENCE_S} s; {BREAK} "
        "ends it now, and that run at its next step. No machine was touched."
    )


def loss(machine: str, seen: Sighting | None, now: datetime) -> str:
    """Why a run stops half way. `seen`: who has the lock now."""
    if seen:
        why = f"it was broken, and {seen.told(now)}"
        remedy = "Run this again when that one has ended"
    else:
        why = (
            f"this controller was silent for {SILENCE_S} s (asleep, stopped, cut off), or the lock "
            "was broken by a run that has ended by now"
        )
        remedy = "Run this again"
    return (
        f"The lock on {machine} is lost: {why}. This run stops before its next step: what is done "
        f"stays, and no machine is left drained by it. {remedy}: what is done is not done twice."
    )
