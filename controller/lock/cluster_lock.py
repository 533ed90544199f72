"""The lock of a run on all machines of its clusters: taken, kept, looked at before each step."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import IO, Any

import click
import gevent
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra.connectors.ssh import SSHConnector
from pyinfra_cli import cli as pyinfra_cli

import settings
from controller.lock import lock_owner
from controller.lock.lock_holder import ANSWERS_S, Breaks, LockAnswer, LockHolder
from controller.ssh import root_rights
from settings import Refused

# Two that begin at the same moment may find some of the locks taken by each other.
PATIENCE_S = 1.0
# Until a lock has ended whose owner may be dead.
ENDS_S = lock_owner.SILENCE_S + lock_owner.OVERDUE_S
LOOKS_S = 1.0
# For a machine outside --limit, which is asked only for its lock.
CONNECTS_S = 3.0


class LockLost(Refused):
    """Another run has the lock by now."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"--> {click.style('Stopped', 'red', bold=True)}: {self}", err=True)


def hold(operations: Iterable[str]) -> None:
    """Have the run of this process, when it has connected, hold the lock of its clusters.

    `operations`: its deploy files. What a run has changed is never read before it has the lock.
    The run ends with `Refused` if another has it, and with `LockLost` when it is taken from it.
    """
    connect_all = pyinfra_cli.connect_all

    def connect_and_lock(state: State) -> None:
        lock = ClusterLock(state, lock_owner.this_run(operations))
        state.add_callback_handler(lock)  # type: ignore[no-untyped-call]
        lock.reach_the_others()
        connect_all(state)
        lock.settle()

    # pyinfra has no hook between connecting and its first question.
    pyinfra_cli.connect_all = connect_and_lock


class ClusterLock(BaseStateCallback):
    """The locks of a run, in the order in which every run takes them."""

    def __init__(self, state: State, owner: lock_owner.LockOwner):
        self._state = state
        self._owner = owner
        self._doing = "its preparation"
        self._breaks: Breaks = "any" if settings.options(state.inventory).break_lock else ""
        of_run = [
            cluster
            for cluster in settings.clusters(state.inventory)
            if any(state.is_host_in_limit(_host(state, node.name)) for node in cluster.nodes)
        ]
        every = [node for cluster in of_run for node in cluster.nodes]
        hosts = [_host(state, node.name) for node in lock_owner.fixed_order(every)]
        # What is not reached over SSH has no lock.
        self._holders = {
            host: LockHolder(host, owner)
            for host in hosts
            if isinstance(host.connector, SSHConnector)
        }
        self._asked: dict[Host, gevent.Greenlet[..., LockAnswer]] = {}
        self._broken: set[Host] = set()
        self._stopped = False

    def reach_the_others(self) -> None:
        """Begin to ask the machines outside --limit: the lock is the whole cluster's."""
        for host, holder in self._holders.items():
            if not self._state.is_host_in_limit(host):
                self._asked[host] = gevent.spawn(_reached, holder, self._breaks)

    def host_connect(self, state: State, host: Host) -> None:  # type: ignore[override]
        """A machine is connected: now, or again after it has lost its power, and its lock."""
        if not (holder := self._holders.get(host)):
            return
        if state.current_stage <= StateStage.Connect:
            self._asked[host] = gevent.spawn(holder.take, self._breaks)
        else:
            gevent.spawn(holder.take_again)

    def operation_start(self, state: State, op_hash: Any) -> None:  # type: ignore[override]
        """Before each step. A drill, whose steps are no operations, gives their names."""
        meta = state.op_meta.get(op_hash)
        self._doing = ", ".join(sorted(meta.names)) if meta else str(op_hash)
        self._stop_if_lost()

    def _stop_if_lost(self) -> None:
        lost = [holder for holder in self._holders.values() if holder.lost(self._doing)]
        if lost:
            raise LockLost(self._given_up(lost[0]))

    def settle(self) -> None:
        """Wait for the answers; raise `Refused`, with all locks given back, unless this run has
        the lock of each machine that answers. A lock whose owner may be dead is waited for: it
        ends, or that owner is heard again."""
        began = time.monotonic()
        deadline = began + PATIENCE_S
        waits_for: str | None = None
        while True:
            answers = {h: self._asked[h].get() for h in self._holders if h in self._asked}
            self._tell(answers)
            taken = [host for host, answer in answers.items() if answer.state == "refused"]
            if not taken:
                break
            seen = answers[taken[0]].seen
            assert seen
            now = time.monotonic()
            dead = now < began + ENDS_S and lock_owner.may_be_dead(seen, self._owner, now - began)
            if dead:
                deadline = now + LOOKS_S + PATIENCE_S  # for whoever has it then
            if now > deadline:
                self._refuse(lock_owner.refusal(taken[0].name, seen, datetime.now()))
            if dead and waits_for != taken[0].name:
                waits_for = taken[0].name
                logger.warning(f"--> {lock_owner.waiting(waits_for, seen, datetime.now())}")
            # What comes later in the order is given back: whoever has the first of those that two
            # runs want gets the others, too.
            order = list(self._holders)
            for host in order[order.index(taken[0]) :]:
                self._holders[host].release()
            gevent.sleep(LOOKS_S if dead else random.uniform(0.1, 0.2))
            for host in order[order.index(taken[0]) :]:
                if host in answers and answers[host].state != "failed":
                    self._asked[host] = gevent.spawn(self._holders[host].take, "")
        for holder in self._holders.values():
            gevent.spawn(self._keep, holder)
        self._come_before_failures()

    def _come_before_failures(self) -> None:
        """Have a step that fails after another run has taken the lock be stopped for that."""
        fail_hosts = self._state.fail_hosts

        def fail(hosts: set[Host], activated_count: int | None = None) -> None:
            if hosts:
                self._stop_if_lost()
            fail_hosts(hosts, activated_count)  # type: ignore[no-untyped-call]

        self._state.fail_hosts = fail  # type: ignore[method-assign]

    def _tell(self, answers: dict[Host, LockAnswer]) -> None:
        failed = {
            host: answer.text
            for host, answer in answers.items()
            if answer.state == "failed" and self._state.is_host_in_limit(host)
        }
        no_root = {
            host.name: (text, remedy)
            for host, text in failed.items()
            if (remedy := root_rights.remedy(text, root_rights.arguments_of(host)))
        }
        if no_root:
            self._refuse(root_rights.refusal(no_root))
        for host, text in failed.items():
            self._refuse(lock_owner.obstacle(host.name, text))
        for host, answer in answers.items():
            if answer.broken and host not in self._broken:
                self._broken.add(host)
                told = answer.broken.told(datetime.now())
                logger.warning(f"--> The lock on {host.name} is broken: {told}")
            if answer.state != "failed":
                continue
            logger.warning(
                f"--> {host.name}, which --limit leaves out, does not answer ({answer.text}): "
                "whether somebody else is at work there is not known"
            )
            del self._asked[host]

    def _refuse(self, why: str) -> None:
        for holder in self._holders.values():
            holder.release()
        raise Refused(why)

    def _keep(self, holder: LockHolder) -> None:
        while not self._stopped:
            gevent.sleep(lock_owner.BEAT_S)
            holder.beat(self._doing)

    def _given_up(self, lost: LockHolder) -> str:
        """Give all locks back, with no machine left drained; why, in words."""
        self._stopped = True
        seen = lost.seen_now()
        lift = lock_owner.lift_own_drain()
        lifting = [gevent.spawn(_try_out, holder, lift) for holder in self._holders.values()]
        gevent.joinall(lifting, timeout=ANSWERS_S)
        for holder in self._holders.values():
            holder.release()
        return lock_owner.loss(lost.host.name, seen, datetime.now())


def _reached(holder: LockHolder, breaks: Breaks) -> LockAnswer:
    """The answer of a machine to which pyinfra does not connect."""
    try:
        with gevent.Timeout(CONNECTS_S, exception=TimeoutError):
            holder.host.connector.connect()
    except (PyinfraError, OSError) as error:
        return LockAnswer("failed", text=str(error) or "no answer in time")
    return holder.take(breaks)


def _try_out(holder: LockHolder, command: str) -> None:
    with suppress(Exception):  # the machine may have gone, and then it drains nothing
        holder.run(command)


def _host(state: State, name: str) -> Host:
    return state.inventory.get_host(name)
