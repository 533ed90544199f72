"""KA: are a person's hooks those of the repository, and have they done what they are to do?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from verify.checks.check import Answer, Here, faultless, holds, on_host, skipped, warns
from verify.checks.premises import keepalived_installed
from verify.read.machine_view import CannotTell
from verify.read.programs.hook_output import Hooks

MODE, OWNER = 0o755, "root:root"
WRITABLE = 0o022
# For a file's time and a log's, which have been rounded.
ROUNDED_S = 1


@on_host(
    "KA-24",
    "hooks are those of the repository, and root's alone",
    reads=("hooks",),
    needs=(keepalived_installed,),
    reason="After a failover this machine runs other programs than the one before, or none; and "
    "whoever can write one is root at the next change.",
    remedy="Run deploy.py, which brings them and removes what is none. A directory that others can "
    "write: chown root:root and chmod go-w it.",
)
def hooks_as_meant(here: Here) -> Answer:
    found = here.machine.hooks
    if found.unread:
        raise CannotTell(f"the controller cannot read its own: {', '.join(found.unread)}")
    if not found.meant and not found.called and not found.files:
        return holds("no hooks, as in the repository")
    faults = list(_faults(found))
    expected = f"those of {here.node.hooks}, {MODE:04o} {OWNER}, each in notify.sh"
    return faultless(faults, expected=expected, found=f"{len(found.meant)} hooks")


def _faults(found: Hooks) -> Iterator[str]:
    for name in found.meant:
        placed = found.files.get(name)
        if placed is None:
            yield f"{name} is missing"
            continue
        if placed.kind != "f":
            yield f"{name} is no file"
        elif placed.digest != found.meant[name]:
            yield f"{name} differs"
        if placed.kind == "f" and (placed.mode, placed.owner) != (MODE, OWNER):
            yield f"{name} is {placed.mode:04o} {placed.owner}"
        if name not in found.called:
            yield f"{name} is not called by notify.sh"
    for name in found.called:
        if name not in found.meant and name not in found.files:
            yield f"notify.sh calls {name}"
    for name in found.files:
        if name not in found.meant:
            yield f"{name} is left over"
    for each in found.directories:
        if each.mode & WRITABLE or each.owner.partition(":")[0] != "root":
            yield f"{each.path} is {each.mode:04o} {each.owner}"


@on_host(
    "KA-25",
    "each hook's last run went well",
    reads=("hook_runs", "hooks"),
    needs=(keepalived_installed,),
    reason="A floating address, or whatever else a hook moves, may be where the last failover has "
    "left it.",
    remedy="The first command shown has each run with the last line that the hook wrote to stderr. "
    "Mend it and deploy, or do by hand what it has not done; docs/hooks.md says what may keep it.",
)
def hooks_went_well(here: Here) -> Answer:
    found, runs = here.machine.hooks, here.machine.hook_runs
    if not found.called:
        return holds("no hooks")
    if not runs.kept:
        return skipped("no log on this machine has anything of notify's")
    last = {
        (end.name, end.vip): end
        for end in runs.ends
        if end.name in found.called
        and end.name in found.files
        # What it was then is no more.
        and end.at >= found.files[end.name].changed - ROUNDED_S
    }
    bad = [
        f"{end.name}: {end.how} ({datetime.fromtimestamp(end.at, UTC):%Y-%m-%d %H:%M:%S} UTC)"
        for end in last.values()
        if not end.is_good
    ]
    if bad:
        return warns(expected="exit 0 in time", actual="; ".join(bad))
    ran = len({name for name, _ in last})
    return holds(f"{ran} of {len(found.called)} hooks have run since they are as they are")
