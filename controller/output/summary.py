"""What a run changes, or would change, in one sentence and in lines; each thing once. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from controller.run_changes import MachineChanges, Plan


def grouped(told: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The machines of which each thing is told, from (machine, thing); in order."""
    found: dict[str, list[str]] = {}
    for machine, thing in told:
        machines = found.setdefault(thing, [])
        if machine not in machines:
            machines.append(machine)
    return found


def lines(plans: Mapping[str, Plan]) -> Iterator[str]:
    """The plans of machines, by name: a line for each thing, with all whom it concerns."""
    every = [
        *((name, f"{path} changes") for name, plan in plans.items() for path in _files(plan)),
        *((name, step) for name, plan in plans.items() for step in plan.changes.steps),
        *((name, told) for name, plan in plans.items() for told in _services(plan)),
    ]
    for thing, machines in grouped(every).items():
        yield f"{', '.join(machines)}: {thing}"
    doubts = [(name, doubt) for name, plan in plans.items() for doubt in plan.doubts]
    for doubt, machines in grouped(doubts).items():
        yield f"{', '.join(machines)}: not tested before the run: {doubt}"
    warnings = [(name, warning) for name, plan in plans.items() for warning in plan.warnings]
    for warning, machines in grouped(warnings).items():
        yield f"{', '.join(machines)}: {warning}"


def differences(plans: Mapping[str, Plan]) -> Iterator[tuple[str, list[str]]]:
    """(the file with its machines, the lines of its difference), each difference once."""
    found = grouped(
        (name, "\n".join((path, *told)))
        for name, plan in plans.items()
        for path, told in plan.differences.items()
    )
    for text, machines in found.items():
        path, *told = text.split("\n")
        yield f"{path} ({', '.join(machines)})", told


def faults(plans: Mapping[str, Plan]) -> list[str]:
    """Why a run would fail: each reason once, with its machines."""
    every = [(name, fault) for name, plan in plans.items() for fault in plan.faults]
    return [f"{', '.join(names)}: {fault}" for fault, names in grouped(every).items()]


def _files(plan: Plan) -> list[str]:
    return list(dict.fromkeys(plan.changes.files))


def _services(plan: Plan) -> Iterator[str]:
    for line in plan.changes.services:
        reason = plan.reasons.get(line)
        yield f"{line}, because {reason}" if reason else line


# What a plan says of a service's action, and what is said of it when it was done.
DEEDS = {
    "reload": "reloaded",
    "start": "started",
    "restart": "restarted",
    "upgrade": "upgraded",
    "confirm": "confirmed",
    "enable": "enabled",
    "daemon-reload": "read the unit of",
    "stop": "stopped",
    "remove": "removed",
    "change": "changed",
    "do": "did",
    "move": "moved",
    "drain": "drained",
}


def sentence(
    changes: Mapping[str, MachineChanges],
    moves: int | None,
    drains: int | None = None,
    *,
    done: bool = False,
) -> str:
    """ "change 3 files on 2 machines, reload nginx on 3, move the VIP 0 times"; "" for nothing.

    + changes: by the machines' names.
    + moves: how often VIPs move; None where that is not said.
    + drains: how many machines that all have the VIP are drained, likewise.
    + done: it is no plan but a deed: "changed 3 files …".
    """

    def verb(word: str) -> str:
        return DEEDS.get(word, word) if done else word

    parts: list[str] = []
    for kind, word, what in (("files", "change", "file"), ("steps", "do", "step")):
        what = f"other {what}" if parts else what
        by_machine = {name: set(getattr(each, kind)) for name, each in changes.items()}
        if every := set().union(*by_machine.values()):
            where = sum(map(bool, by_machine.values()))
            parts.append(
                f"{verb(word)} {_counted(len(every), what)} on {_counted(where, 'machine')}"
            )
    actions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, each in changes.items():
        for line in each.services:
            service, _, action = line.partition(": ")
            actions[action, service].add(name)
    parts += [f"{verb(action)} {service} on {len(on)}" for (action, service), on in actions.items()]
    if moves is not None and (parts or moves):
        parts.append(f"{verb('move')} the VIP {_counted(moves, 'time')}")
    if drains is not None and (parts or drains):
        in_turn = " in turn" if drains > 1 else ""
        parts.append(f"{verb('drain')} {_counted(drains, 'machine')}{in_turn}")
    return ", ".join(parts)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
