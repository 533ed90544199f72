"""What a run changes on each machine, in words: collected while it is done.

Every `change` (batched_facts.py) notes what it is about to do; what may tell it better than by its
name (which service, and how) notes that first. Only what is carried out counts, not what was found
while the run was prepared.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

from pyinfra.api import Host
from pyinfra.context import ctx_host


class MachineChanges(NamedTuple):
    """What was changed on one machine.

    + files: their paths.
    + services: each with what was done to it, "nginx: reload".
    + steps: the names of the operations that changed something else.
    """

    files: list[str]
    services: list[str]
    steps: list[str]


_changes: WeakKeyDictionary[Host, MachineChanges] = WeakKeyDictionary()
_announcements: WeakKeyDictionary[Host, str] = WeakKeyDictionary()


def of(host: Host) -> MachineChanges:
    """What this run has changed on `host` by now."""
    return _changes.setdefault(host, MachineChanges([], [], []))


def announce(host: Host, command: str) -> None:
    """Carry out the shell command `command` before the first change of `host`."""
    _announcements[host] = command


def note_service(service: str, action: str) -> None:
    """Note that a service of this machine is about to be restarted, reloaded, …"""
    host = _this_host()
    if host.state.is_executing:
        of(host).services.append(f"{service}: {action}")


def count() -> int:
    """How much was noted about this machine by now."""
    return sum(map(len, of(_this_host())))


def note(noted: int, path: object = None) -> str:
    """Note the operation that is about to change this machine: by the path of its file if it has
    one, else by its name, unless it has noted more than the `noted` of its beginning by itself.

    Returns a shell command that has to be carried out before, "" for none.
    """
    host = _this_host()
    if not host.state.is_executing:
        return ""
    if isinstance(path, str):
        of(host).files.append(path)
    elif count() == noted:
        arguments = host.current_op_global_arguments
        name = str(arguments["name"] or "") if arguments else ""
        of(host).steps.append(name.removeprefix(f"{host.name}: "))
    return _announcements.pop(host, "")


def _this_host() -> Host:
    return ctx_host.get()  # type: ignore[no-any-return, no-untyped-call]
