"""Ask the running keepalived for its state: it writes JSON into a file when it is sent a signal."""

import ast
import contextlib
import os
import re
import signal

from common.commands import run
from common.linux_processes import children, runs, send_signal
from common.machine_files import read, version
from common.timing import wait_for

PID_FILE = "/run/keepalived.pid"
DIRECTORY = "/run/keepalived"
NAME = "keepalived"
FILE = "keepalived.json"
BACKUP, MASTER, FAULT = 1, 2, 3


def signal_number():
    """The signal that asks for it; the kind of build decides which one that is."""
    number = run("/usr/sbin/keepalived", "--signum=JSON", timeout_s=5).output
    return int(number) if number.isdigit() else signal.SIGRTMIN + 2


def running_pid(pid_file=PID_FILE):
    """The pid of our keepalived, 0 for none: the number may be another process's by now."""
    text = read(pid_file)
    return int(text) if text.isdigit() and runs(text, NAME) else 0


def own_directory(pid):
    """Where it writes; `DIRECTORY` where the kernel does not tell."""
    environment = read(f"/proc/{pid}/environ").split("\0")
    return next((line[7:] for line in environment if line.startswith("TMPDIR=")), DIRECTORY)


def instances(number, timeout_s, directory=None):
    """Its VRRP instances, in the order of its configuration; none where it does not run, or does
    not answer in time. number: the signal's."""
    pid = running_pid()
    if not pid or not children(pid):  # a child speaks VRRP
        return []
    path = os.path.join(directory or own_directory(pid), FILE)
    with contextlib.suppress(OSError):  # not everybody who asks may write there
        os.unlink(path)
    # Another version of the file, and not a younger one: the clock may be set in between.
    before = version(path)
    if not send_signal(pid, number, NAME):
        return []

    def answer():
        try:
            return parse_state(read(path)) if version(path) != before else []
        except (ValueError, SyntaxError, KeyError):
            return []  # it is still being written

    return wait_for(answer, timeout_s, 0.01)


def parse_state(text):
    """The VRRP instances in keepalived's JSON: a bare list up to 2.2.7, later within an object.

    As a literal of Python, because Debian's python3-minimal has no json. Raises ValueError,
    SyntaxError or KeyError.
    """
    words = {"true": "True", "false": "False", "null": "None"}
    # They are replaced within strings, too; no string that is read here has them.
    python = re.sub(r"\b(true|false|null)\b", lambda found: words[found.group()], text)
    found = ast.literal_eval(python.replace("\\/", "/"))
    return found["vrrp"] if isinstance(found, dict) else found
