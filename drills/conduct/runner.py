"""Runs drills, one repeat after another: baseline, scenario, way back, samples, verdict, audit."""

from __future__ import annotations

import random
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

import gevent
from pyinfra.api import State

from drills.analysis import verdict
from drills.analysis.cluster_timing import timing
from drills.analysis.expected_outage import Timing
from drills.clients.prober import ProberSpec
from drills.conduct import audit, drill_needs
from drills.conduct.interrupts import Interrupted, shielded
from drills.conduct.progress import Progress
from drills.conduct.putting_back import PuttingBack
from drills.conduct.traces import Traces
from drills.conduct.unforeseen import Unmeasured, failed
from drills.control import long_lived_load
from drills.control.cluster_control import ClusterControl
from drills.control.lab_control import LabControl
from drills.control.long_lived_load import LongLivedProcess
from drills.control.machines import Machines
from drills.control.own_commands import CommandLine, Commands
from drills.control.processes.prober_process import ProberProcess
from drills.control.routed.routed_control import RoutedControl
from drills.control.undo_journal import UndoJournal
from drills.control.undo_log import UndoLog
from drills.control.waiting import STEADY_TIMEOUT_S
from drills.mishaps import MISHAPS, Foreseen, told
from drills.results import Audit, DrillResult, DrillVerdict, NotPutBack, Repeat
from drills.scenarios.scenario import Drill
from settings import Cluster, Refused
from settings.run_options import RunOptions

BASELINE_S = 0.3
TAIL_S = 0.3
# The prober ends after this time, whatever happens to this process.
PROBER_LONGEST_S = 1800.0
# A repeat that does not count is done again, so often at most.
VOID_AGAIN = 2


class Unsteady(Foreseen):
    """The cluster is not as it was at the start: nothing more can be measured on it."""


class Runner:
    """The drills of one run on one cluster. An interruption leaves what `taken` gives."""

    def __init__(
        self,
        state: State,
        cluster: Cluster,
        lab: LabControl | None,
        profile: str,
        progress: Progress,
        line: CommandLine,
        options: RunOptions,
        journal: UndoJournal | None = None,
    ):
        self.cluster = cluster
        self.results: list[DrillResult] = []
        self._state = state
        self._machines = Machines(state, cluster)
        self._lab = lab
        self._profile = profile
        self._progress = progress
        self._commands = Commands(line)
        self._options = options
        self._journal = journal
        self._back = PuttingBack(progress.done)
        self._traces = Traces()
        self._timing: Timing = timing(cluster)
        self._spec = ProberSpec(
            address=str(cluster.vip.ip),
            port=cluster.preferred.served_port,
            tls=cluster.preferred.tls,
            opening=cluster.preferred.opening,
            sources=lab.sources(cluster.vip.version) if lab and cluster.routed else (),
            rate=options.rate,
            longest_s=PROBER_LONGEST_S,
            pages=pages(cluster),
            path=cluster.preferred.page_path,
        )

    def run(self, drill: Drill, before: Audit) -> Audit:
        """One drill; the audit after it. Its result is added to `results`.

        Whatever goes wrong around it is its result; only `Interrupted` is raised.
        """
        made: list[Repeat] = []
        try:
            return self._run(drill, before, made)
        except MISHAPS as error:
            reason = told(error, placed=True)
            self.results.append(failed(drill, self.cluster, self._profile, reason, made, before))
            self._progress.done(f"{DrillVerdict.FAILED.value:<8} {drill.title}: {reason}")
            return audit.afterwards(self._state, 0, self._progress.step)

    @property
    def machines(self) -> Machines:
        return self._machines

    def taken(self) -> list[DrillResult]:
        """The results that have come since this was asked last."""
        taken, self.results = self.results, []
        return taken

    def put_back_again(self) -> tuple[NotPutBack, ...]:
        """Try once more what could not be put back; what is left even now."""
        return self._back.again()

    def _as_at_the_start(self, before: Audit) -> tuple[Audit, str]:
        """The audit that counts before the next drill, and why that cannot begin, or ""."""
        was_left = self._back.left()
        if left := was_left and self._back.again():
            what = ", ".join(map(str, left))
            return before, f"the cluster is not as at the start: not put back: {what}"
        if not before.passed:  # it may have come back since
            wait_s = audit.WAIT_S if was_left else 0
            before = audit.afterwards(self._state, wait_s, self._progress.step)
        return before, "" if before.passed else f"the cluster was not healthy: {before.sentence}"

    def _run(self, drill: Drill, before: Audit, made: list[Repeat]) -> Audit:
        drill = drill.fitted(self._timing)
        if self._options.timing == "show":
            drill = replace(drill, budget=replace(drill.budget, timed=False))
        before, reason = self._as_at_the_start(before)
        # A cluster that is not healthy may not answer what else is asked.
        if reason := reason or drill_needs.missing(drill, self._control(drill)):
            self._add(drill, DrillVerdict.SKIPPED, (reason,), [], before, None)
            return before
        try:
            traces = self._traces = Traces()
            trouble = self._repeat_all(drill, made)
            after = audit.afterwards(self._state, audit.WAIT_S, self._progress.step)
            after = traces.forget(self._machines, before, after)
        except Interrupted as error:
            # What went wrong just before is not lost for it.
            hidden = told(error.__context__) if isinstance(error.__context__, MISHAPS) else ""
            why = ("interrupted", *filter(None, (hidden, self._back.trouble)))
            if made or len(why) > 1:
                self._add(drill, DrillVerdict.VOID, why, made, before, None)
            raise
        wanted = drill.repeats(self._options.repeats)
        outcome, reasons = verdict.over_all(drill, made, after.against, wanted)
        if trouble:
            outcome, reasons = DrillVerdict.FAILED, (trouble, *reasons)
        self._add(drill, outcome, reasons, made, before, after)
        return after

    def _repeat_all(self, drill: Drill, made: list[Repeat]) -> str:
        """Add repeats to `made`, as many as asked for; why it was given up, or ""."""
        wanted = drill.repeats(self._options.repeats)
        again = VOID_AGAIN
        while (counted := sum(not repeat.void for repeat in made)) < wanted:
            self._announce(drill, f"repeat {counted + 1} of {wanted}")
            try:
                made.append(self._repeat(drill, len(made) + 1))
            except MISHAPS as error:
                why = "; ".join(filter(None, [told(error), self._back.trouble]))
                return f"repeat {len(made) + 1}: {why}"
            if self._back.trouble:
                return f"repeat {len(made)}: {self._back.trouble}"
            if made[-1].void:
                again -= 1
                if again < 0:
                    break
        return ""

    def _announce(self, drill: Drill, step: str) -> None:
        """Say what is done next, to the lock as well. `Interrupted`, if this run has it no more."""
        self._progress.step(step)
        lost = ""
        try:
            # As pyinfra does before an operation, and a drill has none.
            self._state.trigger_callbacks("operation_start", f"{drill.name}, {step}")
        except Refused as error:
            lost = str(error)
        if lost:
            raise Interrupted(lost)

    def _repeat(self, drill: Drill, number: int) -> Repeat:
        self._back.trouble = ""
        control = self._control(drill)
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        if reason := control.settle():
            raise Unsteady(f"not steady: {reason}")
        control.log_mark("begins")
        try:
            return self._measured(drill, number, control, started)
        except MISHAPS as error:
            # What was wrong before is not lost for what came of it.
            raise Unmeasured("; ".join([*control.problems, told(error, placed=True)])) from error
        finally:
            try:
                self._back.put_back(control)
            finally:
                self._traces.note(control.undo_log.entries)
                control.log_mark("ends")

    def _control(self, drill: Drill) -> ClusterControl:
        given = (self._machines, self._lab, self._commands, self._options, self._timing)
        return (RoutedControl if self.cluster.routed else ClusterControl)(
            *given,
            drill,
            self._progress.step,
            undo_log=UndoLog(self._journal),
            drill=drill.name,
            keeping=(self._journal.descriptor,) if self._journal else (),
        )

    def _measured(self, drill: Drill, number: int, control: ClusterControl, started: str) -> Repeat:
        problems = control.problems
        load: LongLivedProcess | None = None
        control.monitor.start()
        if drill.prepare:
            drill.prepare(control)
        if drill.long_lived:
            long_lived_load.make_file(control)
            spec = long_lived_load.load_spec(self.cluster, self._spec)
            load = control.started(LongLivedProcess(spec))
        token = f"drill-{secrets.token_hex(6)}" if drill.check else ""
        control.prober = prober = control.started(ProberProcess(replace(self._spec, token=token)))
        # At a random moment between two adverts and two checks, another one in each repeat.
        gevent.sleep(BASELINE_S + random.uniform(0, self._timing.advert_s))
        try:
            drill.steps(control)
        except MISHAPS as error:
            problems.append(told(error, placed=True))
        scenario_ended_at = time.monotonic()
        if trouble := shielded(control.restore):
            problems.append(trouble)
        undone_at = control.undo_log.undone_at(scenario_ended_at)
        self._progress.step(f"repeat {number}: until all is as at the start")
        reason = control.settle()
        steady_at = time.monotonic()
        if reason:
            problems.append(f"after {STEADY_TIMEOUT_S:.0f} s still not as at the start: {reason}")
        gevent.sleep(TAIL_S)
        end_s = prober.now_s()
        prober.stop()
        self._progress.step(f"repeat {number}: until the downloads are whole")
        work = load.finished(prober.t0) if load else ()
        samples = control.monitor.stop(prober.t0)
        if not reason:
            control.forgive()
        if drill.check and (wrong := drill.check(control, prober.requests)):
            problems.append(wrong)
        reference_at = control.reference_at or scenario_ended_at
        made = verdict.repeat(
            drill,
            number,
            started,
            rate=self._options.rate,
            requests=prober.requests,
            samples=samples,
            faults=control.undo_log.intervals(prober.t0),
            events=control.events(prober.t0),
            reference_s=reference_at - prober.t0,
            undone_s=undone_at - prober.t0,
            steady_s=None if reason else steady_at - prober.t0,
            end_s=end_s,
            problems=problems,
            long_lived=work,
            sights=tuple(control.sights),
            unwatched=control.monitor.void(),
            void=load.void() if load else "",
        )
        return replace(made, notes=(*control.notes, *made.notes))

    def _add(
        self,
        drill: Drill,
        outcome: DrillVerdict,
        reasons: tuple[str, ...],
        made: list[Repeat],
        before: Audit,
        after: Audit | None,
    ) -> None:
        result = DrillResult(
            name=drill.name,
            title=drill.title,
            breaks=drill.breaks,
            sentence=(
                f"{drill.title}: {reasons[0]}"
                if outcome is DrillVerdict.SKIPPED
                else verdict.sentence(drill, made)
            ),
            cluster=self.cluster.name,
            profile=self._profile,
            measure=drill.measure,
            theory=drill.theory(self._timing),
            budget=drill.budget,
            verdict=outcome,
            reasons=reasons,
            repeats=tuple(made),
            spread=verdict.spread(made),
            before=before,
            after=after,
            ceiling=drill.ceiling(self._options.rate),
        )
        self.results.append(result)
        self._progress.done(f"{outcome.value:<8} {result.sentence}")


def pages(cluster: Cluster) -> dict[str, str]:
    """Node by page; "" where the same page does not tell which node answered."""
    found: dict[str, str] = {}
    for node in cluster.nodes:
        text = node.page.strip()
        found[text] = "" if text in found else node.name
    return found
