"""Ask the machine's service manager, systemd or an init script, to act on nginx."""

from common.commands import Failed, must, parse_properties, run

__all__ = ["Failed", "act", "compared_properties", "must", "parse_properties", "properties"]

SERVICE = "/usr/lib/tandem/service"
RUNNING_STATE = "/usr/lib/tandem/running-state"

_FAILURES = {
    "start": "it does not start",
    "restart": "it does not start again",
    "reload": "the reload failed",
}


def act(verb):
    """start, restart or reload nginx, and wait for it: a restart waits for open connections as
    long as the unit says. Raises `Failed` with the service's journal."""
    if verb == "start":
        run(SERVICE, "reset-failed", "nginx")
    if run(SERVICE, verb, "nginx").code:
        journal = run(SERVICE, "log", "nginx").output
        raise Failed(f"{_FAILURES[verb]}. Its journal says:\n{journal}")


def properties():
    """The unit's properties, as `systemctl show` names them."""
    return parse_properties(run(SERVICE, "show", "nginx").output)


def compared_properties():
    """`properties`, and whether the running Unit and Configuration are those on the disk."""
    # Both at once: every deploy waits for them, also one without a change.
    both = '"$0" compare nginx & "$1" show nginx; wait'
    return parse_properties(run("sh", "-c", both, RUNNING_STATE, SERVICE).output)
