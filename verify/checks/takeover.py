"""KA: how long would a takeover take, and is keepalived told of what should start it?"""

from __future__ import annotations

from dataclasses import dataclass

from settings import Cluster, Node
from verify.checks.check import Answer, Here, fails, faultless, holds, on_host, warns
from verify.checks.premises import has_watch, keepalived_configured, keepalived_running
from verify.read.machine_view import CannotTell, MachineView

# There is no such setting: what each profile is for. The classic one with its defaults needs 7.6 s.
BUDGET_S = {"default": 3.0, "classic": 10.0}
# keepalived reports its intervals in hundredths of a second.
ROUNDING_S = 0.02
TRACKED = "/run/tandem"


@dataclass(frozen=True)
class WorstCase:
    """Seconds until a standby has the VIP: after its holder has fallen `silent`, and after the
    holder's nginx has failed (`unserved`)."""

    silent: float
    unserved: float

    @property
    def shown(self) -> str:
        return f"{self.silent:.2f} s after silence, {self.unserved:.2f} s after nginx fails"


def worst_case(
    *, classic: bool, advert_s: float, missed: int, priority: int, notice_s: float
) -> WorstCase:
    """RFC 5798, 6.1: Master_Down_Interval = 3 (here `missed`) adverts and the skew, which is
    (256 - priority) / 256 of an advert, of a second in VRRPv2 (RFC 3768, 6.1).

    `notice_s`: until nginx's failure is known. The default profile then says goodbye, so that the
    standby waits for the skew alone; the classic one lowers its priority, which the standby first
    believes when it has heard no better advert for the whole interval.
    """
    skew_s = (256 - priority) / 256 * (1 if classic else advert_s)
    silent_s = missed * advert_s + skew_s
    return WorstCase(silent_s, notice_s + (silent_s if classic else skew_s))


def promised(cluster: Cluster, node: Node) -> WorstCase:
    """By the settings."""
    return worst_case(
        classic=node.classic,
        advert_s=node.advert_s,
        missed=node.silence_adverts,
        priority=cluster.priority(node),
        notice_s=node.check_interval_s * node.check_fall if node.classic else _hang_s(node),
    )


def _hang_s(node: Node) -> float:
    """Until the watch knows that nginx hangs, which may begin just after an answer."""
    missing_s = max(node.health_interval_s, node.health_timeout_s)
    return node.health_interval_s + node.health_misses * missing_s


@on_host(
    "KA-17",
    "a takeover takes no longer than the settings promise",
    reads=("vrrp", "keepalived_conf"),
    needs=(keepalived_running, keepalived_configured),
    each_vip=True,
    reason="One value changed by hand (an interval, the misses in a row) makes an outage of "
    "minutes out of one of moments, and shows only when a machine fails.",
    remedy="Run deploy.py. It warns where the settings themselves promise more than 3 s (10 s in "
    "the classic profile): lower advert_interval_s, missed_adverts, health_misses, or "
    "check_interval_s and check_fall.",
)
def in_time(here: Here) -> Answer:
    node = here.node
    by_settings = promised(here.cluster, node)
    now = _running(here.machine, node)
    if max(now.silent - by_settings.silent, now.unserved - by_settings.unserved) > ROUNDING_S:
        return fails(expected=by_settings.shown, actual=now.shown)
    budget_s = BUDGET_S["classic" if node.classic else "default"]
    if max(now.silent, now.unserved) > budget_s:
        return warns(expected=f"within {budget_s:g} s", actual=now.shown)
    return holds(now.shown)


def _running(machine: MachineView, node: Node) -> WorstCase:
    """By what keepalived runs with, and, where the watch tells it of nginx, by the settings."""
    vrrp = machine.vrrp()
    return worst_case(
        classic=vrrp.version == 2,
        advert_s=vrrp.adver_int,
        missed=int(machine.vrrp_conf().last("down_timer_adverts") or 3),
        priority=vrrp.base_priority,
        notice_s=_checked_s(machine) if node.classic else _hang_s(node),
    )


def _checked_s(machine: MachineView) -> int:
    """Until keepalived's own check of nginx counts as failed."""
    for script in machine.keepalived_conf.every("vrrp_script"):
        if script.words[1:] == ("chk_nginx",):
            return int(script.last("interval") or 1) * int(script.last("fall") or 1)
    raise CannotTell("keepalived.conf has no vrrp_script chk_nginx")


@on_host(
    "KA-22",
    "keepalived follows the files that tell it of nginx",
    reads=("keepalived_watches", "keepalived_conf"),
    needs=(has_watch, keepalived_running, keepalived_configured),
    settles=True,
    reason="keepalived 2.2 that gets no inotify instance, or watches a directory that is no longer "
    "there, logs a line at most and goes on: nginx ends, and the VIP stays with it.",
    remedy="systemctl restart keepalived. If it fails again: does the unit forbid inotify "
    "(systemctl show -p SystemCallFilter keepalived), or are all instances used up "
    "(sysctl fs.inotify.max_user_instances)?",
)
def follows_files(here: Here) -> Answer:
    tracked = {block.last("file") for block in here.machine.keepalived_conf.every("track_file")}
    faults = [
        f"keepalived.conf tracks no {wanted}"
        for wanted in (f"{TRACKED}/failed", f"{TRACKED}/last-resort")
        if wanted not in tracked
    ]
    found = here.machine.keepalived_watches
    if not found.followed:
        faults.append("no process of keepalived's has an inotify watch")
    elif found.directory not in found.followed:
        faults.append(f"keepalived watches {len(found.followed)} directories, not {TRACKED}")
    return faultless(faults, expected=f"it watches {TRACKED}")
