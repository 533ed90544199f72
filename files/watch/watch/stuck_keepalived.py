"""Find a keepalived that cannot release the address."""

from common.linux_processes import children, stat
from common.machine_files import read


def stuck_processes(pid_file="/run/keepalived.pid"):
    """The pids of our keepalived, if one is stopped or the one that speaks VRRP is missing.

    (The parent starts a new one, but waits longer each time, and does not remove the address.)
    """
    parent = read(pid_file)
    if not parent.isdigit() or stat(parent).name != "keepalived":
        return []
    pids = [int(parent), *children(parent)]
    stopped = any(stat(pid).state in ("T", "t") for pid in pids)
    return pids if stopped or len(pids) == 1 else []
