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

T = TypeVar("T")

_results: WeakKeyDictionary[State, dict[object, AsyncResult[Any]]] = WeakKeyDictionary()


def run_once(host: Host, key: object, work: Callable[[State], T]) -> T:
    """What `work` returns or raises. The first machine calls it; all others wait for that."""
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
) -> dict[str, T]:
    """`fact` of every machine of this run, by name; `arguments` gives a machine's own."""
    hosts = sorted(state.active_hosts, key=lambda host: host.name)
    greenlets = {
        host.name: gevent.spawn(host.get_fact, fact, **arguments(host))  # type: ignore[arg-type]
        for host in hosts
    }
    return {name: greenlet.get() for name, greenlet in greenlets.items()}
