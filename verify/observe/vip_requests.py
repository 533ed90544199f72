"""Asks each VIP over HTTP from the controller, as its clients do."""

from __future__ import annotations

import errno
import socket
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from settings import Cluster
from verify.snapshot import VIP_REQUESTS, VipResponse

# To connect, and to read.
TIMEOUTS_S = (1, 2)
# Each request on a connection of its own, and the page as it is.
HEADERS = {"Connection": "close", "Accept-Encoding": "identity"}
# What a machine without a way to an address says, and one that does not know its family at all.
NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH)
NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def ask(cluster: Cluster) -> tuple[VipResponse, ...]:
    """The page through the cluster's VIP, `VIP_REQUESTS` times or until there is no answer."""
    url = cluster.preferred.url(cluster.vip.ip)
    responses: list[VipResponse] = []
    with requests.Session() as session:
        if opening := cluster.preferred.opening:
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Opened(opening.encode()))
        session.trust_env = False  # no proxy, no .netrc: this asks the VIP and nobody else
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # each is a new client
        # Not for whose certificate it is, which TLS-01 tells, but for who answers.
        session.verify = False
        session.headers.update(HEADERS)
        while len(responses) < VIP_REQUESTS and not (responses and responses[-1].problem):
            responses.append(_get(session, url, cluster.vip.version))
    return tuple(responses)


class _Opened(HTTPAdapter):
    """Connections that begin with something before TLS and HTTP, as those of a proxy in front."""

    def __init__(self, opening: bytes) -> None:
        class Plain(urllib3.connection.HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _begun(super()._new_conn(), opening)

        class Secure(urllib3.connection.HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _begun(super()._new_conn(), opening)

        class PlainPool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(urllib3.HTTPSConnectionPool):
            ConnectionCls = Secure

        self._pools = {"http": PlainPool, "https": SecurePool}
        super().__init__()

    def init_poolmanager(self, *words: Any, **named: Any) -> None:
        super().init_poolmanager(*words, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools


def _begun(connection: socket.socket, opening: bytes) -> socket.socket:
    connection.sendall(opening)
    return connection


def _get(session: requests.Session, url: str, family: int) -> VipResponse:
    began = time.monotonic()
    got: dict[str, Any]
    try:
        answer = session.get(url, timeout=TIMEOUTS_S, allow_redirects=False)
        got = {"status": answer.status_code, "body": answer.content.decode(errors="replace")}
    except requests.RequestException as error:
        got = {"problem": problem(error, family)}
    return VipResponse(url=url, seconds=round(time.monotonic() - began, 4), **got)


def problem(error: BaseException, family: int = 4) -> str:
    """Why a request was not answered, in plain words, from the error that caused the others.

    `family`: 4 or 6, of the address that was asked. A controller may know nothing of the second.
    """
    while cause := error.__cause__ or error.__context__:
        error = cause
    # A handshake that takes too long is not a TimeoutError to gevent's ssl.
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, ConnectionError):
        return f"connection {'refused' if isinstance(error, ConnectionRefusedError) else 'reset'}"
    # An address needs no resolver, unless urllib3 asks it for one of the other family.
    if isinstance(error, socket.gaierror) or getattr(error, "errno", 0) in NO_FAMILY:
        return f"the controller has no IPv{family}"
    if isinstance(error, OSError) and error.errno in NO_ROUTE:
        return "no route to it" if family == 4 else "the controller has no IPv6 route to it"
    return type(error).__name__
