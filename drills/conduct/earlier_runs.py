"""What earlier runs of drill.py may have left, because they were killed: found, told, put back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from functools import partial

import gevent

from drills.control import self_undo, undo_journal
from drills.control.lab_control import LabControl
from drills.control.machines import Machines
from drills.control.own_commands import CommandLine, Commands
from drills.control.undo_journal import EarlierRun, UndoRecord, Way
from drills.mishaps import MISHAPS, Foreseen, told
from drills.results import NotPutBack
from settings import Cluster

# The guards of a killed run (a deploy is the longest of what they do) get so long to end.
GUARDS_TIMEOUT_S = 600.0
GUARDS_STEP_S = 0.2

Say = Callable[[str], None]


class EarlierRuns:
    """What is noted of these clusters, and what cannot be read. Raises `OSError` where the notes
    cannot be looked for."""

    def __init__(self, clusters: Iterable[Cluster]):
        clusters = list(clusters)
        known = set(undo_journal.addresses_of(clusters))
        found = list(undo_journal.earlier_runs())
        concern = [run for run in found if known & {*run.author.addresses, *_addresses(run)}]
        self._others = [run for run in found if run not in concern]
        self._runs = [run for run in concern if not (run.held and run.author.alive)]
        self._at_work = [run for run in concern if run not in self._runs]
        self._clusters = clusters
        self._undone: set[int] = set()
        # By record, what was in the way.
        self._failed: dict[int, NotPutBack] = {}

    @property
    def at_work(self) -> str:
        """Why nothing may be broken now: somebody else is breaking these machines; "" if not."""
        whose = ", ".join(
            f"the run {run.author} (process {run.author.pid})" for run in self._at_work
        )
        return f"Another drill.py is at work on these machines: {whose}." if whose else ""

    def lines(self) -> list[str]:
        """What may have been left, in words."""
        lines: list[str] = []
        for run in self._runs:
            if run.records:
                drills = ", ".join(dict.fromkeys(record.drill for record in run.records))
                lines.append(f"An earlier run ({drills}), {run.author}, may have left:")
                lines += [f"    {record}" for record in run.records]
        for run in self._unreadable:
            lines.append(f"An earlier run, {run.author}, has left notes that cannot be read:")
            lines.append(f"    look at {run.path}, then remove it")
        for run in self._others:
            if run.records and not run.held:
                what = ", ".join(map(str, run.records))
                lines.append(
                    f"An earlier run, {run.author}, may have left what is not of this inventory: "
                    f"{what} ({run.path})"
                )
        return lines

    def __bool__(self) -> bool:
        """Whether there is something that can be put back; what cannot be read: `remaining`."""
        return any(run.records for run in self._runs)

    @property
    def _unreadable(self) -> list[EarlierRun]:
        return [run for run in (*self._runs, *self._others) if run.unreadable]

    def remaining(self) -> tuple[NotPutBack, ...]:
        """What is noted and not undone by now, and what notes say that cannot be read."""
        untried = "it is of no cluster that this run was for"
        left = [
            self._failed.get(id(record)) or _left(record, untried)
            for run in self._runs
            for record in run.records
            if id(record) not in self._undone
        ]
        left += [
            NotPutBack(
                "something",
                "",
                "machines that are not known",
                f"the notes of an earlier run, {run.author}, cannot be read",
                f"look at {run.path}, then remove it",
            )
            for run in self._unreadable
        ]
        return tuple(left)

    def wait_for_guards(self, say: Say) -> tuple[NotPutBack, ...]:
        """Let what a killed run has started to put itself back come to its end."""
        deadline = time.monotonic() + GUARDS_TIMEOUT_S
        for run in self._runs:
            if run.held and undo_journal.held(run.path):
                say(f"The run {run.author} is still being put back; waiting for that.")
            while run.held and undo_journal.held(run.path):
                if time.monotonic() > deadline:
                    why = f"its way back has not ended in {GUARDS_TIMEOUT_S:.0f} s"
                    return tuple(_left(record, why) for record in run.records)
                gevent.sleep(GUARDS_STEP_S)
        return ()

    def put_back_around(self, lab: LabControl | None, say: Say) -> tuple[NotPutBack, ...]:
        """What the lab undoes, so that the machines can be reached; what could not be undone."""

        def undo(record: UndoRecord) -> None:
            if lab is None:
                raise Foreseen("this needs the lab: lab run -- pyinfra inventory.py drill.py")
            if record.way is Way.LAB:
                lab.switch_whole(*record.words)
            else:
                lab.run_outside(record.node, *record.words)

        return self._undo((Way.LAB, Way.OUTSIDE), undo, say)

    def put_back_on(self, cluster: Cluster, machines: Machines, say: Say) -> tuple[NotPutBack, ...]:
        """What machines undo, then what commands do; what could not be undone."""

        def by_machine(record: UndoRecord) -> None:
            key, lasting = record.words
            names = undo_journal.machines_of([cluster])
            machines.insist(names[record.address], self_undo.undo(key, lasting))

        def by_command(record: UndoRecord) -> None:
            arguments = [sys.executable, *record.words]
            Commands(CommandLine(())).execute(record.by_hand, arguments, record.directory or ".")

        undo_here = partial(self._undo, say=say, cluster=cluster)
        return (*undo_here((Way.MACHINE,), by_machine), *undo_here((Way.COMMAND,), by_command))

    def _undo(
        self,
        ways: tuple[Way, ...],
        undo: Callable[[UndoRecord], None],
        say: Say,
        cluster: Cluster | None = None,
    ) -> tuple[NotPutBack, ...]:
        """Every record of these ways, the latest first, whatever becomes of the others."""
        left: list[NotPutBack] = []
        for run in self._runs:
            for record in reversed(run.records):
                clusters = self._clusters if cluster is None else [cluster]
                if record.way not in ways or not record.concerns(clusters):
                    continue
                say(f"Putting back: {record}")
                try:
                    undo(record)
                except MISHAPS as error:
                    self._failed[id(record)] = _left(record, told(error))
                    left.append(self._failed[id(record)])
                else:
                    self._undone.add(id(record))
        return tuple(left)

    def forget_undone(self) -> None:
        """Take away the notes of runs of which nothing is left."""
        for run in self._runs:
            if not run.unreadable and all(id(record) in self._undone for record in run.records):
                undo_journal.forget(run)


def _addresses(run: EarlierRun) -> set[str]:
    return {record.address or record.vip for record in run.records}


def _left(record: UndoRecord, why: str) -> NotPutBack:
    return NotPutBack(record.what, record.cluster, record.node, why, record.remedy)


def sweep(cluster: Cluster, machines: Machines) -> tuple[NotPutBack, ...]:
    """Have every machine undo what it has noted itself, and remove every trace; what is left."""

    def swept(name: str) -> str:
        try:
            machines.insist(name, self_undo.undo_everything(), timeout_s=60)
        except MISHAPS as error:
            return told(error)
        return ""

    jobs = {name: gevent.spawn(swept, name) for name in machines.names}
    return tuple(
        NotPutBack(
            "what drills have left",
            cluster.name,
            name,
            why,
            f"as root on {name}: for file in {self_undo.DIRECTORY}/*.undo; do sh $file; done",
        )
        for name, job in jobs.items()
        if (why := job.get())
    )
