"""Runs drills, one repeat after another: baseline, fault, watching, way back, samples, audit."""

from __future__ import annotations

import random
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

import gevent
from pyinfra.api import State

from drills.analysis import verdict
from drills.analysis.expected_outage import Timing, timing
from drills.clients.prober import Spec
from drills.conduct import audit
from drills.conduct.progress import Progress
from drills.control import long_lived_load
from drills.control.cluster_control import Stage, has_nft
from drills.control.interrupts import Interrupted, shielded
from drills.control.lab_control import Hands
from drills.control.long_lived_load import Load
from drills.control.machines import MachineError, Machines
from drills.control.own_commands import Commands, Line
from drills.control.prober_process import Probe, ProbeError
from drills.control.waiting import STEADY_TIMEOUT_S
from drills.results import Audit, DrillResult, LongLived, Repeat, Verdict
from drills.scenarios import many_clients
from drills.scenarios.catalogue import Drill, fitted
from settings import Cluster
from settings.run_options import RunOptions

BASELINE_S = 0.3
TAIL_S = 0.3
# The prober gives up after this, whatever happens to whoever started it.
PROBE_LONGEST_S = 1800.0
# A repeat whose prober was late is done again, so often at most.
VOID_AGAIN = 2


class Unsteady(Exception):
    """The cluster is not as it was at the start: nothing more can be measured on it."""


class Runner:
    """The drills of one run on one cluster. An interruption leaves what `results` has."""

    def __init__(
        self,
        state: State,
        cluster: Cluster,
        hands: Hands | None,
        profile: str,
        repeats: int,
        rate: float,
        progress: Progress,
        line: Line,
        options: RunOptions,
    ):
        self.cluster = cluster
        self.results: list[DrillResult] = []
        self._state = state
        self._machines = Machines(state, cluster)
        self._hands = hands
        self._profile = profile
        self._repeats = repeats
        self._rate = rate
        self._progress = progress
        self._commands = Commands(line)
        self._options = options
        self._timing: Timing = timing(cluster)
        self._spec = Spec(
            address=str(cluster.vip.ip),
            port=cluster.preferred.served_port,
            tls=cluster.preferred.tls,
            rate=rate,
            longest_s=PROBE_LONGEST_S,
            pages=pages(cluster),
            path=cluster.preferred.page_path,
        )

    def run(self, drill: Drill, before: Audit) -> Audit:
        """One drill; the audit after it. Its result is added to `results`."""
        drill = fitted(drill, self._timing)
        reason = self._cannot(drill)
        if not before.passed:
            reason = f"the cluster was not healthy: {before.sentence}"
        if reason:
            self._add(drill, Verdict.SKIPPED, (reason,), [], before, None)
            return before
        made: list[Repeat] = []
        try:
            trouble = self._repeat_all(drill, made)
            self._progress.step("the verifier looks")
            after = audit.as_audit(audit.look(self._state, say=self._progress.step))
        except Interrupted:
            if made:
                self._add(drill, Verdict.VOID, ("interrupted",), made, before, None)
            raise
        outcome, reasons = verdict.over_all(drill, made, after.bad)
        if trouble:
            outcome, reasons = Verdict.FAILED, (trouble, *reasons)
        self._add(drill, outcome, reasons, made, before, after)
        return after

    def _cannot(self, drill: Drill) -> str:
        """Why this drill cannot be done here; "" when it can."""
        if drill.needs == "lab" and self._hands is None:
            return "this can only be done in the lab"
        if drill.needs == "older" and self._hands is None:
            return "an older nginx, to change from, is only put onto the lab's machines"
        if drill.needs == "nft" and self._hands is None:
            without = [n for n in self._machines.names if not has_nft(self._machines, n)]
            if without:
                return f"there is no nft on {', '.join(without)}: install nftables"
        if drill.needs == "room":
            return many_clients.too_many(self._stage(drill))
        if drill.needs == "clock":
            name = self.cluster.preferred.name
            asked = (
                "systemd-detect-virt --container --quiet || [ -f /run/systemd/container ] || "
                "grep -qsz '^container=' /proc/1/environ"
            )
            if self._machines.ask(name, asked)[0] == 0:
                return f"{name} is a container, which has no clock of its own to set"
        return ""

    def _repeat_all(self, drill: Drill, made: list[Repeat]) -> str:
        """As often as asked for; why it was given up, or ""."""
        wanted = drill.repeats(self._repeats)
        again = VOID_AGAIN
        while (counted := sum(not repeat.void for repeat in made)) < wanted:
            self._progress.step(f"repeat {counted + 1} of {wanted}")
            try:
                made.append(self._repeat(drill, len(made) + 1))
            except (Unsteady, MachineError, ProbeError, OSError) as error:
                return f"repeat {len(made) + 1}: {error}"
            if made[-1].void:
                again -= 1
                if again < 0:
                    break
        return ""

    def _repeat(self, drill: Drill, number: int) -> Repeat:
        stage = self._stage(drill)
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        if reason := stage.settle():
            raise Unsteady(f"not steady: {reason}")
        try:
            return self._played(drill, number, stage, started)
        finally:
            trouble = shielded(lambda: _put_back(stage, drill))
            if trouble:
                self._progress.done(f"NOT PUT BACK: {trouble}")

    def _stage(self, drill: Drill) -> Stage:
        theory = drill.theory(self._timing)
        stage = Stage(
            self._machines,
            self._hands,
            self._commands,
            self._timing,
            theory.high_s if theory else 0.0,
            drill.steady_s,
            self._progress.step,
        )
        stage.moves = self._options.moves
        stage.idle, stage.hold_s = self._options.idle, self._options.hold
        return stage

    def _played(self, drill: Drill, number: int, stage: Stage, started: str) -> Repeat:
        problems: list[str] = []
        stage.sampler.start()
        if drill.prepare:
            drill.prepare(stage)
        if drill.long_lived:
            long_lived_load.place(self._machines)
            stage.load = Load(long_lived_load.spec(self.cluster, self._spec.pages))
        token = f"drill-{secrets.token_hex(6)}" if drill.check else ""
        stage.probe = probe = Probe(replace(self._spec, token=token))
        # Not in step with adverts and checks, which each repeat shall meet at another moment.
        gevent.sleep(BASELINE_S + random.uniform(0, self._timing.advert_s))
        try:
            drill.play(stage)
        except MachineError as error:
            problems.append(str(error))
        played_at = time.monotonic()
        if trouble := shielded(stage.restore):
            problems.append(trouble)
        undone_at = stage.ledger.undone_at(played_at)
        self._progress.step(f"repeat {number}: until all is as at the start")
        reason = stage.settle()
        steady_at = time.monotonic()
        if reason:
            problems.append(f"after {STEADY_TIMEOUT_S:.0f} s still not as at the start: {reason}")
        gevent.sleep(TAIL_S)
        end_s = probe.now_s()
        probe.stop()
        work: tuple[LongLived, ...] = ()
        if stage.load:
            self._progress.step(f"repeat {number}: until the downloads are whole")
            work = stage.load.finished(probe.t0)
        samples = stage.sampler.stop(probe.t0)
        if not reason:
            stage.forgive()
        if drill.check and (wrong := drill.check(stage, probe.requests)):
            problems.append(wrong)
        reference_at = stage.reference_at or played_at
        made = verdict.repeat(
            drill,
            number,
            started,
            rate=self._rate,
            requests=probe.requests,
            samples=samples,
            faults=stage.ledger.intervals(probe.t0),
            events=stage.events(probe.t0),
            reference_s=reference_at - probe.t0,
            undone_s=undone_at - probe.t0,
            steady_s=None if reason else steady_at - probe.t0,
            end_s=end_s,
            problems=problems,
            long_lived=work,
            void=long_lived_load.void(stage.load),
        )
        return replace(made, notes=tuple(stage.notes))

    def _add(
        self,
        drill: Drill,
        outcome: Verdict,
        reasons: tuple[str, ...],
        made: list[Repeat],
        before: Audit,
        after: Audit | None,
    ) -> None:
        spread = verdict.spread(made)
        result = DrillResult(
            name=drill.name,
            title=drill.title,
            breaks=drill.breaks,
            sentence=(
                f"{drill.title}: {reasons[0]}"
                if outcome is Verdict.SKIPPED
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
            spread=spread,
            before=before,
            after=after,
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


def _put_back(stage: Stage, drill: Drill) -> str:
    """Everything undone, nothing left running; what could not be put back, in words."""
    trouble = stage.restore()
    stage.abandon()
    if drill.long_lived:
        trouble = trouble or long_lived_load.remove(stage.machines)
    return trouble
