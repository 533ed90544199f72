"""Ways to break a machine for the verifier's self-test, each undone whatever happens.

A fault says which check has to fail and which others it explains: any other is a wrong alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from lab.twin import Lab
from tests.support.lab.breaking import edited, forgotten, holds_vip, shell, until

NGINX_CONF = "/etc/nginx/nginx.conf"
KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
STANDBY_GONE = {"X-21"}


Break = Callable[[Lab, ExitStack], None]


@dataclass(frozen=True)
class Fault:
    name: str
    expected: str
    inject: Break
    explained: set[str] = field(default_factory=set)
    data: tuple[str, ...] = ()


def by_shell(host: str, inject: str, undo: str, wait: str = "") -> Break:
    def begin(lab: Lab, stack: ExitStack) -> None:
        stack.enter_context(shell(lab, host, inject, undo))
        if wait:
            until(lab, host, wait)

    return begin


def by_edit(host: str, file: str, sed: str, after: str = "true") -> Break:
    def begin(lab: Lab, stack: ExitStack) -> None:
        stack.enter_context(edited(lab, host, file, sed, after))

    return begin


def by_nginx_conf(host: str, sed: str) -> Break:
    return by_edit(host, NGINX_CONF, sed, "systemctl reload nginx")


def by_keepalived_conf(host: str, sed: str) -> Break:
    return by_edit(host, KEEPALIVED_CONF, sed, "systemctl reload keepalived")


def splitting(begin: Break) -> Break:
    """A fault after which host2 takes the VIP too."""

    def both(lab: Lab, stack: ExitStack) -> None:
        stack.enter_context(forgotten(lab))
        begin(lab, stack)
        holds_vip(lab, "host2")

    return both
