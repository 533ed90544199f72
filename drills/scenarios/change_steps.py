"""Planned changes as plays: what a person does to a cluster at noon, with its own commands.

None of them may cost anything: not a request, not a connection, not a download. Each ends with the
machines as the inventory says; the way back, which the runner goes, is such a change, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from drills.control import faults
from drills.control.cluster_control import Stage
from drills.results import Request, RequestOutcome

# What runs now, and what ran before an upgrade.
OLDER = "1.22.1"
ROTATIONS = 5
# What a change breaks late shows before this is over.
AFTERWARDS_S = 1.0
SENDER = "drill@localhost"

LOGS = "/var/log/nginx/access.log*"
# As the machine itself does it at night, whatever that night's has done already.
ROTATE = "logrotate --force --state /run/tandem-drill/logrotate.state /etc/logrotate.d/nginx"
RUNNING_VERSION = '"/proc/$(cat /run/nginx/nginx.pid)/exe" -v 2>&1'


def switchover(stage: Stage) -> None:
    """There and back, again and again."""
    stage.reference()
    # Of several VIPs all went, and each goes back to its own.
    back = f"{'undrain' if stage.holder.more_vips else 'to'}={stage.holder.name}"
    stage.change("switchover.py", back)
    for _ in range(stage.moves):
        for words in (f"to={stage.standby.name}", back):
            stage.command("switchover.py", words)
            stage.wait(AFTERWARDS_S)


def reload(stage: Stage) -> None:
    stage.reference()
    stage.shell("reload nginx", stage.holder, f"{faults.SERVICE} reload nginx")
    stage.wait(AFTERWARDS_S)


def log_rotation(stage: Stage) -> None:
    stage.reference()
    for _ in range(ROTATIONS):
        stage.shell("logrotate --force", stage.holder, ROTATE)
        stage.wait(AFTERWARDS_S)


def changed_setting(stage: Stage) -> None:
    """One that only nginx's configuration knows."""
    other = "io" if stage.holder.workload == "cpu" else "cpu"
    _deployed(stage, f"workload={other}")


def keepalived_setting(stage: Stage) -> None:
    _deployed(stage, f"notification_email_from={SENDER}")


def older(stage: Stage) -> None:
    """Before an upgrade: an older nginx runs everywhere."""
    stage.change()
    stage.command("deploy.py", f"nginx_version={OLDER}")
    _runs(stage, OLDER)


def upgrade(stage: Stage) -> None:
    _deployed(stage)
    _runs(stage, stage.holder.nginx_version)


def upgraded(stage: Stage) -> None:
    """Before a rollback: there is something to go back to."""
    older(stage)
    stage.command("deploy.py")
    _runs(stage, stage.holder.nginx_version)


def rollback(stage: Stage) -> None:
    stage.reference()
    stage.change()
    stage.command("rollback.py")
    stage.wait(AFTERWARDS_S)
    _runs(stage, OLDER)


def rolling_deploy(stage: Stage) -> None:
    """nginx's build, unit and configuration, and keepalived's, all at once."""
    connections = stage.holder.worker_connections // 2
    _deployed(stage, f"worker_connections={connections}", f"notification_email_from={SENDER}")
    _runs(stage, stage.holder.nginx_version)


def _deployed(stage: Stage, *data: str) -> None:
    stage.reference()
    stage.change()
    stage.command("deploy.py", *data)
    stage.wait(AFTERWARDS_S)


def _runs(stage: Stage, version: str) -> None:
    """A change that did not happen has cost nothing, and shows nothing."""
    said = stage.machines.everywhere(RUNNING_VERSION)
    for name, text in said.items():
        stage.expect(f"nginx/{version}" in text, f"{name} runs {text.strip()}, not {version}")


def lines_lost(stage: Stage, requests: Sequence[Request]) -> str:
    """Requests that were answered and are in no node's log; "" when there is none."""
    assert stage.probe is not None
    spec = stage.probe.spec
    numbers = f"zcat -f {LOGS} | sed -n 's/.*?{spec.token}-\\([0-9]*\\) .*/\\1/p'"
    logged = {
        int(number)
        for text in stage.machines.everywhere(numbers).values()
        for number in text.split()
    }
    answered = [
        round(request.due_s * spec.rate)
        for request in requests
        if request.outcome is RequestOutcome.OK
    ]
    missing = [number for number in answered if number not in logged]
    if not missing:
        return ""
    at = ", ".join(f"{number / spec.rate:.2f} s" for number in missing[:5])
    return (
        f"{len(missing)} of {len(answered)} answered requests are in no log: due at {at}"
        f"{' and so on' if len(missing) > 5 else ''}"
    )
