"""Takes a snapshot: asks the VIPs, and as many machines at once as pyinfra's --parallel allows.

A machine that stops answering meanwhile is a finding, and never ends the run.
"""

from __future__ import annotations

import logging
import re
import time
from datetime import UTC, datetime
from typing import Any

import gevent
from gevent.pool import Pool
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.facts import get_fact
from pyinfra.context import ctx_host, ctx_state

import settings
from settings import Cluster
from verify.observe import probes
from verify.observe.facts import Now, ProbeOutputs
from verify.snapshot import ClockOffset, HostAnswers, RouterView, Snapshot, VipResponse

# By then the machines have been sent their questions. They listen to the network for longer: time
# to load, without anybody waiting for it, what is needed next.
SENT_S = 0.1
CONNECT_TIMEOUT_S = 5


class ConnectionErrors(logging.Handler):
    """Remembers why pyinfra could not connect: it says so in its log and nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.by_host: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        plain = re.sub(r"\x1b\[[\d;]*m", "", record.getMessage())
        found = re.match(r"\s*\[([^\]]+)\]\s*(.+)", plain)
        if found:
            self.by_host[found[1]] = found[2].strip()


_errors = ConnectionErrors()


def record_connection_errors() -> None:
    """To be called before pyinfra connects, for `connection_error` to have an answer."""
    if _errors not in logger.handlers:
        logger.addHandler(_errors)


def connection_error(host: str) -> str:
    """Why this machine could not be reached, in pyinfra's words."""
    return _errors.by_host.get(host, "no connection")


def take_snapshot(state: State, *, reconnect: bool = False) -> Snapshot:
    """The answers of every machine that this run is limited to, and of the VIPs.

    `reconnect`: try again to reach machines that could not be reached before.
    """
    started, began = datetime.now(UTC), time.monotonic()
    clusters = settings.clusters(state.inventory)
    hosts = [host for host in state.inventory if state.is_host_in_limit(host)]
    pool = Pool(state.config.PARALLEL)
    asked = {host.name: pool.spawn(_answers_of, state, host, reconnect) for host in hosts}
    from_here = {
        cluster.name: gevent.spawn(_ask_vip, cluster)
        for whole in clusters
        for cluster in whole.vips
        if all(node.name in asked for node in cluster.nodes)
    }
    routers = {
        cluster.name: gevent.spawn(_ask_routers, cluster)
        for cluster in clusters
        if any(node.routers for node in cluster.nodes)
        and all(node.name in asked for node in cluster.nodes)
    }
    return Snapshot(
        started=started.isoformat(timespec="seconds"),
        hosts={name: greenlet.get() for name, greenlet in asked.items()},
        from_here={name: greenlet.get() for name, greenlet in from_here.items()},
        router_views={name: greenlet.get() for name, greenlet in routers.items()},
        clusters=clusters,
        seconds=round(time.monotonic() - began, 3),
    )


def _answers_of(state: State, host: Host, reconnect: bool) -> HostAnswers:
    if not host.connected and reconnect:
        _connect(host)
    if not host.connected:
        return HostAnswers(host=host.name, problem=connection_error(host.name))
    node, cluster = settings.of(host)
    asked = probes.all_probes(node, cluster)
    asking = gevent.spawn(_fact, state, host, ProbeOutputs, asked.longest_s, asked=asked)
    clock = _clock(state, host)
    outputs, problem = asking.get()
    if problem:
        # The connection is no good any more: the next snapshot has to make a new one.
        host.connected = False
        return HostAnswers(host=host.name, problem=problem)
    return HostAnswers(host=host.name, clock=clock, outputs=asked.read(outputs))


def _connect(host: Host) -> None:
    try:
        with gevent.Timeout(CONNECT_TIMEOUT_S, exception=TimeoutError):
            host.connect(show_errors=False, raise_exceptions=True)
    except (ConnectError, TimeoutError) as error:
        _errors.by_host[host.name] = str(error.args[0] if error.args else "no answer in time")


def _fact(
    state: State, host: Host, fact: Any, timeout_s: float, **arguments: Any
) -> tuple[str, str]:
    """What a machine answers, or else why it does not, which fails no host and ends no run."""
    timeout = gevent.Timeout(timeout_s + 1, exception=TimeoutError("no answer in time"))
    arguments["_timeout"] = round(timeout_s)
    try:
        with timeout, ctx_state.use(state), ctx_host.use(host):
            found = get_fact(state, host, fact, kwargs=arguments, apply_failed_hosts=False)
    except EOFError:  # from whoever should type it
        return "", "sudo wants a password, and nobody is here to type it: set _sudo_password"
    except Exception as error:
        # Whatever went wrong on the way (SSH, sudo, a half-dead machine) is a finding.
        return "", f"it stopped answering: {str(error) or type(error).__name__}"
    return str(found or ""), "" if found else "it stopped answering while it was asked"


def _clock(state: State, host: Host) -> ClockOffset | None:
    """The machine's clock against ours; half the way there and back is all that is known."""
    before = time.time()
    there, _ = _fact(state, host, Now, CONNECT_TIMEOUT_S)
    after = time.time()
    try:
        offset_s = float(there) - (before + after) / 2
    except ValueError:
        return None
    return ClockOffset(offset_s=offset_s, error_s=(after - before) / 2)


def _ask_vip(cluster: Cluster) -> tuple[VipResponse, ...]:
    gevent.sleep(SENT_S)
    from verify.observe import vip_requests  # and requests, while the machines answer

    return vip_requests.ask(cluster)


def _ask_routers(cluster: Cluster) -> tuple[RouterView, ...]:
    gevent.sleep(SENT_S)
    from verify.observe.routing import asked_routers

    return asked_routers.ask(cluster)
