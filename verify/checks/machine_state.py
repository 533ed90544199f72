"""HOST, SYS, TIME: can the machine be asked, and are its kernel, services, files and clock well?"""

from __future__ import annotations

from pathlib import PurePosixPath

from verify.checks.check import (
    Answer,
    Here,
    fails,
    faultless,
    holds,
    holds_if,
    on_host,
    skipped,
    warns,
)
from verify.checks.premises import nginx_installed, nginx_running, systemd
from verify.read.machine_view import CannotTell

OFFSET_MAX_S = 0.05
# By sysctl's path below /proc/sys.
BACKLOGS = ("net/core/somaxconn", "net/ipv4/tcp_max_syn_backlog")


@on_host(
    "HOST-01",
    "the machine can be reached and answers",
    reads=(),
    reason="A machine that cannot be asked may be down, or up and beyond control.",
    remedy="Mend what is said beside it, or look at the machine's console: it is off, out of "
    "reach, or lets nobody in. The other machines are judged without it.",
)
def reached(here: Here) -> Answer:
    problem = here.machine.problem or ("" if here.machine.answered else "it answered nothing")
    return holds_if(not problem, expected="an SSH session", actual=problem or "reached")


@on_host(
    "SYS-03",
    "the kernel's limits suffice for nginx's settings",
    reads=("kernel_limits", "listeners", "system", "nginx_processes"),
    needs=(nginx_running,),
    settles=True,
    reason="The lowest of these limits decides: beyond it connections are refused, whatever the "
    "others allow.",
    remedy="Run deploy.py: it raises them in /etc/sysctl.d/62-tandem-nginx.conf. Does another "
    "file there overrule it? If a listen queue is too short: systemctl restart nginx.",
)
def kernel_limits(here: Here) -> Answer:
    node = here.node
    limits = here.machine.kernel_limits
    workers = here.machine.system.cpus * {"cpu": 1, "io": 2}[node.workload]
    needs = {name: node.listen_backlog for name in BACKLOGS}
    needs["fs/nr_open"] = node.files_limit
    needs["fs/file-max"] = workers * node.files_limit
    faults = [
        f"{name.replace('/', '.')} is {limits.get(name, 0)}, less than {value}"
        for name, value in needs.items()
        if limits.get(name, 0) < value
    ]
    ours = {process.pid for process in here.machine.nginx_processes}
    faults += [
        f"on {item.address}:{item.port} {item.backlog} may wait, not {node.listen_backlog}"
        for item in here.machine.listeners
        if item.port == node.http_port
        and any(pid in ours for _, pid in item.programs)
        and item.backlog != node.listen_backlog
    ]
    faults += [
        f"the master may open {master.files_limit} files, but its workers need {node.files_limit}"
        for master in here.machine.nginx_masters
        if master.files_limit < node.files_limit
    ]
    expected = f"{node.listen_backlog} waiting connections, {node.files_limit} files per process"
    return faultless(faults, expected=expected)


@on_host(
    "SYS-05",
    "no unit has failed",
    reads=("failed_units",),
    needs=(systemd,),
    reason="A failed unit is a service that this machine should provide and does not.",
    remedy="systemctl status UNIT and journalctl -u UNIT say why. Once repaired: systemctl "
    "reset-failed.",
)
def failed_units(here: Here) -> Answer:
    return faultless(list(here.machine.failed_units), expected="none failed")


@on_host(
    "SYS-07",
    "nginx's logs are rotated",
    reads=("log_rotation", "log_rotation_file"),
    needs=(nginx_installed,),
    reason="Logs that are not rotated fill the disk; after a rotation without USR1 nginx writes "
    "to a deleted file.",
    remedy="Run deploy.py, which writes /etc/logrotate.d/nginx.",
)
def log_rotation(here: Here) -> Answer:
    content = here.machine.text("log_rotation_file")
    if here.machine.told("log_rotation_file").status:
        return fails(expected="/etc/logrotate.d/nginx", actual=content)
    printed = here.machine.text("log_rotation")
    if "reading config file /etc/logrotate.d/nginx" not in printed.splitlines():
        raise CannotTell("logrotate does not say that it has read the file")
    faults = [line.strip() for line in printed.splitlines() if line.startswith("error:")]
    if (status := here.machine.told("log_rotation").status) and not faults:
        faults.append(f"logrotate --debug exits {status}")
    lines = [line.strip() for line in content.splitlines() if not line.strip().startswith("#")]
    if not any(line.startswith("/var/log/nginx/") for line in lines):
        faults.append("the file does not name /var/log/nginx/*.log")
    if not any("USR1" in line or "nginx -s reopen" in line for line in lines):
        faults.append("nginx is not told (USR1) to reopen its logs")
    return faultless(faults, expected="valid, both logs, with USR1", found="valid")


@on_host(
    "SYS-08",
    "only root can read secrets",
    reads=("secret_files",),
    reason="Keys and shared secrets, also in earlier and staged configurations, protect nothing "
    "once others have read them.",
    remedy="chown root:root and chmod 600 the file that is named, and choose another secret: this "
    "one may have been read. deploy.py sets the modes of the files that it writes.",
)
def secrets(here: Here) -> Answer:
    """A file counts as open when its own mode and those of all directories above let others in."""
    found = here.machine.secret_files
    modes = {file.path: file.mode for file in found if file.kind == "d"}
    faults = []
    count = 0
    for file in found:
        if file.kind != "f" or not _is_secret(file.path):
            continue
        count += 1
        user, _, group = file.owner.partition(":")
        # (BIRD reads its own as the user bird.)
        ours = group == "root" or (group == "bird" and file.path == "/etc/bird/bird.conf")
        wanted = 0o007 if ours else 0o077
        above = (modes.get(str(parent), 0o777) for parent in PurePosixPath(file.path).parents)
        closed = any(not mode & 0o001 for mode in above)
        if user != "root" or (file.mode & wanted and not closed):
            faults.append(f"{file.path} is {file.mode:04o} {file.owner}")
    return faultless(
        faults, expected="only root can read them", found=f"{count} files, for root only"
    )


def _is_secret(path: str) -> bool:
    """keepalived's configurations and what it tells of itself, keys, and whole generations of
    nginx's configuration, which a snippet may have put a secret into."""
    name = PurePosixPath(path).name
    return name.endswith(
        (".key", "key.pem", "keepalived.conf", "keepalived.json", "bird.conf", "before.conf")
    ) or (
        path.startswith("/var/lib/tandem/")
        and name not in ("lock", "unit", "about", "mime.types", "manifest")
    )


@on_host(
    "SYS-11",
    "the last deploy came to its end",
    reads=("last_deploy",),
    reason="A deploy that was stopped leaves a machine between two states. And whoever finds "
    "something odd wants to know who changed what, and when.",
    remedy="Run deploy.py again, or rollback.py to undo it. The last deploys of a machine are in "
    "its /var/lib/tandem/deploys.jsonl.",
)
def last_deploy(here: Here) -> Answer:
    last = here.machine.last_deploy
    if last is None:
        return skipped("no deploy is written down")
    if last.exit == "done":
        return holds(last.text)
    return warns(expected="done", actual=f"{last.command} {last.exit}, not done: {last.text}")


@on_host(
    "TIME-01",
    "the machine's clock is right",
    reads=("offset",),
    reason="Logs of machines whose clocks differ cannot be ordered; certificates expire early or "
    "late.",
    remedy="Does the time server answer (ntp_server in group_data/)? Then: ntpdate SERVER",
)
def clock(here: Here) -> Answer:
    server = here.node.ntp_server
    if not server:
        return skipped("no ntp_server is set")
    offset = here.machine.offset
    shown = f"{offset.offset_s:+.4f} s ± {offset.error_s:.4f} s against {server}"
    right = abs(offset.offset_s) - offset.error_s <= OFFSET_MAX_S
    return holds_if(right, expected=f"within {OFFSET_MAX_S} s", actual=shown)
