"""What a run changes on each machine, in words: what it would change, found while it is prepared,
and what it has changed, collected while it is done.

Every `change` (batched_facts.py) notes what it is about to do; what may tell it better than by its
name (which service, and how) notes that first. Both records are made by the same lines of the same
operations, so that a plan is what the run then does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

from pyinfra.api import Host, State
from pyinfra.context import ctx_host


class MachineChanges(NamedTuple):
    """What is changed on one machine.

    + files: their paths.
    + services: each with what is done to it, "nginx: reload".
    + steps: the names of the operations that change something else.
    """

    files: list[str]
    services: list[str]
    steps: list[str]


@dataclass
class Plan:
    """What a run would do to one machine, as it was found while it was prepared.

    + reasons: why each of the services is restarted, reloaded, …, by its line in `services`.
    + texts: the content that a file would have, by its path; only of those whose content changes.
    + differences: the lines of a file's difference, by its path; where they were asked for.
    + units_read: whether systemd reads its units anew before the next of the services.
    + faults: why the run would fail there.
    + doubts: what could not be tested before the run, and why.
    + warnings: what those say who have tested it, and who do not refuse it.
    """

    changes: MachineChanges = field(default_factory=lambda: MachineChanges([], [], []))
    reasons: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str | bytes] = field(default_factory=dict)
    differences: dict[str, list[str]] = field(default_factory=dict)
    units_read: bool = False
    faults: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


# How often VIPs move, or machines are drained, if machines, by name, are changed like this.
MoveCounter = Callable[[Mapping[str, MachineChanges]], int]

_done: WeakKeyDictionary[Host, MachineChanges] = WeakKeyDictionary()
_plans: WeakKeyDictionary[Host, Plan] = WeakKeyDictionary()
_announcements: WeakKeyDictionary[Host, str] = WeakKeyDictionary()
_told: WeakKeyDictionary[Host, set[str]] = WeakKeyDictionary()
_movers: WeakKeyDictionary[State, dict[str, MoveCounter]] = WeakKeyDictionary()
_drainers: WeakKeyDictionary[State, dict[str, MoveCounter]] = WeakKeyDictionary()


def of(host: Host) -> MachineChanges:
    """What this run has changed on `host` by now."""
    return _done.setdefault(host, MachineChanges([], [], []))


def plan_of(host: Host) -> Plan:
    """What this run would do to `host`, as far as it is prepared by now."""
    return _plans.setdefault(host, Plan())


def this_plan() -> Plan:
    """The plan of the machine whose operations are prepared."""
    return plan_of(_this_host())


def is_planning() -> bool:
    """Whether operations are only looked at for what they would do."""
    return not _this_host().state.is_executing


def announce(host: Host, command: str) -> None:
    """Carry out the shell command `command` before the first change of `host`."""
    _announcements[host] = command


def note_service(service: str, action: str, reason: str = "") -> None:
    """Note that a service of this machine is about to be restarted, reloaded, …; say why."""
    host = _this_host()
    line = f"{service}: {action}"
    _noted(host).services.append(line)
    if is_planning():
        plan_of(host).reasons[line] = reason
    elif reason:
        host.log(f"{line}, because {reason}")


def plans(service: str, action: str) -> bool:
    """Whether a run that is prepared does this to a service of this machine; False in the run."""
    return is_planning() and f"{service}: {action}" in this_plan().changes.services


def note_file(path: str) -> None:
    """Note that a file of this machine is about to be changed, or removed."""
    _noted(_this_host()).files.append(path)


def note_step(what: str) -> None:
    """Note that something else of this machine is about to be changed."""
    _noted(_this_host()).steps.append(what)


def count() -> int:
    """How much was noted about this machine by now."""
    return sum(map(len, _noted(_this_host())))


def note(noted: int, path: object = None) -> str:
    """Note the operation that is about to change this machine: by the path of its file if it has
    one, else by its name, unless it has noted more than the `noted` of its beginning by itself.

    Returns a shell command that has to be carried out before, "" for none.
    """
    host = _this_host()
    if isinstance(path, str):
        _noted(host).files.append(path)
    elif count() == noted:
        arguments = host.current_op_global_arguments
        name = str(arguments["name"] or "") if arguments else ""
        _noted(host).steps.append(name.removeprefix(f"{host.name}: "))
    return "" if is_planning() else _announcements.pop(host, "")


def tell(operation: str | None) -> None:
    """An operation of this machine, by its hash, tells by itself what it changes."""
    _told.setdefault(_this_host(), set()).add(operation or "")


def tells(host: Host, operation: str) -> bool:
    """Whether an operation has told by itself what it changes, if anything."""
    return operation in _told.get(host, ())


def count_moves(cluster: str, counter: MoveCounter) -> None:
    """Have `counter` say how often the VIPs of `cluster` move in this run."""
    _movers.setdefault(_this_host().state, {})[cluster] = counter


def moves(state: State, changes: Mapping[str, MachineChanges]) -> int | None:
    """How often VIPs move where machines, by name, are changed like that; None for a run that has
    nothing to do with them."""
    counters = _movers.get(state)
    return sum(each(changes) for each in counters.values()) if counters else None


def count_drains(cluster: str, counter: MoveCounter) -> None:
    """Have `counter` say how many machines of `cluster`, of which each has the VIP, are drained in
    this run, one after the other."""
    _drainers.setdefault(_this_host().state, {})[cluster] = counter


def drains(state: State, changes: Mapping[str, MachineChanges]) -> int | None:
    """As `moves`, for machines that are drained."""
    counters = _drainers.get(state)
    return sum(each(changes) for each in counters.values()) if counters else None


def _noted(host: Host) -> MachineChanges:
    return of(host) if host.state.is_executing else plan_of(host).changes


def _this_host() -> Host:
    return ctx_host.get()  # type: ignore[no-any-return, no-untyped-call]
