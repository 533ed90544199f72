"""Keep services alive where init does not: what systemd's Restart= and ExecStopPost= do.

A service that has died has left its pid file behind; one that was stopped has removed it. The
kernel tells the moment a process ends (pidfd). Then what the service has left is cleaned up at
once, and the service is started again a little later, by its own init script.

This program keeps no state that it could not find again: init starts it anew when it ends, and it
ends by itself when a deploy has changed it or its table.
"""

import collections
import os
import select
import signal
import subprocess
import sys
import time

from common.journal import say
from common.linux_processes import open_pidfd, send_signals, stat
from common.machine_files import read, version
from common.timing import in_real_time

TABLE = "/etc/tandem/services"
# A pid file may change without the end of any process that is watched.
CHECK_S = 0.2
# Where the kernel or Python has no pidfd.
POLL_S = 0.05
# A program of ours that was stopped (SIGSTOP, a debugger) for so long is ended, and started anew,
# as systemd does it by a unit's `WatchdogSec=`. keepalived and nginx are the watch's affair.
STOPPED_S = 10.0

PROCESSES = {"nginx": ("nginx",), "keepalived": ("keepalived",)}
PYTHONS = ("python3", "python")
PROGRAMS = "/usr/lib/tandem/"

Service = collections.namedtuple("Service", "name pid_file pause_s command")


def parse(text):
    """The services of a table, in its order."""
    lines = map(str.strip, text.splitlines())
    rows = [line.split(None, 3) for line in lines if line and not line.startswith("#")]
    return [
        Service(name, pid_file, float(pause_s), "".join(command))
        for name, pid_file, pause_s, *command in rows
    ]


def lives(pid, names, program=""):
    """Whether the process is there, and is what it should be: a pid may have been used again.

    program: what an interpreter runs, one of its arguments.
    """
    if not pid.isdigit():
        return False
    name, state = stat(pid)
    there = name.startswith(names) and state not in ("", "Z", "X")
    return there and (not program or program in read(f"/proc/{pid}/cmdline").split("\0"))


class RestartTimer:
    """Decides when one service is cleaned up and started again. Pure."""

    WAIT, CLEAN, START = "wait", "clean", "start"

    def __init__(self, service):
        self.service = service
        self.starts_s = None

    def decide(self, now_s, left_pid_file, alive):
        """What to do now. A service without pid file was stopped, and is left alone."""
        if alive or not left_pid_file:
            self.starts_s = None
            return self.WAIT
        if self.starts_s is None:
            self.starts_s = now_s + self.service.pause_s
            return self.CLEAN
        if now_s < self.starts_s:
            return self.WAIT
        self.starts_s = now_s + max(1.0, self.service.pause_s)
        return self.START


class SupervisedService:
    """A service on this machine: its processes, and the start that is under way."""

    def __init__(self, service):
        self.service = service
        self.timer = RestartTimer(service)
        self.names = PROCESSES.get(service.name, PYTHONS)
        own = service.name not in PROCESSES
        self.program = PROGRAMS + service.name.replace("tandem-", "") if own else ""
        # During a hot upgrade two masters live; with either of them nginx does.
        self.pid_files = (service.pid_file, service.pid_file + ".oldbin")
        self.descriptors = {}
        self.starting = None
        self.stopped_since_s = None

    def check(self, now_s):
        """Clean up or start the service if its processes have died."""
        if self.starting is not None and self.starting.poll() is None:
            return
        pids = [pid for pid in map(read, self.pid_files) if lives(pid, self.names, self.program)]
        self.follow(pids)
        self.end_stopped(pids, now_s)
        # `nginx -t` leaves an empty one, which names no process.
        left = any(map(read, self.pid_files))
        step = self.timer.decide(now_s, left, bool(pids))
        if step == RestartTimer.CLEAN:
            say(f"{self.service.name} has died")
            if self.service.command:
                subprocess.call(("sh", "-c", self.service.command), stdin=subprocess.DEVNULL)
        elif step == RestartTimer.START:
            say(f"{self.service.name} is started again")
            self.starting = subprocess.Popen(
                ("/usr/lib/tandem/service", "start", self.service.name), stdin=subprocess.DEVNULL
            )

    def end_stopped(self, pids, now_s):
        def stopped():
            return [pid for pid in pids if stat(pid).state in ("T", "t")] if self.program else []

        found = stopped()
        if not found:
            self.stopped_since_s = None
        elif self.stopped_since_s is None:
            self.stopped_since_s = now_s
        elif now_s - self.stopped_since_s >= STOPPED_S and send_signals(
            found, signal.SIGKILL, lambda: stopped() == found
        ):
            say(f"{self.service.name} stands still: killed")

    def follow(self, pids):
        """Have a descriptor of each process, which becomes readable when it ends."""
        for pid in set(self.descriptors) - set(pids):
            os.close(self.descriptors.pop(pid))
        for pid in set(pids) - set(self.descriptors):
            descriptor = open_pidfd(int(pid))
            if descriptor is not None:  # else the next check tells
                self.descriptors[pid] = descriptor


def versions():
    """What changes when a deploy writes the table or this program again."""
    return [version(path) for path in (TABLE, sys.argv[0])]


def log_to(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def main():
    os.umask(0o022)
    log_to("/var/log/tandem/supervise.log")
    in_real_time(os.SCHED_RESET_ON_FORK)
    begun = versions()
    services = [SupervisedService(service) for service in parse(read(TABLE))]
    while versions() == begun:
        poll = select.poll()
        for each in services:
            each.check(time.monotonic())
            for descriptor in each.descriptors.values():
                poll.register(descriptor, select.POLLIN)
        now_s = time.monotonic()
        pauses_s = [each.timer.starts_s - now_s for each in services if each.timer.starts_s]
        unseen = any(each.timer.starts_s is None and not each.descriptors for each in services)
        if unseen and not hasattr(os, "pidfd_open"):
            pauses_s.append(POLL_S)
        poll.poll(max(10, min([CHECK_S, *pauses_s]) * 1000))
