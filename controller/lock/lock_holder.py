"""The process on one machine that holds its lock, and our channel to it."""

from __future__ import annotations

import shlex
import time
from contextlib import suppress
from typing import Any, Literal, NamedTuple, cast

from gevent.lock import RLock
from paramiko import Channel, SSHException
from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import SUDO_PASSWORD_REQUIRED_LINES

from controller.lock import lock_owner
from controller.lock.lock_owner import DRAIN, SILENCE_S, LockOwner, Sighting, sighting
from controller.rendering import read
from controller.ssh.root_rights import arguments_of
from controller.ssh.sudo_password import command_line

MARK = "tandem-lock "
ANSWERS_S = 10.0
# After so long a holder's last word says nothing any more about now.
OLD_S = 15.0
# It goes on while this controller sleeps.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

# Whose lock is ended for this one: anybody's, what is left of this run's own, nobody's.
Breaks = Literal["any", "own", ""]


class LockAnswer(NamedTuple):
    """What a machine says to a run that wants its lock.

    `seen`: who has it, if it is refused; `broken`: who had it until now. `text`: why there is no
    answer, where `state` is "failed".
    """

    state: Literal["held", "inherited", "refused", "failed"]
    seen: Sighting | None = None
    broken: Sighting | None = None
    text: str = ""


class LockHolder:
    """One machine's lock. It is held for as long as the connection and this process live."""

    def __init__(self, host: Host, owner: LockOwner):
        self.host = host
        self._owner = owner
        self._channel: Channel | None = None
        self._heard = 0.0
        self._unread = b""
        # One at a time speaks and listens.
        self._turn: Any = RLock()
        # Who has the lock that this run had before.
        self._taken_by: Sighting | None = None

    def take(self, breaks: Breaks) -> LockAnswer:
        """Start the process that holds the lock, and hear what it says."""
        with self._turn:
            self.release()
            try:
                answer = self._ask(breaks)
            except (SSHException, OSError, EOFError, PyinfraError) as error:
                answer = LockAnswer("failed", text=str(error) or "no answer")
            if answer.state in ("held", "inherited"):
                self._taken_by = None
                self._heard = _now()
            else:
                self.release()
            return answer

    def take_again(self) -> None:
        """After a new connection to the machine, which may have forgotten everything."""
        answer = self.take("own")
        self._taken_by = answer.seen

    def release(self) -> None:
        """End the process, if there is one."""
        channel, self._channel = self._channel, None
        self._unread = b""
        if channel:
            channel.close()

    def beat(self, doing: str) -> None:
        """Say that this controller is there, and what it is doing."""
        with self._turn:
            channel = self._channel
            if channel is None or self._ended():
                return
            try:
                channel.sendall((" ".join(doing.split()) + "\n").encode())
                while (line := self._line(channel)) is not None:
                    if line == f"{MARK}alive":
                        break
            except (SSHException, OSError, EOFError):
                pass  # whether the machine or its lock has gone, `lost` sees
            self._heard = _now()

    def lost(self, doing: str) -> bool:
        """Whether this run has the lock no more, of a machine that is still there.

        It is asked, if its last word is old: this process may have been asleep.
        """
        if self._taken_by:
            return True
        if self._channel is None:
            return False
        if not self._ended() and _now() - self._heard > OLD_S:
            self.beat(doing)
        return self._ended() and self._channel.get_transport().is_active()

    def run(self, command: str) -> None:
        """Run a command of ours on the machine, as its deploys do."""
        self.host.run_shell_command(StringCommand(command), **arguments_of(self.host))

    def seen_now(self) -> Sighting | None:
        """Who has the lock, which this run has lost; None if nobody has it any more."""
        return self._taken_by or self.take("").seen

    def _ended(self) -> bool:
        channel = self._channel
        return channel is not None and (channel.exit_status_ready() or channel.closed)

    def _ask(self, breaks: Breaks) -> LockAnswer:
        broken: Sighting | None = None
        noise: list[str] = []
        channel = self._channel = self._started(breaks)
        while (line := self._line(channel)) is not None:
            # What ~/.bashrc prints comes before, and may not end its line.
            before, mark, said = line.partition(MARK)
            if not mark:
                noise.append(before)
                continue
            word, _, rest = said.partition(" ")
            if word == "broken":
                broken = sighting(rest)
            elif word == "refused":
                return LockAnswer("refused", sighting(rest), broken)
            elif word in ("held", "inherited"):
                return LockAnswer(cast("Any", word), None, broken)
        if any(line.strip() in SUDO_PASSWORD_REQUIRED_LINES for line in noise):
            with suppress(EOFError):  # nobody is there to be asked
                # pyinfra asks for it, and keeps it for all that comes.
                self.run("true")
                return self._ask(breaks)
        return LockAnswer("failed", text="; ".join(noise[-3:]) or "no answer")

    def _started(self, breaks: Breaks) -> Channel:
        given = {
            "token": self._owner.token,
            "owner": lock_owner.as_line(self._owner),
            "breaks": breaks,
            "drain": DRAIN,
            "silence": str(SILENCE_S),
        }
        values = "".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items())
        program = StringCommand(values + read("lock/hold-lock.sh"))
        _, line, first = command_line(self.host, program, arguments_of(self.host))
        client: Any = self.host.connector.client  # type: ignore[attr-defined]
        channel: Channel = client.get_transport().open_session(timeout=ANSWERS_S)
        channel.set_combine_stderr(True)
        channel.settimeout(ANSWERS_S)
        channel.exec_command(line)
        channel.sendall(first.encode())
        return channel

    def _line(self, channel: Channel) -> str | None:
        """The next line of what it says; None if there is none any more. Raises `TimeoutError`."""
        while b"\n" not in self._unread:
            more = channel.recv(4096)
            if not more:
                return None
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")


def _now() -> float:
    return time.clock_gettime(CLOCK)
