"""Ask all machines the same at once, from deploy code, which pyinfra runs for each by itself.

(pyinfra's own `get_facts` waits for the pool that deploy code runs in, and so for ever.)
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

_answers: WeakKeyDictionary[State, dict[object, AsyncResult[Any]]] = WeakKeyDictionary()


def once(host: Host, key: object, work: Callable[[State], T]) -> T:
    """What `work` returns, done by the first host that comes here, for all; also its error."""
    known = _answers.setdefault(host.state, {})
    if key not in known:
        known[key] = AsyncResult()
        try:
            known[key].set(work(host.state))
        except PyinfraError as error:
            known[key].set_exception(error)
    return known[key].get()  # type: ignore[return-value]


def facts(
    state: State,
    fact: type[FactBase[T]],
    arguments: Callable[[Host], dict[str, Any]] = lambda host: {},
) -> dict[str, T]:
    """`fact` of every machine of this run, by name; `arguments` gives a machine's own."""
    hosts = sorted(state.active_hosts, key=lambda host: host.name)
    asked = {
        host.name: gevent.spawn(host.get_fact, fact, **arguments(host))  # type: ignore[arg-type]
        for host in hosts
    }
    return {name: greenlet.get() for name, greenlet in asked.items()}
