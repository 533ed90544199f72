"""The change, its proof, and the way back.

    apply-keepalived start|restart|reload INTERFACE VIP...

(INTERFACE: earlier versions have looked for the VIPs there. Now it may be any.)

Killed at any moment and run again, it goes on; what was in place when it began is kept until then.
"""

import contextlib
import os
import sys
import time

from apply_keepalived.vrrp_election import (
    addresses,
    has_begun_anew,
    is_well,
    observed,
    takes_part,
    trouble,
)
from common.commands import Failed, must, parse_properties, run
from common.journal import say
from common.machine_files import content, in_words, left_beside, write
from common.undisturbed import exclusively, go_on_whatever_happens

USAGE = "apply-keepalived start|restart|reload INTERFACE VIP..."
HOME = "/var/lib/tandem/keepalived"
STAGED = HOME + "/keepalived.conf"
BEFORE = HOME + "/before.conf"
TOOK_PART = HOME + "/took-part"
INSTALLED = "/etc/keepalived/keepalived.conf"
SPEAKERS = "/etc/keepalived/vrrp.nft"
MODE = 0o640
SERVICE = "/usr/lib/tandem/service"
RUNNING_STATE = "/usr/lib/tandem/running-state"
PROOF_TIMEOUT_S = 15.0
LOOK_S = 0.25
SETTLED_S = 1.0  # what it tracks has its say a little later
ASK_TIMEOUT_S = 5.0


def apply(verb, vips):
    """Have keepalived work with what is staged. Raises `Failed`, having gone back."""
    staged = content(STAGED)
    if not staged:
        raise Failed("nothing is staged. Deploy again")
    began = observed()
    keep_before(staged, began)
    # As it was before a run that was killed may have changed it.
    took_part = content(TOOK_PART) != b"no\n"
    problem = put_into_service(staged, verb, vips, took_part)
    if not problem:
        end_change()
        return
    # Before anything else is put back what worked: whoever reads the reasons may be gone.
    reasons = [problem, run(SERVICE, "log", "keepalived", timeout_s=ASK_TIMEOUT_S).output]
    end = go_back(staged, verb, vips, took_part)
    test = run("keepalived", "--config-test", "--use-file", STAGED, timeout_s=ASK_TIMEOUT_S)
    raise Failed("\n".join(filter(None, [*reasons, test.errors, test.output, end])))


def keep_before(staged, began):
    """Keep what keepalived works with, to go back to it. What a killed run has kept stays, unless
    somebody has put something else into service since."""
    installed = content(INSTALLED)
    if installed and (content(BEFORE) is None or (installed != staged and works_with_it(began))):
        write(TOOK_PART, b"yes\n" if takes_part(began) else b"no\n", MODE)
        write(BEFORE, installed, MODE)


def works_with_it(began):
    """Whether keepalived takes part in the election with what is installed."""
    told = parse_properties(run(RUNNING_STATE, "compare", "keepalived").output)
    return told.get("Configuration") != "different" and takes_part(began)


def end_change():
    for path in (BEFORE, TOOK_PART, *left_beside((INSTALLED, BEFORE, TOOK_PART))):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def put_into_service(configuration, verb, vips, took_part):
    """Why keepalived does not work with this configuration, "" if it does.

    took_part: whether it was in the election when the change began.
    """
    try:
        write(INSTALLED, configuration, MODE)
        asked = act(verb)
    except (Failed, OSError) as error:
        return in_words(error)
    deadline_s = time.monotonic() + PROOF_TIMEOUT_S

    def works():
        now = observed()
        return has_begun_anew(now, asked) and is_well(now, took_part, vips, addresses())

    while time.monotonic() < deadline_s:
        time.sleep(LOOK_S)
        if works():
            time.sleep(SETTLED_S)
            if works():
                return ""
    after = f"{PROOF_TIMEOUT_S:g} s after: {verb}"
    return f"keepalived does not work with its new configuration, {after}{trouble(observed())}"


def act(verb):
    """Let keepalived read its configuration. Returns what it said right before it was asked, which
    is its old word; nothing where it starts. Raises `Failed`."""
    unit = parse_properties(run(SERVICE, "show", "keepalived").output)
    if unit.get("NeedDaemonReload") == "yes":
        must(SERVICE, "daemon-reload")
    if run(SERVICE, "is-enabled", "--quiet", "keepalived").code:
        must(SERVICE, "enable", "--quiet", "keepalived")
    run(SERVICE, "reset-failed", "keepalived")
    # It may have ended over what it was given before, and then nobody reloads it.
    if run(SERVICE, "is-active", "--quiet", "keepalived").code:
        verb = "start"
    asked = observed() if verb == "reload" else []
    must(SERVICE, verb, "keepalived")
    forget_limits()
    return asked


def forget_limits():
    """Take the table of clients' limits away where the rules are an earlier version's, to which a
    rollback has gone back: they do not know it."""
    rules = content(SPEAKERS)
    for family in ("ip", "ip6"):
        if rules and f"table {family} tandem_clients ".encode() not in rules:
            run("nft", "delete", "table", family, "tandem_clients", timeout_s=ASK_TIMEOUT_S)


def go_back(staged, verb, vips, took_part):
    """Undo `put_into_service`. Returns, in words, what is so now."""
    before = content(BEFORE)
    if not before or before == staged:
        end_change()
        return "There is no earlier configuration to go back to. Mend it and deploy again"
    problem = put_into_service(before, verb, vips, took_part)
    if content(INSTALLED) != before:
        return f"The old configuration could not be put back: {problem}. Deploy again"
    if problem:
        write(TOOK_PART, b"no\n", MODE)  # it is something else that keeps it out
        return "The old configuration is back, and keepalived does not work with it, either"
    end_change()
    return "The old configuration is back, and keepalived works with it"


def main():
    """The exit code for the command in sys.argv."""
    verb, vips = (sys.argv[1:2] or [""])[0], sys.argv[3:]
    if verb not in ("start", "restart", "reload") or not vips:
        say(f"usage: {USAGE}")
        return 2
    go_on_whatever_happens()
    try:
        with exclusively(os.path.join(HOME, "lock")):
            apply(verb, vips)
    except (Failed, OSError) as error:
        say(f"keepalived: {in_words(error)}.")
        return 1
    return 0
