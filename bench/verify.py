"""The verifier beside pytest-testinfra, which makes 30 of its checks per machine over SSH.

    python -m bench.verify [--quick] [--repeats 5] [--hosts 30] [--report DIR]

The verifier makes all its checks, those across machines included, and listens to the network for
a third of a second on purpose; testinfra makes the 30 of bench/testinfra/test_node.py.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench.machinery.bench_command import CannotMeasure, Measured, Options, conduct, options, say
from bench.machinery.bench_lab import Run, Twin, lab_of, took
from bench.machinery.rivals_venv import program
from bench.report.measured import Row, Series, at_most, times

NAME = "verify"
TITLE = "all that is to be checked, by the verifier and by testinfra"
TESTS = Path(__file__).with_name("testinfra") / "test_node.py"
CHECKS = 30
MANY_PAIRS = 10
LIMIT_2_S, LIMIT_20_S = 2.0, 4.0
FACTS = (
    "/usr/sbin/nginx -v 2>&1 | cut -d/ -f2; cat /usr/html/index.html; "
    "sha256sum </usr/sbin/nginx | cut -d' ' -f1"
)


def measure(given: Options, found: Measured) -> None:
    found.notes.append(
        "testinfra: one process and one process per machine (pytest-xdist) were both tried, the "
        "faster counts. As it comes, it makes a connection for every command: it asks ssh for "
        "ControlPersist without saying where. Told where (ControlPath in the SSH configuration), "
        "it keeps them, here even from one run to the next; the verifier makes its own each time."
    )
    if not shutil.which("goss"):
        found.notes.append(
            "goss was not measured: Debian has no package of it, PyPI's goss is something else, "
            "and nowhere else is asked here."
        )
    # The many first: a bench before this one has just had them.
    for pairs, limit_s in ((MANY_PAIRS, LIMIT_20_S), (1, LIMIT_2_S)):
        if not given.may_have(pairs):
            continue
        with lab_of(pairs) as twin, tempfile.TemporaryDirectory() as directory:
            found.rows += _measure(twin, Path(directory), given, limit_s)


def _measure(twin: Twin, directory: Path, given: Options, limit_s: float) -> list[Row]:
    twin.deploy()
    twin.settle()
    theirs = Testinfra(twin, directory)
    size = f"{len(twin.names)} hosts"
    say("In turns: the verifier, testinfra, testinfra in parallel")
    theirs.run(1)  # its connections are made, as they would be
    # All fail where a check fails: a broken machine is not to be measured.
    runs = [
        (twin.verify(), theirs.run(1), theirs.run(len(twin.names)), twin.pyinfra("--version"))
        for _ in range(given.repeats)
    ]
    taken, alone, spread, start = zip(*runs, strict=True)
    ours = took("verifier", taken)
    kept = (took("testinfra", alone), took("testinfra, in parallel", spread))
    rows = [Row(f"{size}, {CHECKS} checks each", ours, _fastest(*kept), times(5))]
    if len(twin.names) == 2 and not given.quick:
        say("testinfra as it comes, with a connection for every command")
        theirs.keep_connections(False)
        anew = took("testinfra as it comes", [theirs.run(2) for _ in range(given.repeats)])
        rows.append(Row(f"{size}, {CHECKS} checks each", ours, anew, times(5)))
    return [
        *rows,
        Row(f"{size}, all checks", ours, goal=at_most(limit_s)),
        Row(f"{size}, of which pyinfra's own start", took("pyinfra --version", start)),
    ]


def _fastest(*series: Series) -> Series:
    return min(series, key=lambda each: each.median)


class Testinfra:
    """testinfra on a lab's machines, as they are now."""

    __test__ = False  # pytest would take it for one

    def __init__(self, twin: Twin, directory: Path):
        self._twin = twin
        self._directory = directory
        self._config = directory / "ssh_config"
        self.keep_connections(True)
        self._expected = directory / "expected.json"
        self._expected.write_text(json.dumps({name: self._facts(name) for name in twin.names}))

    def keep_connections(self, kept: bool) -> None:
        """testinfra asks for ControlPersist, which does nothing without a place for its sockets."""
        place = f"{self._directory}/%h" if kept else "none"
        lab = self._twin.lab.state.ssh / "config"
        self._config.write_text(f"Match all\nControlPath {place}\nInclude {lab}\n")

    def _facts(self, name: str) -> dict[str, str]:
        version, page, sha256 = self._twin.ssh(name, FACTS).splitlines()
        machine = self._twin.lab.machine(name)
        place = self._twin.names.index(name)
        return {
            "version": version,
            "page": page,
            "sha256": sha256,
            "address": machine.address,
            # A pair's first machine holds its VIP while all is well, which `settle` has waited for.
            "vip": f"{machine.address.rpartition('.')[0]}.254",
            "holds": "no" if place % 2 else "yes",
        }

    def run(self, processes: int) -> Run:
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
    sys.exit(conduct(NAME, TITLE, measure, options()))
