"""Warnings of several machines, each shown once, with all whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from weakref import WeakSet

from pyinfra import logger
from pyinfra.api import State
from pyinfra.api.state import BaseStateCallback

# What nginx's test says of a configuration that it accepts, as apply-nginx prints it.
NGINX_WARNS = "nginx: [warn] "

_states: WeakSet[State] = WeakSet()


def grouped(found: Mapping[str, Iterable[str]]) -> list[str]:
    """Each warning once, as "host1, host2: TEXT". `found`: those of each machine, by its name."""
    whose: dict[str, list[str]] = {}
    for name, warnings in sorted(found.items()):
        for warning in dict.fromkeys(warnings):
            whose.setdefault(warning, []).append(name)
    return [f"{', '.join(names)}: {warning}" for warning, names in whose.items()]


def show(found: Mapping[str, Iterable[str]]) -> None:
    """Log them."""
    for line in grouped(found):
        logger.warning(line)


def show_nginx_warnings(state: State) -> None:
    """Have what nginx warns of in a step of this run shown when that step is done everywhere."""
    if state not in _states:
        _states.add(state)
        state.add_callback_handler(_AfterEachStep())  # type: ignore[no-untyped-call]


class _AfterEachStep(BaseStateCallback):
    @staticmethod
    def operation_end(state: State, op_hash: str) -> None:
        found: dict[str, list[str]] = {}
        for host in state.active_hosts:
            if op_hash in state.ops[host]:
                meta = state.get_op_data_for_host(host, op_hash).operation_meta
                said = meta.stdout_lines if meta.is_complete() else []
                found[host.name] = [line for line in said if line.startswith(NGINX_WARNS)]
        show(found)
