"""The same pair by Tandem, by Ansible, and by a stock pyinfra.

    python -m bench.deploy [--quick] [--repeats 5] [--hosts 30] [--report DIR]

First run on bare machines (nothing is compiled: both get the artifact), a run that changes
nothing, and one changed setting. bench/ansible has the playbook, bench/stock the deploy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.machinery import playbook
from bench.machinery.bench_command import CannotMeasure, Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import TimedRun, Twin, durations, lab_of
from bench.machinery.playbook import Playbook
from bench.report.bench_result import Comparison, Goal, Series, times

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
    for pairs, compare in ((1, _pair), (MANY_PAIRS, _many)):
        if options.may_have(pairs):
            with lab_of(pairs) as twin, tempfile.TemporaryDirectory() as directory:
                progress(f"{len(twin.names)} machines; compiling, unless the cache has an artifact")
                twin.deploy(FIRST)
                twin.wait_until_healthy()
                compare(twin, Playbook(twin, Path(directory)), options, measured)


def _pair(twin: Twin, book: Playbook, options: Options, measured: Measurements) -> None:
    if options.quick:
        twin.ssh_all(playbook.PREPARE)
        book.run()
        changed = None
    else:
        _first(twin, book, options.repeats, measured)
        changed = durations(ANSIBLE, _changed_by_ansible(book, options.repeats, len(twin.names)))
    book.run_stock()
    rivals = {ANSIBLE: (book.run_idle, times(12)), STOCK: (book.run_stock_idle, times(3))}
    measured.rows += _no_change(twin, options.repeats, rivals)
    progress("One changed setting, by Tandem")
    twin.deploy(FIRST)
    measured.rows.append(
        Comparison(
            "2 hosts, one setting changed",
            durations(TANDEM, [twin.deploy(value) for value in _values(options.repeats)]),
            changed,
            times(8) if changed else None,
            note="Tandem changes one machine after the other and waits until each may hold the "
            "VIP again; the playbook reloads both at once and waits for neither.",
        )
    )


def _first(twin: Twin, book: Playbook, repeats: int, measured: Measurements) -> None:
    """The first run on bare machines by both, and a comparison of the end states."""
    ours = _on_bare_machines(twin, TANDEM, twin.deploy, repeats)
    twin.wait_until_healthy()
    state = twin.ssh_all(playbook.END_STATE)
    theirs = _on_bare_machines(twin, ANSIBLE, book.run, repeats)
    different = playbook.differences(state, twin.ssh_all(playbook.END_STATE))
    measured.notes.append(
        "The end states differ: " + "; ".join(different[:12])
        if different
        else "The end states are the same: packages, files, modes, links, account, services."
    )
    measured.rows.append(Comparison("2 hosts, first run", ours, theirs))


def _on_bare_machines(twin: Twin, who: str, run: Callable[[], TimedRun], repeats: int) -> Series:
    runs = []
    for _ in range(repeats):
        progress(f"First run by {who}, on bare machines")
        twin.wipe()
        twin.ssh_all(playbook.PREPARE)
        runs.append(run())
    return durations(who, runs)


def _many(twin: Twin, book: Playbook, options: Options, measured: Measurements) -> None:
    twin.ssh_all(playbook.PREPARE)
    book.run()
    measured.rows += _no_change(twin, options.repeats, {ANSIBLE: (book.run_idle, times(12))})


def _no_change(
    twin: Twin, repeats: int, rivals: Mapping[str, tuple[Callable[[], TimedRun], Goal]]
) -> list[Comparison]:
    """A deploy that changes nothing beside that of each rival."""
    progress("No change, alternating")
    twin.deploy()
    twin.wait_until_healthy()
    runs = [(twin.deploy(), *(run() for run, _ in rivals.values())) for _ in range(repeats)]
    ours, *others = zip(*runs, strict=True)
    return [
        Comparison(
            f"{len(twin.names)} hosts, no change",
            durations(TANDEM, ours),
            durations(who, theirs),
            goal,
        )
        for (who, (_, goal)), theirs in zip(rivals.items(), others, strict=True)
    ]


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
    run_bench("the same end state by Tandem and by others", measure)
