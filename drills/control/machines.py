"""Runs shell commands on a cluster's machines, over the connections that pyinfra has made."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import gevent
from gevent.lock import Semaphore
from pyinfra.api import FactBase, Host, State
from pyinfra.api.facts import get_fact
from pyinfra.context import ctx_host, ctx_state

from drills.mishaps import Foreseen
from settings import Cluster

CONNECT_TIMEOUT_S = 5.0
RECONNECT_STEP_S = 0.1
# For so long in all a machine that has gone is waited for where something has to be undone on it.
RETURN_TIMEOUT_S = 120.0


class MachineError(Foreseen):
    """A machine did not answer, or a command failed there."""


class NoAnswer(MachineError):
    """Whether the command was run there is not known."""


class ScriptAnswer(FactBase[list[str]]):
    """What a script prints, both streams, and its exit status in the last line."""

    default = list

    def command(self, script: str) -> str:
        return f"( {script}\n) 2>&1 </dev/null; echo exit=$?"

    def process(self, output: list[str]) -> list[str]:
        return output


def _plain(text: object) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", str(text)).strip()


class Machines:
    """The machines of one cluster."""

    def __init__(self, state: State, cluster: Cluster):
        self._state = state
        self.cluster = cluster
        named = {host.name: host for host in state.inventory}
        self._hosts: dict[str, Host] = {node.name: named[node.name] for node in cluster.nodes}
        # One connection at a time is made to a machine, whoever asks for it.
        self._turns = {name: Semaphore() for name in self._hosts}
        self._connections = dict.fromkeys(self._hosts, 0)
        # Since when nothing has been heard of a machine for which somebody waits.
        self._gone_since: dict[str, float] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._hosts)

    def missing(self) -> tuple[str, ...]:
        """Machines without a connection."""
        return tuple(name for name, host in self._hosts.items() if not host.connected)

    def run(self, name: str, script: str, timeout_s: float = 10.0) -> str:
        """What `script` prints on a machine. Raises `MachineError` when it fails."""
        status, text = self.ask(name, script, timeout_s)
        if status:
            raise MachineError(f"{name}: exit {status}: {text.strip() or script}")
        return text

    def insist(self, name: str, script: str, timeout_s: float = 30.0) -> str:
        """`run`, and again on a new connection where there was no answer.

        `script` must not mind to be run twice. A machine that is down is waited for, but for
        `RETURN_TIMEOUT_S` in all, however often it is asked.
        """
        connection = self._connections[name]
        try:
            return self.run(name, script, timeout_s)
        except NoAnswer:
            if self._connections[name] == connection:  # nobody else has made a new one meanwhile
                self.forget(name)
        self.wait_for(name, RETURN_TIMEOUT_S)
        return self.run(name, script, timeout_s)

    def wait_for(self, name: str, timeout_s: float) -> None:
        """`reconnect`; for so long in all, however often this is called before it answers."""
        since = self._gone_since.setdefault(name, time.monotonic())
        self.reconnect(name, max(0.0, since + timeout_s - time.monotonic()))

    def ask(self, name: str, script: str, timeout_s: float = 10.0) -> tuple[int, str]:
        """Exit status and what was printed. Raises `NoAnswer` when there is no answer."""
        host = self._hosts[name]
        if not host.connected:
            raise NoAnswer(f"{name}: no connection")
        try:
            with (
                gevent.Timeout(timeout_s, exception=TimeoutError),
                ctx_state.use(self._state),
                ctx_host.use(host),
            ):
                lines: Any = get_fact(
                    self._state,
                    host,
                    ScriptAnswer,
                    kwargs={"script": script},
                    apply_failed_hosts=False,
                )
        except Exception as error:
            # SSH, sudo, a machine that has just died: all of it is "no answer" here.
            raise NoAnswer(f"{name}: {_plain(error) or 'no answer in time'}") from error
        if not lines or not lines[-1].startswith("exit="):
            raise NoAnswer(f"{name}: it stopped answering")
        self._gone_since.pop(name, None)
        return int(lines[-1][5:]), "\n".join(lines[:-1])

    def everywhere(
        self, script: str, names: Iterable[str] | None = None, timeout_s: float = 10.0
    ) -> dict[str, str]:
        """`run` on several machines at once. Raises the first `MachineError`."""
        scripts = dict.fromkeys(self.names if names is None else names, script)
        found: dict[str, str] = {}
        for name, answer in self.answers(scripts, timeout_s).items():
            if isinstance(answer, MachineError):
                raise answer
            found[name] = answer
        return found

    def answers(
        self, scripts: Mapping[str, str], timeout_s: float = 10.0
    ) -> dict[str, str | MachineError]:
        """`run` of each machine's own script, all at once; its error in place of an answer."""

        def answer(name: str, script: str) -> str | MachineError:
            # A greenlet that fails would print a traceback.
            try:
                return self.run(name, script, timeout_s)
            except MachineError as error:
                return error

        asked = {name: gevent.spawn(answer, name, script) for name, script in scripts.items()}
        return {name: greenlet.get() for name, greenlet in asked.items()}

    def forget(self, name: str) -> None:
        """Drop a connection whose machine is gone."""
        host = self._hosts[name]
        if host.connected:
            # It was no good any more, whatever happens.
            with contextlib.suppress(Exception), gevent.Timeout(2, exception=TimeoutError):
                host.disconnect()
        host.connected = False

    def reconnect(self, name: str, timeout_s: float) -> None:
        """A new connection as soon as the machine answers; `MachineError` if it does not."""
        host, deadline = self._hosts[name], time.monotonic() + timeout_s
        with self._turns[name]:
            while not host.connected:
                try:
                    with gevent.Timeout(CONNECT_TIMEOUT_S, exception=TimeoutError):
                        host.connect(show_errors=False, raise_exceptions=True)
                    self._connections[name] += 1
                except Exception as error:
                    if time.monotonic() > deadline:
                        text = f"not back in {timeout_s:.0f} s: {_plain(error) or 'no answer'}"
                        raise NoAnswer(f"{name}: {text}") from error
                    gevent.sleep(RECONNECT_STEP_S)
