"""nginx's master process: wait, and wake up the moment it ends."""

import os
import select
import time

from common.linux_processes import open_pidfd
from common.machine_files import read

PID_FILE = "/run/nginx/nginx.pid"
# Its workers outlive it for a moment and still answer. Whoever is there and answers after so long
# has another pid file.
WORKERS_OUTLIVE_S = 1.5


def readable(files, timeout_s):
    """The descriptors of those that can be read within that time, as soon as one can."""
    poll = select.poll()
    for each in files:
        poll.register(each, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(timeout_s * 1000)]


class NginxMaster:
    """Follows the process that the pid file names.

    During a hot upgrade two masters live, the older one's pid in a file of its own; when either
    ends, nginx has not.
    """

    def __init__(self, pid_file=PID_FILE, others=()):
        """others: files whose news end a wait, too."""
        self.pid_file = pid_file
        self.others = others
        self.pid = ""
        self.descriptor = None
        self.ended_s = float("-inf")

    @property
    def only_workers(self):
        """Whether it has ended a moment ago, and no other lives: what answers is about to end."""
        return time.monotonic() - self.ended_s < WORKERS_OUTLIVE_S

    def follow(self):
        """Follow the process that the pid file names now; a hot upgrade changes it."""
        pid = read(self.pid_file)
        if pid != self.pid or self.descriptor is None:
            self._follow(pid)
        if self.only_workers and self.descriptor is not None and not self._has_ended():
            self.ended_s = float("-inf")

    def _follow(self, pid):
        self.close()
        self.pid = pid
        if pid.isdigit():  # where there is no pidfd, the unit tells of its end
            self.descriptor = open_pidfd(int(pid))

    def _has_ended(self, timeout_s=0):
        """Whether the process ends in that time, or before there is other news; its parent may not
        have noticed it yet."""
        others = self.others if timeout_s else ()
        return self.descriptor in readable((self.descriptor, *others), timeout_s)

    def _follow_another(self):
        """Whether there is another master that lives.

        An old one that goes on renames its file back to the usual name: that one is read last, so
        that it is found whenever the rename happens.
        """
        for path in (self.pid_file, self.pid_file + ".oldbin", self.pid_file):
            self._follow(read(path))
            if self.descriptor is not None and not self._has_ended():
                return True
        self.close()
        return False

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None

    def wait(self, timeout_s):
        """Sleep so long at the most; whether the master has ended, and there is no other."""
        # (One that has ended can be followed until its parent has noticed it.)
        if self.descriptor is None or self.only_workers:
            readable(self.others, timeout_s)
            return False
        if not self._has_ended(timeout_s) or self._follow_another():
            return False
        self.ended_s = time.monotonic()
        return True
