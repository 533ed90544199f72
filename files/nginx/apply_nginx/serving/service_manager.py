"""Ask the machine's service manager, systemd or an init script, to act on nginx."""

import contextlib
import os
import signal
import subprocess

from apply_nginx.serving.old_connections import connections_of, wait_aloud
from common.commands import Failed, must, parse_properties, run
from common.linux_processes import children

__all__ = ["Failed", "act", "compared_properties", "must", "parse_properties", "properties"]

SERVICE = "/usr/lib/tandem/service"
RUNNING_STATE = "/usr/lib/tandem/running-state"

_FAILURES = {
    "start": "it does not start",
    "restart": "it does not start again",
    "reload": "the reload failed",
}


def act(verb, drain_timeout_s=0.0):
    """start, restart or reload nginx, and wait for it: a restart waits for open connections for
    `drain_timeout_s`, as its unit says. Raises `Failed` with the service's journal."""
    if verb == "start":
        run(SERVICE, "reset-failed", "nginx")
    code = _restart(drain_timeout_s) if verb == "restart" else run(SERVICE, verb, "nginx").code
    if code:
        journal = run(SERVICE, "log", "nginx").output
        raise Failed(f"{_FAILURES[verb]}. Its journal says:\n{journal}")


def _restart(drain_timeout_s):
    """Restart nginx; while its last connections end, say so. Returns the exit code."""
    pid = properties().get("MainPID", "0")
    master = int(pid) if pid.isdigit() else 0
    serving = [master, *children(master)] if master else []
    # What it prints, its journal says as well.
    quiet = subprocess.DEVNULL
    restart = subprocess.Popen(
        (SERVICE, "restart", "nginx"), stdin=quiet, stdout=quiet, stderr=quiet
    )
    over = wait_aloud(
        lambda: restart.poll() is not None,
        drain_timeout_s,
        0.02,
        lambda: f"{connections_of(serving)} of the nginx that has to end",
        to_skip="To cut them",
    )
    if over is None and master:
        with contextlib.suppress(ProcessLookupError):
            os.kill(master, signal.SIGTERM)  # at once, where QUIT waits for what is open
    return restart.wait()


def properties():
    """The unit's properties, as `systemctl show` names them."""
    return parse_properties(run(SERVICE, "show", "nginx").output)


def compared_properties():
    """`properties`, and whether the running Unit and Configuration are those on the disk."""
    # Both at once: every deploy waits for them, also one without a change.
    both = '"$0" compare nginx & "$1" show nginx; wait'
    return parse_properties(run("sh", "-c", both, RUNNING_STATE, SERVICE).output)
