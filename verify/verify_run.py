"""One run of verify.py: its options, snapshot and verdict (again, while it waits), report, exit."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
import gevent
from pyinfra import logger
from pyinfra.api import Host, Inventory, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_state
from pyinfra.operations import python
from pyinfra_cli.exceptions import CliError

import settings
from report import live_line
from settings import Mistake, SettingsError
from settings.run_options import RunOptions
from settings.values import NotRead
from verify.observe.gather import SENT_S, record_connection_errors, take_snapshot

if TYPE_CHECKING:
    from verify.checks.check import Check
    from verify.judge import VerifierVerdict
    from verify.snapshot import Snapshot

# A cluster whose VIP may just be moving is asked again after this, before it is called broken.
SETTLE_S = 1.5
# Between two snapshots while waiting until all holds.
WAIT_STEP_S = 0.5


class RunEnded(CliError, PyinfraError):  # type: ignore[misc]
    """Ends pyinfra's run; the report has been printed by then."""

    def __init__(self, exit_code: int = 1):
        super().__init__("")
        self.exit_code = exit_code

    def show(self, file: object = None) -> NoReturn:
        # Python's own way out waits 0.3 s for each SSH connection to be taken down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.exit_code)


class _VerifyRun:
    """`alone`: verify.py is all that this pyinfra does. `verdict` is None until it is reached."""

    alone = False
    started = False
    verdict: VerifierVerdict | None = None
    exit_code = 1


_run = _VerifyRun()


def prepare(context: click.Context, inventory: Inventory) -> None:
    """Called before pyinfra connects, when verify.py is all that is to be done.

    What needs no machine is done here, and ends the process. Raises `SettingsError` for checks
    that do not exist.
    """
    options = settings.options(inventory)
    if options.only or options.skip or options.list or options.explain or options.replay:
        _without_machines(options, inventory)
    _run.alone = True
    record_connection_errors()
    if not context.params["verbosity"] and not context.params["debug"]:
        logger.setLevel(logging.WARNING)
    context.call_on_close(_close)


def mistakes(options: RunOptions) -> Iterator[Mistake]:
    """What is wrong with the checks that `options` name, as far as they could be read."""
    from verify import judge

    tries: tuple[Callable[[], object], ...] = (
        lambda: judge.select(options.only, ""),
        lambda: judge.select("", options.skip),
        lambda: options.explain and judge.find(options.explain),
    )
    for named in tries:
        try:
            named()
        except SettingsError as error:
            yield from error.mistakes
        except NotRead:
            continue


def _without_machines(options: RunOptions, inventory: Inventory) -> None:
    from verify import judge, snapshot
    from verify.report import terminal_report

    checks = judge.select(options.only, options.skip)
    if options.explain:
        _explain(judge.find(options.explain), inventory)
        sys.exit(0)
    if options.list:
        terminal_report.listing(checks, terminal_report.console())
        sys.exit(0)
    if options.replay:
        verdict = judge.judge(snapshot.load(Path(options.replay)), checks)
        sys.exit(_report(verdict, options))


def verify(state: State) -> None:
    """Called by verify.py, once for each host: the first call verifies all of them."""
    if not _run.alone:
        # After a deploy in the same run, so that the machines are as it leaves them.
        python.call(name="Verify", function=_verified, _run_once=True)
    elif not _run.started:
        _run.started = True
        _verified(state, None)
        raise RunEnded(_run.exit_code)


def _verified(state: State, host: Host | None) -> bool:
    """Ask, judge and report; whether all holds. pyinfra prescribes the parameters' names."""
    options = settings.options(state.inventory)
    first = gevent.spawn(take_snapshot, state, reconnect=options.wait > 0)
    gevent.sleep(SENT_S)
    # Loaded while the machines answer: see SENT_S.
    from verify import judge
    from verify.report import report_files, terminal_report  # noqa: F401

    checks = judge.select(options.only, options.skip)
    _run.verdict = _judged(state, options, first.get(), checks)
    _run.exit_code = _report(_run.verdict, options)
    return _run.exit_code == 0


def _judged(
    state: State, options: RunOptions, first: Snapshot, checks: tuple[Check, ...]
) -> VerifierVerdict:
    """The verdict on the first snapshot, or on a later one where waiting may help."""
    from verify import judge

    deadline = time.monotonic() + options.wait - first.seconds
    verdict = judge.judge(first, checks)
    if not verdict.passed and verdict.may_settle and not options.wait:
        gevent.sleep(max(0.0, SETTLE_S - first.seconds))
        verdict = judge.judge(take_snapshot(state), checks)
    if not verdict.passed and time.monotonic() + WAIT_STEP_S < deadline:
        live_line.begin(f"Not all holds yet; asking again, for {options.wait:g} s at most")
    while not verdict.passed and time.monotonic() + WAIT_STEP_S < deadline:
        failing = ", ".join(dict.fromkeys(finding.id for finding in verdict.bad))
        left_s = deadline - time.monotonic()
        live_line.part(f"not yet: {failing}; asking again, for {left_s:.0f} s more")
        gevent.sleep(WAIT_STEP_S)
        verdict = judge.judge(take_snapshot(state, reconnect=True), checks)
    live_line.end()
    return verdict


def _report(verdict: VerifierVerdict, options: RunOptions) -> int:
    """Write and print the report; the exit code."""
    from verify.report import report_files, terminal_report

    code, since = int(verdict.conclusion), None
    if options.report:
        try:
            since = report_files.write(verdict, Path(options.report))
        except (OSError, ValueError) as error:  # an answer that no file can hold, too
            _say(f"The report could not be written: {error}")
            code = code or 1
    terminal_report.report(verdict, terminal_report.console(), since)
    return code


def _close() -> None:
    """The end of pyinfra's process: no machine was reached, or somebody interrupted it."""
    if _run.verdict is not None:
        return
    state: State = ctx_state.get()  # type: ignore[no-untyped-call]
    if state.initialised and state.failed_hosts:
        # pyinfra gives up before verify.py when it reaches no machine at all.
        _verified(state, None)
        sys.exit(_run.exit_code)
    if isinstance(sys.exc_info()[1], SystemExit):
        _say("Interrupted: nothing was judged.")
        sys.exit(130)


def _explain(check: Check, inventory: Inventory) -> None:
    """Its commands are those for the first machine of the first cluster."""
    from verify.observe import machine_probes, probes
    from verify.report import terminal_report

    cluster = settings.clusters(inventory)[0]
    node = cluster.preferred
    known = {
        probe.name: probe
        for bundle in probes.all_probes(node, cluster).bundles
        for probe in (*bundle.probes, machine_probes.offset(node.ntp_server or "SERVER"))
    }
    commands = [known[name].text for name in check.reads if name in known]
    terminal_report.explanation(check, commands, terminal_report.console())


def _say(text: str) -> None:
    """Progress goes to stderr; stdout is the report's."""
    click.echo(text, err=True)
