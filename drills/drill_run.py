"""One run of drill.py: its options, the audit, the drills, the report, the exit code."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pyinfra import logger
from pyinfra.api import Inventory, State
from pyinfra.context import ctx_state

import settings
from drills import options as drill_options
from drills.analysis import other_profile
from drills.analysis.expected_outage import timing
from drills.conduct import audit
from drills.conduct.interrupts import Interrupted, delivered, shielded
from drills.conduct.progress import Progress
from drills.conduct.runner import Runner
from drills.control import own_commands, self_undo
from drills.control.lab_control import LabControl, lab_here
from drills.control.machines import MachineError, Machines
from drills.report import drill_files, drill_terminal
from drills.results import INTERRUPTED, Controller, DrillResult, Report
from drills.scenarios.scenario import Drill
from settings import Cluster, Mistake
from settings.run_options import RunOptions
from verify import api as verifier
from verify.api import RunEnded, VerifierVerdict

START_WAIT_S = 5.0


class Stopped(RunEnded):
    """Ends pyinfra's run with the exit code of what was found; see `Report.exit_code`."""

    def __init__(self, exit_code: int):
        super().__init__("")
        self.exit_code = exit_code


class _DrillRun:
    """pyinfra calls `drill` for each host; the first call runs everything."""

    begun = False


def mistakes(override_data: Any) -> list[Mistake]:
    """What is wrong with drill.py's options, as far as their values could be read."""
    names = ("drills", "against", "report")
    return drill_options.mistakes(*(str(override_data.get(name, "")) for name in names))


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

    Returns why the run is refused, or "".
    """
    options = settings.options(inventory)
    drills = drill_options.chosen(options.drills)
    if not drills:
        drill_terminal.listing(drill_terminal.console())
        sys.exit(0)
    try:
        clusters = drilled(settings.clusters(inventory), options.drilled_vip)
    except settings.SettingsError as error:
        return str(error)
    if not settings.IN_LAB and not options.yes:
        refusal = _confirmed(drills, clusters)
        if refusal:
            return refusal
    verifier.record_connection_errors()
    os.environ.setdefault("PYINFRA_PROGRESS", "off")  # its spinner would write into the report
    if not context.params["verbosity"] and not context.params["debug"]:
        logger.setLevel(logging.WARNING)
    context.call_on_close(_close)
    return ""


def _confirmed(drills: tuple[Drill, ...], clusters: Iterable[Cluster]) -> str:
    """Ask for a confirmation; why the run is refused, or ""."""
    text = drill_options.question(drills, clusters)
    if not sys.stdin.isatty():
        return f"{text}\nNobody is here to be asked. If you mean it: --data yes=1"
    click.echo(text, err=True)
    click.echo("Type yes to begin: ", err=True, nl=False)
    return "" if sys.stdin.readline().strip().lower() == "yes" else "Not confirmed."


def drill(state: State) -> None:
    """Called by drill.py for each host; the first call does everything."""
    if _DrillRun.begun:
        return
    _DrillRun.begun = True
    try:
        with delivered():
            exit_code = _conducted(state)
    except Interrupted:
        raise Stopped(INTERRUPTED) from None
    raise Stopped(exit_code)


def _close() -> None:
    """Called at the end of pyinfra's process. Says so where drill.py was never reached."""
    state: State = ctx_state.get()  # type: ignore[no-untyped-call]
    if _DrillRun.begun:
        return
    if isinstance(sys.exc_info()[1], SystemExit) and not state.failed_hosts:
        # pyinfra's answer to Ctrl-C, before anything was begun, is exit 0.
        _refused("Interrupted. Nothing was broken.")
        sys.exit(INTERRUPTED)
    if state.initialised:
        hosts = ", ".join(sorted(host.name for host in state.failed_hosts))
        _refused(f"{hosts or 'No machine'} cannot be reached. Nothing was broken.")
        sys.exit(1)


def _refused(text: str) -> RunEnded:
    """Say why this run is refused; what ends it."""
    click.echo(f"--> {click.style('Refused', 'red', bold=True)}: {text}", err=True)
    return RunEnded("")


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
    report = _drilled(state, options, clusters, _healthy(state, clusters))
    out = drill_terminal.console()
    drill_terminal.report(report, out)
    if options.report:
        drill_files.write(report, Path(options.report))
        out.print(f"Written: {options.report}/{other_profile.FILE} and {options.report}/samples/")
    if report.interrupted:
        raise Interrupted(report.interrupted)
    return report.exit_code


def _healthy(state: State, clusters: list[Cluster]) -> VerifierVerdict:
    """The verifier's verdict. Raises `RunEnded` where a drill must not begin."""
    for cluster in clusters:
        machines = Machines(state, cluster)
        if missing := machines.missing():
            why = "; ".join(f"{n}: {verifier.connection_error(n)}" for n in missing)
            raise _refused(f"Every machine has to be there, and {why}. Nothing was broken.")
        try:
            machines.everywhere(self_undo.undo_everything(), timeout_s=60)
        except MachineError as error:
            raise _refused(f"{error}. Nothing was broken.") from None
    click.echo("The verifier checks first.", err=True)
    verdict = audit.look(state, START_WAIT_S)
    if not verdict.passed:
        verifier.report(verdict, verifier.console())
        raise _refused("The cluster is not healthy: mend what is named above. Nothing was broken.")
    return verdict


def _drilled(
    state: State, options: RunOptions, clusters: list[Cluster], verdict: VerifierVerdict
) -> Report:
    """Every drill on every cluster, one after another."""
    started, began, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]
    drills = drill_options.chosen(options.drills)
    lab = lab_here()
    plan = tuple((cluster.name, drill) for cluster in clusters for drill in drills)
    slow_s = max(timing(cluster).dead_s for cluster in clusters)
    progress = Progress(plan, options.repeats, slow_s)
    profile = options.profile or profile_of(clusters[0])
    results: list[DrillResult] = []
    before = last = audit.as_audit(verdict)
    interrupted = ""
    for cluster in clusters:
        runner = Runner(
            state,
            cluster,
            lab=LabControl(lab) if lab else None,
            profile=profile,
            progress=progress,
            line=own_commands.command_line(sys.argv[1:]),
            options=options,
        )
        try:
            for one in drills:
                progress.drill(cluster.name if len(clusters) > 1 else "", one.name)
                last = runner.run(one, last)
        except Interrupted as error:
            interrupted = str(error) or "by hand"
        results += runner.results
        shielded(lambda cluster=cluster: _clean(state, cluster))  # type: ignore[misc]
        if interrupted:
            break
    return Report(
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 1),
        profile=profile,
        rate=options.rate,
        repeats=options.repeats,
        controller=Controller(
            name=socket.gethostname(),
            cpus=os.cpu_count() or 0,
            kernel=os.uname().release,
            lab=lab is not None,
            load_before=load,
            load_after=os.getloadavg()[0],
        ),
        clusters=tuple(audit.cluster_info(cluster, verdict) for cluster in clusters),
        drills=tuple(results),
        before=before,
        against=other_profile.load(Path(options.against)) if options.against else None,
        interrupted=interrupted,
    )


def _clean(state: State, cluster: Cluster) -> str:
    """Remove everything that drills have left on the machines; what failed, in words."""
    try:
        Machines(state, cluster).everywhere(self_undo.undo_everything(), timeout_s=60)
    except MachineError as error:
        click.echo(f"NOT PUT BACK: {error}", err=True)
        return str(error)
    return ""


def profile_of(cluster: Cluster) -> str:
    """What the report calls these settings, without profile=."""
    return "classic" if cluster.preferred.vrrp_version == 2 else "default"
