"""A cluster for drills that is none: what was broken on it, what was undone, and where it fails.

`World.run` does two drills with drill.py's own code, from its start to its exit code, on machines,
processes and a verifier that only pretend. `World.fail` has any step of that raise any error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import settings
from drills import drill_run, drill_session, last_words
from drills import options as drill_options
from drills.analysis import verdict
from drills.analysis.fault_evidence import shown
from drills.conduct import audit, drill_needs, progress, runner
from drills.conduct.earlier_runs import EarlierRuns
from drills.control import long_lived_load
from drills.control.cluster_control import ClusterControl
from drills.control.fault_injection import FaultInjection
from drills.control.faults import NGINX_FROZEN
from drills.control.undo_journal import UndoJournal
from drills.report import drill_files, drill_terminal, drills_page
from drills.results import (
    Audit,
    ClusterInfo,
    DrillVerdict,
    Event,
    Repeat,
    Report,
    from_json,
)
from drills.scenarios.scenario import Drill
from settings.run_options import RunOptions
from tests.support import fakes
from tests.support.pretended_machines import (
    PretendedMachines,
    PretendedMonitor,
    PretendedProcess,
)
from verify.api import RunEnded

Happening = Callable[[], None]
FIRST, SECOND = "first", "second"
HOSTS = {
    "host1": {"ssh_hostname": "172.16.12.61", "priority": 101, "page": "one"},
    "host2": {"ssh_hostname": "172.16.12.62", "priority": 100, "page": "two"},
}
HOLDS = Audit(passed=True, sentence="It holds.")


@cache
def pair() -> settings.Cluster:
    """The cluster of every world: two machines."""
    (found,) = settings.load(fakes.inventory(HOSTS))
    return found


@dataclass
class Outcome:
    """What drill.py has left. `said`: standard output and standard error."""

    exit_code: int
    report: Report | None
    said: str


class World:
    """See the module. `broken`: (machine, fault) that are armed; `running`: processes."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch, capsys: Any):
        self.directory = directory / "report"
        self.broken: set[tuple[str, str]] = set()
        self.running: set[str] = set()
        self.passed: dict[str, int] = defaultdict(int)
        self._patch, self._capsys = patch, capsys
        self._happenings: dict[str, Callable[[int], None]] = {}
        self.cluster = pair()
        self.drills = (self._drill(FIRST), replace(self._drill(SECOND), long_lived=False))
        patch.setenv("XDG_STATE_HOME", str(directory / "state"))
        patch.setattr(settings, "IN_LAB", False)
        self._pretend()

    def _drill(self, name: str) -> Drill:
        def step(what: str) -> Callable[..., Any]:
            def do(control: ClusterControl, requests: Any = ()) -> str:
                if what == "prepare":
                    control.inject(NGINX_FROZEN, control.standby)
                if what == "steps":
                    control.reference()
                    control.inject(NGINX_FROZEN, control.holder)
                self.pass_by(f"{name}: {what}")
                return ""

            return do

        return Drill(
            name,
            name,
            f"pretended {name}",
            steps=step("steps"),
            prepare=step("prepare"),
            check=step("check"),
            long_lived=True,
            evidence=shown(),
        )

    # --- where it fails ------------------------------------------------------------------------

    def fail(self, point: str, error: BaseException, *, times: int = 1, after: int = 0) -> None:
        """Have `point` raise `error`, so often, after so many times that it goes well."""

        def happen(count: int) -> None:
            if after < count <= after + times:
                raise error

        self._happenings[point] = happen

    def replace(self, owner: Any, name: str, work: Any) -> None:
        """Put something else in the place of a part of drill.py."""
        self._patch.setattr(owner, name, work)

    def pass_by(self, point: str) -> None:
        """The run is at this point now."""
        self.passed[point] += 1
        if happen := self._happenings.get(point):
            happen(self.passed[point])

    # --- the run -------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """drill.py with both drills, once each."""
        journal = UndoJournal.begin([self.cluster])
        run = drill_run._DrillRun
        for name, value in {
            "begun": False,
            "journal": journal,
            "earlier": EarlierRuns([self.cluster]),
            "around": (),
        }.items():
            self._patch.setattr(run, name, value, raising=False)
        state: Any = SimpleNamespace(
            inventory=[SimpleNamespace(name=node.name) for node in self.cluster.nodes],
            is_host_in_limit=lambda host: True,
            trigger_callbacks=lambda event, step: self.pass_by(event),
        )
        try:
            drill_run.drill(state)
        except RunEnded as ended:
            code = ended.exit_code
        file = self.directory / "drills.json"
        found = from_json(file.read_bytes()) if file.exists() else None
        shown = self._capsys.readouterr()
        return Outcome(code, found, shown.out + shown.err)

    def earlier(self) -> EarlierRuns:
        """What a run after this one finds noted. Its process number is this one's, which passes."""
        self._patch.setattr("drills.control.undo_journal.os.getpid", lambda: 1)
        return EarlierRuns([self.cluster])

    def _pretend(self) -> None:
        """Put all of this in the place of what drill.py uses."""
        patch = self._patch.setattr
        options = RunOptions.model_validate(
            {"drills": "x", "repeats": 1, "report": str(self.directory)}
        )
        patch(settings, "options", lambda inventory: options)
        patch(settings, "clusters", lambda inventory: (self.cluster,))
        patch(drill_options, "chosen", lambda text, *known: self.drills)
        patch(drill_run, "_healthy", lambda state, clusters: None)
        patch(drill_session, "lab_here", lambda: None)
        patch(audit, "cluster_info", self._info)
        patch(audit, "as_audit", lambda found: HOLDS)
        patch(audit, "look", self._passing("the verifier"))
        patch(runner, "Machines", lambda state, cluster: PretendedMachines(self))
        patch(runner, "ProberProcess", lambda spec: PretendedProcess(self, "the prober", spec))
        patch(runner, "LongLivedProcess", lambda spec: PretendedProcess(self, "the load", spec))
        patch(FaultInjection, "monitor", property(lambda control: self._monitor(control)))
        patch(runner, "BASELINE_S", 0.0)
        patch(runner, "TAIL_S", 0.0)
        patch(runner, "random", SimpleNamespace(uniform=lambda low, high: 0.0))
        patch(runner, "verdict", self._judge())
        for owner, name, point in (
            (drill_needs, "missing", "the needs"),
            (long_lived_load, "make_file", "the file"),
            (ClusterControl, "settle", "settling"),
            (ClusterControl, "forgive", "forgiving"),
            (drill_files, "write", "the report"),
            (drill_terminal, "report", "the terminal"),
            (last_words, "say", "saying"),
        ):
            patch(owner, name, self._passing(point, getattr(owner, name)))
        patch(drills_page, "page", self._passing("the page", lambda report: "<html></html>"))
        patch(progress, "print", self._passing("printing", print), raising=False)

    def _passing(self, point: str, work: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def pass_on(*given: Any, **named: Any) -> Any:
            self.pass_by(point)
            return work(*given, **named) if work else None

        return pass_on

    def _info(self, cluster: Any, found: Any) -> ClusterInfo:
        return ClusterInfo(cluster.name, str(cluster.vip), ("host1", "host2"))

    def _monitor(self, control: Any) -> PretendedMonitor:
        return PretendedMonitor(self)

    def _judge(self) -> Any:
        """A judge who takes every problem for a failure, and nothing else."""

        def repeat(drill: Drill, number: int, started: str, **given: Any) -> Repeat:
            self.pass_by("judging")
            return Repeat(
                number=number,
                started=started,
                duration_s=1.0,
                requests=tuple(given["requests"]),
                holders=given["samples"],
                faults=given["faults"],
                events=(Event(0.0, "judged"),),
                windows=(),
                lost={},
                measured_s=None,
                reference_s=0.0,
                detection_s=None,
                takeover_s=None,
                one_holder_s=None,
                moves=0,
                min_holders=1,
                max_holders=1,
                probe_lag_max_s=0.0,
                problems=tuple(given["problems"]),
            )

        def over_all(
            drill: Drill, made: list[Repeat], bad: tuple[str, ...], *more: Any, **named: Any
        ) -> tuple[DrillVerdict, tuple[str, ...]]:
            self.pass_by("judging all")
            reasons = (*(text for one in made for text in one.problems), *bad)
            return (DrillVerdict.FAILED if reasons else DrillVerdict.PASSED), reasons

        def sentence(drill: Drill, made: list[Repeat]) -> str:
            self.pass_by("the sentence")
            return drill.title

        return SimpleNamespace(
            repeat=repeat, over_all=over_all, sentence=sentence, spread=verdict.spread
        )


@pytest.fixture
def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    """A world of this test alone."""
    yield World(tmp_path, monkeypatch, capsys)
