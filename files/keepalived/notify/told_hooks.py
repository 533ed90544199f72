"""What the background does about hooks: those of each entry, as long as its state still is so.

Slow ones, and one whose run was cut off, would otherwise do what a later change has undone: the old
master's would take a floating address from the new one.
"""

import os
import time

from common.machine_files import read
from notify import earlier_calls, hook_runs
from notify.entries import in_order

# Calls within this time are one: notify.sh makes no more of them.
CONTESTED_S = 2.0
LOOKS_S = 0.05


def state_of(entry):
    """The state whose hooks an entry has run."""
    return "master" if entry.state == earlier_calls.CONTESTED else entry.state


def names(options, entry):
    """Those that it has run, in their order. options: those of the command line."""
    return sorted(name for name in options.hook if name.startswith(state_of(entry) + ".d/"))


def remembered(options, vip):
    """(state, call) as they were told last; "" and () for unknown. vip: "" for the only one."""
    suffix = "." + vip if vip else ""
    numbers = read(os.path.join(options.home, "last" + suffix)).split(",")
    call = tuple(int(number) for number in numbers if number.isdigit())
    return read(options.memory + suffix), call if len(call) == 2 else ()


def later_state(options, entry):
    """The state that a VIP has got since, "" where it still is as the entry says."""
    if entry.state == earlier_calls.DRAIN:  # it is no state
        return ""
    state, last = remembered(options, entry.vip)
    if not state or not last or state == state_of(entry):
        return ""
    # (The entry is made first, and then its state remembered.)
    return state if in_order([entry.call, last])[-1] != entry.call else ""


class HookTurns:
    """Runs the hooks of the entries in a queue. log: a function that is given a line."""

    def __init__(self, options, queue, log):
        self.options, self.queue, self.log = options, queue, log
        self.seen = {}

    def work_off(self):
        """Run those of each entry, one after the other."""
        with self.queue.alone_or_not_needed() as mine:
            waiting = self.queue.waiting() if mine else []
            while waiting:
                due = [entry for entry in waiting if self.is_due(entry)]
                if due:
                    self.act_on(due[0], waiting)
                else:
                    time.sleep(LOOKS_S)
                waiting = self.queue.waiting()

    def is_due(self, entry):
        """All but what is not over yet: see `CONTESTED_S`."""
        age_s = time.monotonic() - self.seen.setdefault(entry, time.monotonic())
        return entry.state != earlier_calls.CONTESTED or age_s > CONTESTED_S

    def act_on(self, entry, waiting):
        """Run those of one, which stand for all that were called because of the same."""
        if entry.state == earlier_calls.CONTESTED:
            for other in waiting:
                if (other.state, other.vip) == (entry.state, entry.vip) and other != entry:
                    self.queue.remove(other)
        options, state = self.options, state_of(entry)
        vip = entry.vip or options.vip
        environment = {
            "TANDEM_HOST": options.host,
            "TANDEM_VIP": vip,
            "TANDEM_STATE": state,
            "TANDEM_OLD_STATE": entry.old,
        }
        for name in names(options, entry):
            later = later_state(options, entry)
            if later:
                how = f"not run for {state}: it is {later} since"
            else:
                path, limit_s = os.path.join(options.hooks, name), options.hook_timeout_s
                done = hook_runs.run_hook(path, (state, vip), environment, limit_s)
                how = done.text(limit_s)
            self.log(f"{vip} on {options.host}: hook {name}: {how}")
        self.queue.remove(entry)
