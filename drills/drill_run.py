"""One run of drill.py: its options, the audit, the drills, the report, the exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
from pyinfra import logger
from pyinfra.api import Inventory, State
from pyinfra.context import ctx_state

import settings
from drills import options as drill_options
from drills.conduct import audit, earlier_runs
from drills.conduct.earlier_runs import EarlierRuns
from drills.conduct.interrupts import Interrupted, delivered, shielded, untold
from drills.conduct.progress import say
from drills.control.lab_control import LabControl, lab_here
from drills.control.machines import Machines
from drills.control.undo_journal import UndoJournal
from drills.drill_session import DrillSession
from drills.last_words import ReportWriter, last_words, tell_left
from drills.mishaps import MISHAPS, told
from drills.report import drill_files, drill_terminal
from drills.results import INTERRUPTED, NotPutBack
from drills.scenarios import catalogues
from settings import Cluster, Mistake
from settings.run_options import RunOptions
from verify import api as verifier
from verify.api import RunEnded, VerifierVerdict

START_WAIT_S = 5.0


class _DrillRun:
    """pyinfra calls `drill` for each host; the first call runs everything.

    `journal`: what this run breaks is noted there; `earlier`: what others have noted. `around`:
    what of that the lab could not undo.
    """

    begun = False
    journal: UndoJournal
    earlier: EarlierRuns
    around: tuple[NotPutBack, ...] = ()


def mistakes(
    override_data: Any, options: RunOptions, clusters: Iterable[Cluster]
) -> Iterator[Mistake]:
    """What is wrong with drill.py's options, as far as their values could be read."""
    names = ("drills", "against", "report")
    clusters = tuple(clusters)
    drills, against, report = (str(override_data.get(name, "")) for name in names)
    known = catalogues.of_each(clusters)
    yield from drill_options.mistakes(drills, against, report, known)
    try:
        drilled(clusters, options.drilled_vip)
    except settings.SettingsError as error:
        yield from error.mistakes


def drilled(clusters: Iterable[Cluster], vip: str) -> list[Cluster]:
    """The clusters, each with its first VIP; with `vip`, the one cluster of that VIP.

    Raises `SettingsError` where no cluster has it.
    """
    if not vip:
        return list(clusters)
    views = [view for cluster in clusters for view in cluster.vips]
    found = [view for view in views if str(view.vip.ip) == vip.partition("/")[0]]
    if not found:
        remedy = f"give one of {', '.join(str(view.vip.ip) for view in views)}"
        raise settings.SettingsError([Mistake("--data", "drilled_vip", vip, remedy)])
    return found


def prepare(context: click.Context, inventory: Inventory) -> str:
    """Called before pyinfra connects. Without `drills=` it lists the drills and ends the process.

    What an earlier run has left around the machines is put back here, so that they can be reached.

    Returns why the run is refused, or "".
    """
    options = settings.options(inventory)
    try:
        clusters = drilled(settings.clusters(inventory), options.drilled_vip)
        drills = () if options.undo else drill_options.chosen_for(options.drills, clusters)
        if not drills and not options.undo:
            _list(EarlierRuns(clusters), clusters)
        _DrillRun.journal = UndoJournal.begin(clusters)
        _DrillRun.earlier = earlier = EarlierRuns(clusters)
    except settings.SettingsError as error:
        return str(error)
    except OSError as error:
        return f"What is broken cannot be noted: {error}. Nothing was broken."
    refusal = earlier.at_work or _unwritable(options)
    if not refusal and not settings.IN_LAB and not options.yes:
        refusal = _confirmed(drill_options.question(drills, clusters, earlier.lines()))
    if refusal:
        _DrillRun.journal.end()
        return refusal
    _put_back_around(earlier)
    verifier.record_connection_errors()
    if not context.params["verbosity"] and not context.params["debug"]:
        logger.setLevel(logging.WARNING)
    context.call_on_close(_close)
    return ""


def _list(earlier: EarlierRuns, clusters: Iterable[Cluster]) -> NoReturn:
    for catalogue in catalogues.of_each(clusters):
        drill_terminal.listing(drill_terminal.console(), catalogue)
    for line in [*earlier.lines(), *(["Put it back: --data undo=1"] if earlier else [])]:
        click.echo(line)
    sys.exit(0)


def _ended(code: int) -> NoReturn:
    _DrillRun.journal.end()
    sys.exit(code)


def _unwritable(options: RunOptions) -> str:
    """Why the report cannot be written, as far as that shows beforehand; "" if it does not."""
    if not options.report or options.undo:
        return ""
    try:
        drill_files.try_out(Path(options.report))
    except OSError as error:
        return f"The report cannot be written: {error}. Nothing was broken."
    return ""


def _put_back_around(earlier: EarlierRuns) -> None:
    """Before pyinfra connects: what an earlier run has left around the machines."""
    for line in earlier.lines():
        say(line)
    if not earlier:
        return
    lab = lab_here()
    _DrillRun.around = (
        *earlier.wait_for_guards(say),
        *earlier.put_back_around(LabControl(lab) if lab else None, say),
    )


def _confirmed(question: str) -> str:
    """Ask for a confirmation; why the run is refused, or ""."""
    if not sys.stdin.isatty():
        return f"{question}\nNobody is here to be asked. If you mean it: --data yes=1"
    click.echo(question, err=True)
    click.echo("Type yes to begin: ", err=True, nl=False)
    return "" if sys.stdin.readline().strip().lower() == "yes" else "Not confirmed."


def drill(state: State) -> None:
    """Called by drill.py for each host; the first call does everything."""
    if _DrillRun.begun:
        return
    _DrillRun.begun = True
    try:
        with delivered(), untold():
            exit_code = _conducted(state)
    except Interrupted:
        raise RunEnded(INTERRUPTED) from None
    except RunEnded:
        raise
    except MISHAPS as error:
        say(f"This run has failed: {told(error, placed=True)}")
        raise RunEnded() from None
    finally:
        _DrillRun.journal.end()
    raise RunEnded(exit_code)


def _close() -> None:
    """Called at the end of pyinfra's process. Says so where drill.py was never reached."""
    state: State = ctx_state.get()  # type: ignore[no-untyped-call]
    if _DrillRun.begun:
        return
    error = sys.exc_info()[1]
    if isinstance(error, settings.Refused):  # which says why: another run is at work
        tell_left(_DrillRun.around)
        _DrillRun.journal.end()
        return
    if isinstance(error, SystemExit) and not state.failed_hosts:
        # pyinfra's answer to Ctrl-C, before anything was begun, is exit 0.
        _refused("Interrupted. Nothing was broken.")
        _ended(INTERRUPTED)
    if state.initialised:
        hosts = ", ".join(sorted(host.name for host in state.failed_hosts))
        _refused(f"{hosts or 'No machine'} cannot be reached. Nothing was broken.")
        tell_left(_DrillRun.around)
        _ended(1)


def _refused(text: str) -> RunEnded:
    """Say why this run is refused; what ends it."""
    click.echo(f"--> {click.style('Refused', 'red', bold=True)}: {text}", err=True)
    return RunEnded()


def _conducted(state: State) -> int:
    """The exit code. Raises `RunEnded` where the run is refused."""
    options = settings.options(state.inventory)
    limited = {host.name for host in state.inventory if state.is_host_in_limit(host)}
    clusters = [
        cluster
        for cluster in drilled(settings.clusters(state.inventory), options.drilled_vip)
        if any(node.name in limited for node in cluster.nodes)
    ]
    for cluster in clusters:
        left_out = [node.name for node in cluster.nodes if node.name not in limited]
        if left_out:
            raise _refused(f"--limit leaves out {', '.join(left_out)} of cluster {cluster.name}.")
    if options.undo:
        return _undone(state, clusters)
    writer = ReportWriter(options.report)
    verdict = _healthy(state, clusters)
    session = DrillSession(state, options, clusters, verdict, _DrillRun.journal, writer.write)
    writer.write(session.report())  # an earlier report there is not of this run
    failed = ""
    try:
        session.conduct()
    except MISHAPS as error:
        failed = f"This run has failed: {told(error, placed=True)}"
    report = session.report()
    if not last_words(report, writer, failed):
        return 1
    if report.interrupted:
        raise Interrupted(report.interrupted)
    return report.exit_code


def _undone(state: State, clusters: list[Cluster]) -> int:
    """With undo=1: the exit code, 0 where nothing remains of what earlier runs have left, also on
    clusters that this run is not for."""
    left = _put_back_earlier(state, clusters)
    # What could not be put back remains, and is told once.
    left = tuple(dict.fromkeys((*left, *_DrillRun.earlier.remaining())))
    tell_left(left)
    if not left:
        what = "Put back." if _DrillRun.earlier else "No earlier run has left anything."
        say(f"{what} Whether all holds, verify.py says.")
    return 1 if left else 0


def _put_back_earlier(state: State, clusters: list[Cluster]) -> tuple[NotPutBack, ...]:
    """What earlier runs have left on the machines; what could not be put back."""
    left = list(_DrillRun.around)

    def put_back(cluster: Cluster) -> None:
        machines = Machines(state, cluster)
        found = _DrillRun.earlier.put_back_on(cluster, machines, say)
        known = {each.node for each in (*left, *found)}
        swept = earlier_runs.sweep(cluster, machines)
        left.extend((*found, *(each for each in swept if each.node not in known)))

    for cluster in clusters:
        shielded(lambda cluster=cluster: put_back(cluster))  # type: ignore[misc]
    if not left:
        _DrillRun.earlier.forget_undone()
    return tuple(left)


def _healthy(state: State, clusters: list[Cluster]) -> VerifierVerdict:
    """The verifier's verdict. Raises `RunEnded` where a drill must not begin."""
    for cluster in clusters:
        if missing := Machines(state, cluster).missing():
            why = "; ".join(f"{n}: {verifier.connection_error(n)}" for n in missing)
            refused = _refused(f"Every machine has to be there, and {why}. Nothing was broken.")
            tell_left(_DrillRun.around)
            raise refused
    if left := _put_back_earlier(state, clusters):
        refused = _refused("What an earlier run has left could not be put back.")
        tell_left(left)
        raise refused
    click.echo("The verifier checks first.", err=True)
    verdict = audit.look(state, START_WAIT_S)
    if not verdict.passed:
        verifier.report(verdict, verifier.console())
        raise _refused("The cluster is not healthy: mend what is named above. Nothing was broken.")
    return verdict
