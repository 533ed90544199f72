"""Asks the machines, as many at once as pyinfra's --parallel allows, and the VIP from here.

A machine that dies meanwhile is noted.
"""

from __future__ import annotations

import errno
import logging
import re
import ssl
import time
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
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
from verify.observe.bundle import Round
from verify.observe.facts import Answers, Now
from verify.snapshot import Clock, Gathering, Get, Look

# By then the machines have been sent their questions. They take a while, for they listen to the
# network: time to load, without anybody waiting for it, what is needed later.
ASKED_S = 0.1
CONNECT_TIMEOUT_S = 5
GETS = 20
VIP_CONNECT_TIMEOUT_S = 1
GET_TIMEOUT_S = 2


class HeardErrors(logging.Handler):
    """Remembers why pyinfra could not connect: it says so in its log and nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.by_host: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        plain = re.sub(r"\x1b\[[\d;]*m", "", record.getMessage())
        found = re.match(r"\s*\[([^\]]+)\]\s*(.+)", plain)
        if found:
            self.by_host[found[1]] = found[2].strip()


errors = HeardErrors()


def listen_for_errors() -> None:
    if errors not in logger.handlers:
        logger.addHandler(errors)


def gather(state: State, *, reconnect: bool = False) -> Gathering:
    """One look at every machine that this run is limited to.

    `reconnect`: try again to reach those that could not be reached before.
    """
    started, began = datetime.now(UTC), time.monotonic()
    clusters = settings.clusters(state.inventory)
    hosts = [host for host in state.inventory if state.is_host_in_limit(host)]
    asking = Pool(state.config.PARALLEL)
    asked = {host.name: asking.spawn(_look, state, host, reconnect) for host in hosts}
    here = {
        cluster.name: gevent.spawn(_ask_vip, cluster)
        for whole in clusters
        for cluster in whole.vips
        if all(node.name in asked for node in cluster.nodes)
    }
    return Gathering(
        started=started.isoformat(timespec="seconds"),
        looks={name: greenlet.get() for name, greenlet in asked.items()},
        from_here={name: greenlet.get() for name, greenlet in here.items()},
        clusters=clusters,
        seconds=round(time.monotonic() - began, 3),
    )


def _look(state: State, host: Host, reconnect: bool) -> Look:
    if not host.connected and reconnect:
        _connect(host)
    if not host.connected:
        return Look(host=host.name, problem=errors.by_host.get(host.name, "no connection"))
    node, cluster = settings.of(host)
    asked = probes.everything(node, cluster)
    try:
        answer = gevent.spawn(_ask, state, host, asked)
        clock = _clock(state, host)
        sections = asked.read(_said(answer.get()))
    except _Lost as error:
        # The connection is no good any more: the next look has to make a new one.
        host.connected = False
        return Look(host=host.name, problem=str(error))
    return Look(host=host.name, clock=clock, sections=sections)


class _Lost(Exception):
    """A machine stopped answering."""


def _connect(host: Host) -> None:
    try:
        with gevent.Timeout(CONNECT_TIMEOUT_S, exception=TimeoutError):
            host.connect(show_errors=False, raise_exceptions=True)
    except (ConnectError, TimeoutError) as error:
        errors.by_host[host.name] = str(error.args[0] if error.args else "no answer in time")


def _fact(state: State, host: Host, fact: Any, timeout_s: float, **arguments: Any) -> str:
    """A fact that fails no host, and so never ends the run."""
    try:
        with (
            gevent.Timeout(timeout_s + 1, exception=TimeoutError("no answer in time")),
            ctx_state.use(state),
            ctx_host.use(host),
        ):
            found = get_fact(
                state,
                host,
                fact,
                kwargs={**arguments, "_timeout": round(timeout_s)},
                apply_failed_hosts=False,
            )
    except Exception as error:
        # Whatever went wrong on the way (SSH, sudo, a half-dead machine) is a finding.
        raise _Lost(f"it stopped answering: {error or type(error).__name__}") from error
    if not found:
        raise _Lost("it stopped answering while it was asked")
    return str(found)


def _clock(state: State, host: Host) -> Clock | None:
    """The machine's clock against ours; half the way there and back is all that is known."""
    before = time.time()
    said = _fact(state, host, Now, CONNECT_TIMEOUT_S)
    after = time.time()
    try:
        there = float(said)
    except ValueError:
        return None
    return Clock(offset_s=there - (before + after) / 2, error_s=(after - before) / 2)


def _ask(state: State, host: Host, asked: Round) -> str | _Lost:
    """Returns what is wrong instead of raising it: gevent would print a traceback at once."""
    try:
        return _fact(state, host, Answers, asked.longest_s, asked=asked)
    except _Lost as error:
        return error


def _said(answer: str | _Lost) -> str:
    if isinstance(answer, _Lost):
        raise answer
    return answer


def _ask_vip(cluster: Cluster) -> tuple[Get, ...]:
    """The page through the VIP, each time on a new connection, until one is not answered."""
    gevent.sleep(ASKED_S)
    gets: list[Get] = []
    while len(gets) < GETS and not (gets and gets[-1].problem):
        gets.append(_get(cluster))
    return tuple(gets)


def _get(cluster: Cluster) -> Get:
    """One GET. By Python's own client: a larger one takes a fifth of a second to be loaded."""
    node, address = cluster.preferred, str(cluster.vip.ip)
    url = node.url(address)
    connection = HTTPConnection(address, node.served_port, timeout=VIP_CONNECT_TIMEOUT_S)
    if node.tls:
        # Not for whose certificate it is, which TLS-01 tells, but for who answers.
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(
            address, node.served_port, timeout=VIP_CONNECT_TIMEOUT_S, context=anybody
        )
    began = time.monotonic()
    try:
        with closing(connection):
            connection.connect()
            connection.sock.settimeout(GET_TIMEOUT_S)
            connection.request("GET", node.page_path)
            answer = connection.getresponse()
            return Get(
                url=url,
                status=answer.status,
                body=answer.read().decode(errors="replace"),
                seconds=round(time.monotonic() - began, 4),
            )
    except (OSError, HTTPException) as error:
        return Get(url=url, problem=_plainly(error), seconds=round(time.monotonic() - began, 4))


def _plainly(error: OSError | HTTPException) -> str:
    # A handshake that takes too long is not a TimeoutError to gevent's ssl.
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, ConnectionError):
        return f"connection {'refused' if isinstance(error, ConnectionRefusedError) else 'reset'}"
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "no route to it"
    return type(error).__name__
