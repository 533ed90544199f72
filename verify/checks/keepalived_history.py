"""KA: what has keepalived done of late, and what has it complained of?"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from verify.checks.check import Answer, Here, fails, holds, on_host, skipped, warns
from verify.checks.premises import keepalived_running
from verify.read.keepalived_log import KeepalivedLog, LogLine

# Some deploys, each with its turns, are less than this; overload makes a move every few seconds for
# as long as it lasts.
MOVES_PER_HOUR = 6
# So many within so short a time go on just now; no drill repeats a move as fast.
AT_ONCE, AT_ONCE_S = 4, 10
RECENT_S = 3600
# What a node says about others' adverts while it changes its state, and before that while it waits
# for a holder of lower priority to fall silent, is part of the election.
ELECTION_S = 10
_OF_AN_ELECTION = re.compile(r"received lower priority|forcing new election", re.IGNORECASE)
_COMPLAINT = re.compile(
    r"timer expired|forcing new election|truncat|discard|overrun|bogus|inotify", re.IGNORECASE
)


@on_host(
    "KA-11",
    "the VIP does not flap",
    reads=("keepalived_log", "vrrp", "system"),
    needs=(keepalived_running,),
    settles=True,
    each_vip=True,
    reason="An address that comes and goes breaks connections each time: overload that makes each "
    "node look dead in turn, or adverts that get lost.",
    remedy="journalctl -u keepalived -u tandem-watch shows what came before each move. Too many "
    "connections: raise worker_connections. Lost adverts: raise advert_interval_s or "
    "missed_adverts.",
)
def flapping(here: Here) -> Answer:
    now = here.machine.system.now
    log = here.machine.log_of_keepalived
    if not log.kept:
        return _by_counters(here, now)
    wanted = (here.cluster.instance, "MASTER")
    became = [line.at for line in log.since_start if line.entered == wanted]
    recent = [at for at in became if at > now - RECENT_S]
    aside = ", drills aside" if log.in_drills else ""
    if not recent:
        return holds(f"not MASTER anew within the last hour{aside}")
    actual = f"{len(recent)} times MASTER within the last hour{aside}, at last {_clock(recent[-1])}"
    if sum(at > now - AT_ONCE_S for at in recent) >= AT_ONCE:
        return fails(expected=f"fewer than {AT_ONCE} times within {AT_ONCE_S} s", actual=actual)
    if len(recent) >= MOVES_PER_HOUR:
        return warns(expected=f"fewer than {MOVES_PER_HOUR} times within an hour", actual=actual)
    return holds(actual)


def _by_counters(here: Here, now: float) -> Answer:
    """Where nothing keeps logs: what keepalived has counted since its start."""
    vrrp = here.machine.vrrp()
    became = vrrp.stats["become_master"]
    actual = f"{became} times MASTER since its start, last change {_clock(vrrp.last_transition)}"
    if became >= MOVES_PER_HOUR and vrrp.last_transition > now - RECENT_S:
        return warns(expected="no change within the last hour after so many", actual=actual)
    return holds(actual)


@on_host(
    "KA-19",
    "keepalived's log has no complaint",
    reads=("keepalived_log", "system"),
    needs=(keepalived_running,),
    reason="Timers that expire late (a starved machine), adverts that are discarded, a secret "
    "that is cut: keepalived says so in its log, and goes on.",
    remedy="journalctl -u keepalived has the lines. `timer expired`: the machine was paused or too "
    "busy; raise advert_interval_s. `forcing new election`: there were two MASTERs. `Truncating`: "
    "shorten auth_pass.",
)
def complaints(here: Here) -> Answer:
    now = here.machine.system.now
    log = here.machine.log_of_keepalived
    if not log.kept:
        return skipped("no log on this machine has anything of keepalived's")
    node = here.node
    found = _complaints(log, ELECTION_S + node.advert_s * (node.silence_adverts + 1))
    recent = [line for line in found if line.at > now - RECENT_S or "runcating" in line.text]
    aside = ", drills aside" if log.in_drills else ""
    since = aside + (
        f" since {datetime.fromtimestamp(log.since, UTC):%Y-%m-%d %H:%M} UTC" if log.since else ""
    )
    if recent:
        last = recent[-1]
        actual = (
            f"{len(recent)} within the last hour{aside}, at last {_clock(last.at)}: {last.text}"
        )
        return warns(expected="none within the last hour", actual=actual)
    if found:
        return holds(f"{len(found)}{since}, the last {_clock(found[-1].at)}")
    return holds(f"none{since}")


def _complaints(log: KeepalivedLog, election_s: float) -> list[LogLine]:
    lines = log.since_start
    changes = [line.at for line in lines if line.entered or line.text.startswith("Starting Keep")]
    return [
        line
        for line in lines
        if _COMPLAINT.search(line.text)
        and not (
            _OF_AN_ELECTION.search(line.text)
            and any(abs(line.at - change) <= election_s for change in changes)
        )
    ]


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
