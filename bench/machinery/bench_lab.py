"""The benches' machines: a lab of `pairs` pairs, and commands in it with what they took."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machinery.bench_command import ROOT, CannotMeasure, say
from bench.report.measured import Series
from lab.errors import LabError
from lab.twin import Lab

INVENTORY = "bench/machinery/pairs.py"
PYINFRA = str(ROOT / ".venv" / "bin" / "pyinfra")
# What a lab has compiled, kept for the next one: here nobody measures the compiler by accident.
ARTIFACTS = ROOT / ".bench" / "artifacts"
# Set by `python -m bench`: the next bench takes over the lab of the one before.
KEEP = "TANDEM_BENCH_KEEP"
SHOWN_LINES = 25
AT_ONCE_PER_CPU = 2


@dataclass(frozen=True)
class Run:
    """One command: wall time, CPU time of it and its children, the largest process, its words.

    `machines_cpu_s`: what else was computed on this computer meanwhile.
    """

    code: int
    seconds: float
    cpu_s: float
    machines_cpu_s: float
    memory_mb: float
    output: str


class Twin:
    """The first `2 * pairs` machines of a lab that is up."""

    def __init__(self, lab: Lab, pairs: int):
        self.lab = lab
        self.pairs = pairs
        self.names = tuple(machine.name for machine in lab.machines[: 2 * pairs])

    # --- commands --------------------------------------------------------------------------

    def run(self, words: Sequence[str], *, env: Mapping[str, str] = {}, fails: bool = False) -> Run:
        """A command in the lab's network. Raises `CannotMeasure` when it fails, unless it may."""
        environment = {**self.lab.environment(), "PAIRS": str(self.pairs), **env}
        with tempfile.TemporaryFile() as output:
            began, busy_s = time.monotonic(), _busy_s()
            process = subprocess.Popen(
                self.lab.run_command(list(words)),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            # For its own resources and not those of all children that ever were.
            _, status, used = os.wait4(process.pid, 0)
            seconds, busy_s = time.monotonic() - began, _busy_s() - busy_s
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read().decode(errors="replace")
        if process.returncode and not fails:
            last = "\n".join(text.splitlines()[-SHOWN_LINES:])
            raise CannotMeasure(f"`{' '.join(words)}` failed ({process.returncode}):\n{last}")
        cpu_s = used.ru_utime + used.ru_stime
        return Run(
            code=process.returncode,
            seconds=seconds,
            cpu_s=cpu_s,
            machines_cpu_s=max(0.0, busy_s - cpu_s),
            memory_mb=used.ru_maxrss / 1024,
            output=text,
        )

    def pyinfra(self, *words: str, env: Mapping[str, str] = {}, fails: bool = False) -> Run:
        return self.run([PYINFRA, *self.parallel, *words], env=env, fails=fails)

    @property
    def parallel(self) -> tuple[str, str]:
        """All of these machines share the CPUs of this one: asked all at once, some would not
        answer in time."""
        at_once = min(len(self.names), AT_ONCE_PER_CPU * (os.cpu_count() or 1))
        return "--parallel", str(at_once)

    def deploy(self, *data: str, env: Mapping[str, str] = {}) -> Run:
        """Tandem's deploy; `data` like "http_port=81"."""
        return self.pyinfra("-y", INVENTORY, "deploy.py", *as_words(data), env=env)

    def verify(self, *data: str, fails: bool = False) -> Run:
        return self.pyinfra(INVENTORY, "verify.py", *as_words(data), fails=fails)

    def settle(self) -> None:
        """Until the verifier is content."""
        self.verify("wait=60")

    def ssh(self, name: str, script: str) -> str:
        """What a script prints on a machine."""
        done = self.lab.ssh(name, script)
        if done.returncode:
            raise CannotMeasure(f"{name}: `{script}`: {done.stderr.strip() or done.stdout}")
        return done.stdout

    def everywhere(self, script: str) -> dict[str, str]:
        with ThreadPoolExecutor(8) as pool:
            said = pool.map(lambda name: self.ssh(name, script), self.names)
            return dict(zip(self.names, said, strict=True))

    def wipe(self, *names: str) -> None:
        for name in names or self.names:
            self.lab.wipe(name)


def _busy_s() -> float:
    """What this computer's CPUs have computed since it was started."""
    _, user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split()
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")


def as_words(pairs: Sequence[str]) -> list[str]:
    """Data for pyinfra's command line."""
    return [word for pair in pairs for word in ("--data", pair)]


def took(who: str, runs: Sequence[Run]) -> Series:
    """How long each of them was, in seconds."""
    return Series(who, "s", tuple(round(run.seconds, 3) for run in runs))


@contextmanager
def lab_of(pairs: int) -> Iterator[Twin]:
    """A lab of `pairs` pairs, bare or as an earlier bench of the same run has left them.

    Taken down afterwards, unless others want it (`KEEP`). Anybody else's lab here is left alone.
    """
    environment = {**os.environ, "PAIRS": str(pairs)}
    if not _there(pairs):
        say(f"A lab of {2 * pairs} machines")
        _lab("up", INVENTORY, env=environment)
    try:
        lab = Lab.load(ROOT)
        if ARTIFACTS.is_dir():
            shutil.copytree(ARTIFACTS, lab.state.root / "artifacts", dirs_exist_ok=True)
        yield Twin(lab, pairs)
    finally:
        compiled = ROOT / ".lab" / "artifacts"
        if compiled.is_dir():
            shutil.copytree(compiled, ARTIFACTS, dirs_exist_ok=True)
        if not os.environ.get(KEEP):
            _lab("down", env=environment)


def take_down() -> None:
    """What a run of several benches has left up."""
    _there(0)


def _there(pairs: int) -> bool:
    """Whether a lab of so many pairs is up, to be used again. Another one of ours is taken down."""
    try:
        found = Lab.load(ROOT)
    except LabError:
        return False
    if not found.plan.inventory.endswith(INVENTORY):
        raise CannotMeasure(
            f"a lab of {found.plan.inventory} is up here, and the benches want one of their own: "
            "lab down"
        )
    if os.environ.get(KEEP) and len(found.machines) == 2 * pairs:
        return True
    _lab("down", env=os.environ)
    return False


def _lab(*words: str, env: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab", *words],
        cwd=ROOT,
        env=env,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise CannotMeasure(f"lab {' '.join(words)}: {done.stderr.strip()}")
