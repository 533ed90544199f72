"""The same pair by Tandem, by Ansible, and by a stock pyinfra.

    python -m bench.deploy [--quick] [--repeats 5] [--hosts 30] [--report DIR]

First run on bare machines (nothing is compiled: both are given the artifact), a run that changes
nothing, and one changed setting. bench/ansible has the playbook, bench/stock the deploy.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench.machinery import playbook
from bench.machinery.bench_command import CannotMeasure, Measured, Options, conduct, options, say
from bench.machinery.bench_lab import Run, Twin, lab_of, took
from bench.machinery.playbook import Playbook
from bench.report.measured import Row, times

NAME = "deploy"
TITLE = "the same end state by Tandem and by others"
MANY_PAIRS = 10
# What all of them set without being told; and what no measured run sets.
DEFAULT_S = 65
FIRST = "keepalive_timeout_s=60"
# What the sides are called.
TANDEM, ANSIBLE, STOCK = "Tandem", "Ansible", "stock pyinfra"


def measure(given: Options, found: Measured) -> None:
    found.notes += [
        "Ansible: pipelining, ControlPersist (connections live on between runs), cached minimal "
        "facts, more forks than machines; it is given the files as Tandem renders them, and leaves "
        "out tests before a file is moved in, turns, and waiting until each machine serves. "
        f"Both sides begin on machines that have {playbook.NEEDED} already.",
    ]
    with lab_of(1) as twin, tempfile.TemporaryDirectory() as directory:
        _pair(twin, Path(directory), given, found)
    if given.may_have(MANY_PAIRS):
        with lab_of(MANY_PAIRS) as twin, tempfile.TemporaryDirectory() as directory:
            _many(twin, Path(directory), given.repeats, found)


def _pair(twin: Twin, directory: Path, given: Options, found: Measured) -> None:
    say("Compiling, where the cache has nothing")
    twin.deploy(FIRST)
    twin.settle()
    packages = _packages(twin)
    if given.quick:
        twin.everywhere(playbook.PREPARE)
        book = Playbook(twin, directory, packages)
        book.run()
    else:
        book = _first(twin, directory, packages, given.repeats, found)
    changed = [] if given.quick else _changed_by_ansible(book, given.repeats, len(twin.names))
    say("No change, in turns")
    twin.deploy()
    twin.settle()
    book.run_stock()
    runs = [(twin.deploy(), _idle_ansible(book), _idle_stock(book)) for _ in range(given.repeats)]
    ours, theirs, stock = zip(*runs, strict=True)
    quiet = took(TANDEM, ours)
    found.rows.append(Row("2 hosts, no change", quiet, took(ANSIBLE, theirs), times(12)))
    found.rows.append(Row("2 hosts, no change", quiet, took(STOCK, stock), times(3)))
    changed_ours = _changed_by_tandem(twin, given.repeats)
    found.rows.append(
        Row(
            "2 hosts, one setting changed",
            took(TANDEM, changed_ours),
            took(ANSIBLE, changed) if changed else None,
            times(8) if changed else None,
            note="Tandem changes one machine after the other and waits until each may hold the "
            "VIP again; the playbook reloads both at once and waits for neither.",
        )
    )


def _first(
    twin: Twin, directory: Path, packages: list[str], repeats: int, found: Measured
) -> Playbook:
    """Bare machines, by each of the two, and whether what they make of them is the same."""
    ours = [_first_by_tandem(twin) for _ in range(repeats)]
    twin.settle()
    state = twin.everywhere(playbook.END_STATE)
    book = Playbook(twin, directory, packages)
    theirs = [_first_by_ansible(twin, book) for _ in range(repeats)]
    different = playbook.differences(state, twin.everywhere(playbook.END_STATE))
    found.notes.append(
        "The end states differ: " + "; ".join(different[:12])
        if different
        else "The end states are the same: packages, files, modes, links, account, services."
    )
    found.rows.append(Row("2 hosts, first run", took(TANDEM, ours), took(ANSIBLE, theirs)))
    return book


def _many(twin: Twin, directory: Path, repeats: int, found: Measured) -> None:
    say(f"{len(twin.names)} machines: the first deploy")
    twin.deploy()
    twin.settle()
    book = Playbook(twin, directory, _packages(twin))
    twin.everywhere(playbook.PREPARE)
    book.run()
    say("No change, in turns")
    runs = [(twin.deploy(), _idle_ansible(book)) for _ in range(repeats)]
    ours, theirs = zip(*runs, strict=True)
    size = f"{len(twin.names)} hosts"
    found.rows.append(
        Row(f"{size}, no change", took(TANDEM, ours), took(ANSIBLE, theirs), times(12))
    )


def _packages(twin: Twin) -> list[str]:
    """What a machine gets that does not compile. In a child: pyinfra stays out of this process."""
    code = "from tasks import packages; import json; print(json.dumps(packages.RUN['debian']))"
    done = twin.run([sys.executable, "-c", code])
    manifest = "cat $(dirname $(readlink -f /usr/sbin/nginx))/MANIFEST.json"
    run = json.loads(done.output.splitlines()[-1])
    libraries = json.loads(twin.ssh(twin.names[0], manifest))["packages"]
    return sorted({*run, *libraries})


def _bare(twin: Twin) -> None:
    twin.wipe()
    twin.everywhere(playbook.PREPARE)


def _first_by_tandem(twin: Twin) -> Run:
    say("First run by Tandem, on bare machines")
    _bare(twin)
    return twin.deploy()


def _first_by_ansible(twin: Twin, book: Playbook) -> Run:
    say("First run by Ansible, on bare machines")
    _bare(twin)
    return book.run()


def _idle_ansible(book: Playbook) -> Run:
    run = book.run()
    if count := playbook.changes(run):
        raise CannotMeasure(f"Ansible changed {count} things where nothing was to be changed")
    return run


def _idle_stock(book: Playbook) -> Run:
    run = book.run_stock()
    if not playbook.changed_nothing(run):
        raise CannotMeasure("stock pyinfra changed something where nothing was to be changed")
    return run


def _changed_by_tandem(twin: Twin, repeats: int) -> list[Run]:
    say("One changed setting, by Tandem")
    twin.deploy(FIRST)
    return [twin.deploy(value) for value in _values(repeats)]


def _changed_by_ansible(book: Playbook, repeats: int, machines: int) -> list[Run]:
    say("One changed setting, by Ansible")
    runs = [book.run(value) for value in _values(repeats)]
    if any(playbook.changes(run) < machines for run in runs):
        raise CannotMeasure("Ansible did not change what it should have")
    return runs


def _values(repeats: int) -> list[str]:
    """Another value for each run, which so has something to change; the default comes last."""
    return [f"keepalive_timeout_s={value}" for value in (*range(50, 49 + repeats), DEFAULT_S)]


if __name__ == "__main__":
    sys.exit(conduct(NAME, TITLE, measure, options()))
