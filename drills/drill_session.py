"""The drills of one run, one after another, and the report of what there is so far."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pyinfra.api import State

from drills import options as drill_options
from drills.analysis import other_profile
from drills.analysis.cluster_timing import timing
from drills.conduct import audit, earlier_runs
from drills.conduct.interrupts import Interrupted, shielded
from drills.conduct.progress import Progress
from drills.conduct.runner import Runner
from drills.conduct.unforeseen import failed
from drills.control import own_commands
from drills.control.lab_control import LabControl, lab_here
from drills.control.undo_journal import UndoJournal
from drills.mishaps import MISHAPS, told
from drills.results import Controller, DrillResult, NotPutBack, Report
from drills.scenarios import catalogues
from drills.scenarios.scenario import Drill
from settings import Cluster
from settings.run_options import RunOptions
from verify.api import VerifierVerdict

# What a report says to come that was written after the last drill.
THE_END = "the end of the run"

AfterEach = Callable[[Report], None]


class DrillSession:
    """Every drill on every cluster. Its `report` can be had at any time, also after an error."""

    def __init__(
        self,
        state: State,
        options: RunOptions,
        clusters: list[Cluster],
        verdict: VerifierVerdict,
        journal: UndoJournal,
        after_each: AfterEach,
    ):
        self._state = state
        self._options = options
        self._clusters = clusters
        self._journal = journal
        self._after_each = after_each
        self._started, self._began = datetime.now(UTC), time.monotonic()
        self._load = os.getloadavg()[0]
        self._lab = lab_here()
        self._profile = options.profile or profile_of(clusters[0])
        # Read before anything is broken: later it may be gone.
        self._against = other_profile.load(Path(options.against)) if options.against else None
        self._infos = tuple(audit.cluster_info(cluster, verdict) for cluster in clusters)
        self._to_come = [
            (cluster, drill) for cluster in clusters for drill in self._drills_of(cluster)
        ]
        slow_s = max(timing(cluster).dead_s for cluster in clusters)
        plan = tuple((cluster.name, drill) for cluster, drill in self._to_come)
        self._progress = Progress(plan, options.repeats, slow_s)
        self._before = self._last = audit.as_audit(verdict)
        self._results: list[DrillResult] = []
        self._not_put_back: list[NotPutBack] = []
        self._interrupted = ""
        self._ended = False

    def _drills_of(self, cluster: Cluster) -> tuple[Drill, ...]:
        return drill_options.chosen(self._options.drills, catalogues.of(cluster))

    def conduct(self) -> None:
        """Do all drills, until a signal asks to end; everything is put back then, too."""
        for cluster in self._clusters:
            try:
                self._all_on(cluster)
            except Interrupted as error:
                self._interrupted = str(error) or "by hand"
                break
            finally:
                self._progress.end()
        self._ended = True

    def _all_on(self, cluster: Cluster) -> None:
        try:
            runner = self._runner(cluster)
        except MISHAPS as error:
            for drill in self._drills_of(cluster):
                why = told(error, placed=True)
                self._done(drill, failed(drill, cluster, self._profile, why, (), self._last))
            return
        try:
            for drill in self._drills_of(cluster):
                self._progress.drill(cluster.name if len(self._clusters) > 1 else "", drill.name)
                self._last = runner.run(drill, self._last)
                self._done(drill, *runner.taken())
        finally:
            self._results += runner.taken()
            shielded(lambda: self._leave(runner, cluster))

    def _done(self, drill: Drill, *results: DrillResult) -> None:
        self._results += results
        del self._to_come[0]
        self._after_each(self.report())

    def _leave(self, runner: Runner, cluster: Cluster) -> None:
        """Try once more what could not be put back; leave no trace. What is left is kept."""
        left: list[NotPutBack] = []
        try:
            left += runner.put_back_again()
            known = {each.node for each in left}
            swept = earlier_runs.sweep(cluster, runner.machines)
            left += [each for each in swept if each.node not in known]
        except MISHAPS as error:
            left.append(NotPutBack("something", cluster.name, "", told(error), "drill.py, undo=1"))
        self._not_put_back += left

    def _runner(self, cluster: Cluster) -> Runner:
        return Runner(
            self._state,
            cluster,
            lab=LabControl(self._lab) if self._lab else None,
            profile=self._profile,
            progress=self._progress,
            line=own_commands.command_line(sys.argv[1:]),
            options=self._options,
            journal=self._journal,
        )

    def report(self) -> Report:
        """What there is so far."""
        return Report(
            started=self._started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self._began, 1),
            profile=self._profile,
            rate=self._options.rate,
            repeats=self._options.repeats,
            controller=Controller(
                name=socket.gethostname(),
                cpus=os.cpu_count() or 0,
                kernel=os.uname().release,
                lab=self._lab is not None,
                load_before=self._load,
                load_after=os.getloadavg()[0],
            ),
            clusters=self._infos,
            drills=tuple(self._results),
            before=self._before,
            against=self._against,
            interrupted=self._interrupted,
            not_put_back=tuple(self._not_put_back),
            to_come=self._still_to_come(),
        )

    def _still_to_come(self) -> tuple[str, ...]:
        names = tuple(self._name(cluster, drill) for cluster, drill in self._to_come)
        # Whether all is put back is known at the end alone.
        return names or (() if self._ended else (THE_END,))

    def _name(self, cluster: Cluster, drill: Drill) -> str:
        return drill.name if len(self._clusters) < 2 else f"{drill.name} on {cluster.name}"


def profile_of(cluster: Cluster) -> str:
    """What the report calls these settings, without profile=."""
    if cluster.routed:
        return "routed" if cluster.preferred.handover else "routed, second chance off"
    return "classic" if cluster.preferred.vrrp_version == 2 else "default"
