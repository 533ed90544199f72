"""What a machine is asked about a person's hooks: those that are there, and how they have ended."""

from __future__ import annotations

import shlex

from settings import Node
from settings.programs import hook_files
from settings.values import NotRead
from verify.observe.keepalived_probes import shell_of_log
from verify.observe.probe import ShellProbe, told

NOTIFY = "/etc/keepalived/notify.sh"
NOTIFY_TAG = "keepalived-notify"
_PLACE = hook_files.PLACE
_SHOWN = f"find {_PLACE} -type f -exec sha256sum {{}} +; ls -lR {_PLACE}; grep -e --hook {NOTIFY}"
_THERE = f"""\
sed -nE "s/^ *--hook '([^']+)'.*/called \\1/p" {NOTIFY}
if [ -d {_PLACE} ]; then
    stat -c 'way %a %U:%G %n' /etc {_PLACE.rpartition("/")[0]} {_PLACE}
    find {_PLACE} -mindepth 1 -type d -printf 'way %m %u:%g %p\\n'
    find {_PLACE} -mindepth 1 ! -type d -printf 'file %m %u:%g %y %T@ %P\\n'
    find {_PLACE} -type f -print0 | xargs -0r sha256sum |
        sed -E 's,^([0-9a-f]{{64}})  {_PLACE}/,sum \\1 ,'
fi"""
# What a hook itself has said stays on the machine: it may hold a token.
_LOG = shell_of_log(
    f"SYSLOG_IDENTIFIER={NOTIFY_TAG}",
    NOTIFY_TAG + r"(\[[0-9]+\])?:",
    ": hook ",
    lines=1000,
    shortened="sed -E 's/(: hook [^ :]+: [^:]*).*/\\1/'",
)
_RUNS = f"[ -d {_PLACE} ] || {{ echo none; exit; }}\n{_LOG}"


def from_files(node: Node) -> list[ShellProbe]:
    """Which hooks are there, which notify.sh names, and, as the controller has them, which are
    meant."""
    meant = shlex.join(_meant(node))
    printed = f"printf '%s\\n' {meant}\n" if meant else ""
    command = (
        f"{{\n{printed}{_THERE}\n}} 2>/dev/null | awk '{{ print }} END {{ print NR \" lines\" }}'"
    )
    return [told("hooks", command, _SHOWN)]


def _meant(node: Node) -> list[str]:
    try:
        found, wrong = hook_files.read(node.hooks)
    except NotRead:
        return ["unread the setting"]
    return [
        *(f"meant {hook.digest} {hook.name}" for hook in found),
        *(f"unread {path}" for path, _ in wrong),
    ]


def logged() -> list[ShellProbe]:
    """How hooks have ended."""
    return [told("hook_runs", _RUNS, f"journalctl -t {NOTIFY_TAG} | grep hook", may_hang=True)]
