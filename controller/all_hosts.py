"""Work done once for all machines, and facts of all machines, from deploy code.

pyinfra runs deploy code for each machine by itself. Its own `get_facts` cannot be used there: it
waits for the pool of greenlets that deploy code runs in, and so for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import gevent
from gevent.event import AsyncResult
from pyinfra.api import FactBase, Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.facts import get_fact
from pyinfra.context import ctx_host, ctx_state

from controller.ssh.machine_connector import is_installed
from settings import Refused

T = TypeVar("T")

_results: WeakKeyDictionary[State, dict[object, AsyncResult[Any]]] = WeakKeyDictionary()


def run_once(host: Host, key: object, work: Callable[[State], T]) -> T:
    """What `work` returns or raises. The first machine calls it; all others wait for that.

    Raises `Refused` where config.py was not read, which keeps a run's promises.
    """
    if not is_installed(host):
        raise Refused(
            "config.py was not read. Run pyinfra in this repository, without --config and --chdir."
        )
    results = _results.setdefault(host.state, {})
    if key not in results:
        results[key] = AsyncResult()
        try:
            results[key].set(work(host.state))
        except PyinfraError as error:
            results[key].set_exception(error)
    return results[key].get()  # type: ignore[return-value]


def get_facts(
    state: State,
    fact: type[FactBase[T]],
    arguments: Callable[[Host], dict[str, Any]] = lambda host: {},
    *,
    fails: bool = True,
) -> dict[str, T]:
    """`fact` of every machine of this run, by name; `arguments` gives a machine's own.

    `fails`: whether a machine that does not answer has failed, or else has the fact's default.
    """
    hosts = sorted(state.active_hosts, key=lambda host: host.name)

    def ask(host: Host) -> T:
        with ctx_state.use(state), ctx_host.use(host):
            kwargs = arguments(host)
            return get_fact(state, host, fact, kwargs=kwargs, apply_failed_hosts=fails)  # type: ignore[no-any-return]

    greenlets = {host.name: gevent.spawn(ask, host) for host in hosts}
    return {name: greenlet.get() for name, greenlet in greenlets.items()}
