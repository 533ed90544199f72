"""Works off what notify.sh has entered.

notify [OPTIONS] CALL       the name of the call's entry (`entries`)
notify [OPTIONS] --work hooks|mails
"""

import os
import subprocess
import sys
import time

from common.command_options import parse as parse_options
from common.commands import run
from common.machine_files import read
from notify import earlier_calls, told_hooks, told_mail
from notify.entries import Queue, in_order, parse

# What was called before it is entered by then, unless the machine is too busy: see `LATE_S`.
SETTLES_S = 0.03
# For so long a call waits for an earlier one that has been started and is not entered.
LATE_S = 1.0
LOOKS_S = 0.005
COMMAND_S = 5.0
TAG = "keepalived-notify"
OPTIONS = {
    "--host": {},
    "--vip": {"help": "the VIP of a call that names none"},
    "--memory": {"help": "the file with the state that was told last; .VIP behind it"},
    "--home": {"help": "the directory of the queues"},
    "--holder": {"help": "the file with 1 while the VIP is here; .VIP behind it"},
    "--service": {"help": "the program that manages services"},
    "--mail-to": {"action": "append", "default": []},
    "--mail-from": {},
    "--smtp-server": {},
    "--hooks": {"help": "the directory of the hooks"},
    "--hook": {"action": "append", "default": [], "help": "a hook in it, STATE.d/NAME"},
    "--hook-timeout-s": {"type": float, "default": 10.0},
    "--work": {"choices": ["hooks", "mails"]},
    "--not-entered": {"action": "store_true", "help": "there was no room for the call's entry"},
    "call": {"nargs": "?"},
}


def log(text):
    """A line in the machine's log."""
    run("logger", "-t", TAG, text, timeout_s=COMMAND_S)


class StateChanges:
    """What is done about the calls. options: those of the command line."""

    def __init__(self, options):
        self.options = options
        self.calls = Queue(options.home, "calls")
        self.hooks = Queue(options.home, "hooks")
        self.mails = Queue(options.home, "mails")

    def work_off(self, own=None):
        """Act on every call that was made, in the order of the calls. own: one that could not be
        entered."""
        seen, more = {}, [own] if own else []
        while True:
            waiting = in_order({*self.calls.waiting(), *more})
            if not waiting:
                return
            first = waiting[0]
            age = time.monotonic() - seen.setdefault(first, time.monotonic())
            if age < SETTLES_S or (age < LATE_S and self.is_preceded(first, waiting)):
                time.sleep(LOOKS_S)
                continue
            self.act_on(first)
            self.calls.remove(first)
            more = [each for each in more if each != first]

    def is_preceded(self, first, waiting):
        """Whether a call was made before it that is not among those that wait."""
        entered = [each.call for each in waiting]
        coming = [each for each in earlier_calls.on_their_way() if each not in entered]
        return bool(coming) and in_order([*coming, first.call])[0] != first.call

    def act_on(self, call):
        """Remember the state and have it told, unless it was so; start a standby's nginx."""
        suffix = "." + call.vip if call.vip else ""
        memory = self.options.memory + suffix
        place = os.path.join(self.options.home, "last" + suffix)
        vip, host = call.vip or self.options.vip, self.options.host
        old, new = read(memory) or "start", call.state
        if new == earlier_calls.DRAIN:  # no state of keepalived's
            log(f"{vip} on {host}: drained, {old}")
            self.have_hooks_run(call._replace(old=old))
            return
        if new == earlier_calls.CONTESTED:  # nothing has changed
            if old == "master":
                self.have_hooks_run(call._replace(old=old))
            return
        last = told_hooks.remembered(self.options, call.vip)[1]
        if last and in_order([call.call, last])[-1] != call.call:
            log(f"{vip} on {host}: {new} was told too late: it is {old} since")
            return
        if self.options.holder:  # first: it decides whether the VIP stays
            self.remember(self.options.holder + suffix, "1" if new == "master" else "0")
        if old != new:
            self.have_hooks_run(call._replace(old=old))
            if self.options.mail_to:
                self.have_done(self.mails, call._replace(old=old))
            log(f"{vip} on {host}: {old} -> {new}")
        self.remember(memory, new)
        self.remember(place, ",".join(map(str, call.call)))
        if old != new and new == "backup":
            self.start_nginx()

    def remember(self, path, line):
        """Have it in a file."""
        try:
            overwrite(path, line)
        except OSError as error:
            log(f"{path}: {error.strerror}: {line} is not remembered")

    def have_done(self, queue, entry):
        """Enter what the background is to do."""
        try:
            queue.enter(entry)
        except OSError as error:
            log(f"{queue.path(entry)}: {error.strerror}: not done")

    def start_nginx(self):
        """A standby whose nginx is not running could not take over. It is not restarted if it runs:
        that would cut what it still serves."""
        service = self.options.service
        if run(service, "is-active", "--quiet", "nginx", timeout_s=COMMAND_S).code:
            run(service, "start", "--no-block", "nginx", timeout_s=COMMAND_S)

    def begin_background(self):
        """Processes of their own for what takes long: nobody waits for them."""
        words = [sys.executable, sys.argv[0], *given_options(sys.argv[1:])]
        for name, queue in (("hooks", self.hooks), ("mails", self.mails)):
            if queue.waiting():
                subprocess.Popen(
                    [*words, "--work", name],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )

    def have_hooks_run(self, entry):
        """Enter it for those who run its hooks, if it has any."""
        if told_hooks.names(self.options, entry):
            self.have_done(self.hooks, entry)

    def send_mails(self):
        """Send those that wait, one after the other."""
        to, through = ", ".join(self.options.mail_to), self.options.smtp_server
        with self.mails.alone_or_not_needed() as mine:
            while mine and self.mails.waiting():
                first = self.mails.waiting()[0]
                if not told_mail.deliver(self.options, first, self.mails.since(first)):
                    log(f"mail to {to} through {through} failed")
                self.mails.remove(first)


def given_options(words):
    """What a process in the background is given again: all but the call."""
    return [word for word in words[:-1] if word != "--not-entered"]


def overwrite(path, line):
    """Have `line` in a file, in the room that it has: a full disk has no other. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, line.encode() + b"\n")
        os.ftruncate(descriptor, len(line) + 1)
    finally:
        os.close(descriptor)


def main():
    """The exit code for the command in sys.argv."""
    options = parse_options(__doc__, OPTIONS)
    changes = StateChanges(options)
    if options.work:
        hooks = told_hooks.HookTurns(options, changes.hooks, log)
        {"hooks": hooks.work_off, "mails": changes.send_mails}[options.work]()
        return 0
    call = parse(options.call)
    try:
        with changes.calls.alone():
            changes.work_off(call if options.not_entered else None)
    except OSError as error:
        log(f"{options.home}: {error.strerror or error}: {call.state} is told out of turn")
        changes.act_on(call)
    changes.begin_background()
    return 0
