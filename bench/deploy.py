"""The same pair by Tandem, by Ansible, and by a stock pyinfra.

    python -m bench.deploy [--quick] [--repeats 5] [--hosts 30] [--report DIR]

First run on bare machines (nothing is compiled: both get the artifact), a run that changes
nothing, and one changed setting. bench/ansible has the playbook, bench/stock the deploy.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench.machinery import playbook
from bench.machinery.bench_command import (
    CannotMeasure,
    Measurements,
    Options,
    parse_options,
    progress,
    run_bench,
)
from bench.machinery.bench_lab import TimedRun, Twin, durations, lab_of
from bench.machinery.playbook import Playbook
from bench.report.bench_result import Comparison, times

NAME = "deploy"
TITLE = "the same end state by Tandem and by others"
MANY_PAIRS = 10
# keepalive_timeout_s: everybody's default, and a value that no measured run sets.
DEFAULT_S = 65
FIRST = "keepalive_timeout_s=60"
TANDEM, ANSIBLE, STOCK = "Tandem", "Ansible", "stock pyinfra"


def measure(options: Options, measured: Measurements) -> None:
    """Measure the deploys of each side."""
    measured.notes += [
        "Ansible: pipelining, ControlPersist (connections live on between runs), cached minimal "
        "facts, more forks than machines; it gets the files as Tandem renders them, and leaves "
        "out tests before a file is moved in, turns, and waiting until each machine serves. "
        f"Both sides begin on machines that have {playbook.NEEDED} already.",
    ]
    with lab_of(1) as twin, tempfile.TemporaryDirectory() as directory:
        _pair(twin, Path(directory), options, measured)
    if options.may_have(MANY_PAIRS):
        with lab_of(MANY_PAIRS) as twin, tempfile.TemporaryDirectory() as directory:
            _many(twin, Path(directory), options.repeats, measured)


def _pair(twin: Twin, directory: Path, options: Options, measured: Measurements) -> None:
    progress("Compiling, unless the cache has an artifact")
    twin.deploy(FIRST)
    twin.wait_until_healthy()
    packages = _packages(twin)
    if options.quick:
        twin.ssh_all(playbook.PREPARE)
        book = Playbook(twin, directory, packages)
        book.run()
    else:
        book = _first(twin, directory, packages, options.repeats, measured)
    changed = [] if options.quick else _changed_by_ansible(book, options.repeats, len(twin.names))
    progress("No change, alternating")
    twin.deploy()
    twin.wait_until_healthy()
    book.run_stock()
    runs = [(twin.deploy(), _idle_ansible(book), _idle_stock(book)) for _ in range(options.repeats)]
    ours, theirs, stock = zip(*runs, strict=True)
    quiet = durations(TANDEM, ours)
    measured.rows.append(
        Comparison("2 hosts, no change", quiet, durations(ANSIBLE, theirs), times(12))
    )
    measured.rows.append(Comparison("2 hosts, no change", quiet, durations(STOCK, stock), times(3)))
    changed_ours = _changed_by_tandem(twin, options.repeats)
    measured.rows.append(
        Comparison(
            "2 hosts, one setting changed",
            durations(TANDEM, changed_ours),
            durations(ANSIBLE, changed) if changed else None,
            times(8) if changed else None,
            note="Tandem changes one machine after the other and waits until each may hold the "
            "VIP again; the playbook reloads both at once and waits for neither.",
        )
    )


def _first(
    twin: Twin, directory: Path, packages: list[str], repeats: int, measured: Measurements
) -> Playbook:
    """The first run on bare machines by both, and a comparison of the end states."""
    ours = [_first_by_tandem(twin) for _ in range(repeats)]
    twin.wait_until_healthy()
    state = twin.ssh_all(playbook.END_STATE)
    book = Playbook(twin, directory, packages)
    theirs = [_first_by_ansible(twin, book) for _ in range(repeats)]
    different = playbook.differences(state, twin.ssh_all(playbook.END_STATE))
    measured.notes.append(
        "The end states differ: " + "; ".join(different[:12])
        if different
        else "The end states are the same: packages, files, modes, links, account, services."
    )
    measured.rows.append(
        Comparison("2 hosts, first run", durations(TANDEM, ours), durations(ANSIBLE, theirs))
    )
    return book


def _many(twin: Twin, directory: Path, repeats: int, measured: Measurements) -> None:
    progress(f"{len(twin.names)} machines: the first deploy")
    twin.deploy()
    twin.wait_until_healthy()
    book = Playbook(twin, directory, _packages(twin))
    twin.ssh_all(playbook.PREPARE)
    book.run()
    progress("No change, alternating")
    runs = [(twin.deploy(), _idle_ansible(book)) for _ in range(repeats)]
    ours, theirs = zip(*runs, strict=True)
    size = f"{len(twin.names)} hosts"
    measured.rows.append(
        Comparison(
            f"{size}, no change", durations(TANDEM, ours), durations(ANSIBLE, theirs), times(12)
        )
    )


def _packages(twin: Twin) -> list[str]:
    """The packages of a machine that does not compile.

    Read in a child process, because importing pyinfra patches threads.
    """
    code = "from tasks import packages; import json; print(json.dumps(packages.RUN['debian']))"
    done = twin.run([sys.executable, "-c", code])
    manifest = "cat $(dirname $(readlink -f /usr/sbin/nginx))/MANIFEST.json"
    run = json.loads(done.output.splitlines()[-1])
    libraries = json.loads(twin.ssh(twin.names[0], manifest))["packages"]
    return sorted({*run, *libraries})


def _bare(twin: Twin) -> None:
    twin.wipe()
    twin.ssh_all(playbook.PREPARE)


def _first_by_tandem(twin: Twin) -> TimedRun:
    progress("First run by Tandem, on bare machines")
    _bare(twin)
    return twin.deploy()


def _first_by_ansible(twin: Twin, book: Playbook) -> TimedRun:
    progress("First run by Ansible, on bare machines")
    _bare(twin)
    return book.run()


def _idle_ansible(book: Playbook) -> TimedRun:
    run = book.run()
    if count := playbook.changes(run):
        raise CannotMeasure(f"Ansible changed {count} things where nothing was to be changed")
    return run


def _idle_stock(book: Playbook) -> TimedRun:
    run = book.run_stock()
    if not playbook.changed_nothing(run):
        raise CannotMeasure("stock pyinfra changed something where nothing was to be changed")
    return run


def _changed_by_tandem(twin: Twin, repeats: int) -> list[TimedRun]:
    progress("One changed setting, by Tandem")
    twin.deploy(FIRST)
    return [twin.deploy(value) for value in _values(repeats)]


def _changed_by_ansible(book: Playbook, repeats: int, machines: int) -> list[TimedRun]:
    progress("One changed setting, by Ansible")
    runs = [book.run(value) for value in _values(repeats)]
    if any(playbook.changes(run) < machines for run in runs):
        raise CannotMeasure("Ansible did not change what it should have")
    return runs


def _values(repeats: int) -> list[str]:
    """Another value for each run, so that each changes something; the default comes last."""
    return [f"keepalive_timeout_s={value}" for value in (*range(50, 49 + repeats), DEFAULT_S)]


if __name__ == "__main__":
    sys.exit(run_bench(NAME, TITLE, measure, parse_options()))
