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
from controller.ssh import root_rights
from report import wording
from settings import Node

# A machine gives its lock free after so many seconds without a word from the controller.
SILENCE_S = 30
# A controller is heard every so many seconds, and has gone or hangs when it was not for so long.
BEAT_S = 5.0
OVERDUE_S = 1.5 * BEAT_S
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
    seconds, in which of its steps, and how long its controller has been silent by then."""

    owner: LockOwner | None
    seconds: float
    step: str
    silent_s: float = 0.0

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
    write = f"echo {shlex.quote(token())} >{DRAIN}"
    # A file without the token, where there is no room for it, would drain and be nobody's.
    why = f"{DRAIN} cannot be written: make room there, or see why it is read-only"
    undo = f"rm -f {DRAIN}; echo {shlex.quote(why)} >&2; exit 1"
    return f"mkdir -p -m 755 {os.path.dirname(DRAIN)} && {write} || {{ {undo}; }}"


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
    """What hold-lock.sh has told: NOW THEN OWNER, a tab, STEP, a tab, when its controller was last
    heard (not since THEN, if it is not there). What cannot be read is left out."""
    record, step, heard, *_ = [*text.split("\t"), "", ""]
    now, _, rest = record.partition(" ")
    then, _, line = rest.partition(" ")
    owner = None
    with suppress(ValueError, TypeError):
        owner = LockOwner(**json.loads(line))
    seconds = _elapsed_s(then, now)
    silent_s = _elapsed_s(heard, now) if heard.strip() else seconds
    return Sighting(owner, seconds, step.strip(), silent_s)


def _elapsed_s(since: str, until: str) -> float:
    try:
        return max(0.0, float(until) - float(since))
    except ValueError:
        return 0.0


def may_be_dead(seen: Sighting, ours: LockOwner, waited_s: float = 0.0) -> bool:
    """Whether a lock may be about to end by itself: its owner was a process of this controller
    that is no more, or was not heard when it should have been.

    + waited_s: since it was first seen. Whoever is heard after so long that it should not be, lives
      in another container that has this one's name.
    """
    dead = seen.owner and seen.owner.who == ours.who and not _lives(seen.owner.pid)
    return (bool(dead) and waited_s <= OVERDUE_S) or seen.silent_s > OVERDUE_S


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def waiting(machine: str, seen: Sighting, now: datetime) -> str:
    """What a run waits for before it begins."""
    left_s = max(1, round(SILENCE_S - seen.silent_s))
    why = (
        f"It has not been heard for {seen.silent_s:.0f} s"
        if seen.silent_s > OVERDUE_S
        else "It may have died: its process is not among those of this controller"
    )
    return (
        f"{machine} is locked: {seen.told(now)}. {why}: waiting until it is heard, or its lock "
        f"ends ({left_s} s). {BREAK} ends it now"
    )


def fixed_order(nodes: Iterable[Node]) -> list[Node]:
    """In the order in which every controller takes the locks, whatever its inventory calls them."""
    return sorted(nodes, key=lambda node: str(node.own))


# What a machine may say instead of an answer, in part, and what to do about it.
OBSTACLES = {
    "Read-only file system": "Tandem's lock, and nginx's and keepalived's pid files, are in /run: "
    "remount it (mount -o remount,rw /run), or see in dmesg why it is so",
    "Operation not permitted": "Make it changeable: chattr -i /run/tandem.lock (lsattr shows it)",
    "No space left": "Make room in /run (df /run; df -i /run; du -x /run)",
    "Is a directory": "Remove what is in the place of the lock: rm -r /run/tandem.lock",
    "flock is not there": "Its package is util-linux",
}


def obstacle(machine: str, text: str) -> str:
    """Why a machine's lock cannot be taken at all. `text`: what was said instead of an answer."""
    known = (remedy for sign, remedy in OBSTACLES.items() if sign in text)
    remedy = next(known, "") or root_rights.remedy(text, {})
    return (
        f"The lock on {machine} cannot be taken: {text.rstrip('.')}. "
        f"{root_rights.ended(remedy)}{' ' if remedy else ''}No machine was touched."
    )


def refusal(machine: str, seen: Sighting, now: datetime) -> str:
    """Why a run does not begin."""
    return (
        f"{machine} is locked: {seen.told(now)}. Let that run end, and start this one again; "
        f"{BREAK} ends the lock now, and that run at its next step. No machine was touched."
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
