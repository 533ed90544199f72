"""SYS: is there room to write, do logs stay within bounds, and does anybody rotate them?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from verify.checks.check import Answer, Here, faultless, holds, on_host, warns
from verify.checks.premises import nginx_installed
from verify.observe.upkeep_probes import LOGS, SERVICE_LOGS
from verify.read.machine_view import CannotTell, MachineView
from verify.read.storage_output import MIB, FileSystem, in_bytes

FULL_PERCENT, FILLING_PERCENT = 90, 80
INODES_MIN = 1000
# nginx's logs are rotated daily; a machine may have been off at the time.
UNROTATED_MAX = timedelta(days=3)
# /var/log/tandem is rotated at 1 MB, once a day.
SERVICE_LOG_MAX = 20 * MIB
# journald.conf(5): where SystemMaxUse= is not set, a tenth of the file system, this at the most.
JOURNAL_SHARE, JOURNAL_MAX = 0.1, 4096 * MIB
# It counts otherwise than du, and keeps its limit only when it starts a new file.
JOURNAL_TOLERANCE = 128 * MIB


@on_host(
    "SYS-06",
    "there is room where files are written",
    reads=("disks",),
    reason="With a full disk nginx loses its logs and uploads, keepalived its state, and a deploy "
    "stops half way; on a file system that is read-only nothing is written at all.",
    remedy="df -h and df -i show which is full; du -x names what fills it (old logs, builds in "
    "/usr/lib/tandem, the journal). One that became read-only: dmesg says why.",
)
def room(here: Here) -> Answer:
    found = here.machine.file_systems
    faults = [fault for each in found for fault in _faults(each)]
    filling = [
        f"{each.mounted_on} is {each.used_percent:.0f} % full"
        for each in found
        if each.used_percent >= FILLING_PERCENT
    ]
    expected = f"below {FULL_PERCENT} %, with {INODES_MIN} inodes and more, writable"
    if filling and not faults:
        return warns(expected=f"below {FILLING_PERCENT} %", actual="; ".join(filling))
    shown = ", ".join(f"{each.mounted_on} {each.used_percent:.0f} %" for each in found)
    return faultless(faults, expected=expected, found=shown)


def _faults(found: FileSystem) -> list[str]:
    faults = []
    if found.used_percent >= FULL_PERCENT:
        faults.append(f"{found.mounted_on} is {found.used_percent:.0f} % full")
    if found.inodes and found.inodes_used_percent >= FULL_PERCENT:
        faults.append(
            f"{found.mounted_on} has used {found.inodes_used_percent:.0f} % of its inodes"
        )
    elif found.inodes and found.inodes_free < INODES_MIN:
        faults.append(f"{found.mounted_on} has {found.inodes_free} inodes left")
    if found.read_only:
        faults.append(f"{found.mounted_on} is read-only ({', '.join(found.places)})")
    return faults


@on_host(
    "SYS-09",
    "logs and the journal stay within their bounds",
    reads=("logs", "disks", "system"),
    needs=(nginx_installed,),
    reason="A log that nobody rotates, or a journal beyond its limit, is the usual reason for a "
    "full disk.",
    remedy="logrotate --verbose /etc/logrotate.d/nginx says why a log is not rotated (SYS-07, "
    "SYS-10). For the journal: SystemMaxUse= in /etc/systemd/journald.conf, then journalctl "
    "--vacuum-size=",
)
def growth(here: Here) -> Answer:
    now = datetime.fromtimestamp(here.machine.system.now, UTC)
    logs = here.machine.logs
    faults = [
        f"{log.path} has lines of {log.begins:%Y-%m-%d}: it is not rotated"
        for log in logs.files
        if log.begins and now - log.begins > UNROTATED_MAX
    ]
    faults += [
        f"{log.path} has {log.size // MIB} MiB: it is not rotated"
        for log in logs.files
        if log.path.startswith(f"{SERVICE_LOGS}/") and log.size > SERVICE_LOG_MAX
    ]
    journal = sum(logs.journal.values())
    limit = _journal_limit(here.machine)
    if journal > limit + JOURNAL_TOLERANCE:
        faults.append(f"the journal has {journal // MIB} MiB, beyond its {limit // MIB} MiB")
    nginx_logs = [log for log in logs.files if log.path.startswith(LOGS)]
    if not nginx_logs:
        raise CannotTell(f"there is no log in {LOGS}")
    largest = max(nginx_logs, key=lambda log: log.size)
    free = _holding(here.machine, LOGS).available * 1024
    if largest.size > free and not faults:
        actual = f"{largest.path} has {largest.size // MIB} MiB, {free // MIB} MiB are left"
        return warns(expected="room for one more log like the largest", actual=actual)
    total = sum(log.size for log in logs.files)
    return faultless(
        faults,
        expected="a day in each log, the journal within its limit",
        found=f"logs {total / MIB:.1f} MiB, journal {journal / MIB:.0f} of {limit // MIB} MiB",
    )


def _journal_limit(machine: MachineView) -> int:
    if set_to := machine.logs.limits.get("SystemMaxUse"):
        return in_bytes(set_to)
    return min(JOURNAL_MAX, int(_holding(machine, "/var/log").size * 1024 * JOURNAL_SHARE))


def _holding(machine: MachineView, place: str) -> FileSystem:
    """The file system that a place lies on. Raises `CannotTell` where the place is not there."""
    for each in machine.file_systems:
        if place in each.places:
            return each
    raise CannotTell(f"there is no {place}")


@on_host(
    "SYS-10",
    "somebody runs logrotate every day",
    reads=("rotation_run",),
    needs=(nginx_installed,),
    settles=True,
    reason="/etc/logrotate.d/nginx (SYS-07) does nothing unless logrotate is started.",
    remedy="systemctl enable --now logrotate.timer; without systemd, install cron and start it.",
)
def rotation_runs(here: Here) -> Answer:
    found = here.machine.rotation_run
    due = found.next not in ("", "n/a", "infinity")
    if found.timer == "loaded, active, enabled" and due:
        return holds(f"logrotate.timer, next on {found.next}")
    if found.cron and found.file.startswith("/"):
        return holds(f"cron, {found.file}")
    faults = (
        [f"logrotate.timer: {found.timer}{'' if due else ', no next run'}"] if found.timer else []
    )
    faults.append(f"cron {'runs' if found.cron else 'does not run'}, its file: {found.file}")
    return faultless(faults, expected="logrotate.timer active, or cron with its file")
