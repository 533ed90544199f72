"""Every step of a first and of a changing deploy, disturbed in four ways: what is tried where.

Nothing here knows a step: they are what an undisturbed deploy has carried out.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from lab.twin import Lab
from tasks.machine.packages import BUILD
from tests.support.lab.deployment import lend_artifacts
from tests.support.lab.own_lab import own_lab
from tests.support.lab.pair import VIP
from tests.support.lab.steps import disk_copies, end_state, runs
from tests.support.lab.steps.disturbance import How, Step, planned, recorded_steps
from tests.support.lab.steps.walk import Cell, State, World, walk

# Something of everything: nginx's configuration, its unit (a restart), its build, a site, the
# watch's unit, keepalived's configuration.
CHANGE = (
    *("--data", "worker_connections=8192"),
    *("--data", 'nginx_extra_flags=["--with-cc-opt=-O0"]'),
    *("--data", 'sites=[{"server_names":["news.example.org"],"page":"news"}]'),
    *("--data", "health_trial_s=2"),
    *("--data", "smtp_server=172.16.0.9"),
)
FIRST, CHANGING = "first deploy", "changing deploy"
COLUMNS: dict[str, tuple[How, ...]] = {
    "fails": (How.FAIL,),
    "killed": (How.KILL,),
    # The one is noticed after a silence, the other at once.
    "cut": (How.CUT, How.HANG_UP),
    "off": (How.OFF,),
}
# A run that is not told that it is alone waits for 20 s each time: these walks are shared out.
WALKS = {
    (FIRST, "off"): 3,
    (FIRST, "cut"): 2,
    (CHANGING, "off"): 2,
}
BUILDS = "/usr/lib/tandem/nginx"
COMPILES = "Build: nginx"
LOCK = "/var/cache/tandem/build.lock"


@dataclass(frozen=True)
class Reference:
    """An undisturbed deploy: its steps, and what the machines were before and after it.

    before: disks; none for bare machines.
    idle: the operations that had nothing to do.
    """

    words: tuple[str, ...]
    steps: list[Step]
    wanted: State
    before: Path | None
    idle: frozenset[str] = frozenset()


@dataclass
class Matrix:
    """What became of every step, by deploy and by column."""

    references: dict[str, Reference]
    cells: dict[tuple[str, str], list[Cell]] = field(default_factory=dict)

    def never_disturbed(self) -> set[str]:
        """The operations that no deploy here has anything to do for."""
        found = set.intersection(*(set(each.idle) for each in self.references.values()))
        return found - {step.name for each in self.references.values() for step in each.steps}

    def troubles(self, kind: str, column: str) -> list[str]:
        return [str(cell) for cell in self.cells[kind, column] if cell.troubles]


@dataclass(frozen=True)
class _Work:
    kind: str
    column: str
    steps: list[tuple[int, Step]]


class Measurement:
    """Labs of one pair each, that share out the walks; `columns` of which deploys are walked."""

    def __init__(
        self,
        directory: Path,
        labs: int,
        columns: Collection[tuple[str, str]],
        progress: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._labs = min(labs, sum(WALKS.get(each, 1) for each in columns) or 1)
        self._columns = columns
        self._progress = progress
        self._lock = threading.Lock()

    def matrix(self) -> Matrix:
        """All of it. Raises `AssertionError` if an undisturbed deploy is not as it should be."""
        with ExitStack() as stack, ThreadPoolExecutor(self._labs) as pool:
            boots = [
                pool.submit(
                    stack.enter_context, own_lab(self._directory / f"lab{number}", "inventory.py")
                )
                for number in range(self._labs)
            ]
            first = boots[0].result()
            matrix = Matrix({FIRST: self._first(first)})
            matrix.references[CHANGING] = self._changing(first)
            works: SimpleQueue[_Work] = SimpleQueue()
            for work in _shared_out(matrix.references):
                if (work.kind, work.column) in self._columns:
                    works.put(work)
            done = [pool.submit(self._carry_out, boot.result(), works, matrix) for boot in boots]
            for each in done:
                each.result()
        return matrix

    def _first(self, lab: Lab) -> Reference:
        return self._recorded(lab, (), None)

    def _changing(self, lab: Lab) -> Reference:
        before = self._directory / "before"
        # A standby compiles: which one that is depends on what is disturbed, and all may.
        install = f"apt-get install -qq {' '.join(BUILD['debian'])}"
        # As a run leaves it that is killed.
        leave = "touch /usr/lib/tandem/.watch.01234567.new"
        for machine in lab.machines:
            done = lab.ssh(machine.name, f"{install} && {leave}")
            assert done.returncode == 0, done.stderr
        disk_copies.keep(lab, before)
        lone = self._recorded(lab, CHANGE, before)
        # The newest directory: what this deploy has compiled.
        newest = f"tar -c -C {BUILDS} $(ls -t {BUILDS} | head -n 1)"
        with (self._directory / "build.tar").open("wb") as file:
            command = lab.ssh_command(_compiling(lone.steps), [newest])
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, check=True)
        return lone

    def _recorded(self, lab: Lab, words: tuple[str, ...], before: Path | None) -> Reference:
        run = runs.deploy(lab, words)
        assert run.code == 0, run.end
        again = runs.deploy(lab, words)
        assert again.code == 0 and again.changed_nothing, again.end
        self._progress(f"recorded: {' '.join(words) or 'a first deploy'}")
        steps = recorded_steps(run.notes)
        idle = planned(run.notes) - {step.name for step in steps}
        return Reference(words, steps, end_state.of_all(lab), before, frozenset(idle))

    def _carry_out(self, lab: Lab, works: SimpleQueue[_Work], matrix: Matrix) -> None:
        with suppress(Empty):
            while True:
                work = works.get_nowait()
                world = self._world(lab, work, matrix.references[work.kind])
                cells = walk(world, COLUMNS[work.column], work.steps)
                with self._lock:
                    matrix.cells.setdefault((work.kind, work.column), []).extend(cells)

    def _world(self, lab: Lab, work: _Work, reference: Reference) -> World:
        artifacts = lab.state.root / "artifacts"

        def reset(steps: Sequence[Step]) -> None:
            if not reference.before:
                for machine in lab.machines:
                    lab.wipe(machine.name)
                lend_artifacts(lab)  # this may have been a lab for the other kind
                return
            disk_copies.put_back(lab, reference.before)
            assert not (trouble := runs.trouble_with_vip(lab, VIP, 60)), trouble
            # It is compiled once in each pass: only then is the compiler there that is wanted.
            shutil.rmtree(artifacts)
            artifacts.mkdir()

        def compiled(lab: Lab) -> None:
            """As if it had been compiled meanwhile: that takes a minute each time.

            Whoever still compiles there, for a run that was killed, ends first.
            """
            with (self._directory / "build.tar").open("rb") as file:
                unpack = lab.ssh_command(
                    _compiling(reference.steps), [f"flock {LOCK} tar -x -C {BUILDS}"]
                )
                subprocess.run(unpack, stdin=file, check=True)

        def tell(cell: Cell) -> None:
            self._progress(f"{work.kind}, {cell.disturbance.how}, {cell.silence_s:.1f} s: {cell}")

        # Where commands fail, it is compiled as it is by whoever deploys again.
        spared = {} if work.column == "fails" else {COMPILES: compiled}
        serves = bool(reference.before)
        return World(lab, reference.words, reference.wanted, reset, serves, tell, spared)


def _compiling(steps: Sequence[Step]) -> str:
    """The machine that compiles."""
    compiling = next(step for step in steps if step.name.startswith(COMPILES))
    return next(iter(compiling.commands))


def _shared_out(references: dict[str, Reference]) -> list[_Work]:
    """Walks of about the same length, the longest first."""
    works = []
    for kind, reference in references.items():
        numbered = list(enumerate(reference.steps))
        for column in COLUMNS:
            parts = WALKS.get((kind, column), 1)
            length = -(-len(numbered) // parts)
            works += [
                _Work(kind, column, numbered[start : start + length])
                for start in range(0, len(numbered), length)
            ]
    return sorted(works, key=lambda work: (work.column != "off", work.column != "cut"))
