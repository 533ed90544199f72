"""The change, its proof, and the way back.

    apply-bird start|restart|reload     what is staged is put into service
    apply-bird reread                   what is in service is read again (`systemctl reload bird`)

Killed at any moment and run again, it goes on. What was in place when it began is kept until
something has been proven, whatever else is staged meanwhile.
"""

import contextlib
import grp
import hashlib
import os
import sys
import time

from apply_bird.bird_sessions import (
    announced,
    announcing,
    configure,
    established,
    is_reading,
    neighbours,
    observed,
)
from common.commands import Failed, must, parse_properties, run
from common.journal import say
from common.machine_files import (
    content,
    in_words,
    left_beside,
    new_name,
    sync_directory,
    write_new,
)
from common.undisturbed import exclusively, go_on_whatever_happens

USAGE = "apply-bird start|restart|reload|reread"
HOME = "/var/lib/tandem/bird"
STAGED = HOME + "/bird.conf"
BEFORE = HOME + "/before.conf"
WERE_UP = HOME + "/sessions"
# Digests of what was put into service since, one a line: nothing of that has been proven.
TRIED = HOME + "/tried"
INSTALLED = "/etc/bird/bird.conf"
# Read by a BIRD that runs as the user bird; there while it does, and in no deploy's way.
READ_NOW = "/etc/bird/.bird.conf.now"
MODE = 0o640  # it has passwords
KEPT_MODE = 0o600  # of what BIRD does not read
GROUP = "bird"
SERVICE = "/usr/lib/tandem/service"
RUNNING_STATE = "/usr/lib/tandem/running-state"
# A session that ends over what was changed is back within three seconds (bird.conf says how).
PROOF_TIMEOUT_S = 15.0
LOOK_S = 0.2
SETTLED_S = 1.0
ASK_TIMEOUT_S = 5.0


def apply(verb):
    """Have BIRD work with what is staged. Raises `Failed`, having gone back."""
    staged = content(STAGED)
    if not staged:
        raise Failed("nothing is staged. Deploy again")
    keep_before(staged)
    # As it was before a run that was killed may have changed it.
    were_up = set((content(WERE_UP) or b"").decode().split())
    problem = put_into_service(staged, verb, were_up)
    if not problem:
        end_change()
        return
    # Before anything else is put back what worked: whoever reads the reasons may be gone.
    reasons = [problem, run(SERVICE, "log", "bird", timeout_s=ASK_TIMEOUT_S).output]
    end = go_back(staged, verb, were_up)
    raise Failed("\n".join(filter(None, [*reasons, end])))


def keep_before(staged):
    """Keep what BIRD works with, and which sessions it has by that. What killed runs have kept
    stays, unless somebody has put something else than they into service since."""
    installed, before = content(INSTALLED), content(BEFORE)
    tried = (content(TRIED) or b"").decode().split()
    unproven = before is not None and (installed in (staged, before) or digest(installed) in tried)
    if installed and not unproven:
        up = established(observed(), installed.decode(errors="replace"))
        keep(WERE_UP, "".join(f"{each}\n" for each in sorted(up)).encode())
        keep(BEFORE, installed)
    tried = [each for each in tried if unproven and each != digest(staged)]
    keep(TRIED, "".join(f"{each}\n" for each in [*tried, digest(staged)]).encode())


def digest(configuration):
    """A configuration's, in hex. (Its passwords are to be nowhere else.)"""
    return hashlib.sha256(configuration or b"").hexdigest()


def write(path, data):
    """As common.machine_files.write, for BIRD's eyes as well, and for nobody else's."""
    place(path, data, MODE, group_number())


def keep(path, data):
    """The same for root's eyes only."""
    place(path, data, KEPT_MODE, None)


def place(path, data, mode, group):
    if content(path) == data:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Also where somebody has made another of them.
            os.fchown(descriptor, os.geteuid(), os.getegid() if group is None else group)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        return
    write_new(path, data, mode, group)
    os.replace(new_name(path), path)
    sync_directory(os.path.dirname(path))


def group_number():
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


def end_change():
    # (What was kept goes first: without it there is nothing that is unproven.)
    kept = (BEFORE, WERE_UP, TRIED, READ_NOW)
    for path in (*kept, *left_beside((INSTALLED, *kept))):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def put_into_service(configuration, verb, were_up):
    """Why BIRD does not work with this configuration, "" if it does.

    were_up: the routers with which there was a session when the change began.
    """
    text = configuration.decode(errors="replace")
    try:
        write(INSTALLED, configuration)
        act(verb)
    except (Failed, OSError) as error:
        return in_words(error)
    # Those that the new configuration has as well.
    wanted = were_up.intersection(neighbours(text).values())
    deadline_s = time.monotonic() + PROOF_TIMEOUT_S
    missing = wanted
    while time.monotonic() < deadline_s:
        time.sleep(LOOK_S)
        missing = lacks(text, wanted)
        if not missing:
            time.sleep(SETTLED_S)
            missing = lacks(text, wanted)
            if not missing:
                return ""
    after = f"{PROOF_TIMEOUT_S:g} s after: {verb}"
    return f"BIRD does not work with its new configuration, {after}: {', '.join(sorted(missing))}"


def lacks(text, wanted):
    """What is missing of a BIRD that works with the configuration `text`, in words."""
    now = observed()
    if not now or is_reading():
        return {"it does not answer"}
    if not set(neighbours(text)) <= set(now):
        return {"it has not read it"}
    return {f"no session with {each} any more" for each in wanted - established(now, text)}


def act(verb):
    """Let BIRD read its configuration. Raises `Failed`."""
    unit = parse_properties(run(SERVICE, "show", "bird").output)
    if unit.get("NeedDaemonReload") == "yes":
        must(SERVICE, "daemon-reload")
    if run(SERVICE, "is-enabled", "--quiet", "bird").code:
        must(SERVICE, "enable", "--quiet", "bird")
    run(SERVICE, "reset-failed", "bird")
    # It may have ended over what it was given before, and then nobody reloads it.
    if run(SERVICE, "is-active", "--quiet", "bird").code:
        verb = "start"
    if verb != "reload":
        must(SERVICE, verb, "bird")
        return
    reread()


def reread():
    """Have BIRD read what is installed, and go on announcing what it announces. Raises `Failed`."""
    installed = content(INSTALLED)
    if not installed:
        raise Failed(f"{INSTALLED} is not there. Deploy again")
    text = announcing(installed.decode(errors="replace"), announced(observed()))
    write(READ_NOW, text.encode())
    try:
        problem = configure(READ_NOW)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(READ_NOW)
    if problem:
        raise Failed(f"BIRD does not read its configuration: {problem}")
    run(RUNNING_STATE, "reloaded", "bird")


def go_back(staged, verb, were_up):
    """Undo `put_into_service`. Returns, in words, what is so now."""
    before = content(BEFORE)
    if not before or before == staged:
        end_change()
        return "There is no earlier configuration to go back to. Mend it and deploy again"
    problem = put_into_service(before, verb, were_up)
    if content(INSTALLED) != before:
        return f"The old configuration could not be put back: {problem}. Deploy again"
    if problem:
        keep(WERE_UP, b"")  # it is something else that keeps the sessions away
        return f"The old configuration is back, and does not do, either: {problem}"
    end_change()
    return "The old configuration is back, and BIRD works with it"


def main():
    """The exit code for the command in sys.argv."""
    verb = (sys.argv[1:] or [""])[0]
    if verb not in ("start", "restart", "reload", "reread"):
        say(f"usage: {USAGE}")
        return 2
    go_on_whatever_happens()
    try:
        # A reload by hand waits for nothing: a change may wait for systemd, and that for a reload.
        with exclusively(os.path.join(HOME, "lock"), wait=verb != "reread"):
            if verb == "reread":
                reread()
            else:
                apply(verb)
    except BlockingIOError:
        say("BIRD: a change is under way, which has it read its configuration. Reload after it.")
        return 1
    except (Failed, OSError) as error:
        say(f"BIRD: {in_words(error)}.")
        return 1
    return 0
