"""The machines of a bench: a lab of pairs, and timed commands in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.machinery.bench_command import ROOT, CannotMeasure, progress, tell
from bench.report.bench_result import Series
from lab import lifecycle
from lab.errors import LabError
from lab.twin import Lab

INVENTORY = "bench/machinery/pairs.py"
ROUTED = "bench/machinery/routed_nodes.py"
INVENTORIES = (INVENTORY, ROUTED)
# Artifacts of earlier labs, so that only `build` measures the compiler.
ARTIFACTS = ROOT / ".bench" / "artifacts"
# Set by `python -m bench`: the lab stays up for the next bench.
KEEP = "TANDEM_BENCH_KEEP"
SHOWN_LINES = 25
AT_ONCE_PER_CPU = 2


@dataclass(frozen=True)
class TimedRun:
    """A finished command: wall time, CPU time with its children, peak memory, output.

    `machines_cpu_s`: CPU time of everything else on this computer in the meantime.
    """

    seconds: float
    cpu_s: float
    machines_cpu_s: float
    memory_mb: float
    output: str


class OpenLab(Protocol):
    """A lab, as far as commands in its network need one."""

    def run_command(self, command: Sequence[str], /) -> list[str]:
        """The command line that runs `command` in the lab's network."""

    def environment(self) -> dict[str, str]:
        """The environment for it."""


class Operator:
    """Whoever deploys, verifies and drills `pairs` pairs in a lab's network.

    `tree`: the checkout whose programs are run, with the environment that lies in it; `inventory`:
    what it has of so many pairs, by the environment's PAIRS.
    """

    def __init__(self, network: OpenLab, pairs: int, tree: Path = ROOT, inventory: str = INVENTORY):
        self.network = network
        self.pairs = pairs
        self.tree = tree
        self.inventory = inventory

    def run(
        self, words: Sequence[str], *, env: Mapping[str, str] = {}, may_fail: bool = False
    ) -> TimedRun:
        """Time a command in the lab's network. Raises `CannotMeasure` if it fails and may not."""
        with tempfile.TemporaryFile() as output:
            began, busy = time.monotonic(), busy_s()
            process = subprocess.Popen(
                self.network.run_command(list(words)),
                cwd=self.tree,
                env={**self.network.environment(), "PAIRS": str(self.pairs), **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            # wait4 gives the resources of this child alone.
            _, status, used = os.wait4(process.pid, 0)
            seconds, busy = time.monotonic() - began, busy_s() - busy
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read().decode(errors="replace")
        if process.returncode and not may_fail:
            last = "\n".join(text.splitlines()[-SHOWN_LINES:])
            raise CannotMeasure(f"`{' '.join(words)}` failed ({process.returncode}):\n{last}")
        cpu_s = used.ru_utime + used.ru_stime
        return TimedRun(
            seconds=seconds,
            cpu_s=cpu_s,
            machines_cpu_s=max(0.0, busy - cpu_s),
            memory_mb=used.ru_maxrss / 1024,
            output=text,
        )

    def pyinfra(self, *words: str, env: Mapping[str, str] = {}, may_fail: bool = False) -> TimedRun:
        """Time pyinfra with these arguments."""
        program = str(self.tree / ".venv" / "bin" / "pyinfra")
        return self.run([program, *self.parallel, *words], env=env, may_fail=may_fail)

    @property
    def parallel(self) -> tuple[str, str]:
        """pyinfra's limit of machines at a time: they share this computer's CPUs, and some would
        time out if all were busy at once."""
        at_once = min(2 * self.pairs, AT_ONCE_PER_CPU * (os.cpu_count() or 1))
        return "--parallel", str(at_once)

    def deploy(self, *data: str) -> TimedRun:
        """Time Tandem's deploy; `data` like "http_port=81"."""
        return self.pyinfra("-y", self.inventory, "deploy.py", *data_options(data))

    def verify(self, *data: str) -> TimedRun:
        """Time the verifier."""
        return self.pyinfra(self.inventory, "verify.py", *data_options(data))

    def wait_until_healthy(self) -> None:
        """Wait until the verifier passes, for a minute at most."""
        self.verify("wait=60")


class Twin(Operator):
    """The first `2 * pairs` machines of a lab that is up, and whoever tends them."""

    def __init__(self, lab: Lab, pairs: int, inventory: str = INVENTORY):
        super().__init__(lab, pairs, inventory=inventory)
        self.lab = lab
        self.names = tuple(machine.name for machine in lab.machines[: 2 * pairs])

    def ssh(self, name: str, script: str, stdin: str = "") -> str:
        """The output of a shell script on a machine. Raises `CannotMeasure` if it fails."""
        done = self.lab.ssh(name, script, input=stdin)
        if done.returncode:
            raise CannotMeasure(f"{name}: `{script}`: {done.stderr.strip() or done.stdout}")
        return done.stdout

    def ssh_all(self, script: str) -> dict[str, str]:
        """The output of a shell script by machine, run on all in parallel."""
        with ThreadPoolExecutor(8) as pool:
            outputs = pool.map(lambda name: self.ssh(name, script), self.names)
            return dict(zip(self.names, outputs, strict=True))

    def wipe(self, *names: str) -> None:
        """Make machines bare; all by default."""
        for name in names or self.names:
            self.lab.wipe(name)


def busy_s() -> float:
    """CPU time of this computer since its boot."""
    _, user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split()
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")


def data_options(pairs: Sequence[str]) -> list[str]:
    """pyinfra's command line options for data like "http_port=81"."""
    return [word for pair in pairs for word in ("--data", pair)]


def durations(who: str, runs: Sequence[TimedRun]) -> Series:
    """The wall times of the runs in seconds."""
    return Series(who, "s", tuple(round(run.seconds, 3) for run in runs))


@contextmanager
def lab_of(pairs: int, inventory: str = INVENTORY) -> Iterator[Twin]:
    """A lab of `pairs` pairs, bare or as an earlier bench of the same run has left them.

    It is taken down afterwards unless `KEEP` is set. Raises `CannotMeasure` if another inventory's
    lab is up in this checkout.
    """
    if not _is_up(pairs, inventory):
        progress(f"A lab of {2 * pairs} machines")
        os.environ["PAIRS"] = str(pairs)
        lifecycle.up(inventory, progress)
    try:
        lab = Lab.load(ROOT)
        if ARTIFACTS.is_dir():
            shutil.copytree(ARTIFACTS, lab.state.root / "artifacts", dirs_exist_ok=True)
        yield Twin(lab, pairs, inventory)
    finally:
        try:
            artifacts = ROOT / ".lab" / "artifacts"
            if artifacts.is_dir():
                shutil.copytree(artifacts, ARTIFACTS, dirs_exist_ok=True)
        except OSError as error:  # the next bench compiles once more
            tell(f"What was compiled could not be kept: {error}")
        finally:
            if not os.environ.get(KEEP):
                lifecycle.down()


def take_down() -> None:
    """Take down the lab that benches have left up. Raises `CannotMeasure` or `LabError`."""
    _is_up(0)


def _is_up(pairs: int, inventory: str = INVENTORY) -> bool:
    """Whether a lab of so many pairs can be reused; a bench lab of another size is taken down."""
    try:
        found = Lab.load(ROOT)
    except LabError:
        return False
    if not found.plan.inventory.endswith(INVENTORIES):
        raise CannotMeasure(
            f"a lab of {found.plan.inventory} is up here, and the benches need one of their own. "
            "First: lab down"
        )
    same = found.plan.inventory.endswith(inventory) and len(found.machines) == 2 * pairs
    if os.environ.get(KEEP) and same:
        return True
    lifecycle.down()
    return False
