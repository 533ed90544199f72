"""The hand-over where every node has the address all the time (`--mesh`)."""

import os
import select
import signal
import subprocess
import sys
import time

from common.netlink import ADDRESSES, LINKS, TABLES, Events, interface_index
from common.timing import in_real_time
from common.watchdog import Watchdog
from handover import interface_sysctls
from handover.mesh import mesh_device
from handover.mesh.mesh_beats import MeshBeats
from handover.mesh.mesh_device import MeshDevice
from handover.mesh_addresses import DEVICE
from handover.moving_address import put_on_lo, remove_former_addresses, remove_from_lo, version
from handover.nft_tables import NftTables

BEAT_S = 0.1
OBSERVE_S = 2.0
TABLES_S = 5.0
FORGET_S = 0.5


class EndedConnections:
    """Has the kernel forget connections that have ended (TIME_WAIT, a minute long).

    A client may by then use the same port for a connection that lives on another node. Its segments
    would be taken for late ones of the old where routers send them here. There may be thousands:
    not waited for.
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


def remove(given, vips, saved_sysctls):
    """Leave nothing behind."""
    for vip in vips:
        remove_from_lo(vip)
    NftTables(clients=True).load()
    mesh_device.remove()
    interface_sysctls.restore(given.interface, saved_sysctls)


def serve(given, vips, saved_sysctls):
    """Do all this for ever."""
    in_real_time()
    remove_former_addresses(vips, os.path.join(given.directory, "addresses"))
    if not given.table:
        mesh_device.remove()
    changed, flushed = Events(ADDRESSES, LINKS), Events(TABLES)
    interface_sysctls.restore_former(given.interface, saved_sysctls)
    sysctls = interface_sysctls.wanted(any(version(vip) == 6 for vip in vips))
    poll = select.poll()
    for events in (changed, flushed):
        poll.register(events.socket, select.POLLIN)
    device = MeshDevice(given.own[0], given.interface[0], given.mesh)
    beats = MeshBeats(device.own, device.peers, given.failed, given.announced, given.drained)
    tables = NftTables(given.table, given.clients, clients=True)
    ended = EndedConnections(vips)
    observed_s = checked_s = forgot_s = None

    def end(number, frame):
        # Others must not take its connections for dead while a deploy starts this program anew.
        beats.send(interface_index(DEVICE), pauses=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    watchdog = Watchdog()
    while True:
        watchdog.goes_on()
        now_s = time.monotonic()
        made_anew = False
        due = observed_s is None or now_s - observed_s >= OBSERVE_S
        if changed.any_new() or device.gone or due:
            interface_sysctls.apply(given.interface, sysctls, saved_sysctls)
            for vip in vips:
                put_on_lo(vip, "forever")
            made_anew = bool(given.table) and device.ensure(interface_index(DEVICE))
            # What was just changed here is no news: else what cannot be mended was tried for ever
            # without a pause.
            changed.any_new()
            observed_s = now_s
        index = interface_index(DEVICE)
        if checked_s is None or made_anew:
            tables.load()
            checked_s = now_s
        elif flushed.any_new() or now_s - checked_s >= TABLES_S:
            tables.check()
            checked_s = now_s
        if index:
            beats.send(index)
        if forgot_s is None or now_s - forgot_s >= FORGET_S:
            ended.forget()
            forgot_s = now_s
        poll.poll(BEAT_S * 1000)
