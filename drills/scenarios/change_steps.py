"""The scenarios of planned changes: what a person does to a cluster with Tandem's own commands.

None of them may cost anything: not a request, not a connection, not a download. Each ends with the
machines as the inventory says; the way back, which the runner takes, is such a change, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from drills.control import faults
from drills.control.cluster_control import ClusterControl
from drills.results import Request, RequestOutcome
from settings import Node

# What runs before an upgrade.
OLDER = "1.22.1"
ROTATIONS = 5
# What a change breaks late becomes visible within this time.
AFTERWARDS_S = 1.0
SENDER = "drill@localhost"

LOGS = "/var/log/nginx/access.log*"
# As the machine does it every night, also when it has done so today.
ROTATE = "logrotate --force --state /run/tandem-drill/logrotate.state /etc/logrotate.d/nginx"
RUNNING_VERSION = '"/proc/$(cat /run/nginx/nginx.pid)/exe" -v 2>&1'
# What a machine shows of a change: its name, and what prints it.
VERSION = ("nginx", f"{RUNNING_VERSION} | sed 's|.*nginx/||'")
WORKERS = ("nginx's workers", "echo $(pgrep -P $(cat /run/nginx/nginx.pid))")
LOG_FILE = ("access.log", "stat -c 'inode %i' /var/log/nginx/access.log")
NGINX_CONF, KEEPALIVED_CONF = (
    (file.rpartition("/")[2], f"sha256sum <{file} | cut -c -8")
    for file in (faults.NGINX_CONF, "/etc/keepalived/keepalived.conf")
)


def switchover(control: ClusterControl) -> None:
    """The address to a standby and back, `moves` times."""
    control.reference()
    # With several VIPs all of them have moved, and each goes back to its own node.
    back = f"{'undrain' if control.holder.more_vips else 'to'}={control.holder.name}"
    control.change("switchover.py", back)
    for _ in range(control.options.moves):
        for to, words in (
            (control.standby, f"to={control.standby.name}"),
            (control.holder, back),
        ):
            control.command("switchover.py", words)
            control.wait(AFTERWARDS_S)
            control.look(to, f"{faults.holds(to)} && echo it holds the address")


def reload(control: ClusterControl) -> None:
    control.reference()
    with control.changing(*WORKERS, control.holder):
        control.shell("reload nginx", control.holder, f"{faults.SERVICE} reload nginx")
    control.wait(AFTERWARDS_S)


def log_rotation(control: ClusterControl) -> None:
    control.reference()
    for _ in range(ROTATIONS):
        with control.changing(*LOG_FILE, control.holder):
            control.shell("logrotate --force", control.holder, ROTATE)
        control.wait(AFTERWARDS_S)


def changed_setting(control: ClusterControl) -> None:
    """A setting that only nginx's configuration has."""
    nodes = control.cluster.nodes
    other = "io" if control.holder.workload == "cpu" else "cpu"
    with control.changing(*NGINX_CONF, *nodes), control.changing(*WORKERS, *nodes):
        _deployed(control, f"workload={other}")


def keepalived_setting(control: ClusterControl) -> None:
    with control.changing(*KEEPALIVED_CONF, *control.cluster.nodes):
        _deployed(control, _other_keepalived(control.holder))


def _other_keepalived(node: Node) -> str:
    """A setting that keepalived itself reads, and that changes nothing of who holds the address."""
    if node.classic:
        return f"notification_email_from={SENDER}"
    return f"missed_adverts={node.missed_adverts + 1}"


def older(control: ClusterControl) -> None:
    """Before an upgrade: an older nginx runs everywhere."""
    control.change()
    control.command("deploy.py", f"nginx_version={OLDER}")
    runs(control, OLDER)


def upgrade(control: ClusterControl) -> None:
    with control.changing(*VERSION, *control.cluster.nodes):
        _deployed(control)
    runs(control, control.holder.nginx_version)


def upgraded(control: ClusterControl) -> None:
    """Before a rollback: there is something to go back to."""
    older(control)
    control.command("deploy.py")
    runs(control, control.holder.nginx_version)


def rollback(control: ClusterControl) -> None:
    control.reference()
    control.change()
    with control.changing(*VERSION, *control.cluster.nodes):
        control.command("rollback.py")
    control.wait(AFTERWARDS_S)
    runs(control, OLDER)


def rolling_deploy(control: ClusterControl) -> None:
    """nginx's build, unit and configuration, and keepalived's, all at once."""
    connections = control.holder.worker_connections // 2
    nodes = control.cluster.nodes
    with (
        control.changing(*VERSION, *nodes),
        control.changing(*NGINX_CONF, *nodes),
        control.changing(*KEEPALIVED_CONF, *nodes),
    ):
        keepalived = _other_keepalived(control.holder)
        _deployed(control, f"worker_connections={connections}", keepalived)
    runs(control, control.holder.nginx_version)


def _deployed(control: ClusterControl, *data: str) -> None:
    control.reference()
    control.change()
    control.command("deploy.py", *data)
    control.wait(AFTERWARDS_S)


def runs(control: ClusterControl, version: str) -> None:
    """Make sure that the change has happened: one that has not would cost nothing."""
    versions = control.machines.everywhere(RUNNING_VERSION)
    for name, text in versions.items():
        control.expect(f"nginx/{version}" in text, f"{name} runs {text.strip()}, not {version}")


def lines_lost(control: ClusterControl, requests: Sequence[Request]) -> str:
    """Requests that were answered and are in no node's log; "" when there is none."""
    assert control.prober is not None
    spec = control.prober.spec
    numbers = f"zcat -f {LOGS} | sed -n 's/.*?{spec.token}-\\([0-9]*\\) .*/\\1/p'"
    logged = {
        int(number)
        for text in control.machines.everywhere(numbers).values()
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
