"""The verifier beside pytest-testinfra, which makes 30 of its checks per machine over SSH.

    python -m bench.verify [--quick] [--repeats 5] [--hosts 30] [--report DIR]

The verifier makes all its checks, those across machines included, and listens to the network for
a third of a second on purpose; testinfra makes the 30 of bench/testinfra/test_node.py.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from bench.machinery.bench_command import CannotMeasure, Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import TimedRun, Twin, durations, lab_of
from bench.machinery.rivals_venv import program
from bench.report.bench_result import Comparison, at_most, times

TESTS = Path(__file__).with_name("testinfra") / "test_node.py"
CHECKS = 30
MANY_PAIRS = 10
LIMIT_2_S, LIMIT_20_S = 2.0, 4.0
FACTS = (
    "/usr/sbin/nginx -v 2>&1 | cut -d/ -f2; cat /usr/html/index.html; "
    "sha256sum </usr/sbin/nginx | cut -d' ' -f1"
)


def measure(options: Options, measured: Measurements) -> None:
    """Measure the verifier and testinfra on each size of lab."""
    measured.notes.append(
        "testinfra: one process and one process per machine (pytest-xdist) were both tried, the "
        "faster counts. As it comes, it makes a connection for every command: it asks ssh for "
        "ControlPersist without saying where. Told where (ControlPath in the SSH configuration), "
        "it keeps them, here even from one run to the next; the verifier makes its own each time."
    )
    if not shutil.which("goss"):
        measured.notes.append(
            "goss was not measured: Debian has no package of it, PyPI's goss is something else, "
            "and no other source is used here."
        )
    # The large lab first: the bench before this one may have left one of that size.
    for pairs, limit_s in ((MANY_PAIRS, LIMIT_20_S), (1, LIMIT_2_S)):
        if not options.may_have(pairs):
            continue
        with lab_of(pairs) as twin, tempfile.TemporaryDirectory() as directory:
            measured.rows += _measure(twin, Path(directory), options, limit_s)


def _measure(twin: Twin, directory: Path, options: Options, limit_s: float) -> list[Comparison]:
    twin.deploy()
    twin.wait_until_healthy()
    theirs = Testinfra(twin, directory)
    size = f"{len(twin.names)} hosts"
    progress("Alternating: the verifier, testinfra, testinfra in parallel")
    theirs.run(1)  # opens the connections that it keeps
    # Each of them fails if a check fails: a broken machine is not measured.
    runs = [
        (twin.verify(), theirs.run(1), theirs.run(len(twin.names)), twin.pyinfra("--version"))
        for _ in range(options.repeats)
    ]
    taken, alone, spread, start = zip(*runs, strict=True)
    ours = durations("verifier", taken)
    kept = (durations("testinfra", alone), durations("testinfra, in parallel", spread))
    fastest = min(kept, key=lambda series: series.median)
    rows = [Comparison(f"{size}, {CHECKS} checks each", ours, fastest, times(5))]
    if len(twin.names) == 2 and not options.quick:
        progress("testinfra as it comes, with a connection for every command")
        theirs.keep_connections(False)
        unkept = durations("testinfra as it comes", [theirs.run(2) for _ in range(options.repeats)])
        rows.append(Comparison(f"{size}, {CHECKS} checks each", ours, unkept, times(5)))
    return [
        *rows,
        Comparison(f"{size}, all checks", ours, goal=at_most(limit_s)),
        Comparison(f"{size}, of which pyinfra's own start", durations("pyinfra --version", start)),
    ]


class Testinfra:
    """testinfra on the machines of a lab, expecting their present state."""

    __test__ = False  # or pytest would collect it

    def __init__(self, twin: Twin, directory: Path):
        self._twin = twin
        self._directory = directory
        self._config = directory / "ssh_config"
        self.keep_connections(True)
        self._expected = directory / "expected.json"
        self._expected.write_text(json.dumps({name: self._facts(name) for name in twin.names}))

    def keep_connections(self, kept: bool) -> None:
        """Let ssh keep connections or not: ControlPersist has no effect without a path."""
        control_path = f"{self._directory}/%h" if kept else "none"
        lab = self._twin.lab.state.ssh / "config"
        self._config.write_text(f"Match all\nControlPath {control_path}\nInclude {lab}\n")

    def _facts(self, name: str) -> dict[str, str]:
        version, page, sha256 = self._twin.ssh(name, FACTS).splitlines()
        machine = self._twin.lab.machine(name)
        index = self._twin.names.index(name)
        return {
            "version": version,
            "page": page,
            "sha256": sha256,
            "address": machine.address,
            # A healthy pair's first machine holds the VIP.
            "vip": f"{machine.address.rpartition('.')[0]}.254",
            "holds": "no" if index % 2 else "yes",
        }

    def run(self, processes: int) -> TimedRun:
        """Time all tests. Raises `CannotMeasure` unless all pass."""
        hosts = ",".join(f"ssh://{name}" for name in self._twin.names)
        words = [
            *(program("pytest"), "-q", "-p", "no:cacheprovider", "--noconftest"),
            *("--rootdir", str(TESTS.parent), "-c", "/dev/null"),
            *(f"--hosts={hosts}", f"--ssh-config={self._config}"),
            *(["-n", str(processes)] if processes > 1 else []),
            str(TESTS),
        ]
        run = self._twin.run(words, env={"EXPECTED": str(self._expected)})
        if f"{CHECKS * len(self._twin.names)} passed" not in run.output:
            raise CannotMeasure(f"testinfra: {run.output.splitlines()[-1]}")
        return run


if __name__ == "__main__":
    run_bench("all that is to be checked, by the verifier and by testinfra", measure)
