"""The hand-over where every node has the address all the time (`--mesh`)."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

from common.commands import run
from common.netlink import ADDRESSES, LINKS, TABLES, Events, interface_index
from common.timing import in_real_time
from common.watchdog import Watchdog
from handover import interface_sysctls
from handover.mesh import mesh_device
from handover.mesh.beating import Beating
from handover.mesh.mesh_beats import MeshBeats
from handover.mesh.mesh_device import MeshDevice
from handover.mesh_addresses import DEVICE
from handover.moving_address import (
    RETRY_S,
    put_on_lo,
    remove_former_addresses,
    remove_from_lo,
    version,
)
from handover.nft_tables import NftTables

UNIT = "tandem-handover.service"
OBSERVE_S = 2.0
TABLES_S = 5.0
FORGET_S = 1.0
# Between two rounds that start programs: anybody's change of any interface or table is the cause of
# one, and there may be thousands.
PAUSE_S = 0.2


class EndedConnections:
    """Has the kernel forget connections that have ended (TIME_WAIT, a minute long).

    A client may by then use the same port for a connection that lives on another node. Its segments
    would be taken for late ones of the old where routers send them here. There may be thousands:
    not waited for, and without this program's priority. (A client that is so quick as to come here
    within the second asks again, after less than that.)
    """

    def __init__(self, vips):
        sources = [f"[{vip}]" if version(vip) == 6 else vip for vip in vips]
        chosen = " or ".join(f"src {source}" for source in sources)
        self.command = ("ss", "-K", "-t", "state", "time-wait", f"( {chosen} )")
        self.running = None

    def forget(self):
        if self.running is None or self.running.poll() is not None:
            self.running = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            with contextlib.suppress(OSError):  # it has ended already
                usual = os.sched_param(0)
                os.sched_setscheduler(self.running.pid, os.SCHED_OTHER, usual)


class Pace:
    """Waits for news: the first is looked at at once, and what comes soon after it together."""

    def __init__(self, *events):
        self.poll = select.poll()
        for each in events:
            self.poll.register(each.socket, select.POLLIN)
        self.acted_s = float("-inf")

    def acted(self):
        """Programs were started."""
        self.acted_s = time.monotonic()

    def wait(self, timeout_s):
        self.poll.poll(timeout_s * 1000)
        time.sleep(max(0, self.acted_s + PAUSE_S - time.monotonic()))


class VipsOnLo:
    """Has them there, and tries each two seconds where that is refused."""

    def __init__(self, vips):
        self.vips = vips
        self.refused_s = {}

    def ensure(self, now_s):
        for vip in self.vips:
            if now_s - self.refused_s.get(vip, float("-inf")) < RETRY_S:
                continue
            self.refused_s.pop(vip, None)
            if not put_on_lo(vip, "forever"):
                self.refused_s[vip] = now_s


def remove(given, vips, saved_sysctls):
    """Leave nothing behind."""
    for vip in vips:
        remove_from_lo(vip)
    NftTables(clients=True).load()
    mesh_device.remove()
    interface_sysctls.restore(given.interface, saved_sysctls)


def stopped_for_good():
    """Whether systemd stops this unit (a shutdown, a teardown). A deploy's restart is another job,
    and where nobody can be asked it is taken for one."""
    jobs = run("systemctl", "list-jobs", "--no-legend", UNIT, timeout_s=1).output
    return any(line.split()[1:3] == [UNIT, "stop"] for line in jobs.splitlines())


def serve(given, vips, saved_sysctls):
    """Do all this for ever."""
    in_real_time()
    remove_former_addresses(vips, os.path.join(given.directory, "addresses"))
    if not given.table:
        mesh_device.remove()
    changed, flushed = Events(ADDRESSES, LINKS), Events(TABLES)
    pace = Pace(changed, flushed)
    interface_sysctls.restore_former(given.interface, saved_sysctls)
    sysctls = interface_sysctls.wanted(any(version(vip) == 6 for vip in vips))
    device = MeshDevice(given.own[0], given.interface[0], given.mesh)
    told = (given.failed, given.announced, given.drained)
    beating = Beating(MeshBeats(device.own, device.peers, *told))
    tables = NftTables(given.table, given.clients, clients=True)
    on_lo, ended = VipsOnLo(vips), EndedConnections(vips)
    observed_s = checked_s = forgot_s = None

    def end(number, frame):
        # Others must not take its connections for dead while a deploy starts this program anew.
        beating.end(pauses=not stopped_for_good())
        sys.exit(0)

    beating.start()
    signal.signal(signal.SIGTERM, end)
    watchdog = Watchdog()
    while True:
        if not beating.is_alive():
            sys.exit("the beats have ended: start anew")
        if beating.goes_on:
            watchdog.goes_on()
        now_s = time.monotonic()
        made_anew = False
        due = observed_s is None or now_s - observed_s >= OBSERVE_S
        if changed.any_new() or device.gone or due:
            interface_sysctls.apply(given.interface, sysctls, saved_sysctls)
            on_lo.ensure(now_s)
            made_anew = bool(given.table) and device.ensure(interface_index(DEVICE))
            # What was just changed here is no news: else what cannot be mended was tried for ever.
            changed.any_new()
            observed_s = now_s
            pace.acted()
        if checked_s is None or made_anew:
            tables.load()
            checked_s = now_s
            pace.acted()
        elif flushed.any_new() or now_s - checked_s >= TABLES_S:
            tables.check()
            checked_s = now_s
            pace.acted()
        if given.table and (forgot_s is None or now_s - forgot_s >= FORGET_S):
            ended.forget()
            forgot_s = now_s
        pace.wait(FORGET_S)
