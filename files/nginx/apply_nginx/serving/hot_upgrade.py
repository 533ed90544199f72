"""Replace nginx's binary while it serves: a second master on the same sockets, and the way back.

See "Upgrading Executable on the Fly" in nginx's documentation: SIGUSR2 starts the new master,
SIGWINCH ends the old one's workers, SIGQUIT the old one; SIGHUP starts the old one's workers again.
"""

import os
import signal
import time

from apply_nginx import generations, layout
from apply_nginx.installed_files import install, is_installed
from apply_nginx.serving import masters
from apply_nginx.serving.health import START_TIMEOUT_S, serious_errors
from apply_nginx.serving.old_connections import connections_of, wait_aloud
from apply_nginx.serving.service_manager import Failed, properties
from common.journal import say
from common.linux_processes import children
from common.timing import wait_for

TAKE_OVER_TIMEOUT_S = 10.0


def take_over(wanted):
    """Let a new master serve beside the old one; the old one's workers end. Raises `Failed`."""
    old = masters.old()
    if not old:
        old = masters.new()
        if not old:
            raise Failed(f"{layout.PID_FILE} names no nginx")
        masters.send(old, signal.SIGUSR2)
    # The old master takes its pid file back when the new one has died.
    was_renamed = []

    def result():
        if os.path.exists(layout.OLD_PID_FILE):
            was_renamed.append(True)
        pid = masters.new()
        if pid and pid != old and masters.accepting(pid):
            return pid
        return -1 if was_renamed and pid == old else 0

    new = wait_for(result, TAKE_OVER_TIMEOUT_S)
    if new <= 0:
        end = "ended at once" if new else f"has not taken over within {TAKE_OVER_TIMEOUT_S:g} s"
        raise Failed(f"the new binary {end}. {serious_errors()}")
    if masters.running_build(new) != wanted.build:
        raise Failed(f"{masters.executable(new)} is what runs now, not {wanted.binary}")
    masters.send(old, signal.SIGWINCH)
    wait_for(lambda: not masters.accepting(old), TAKE_OVER_TIMEOUT_S)


def roll_back():
    """Give everything back to the old master, which still has its configuration in memory.

    Where the old master is ending it cannot take it: then the new one goes on.
    """
    old = masters.old()
    if not old:
        return
    if not masters.accepting(old):
        # While two masters live this only starts workers; it reads no configuration.
        masters.send(old, signal.SIGHUP)
        if not wait_for(lambda: masters.accepting(old), TAKE_OVER_TIMEOUT_S):
            return
    for number in (signal.SIGQUIT, signal.SIGKILL):
        masters.send_to_started(old, number)
        if wait_for(
            lambda: masters.new() == old and not masters.started_by_upgrade(old),
            TAKE_OVER_TIMEOUT_S,
        ):
            return


def wait_for_old_master(old, wanted):
    """Wait until the old master ends with its last connection, which is never cut."""
    start_s = time.monotonic()
    if not _ended(old, lambda: not masters.title(old), wanted):
        say(
            f"The old nginx (pid {old}) still has connections after "
            f"{time.monotonic() - start_s:.1f} s; it ends with the last one."
        )
        return
    new = masters.new()
    if not wait_for(lambda: properties().get("MainPID") == str(new), START_TIMEOUT_S, 0.1):
        raise Failed(f"its unit has not noticed that nginx is process {new} now")


def _ended(old, condition, wanted):
    """Wait aloud until the old master has ended, which `condition` tells."""
    return wait_aloud(
        condition,
        wanted.drain_timeout_s,
        0.05,
        lambda: f"{connections_of([old, *children(old)])} of the old nginx (pid {old})",
    )


def finish_earlier(wanted, before, action):
    """Deal with two masters of an earlier run before `action`. Raises `Failed` where one of them
    does not end in time.

    The upgrade goes on from there if it was to `wanted`; else the old master serves again.
    """
    if os.path.exists(layout.OLD_PID_FILE) and not masters.old():
        os.unlink(layout.OLD_PID_FILE)
    new, old = masters.new(), masters.old()
    if not old:
        return
    if new and not masters.accepting(old) and not generations.is_changing():
        # The upgrade succeeded; the old master only finishes its last connections.
        if action not in ("upgrade", "restart"):
            return
    else:
        if new and masters.running_build(new) == wanted.build and is_installed(wanted):
            return
        if before:
            install(before)
        roll_back()
    if not _ended(old, lambda: not masters.old(), wanted):
        raise Failed(
            f"the old nginx of the last upgrade (pid {old}) still has connections, and has to end "
            "before the next. Deploy again when they have ended"
        )
