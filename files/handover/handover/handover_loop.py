"""The hand-over's command line and its loop."""

import os
import select
import time

from common.command_options import parse, placed
from common.netlink import ADDRESSES, LINKS, TABLES, Events, interface_index
from common.timing import in_real_time
from common.watchdog import Watchdog
from handover import interface_sysctls
from handover.address_state import FOREVER
from handover.mesh import mesh_device, routed_loop
from handover.moving_address import MovingAddress, remove_former_addresses, version
from handover.nft_tables import NftTables
from handover.unresolved_neighbours import UnresolvedNeighbours

BEAT_S = 0.1
OBSERVE_S = 2.0  # also when the kernel has told of no change
TABLES_S = 5.0


def remove(addresses, interfaces, saved_sysctls):
    """Leave nothing behind: `lo`, nftables and sysctls as they were before."""
    for address in addresses:
        address.observe()
        if address.left_s is not None:
            (address.forget if address.holds else address.cut)()
    NftTables().load()
    interface_sysctls.restore(interfaces, saved_sysctls)


def serve(addresses, tables, interfaces, saved_sysctls):
    """Do all this for ever."""
    moved, flushed = Events(ADDRESSES, LINKS), Events(TABLES)
    interface_sysctls.restore_former(interfaces, saved_sysctls)
    sysctls = interface_sysctls.wanted(any(version(each.vip) == 6 for each in addresses))
    poll = select.poll()
    for events in (moved, flushed):
        poll.register(events.socket, select.POLLIN)
    observed_s = checked_s = None
    indexes = [interface_index(each) for each in interfaces]
    watchdog = Watchdog()
    neighbours = UnresolvedNeighbours(interfaces)
    while True:
        watchdog.goes_on()
        now_s = time.monotonic()
        changed = moved.any_new()
        if changed:
            neighbours.observe()
        if changed or observed_s is None or now_s - observed_s >= OBSERVE_S:
            # Before `lo` may get the address.
            interface_sysctls.apply(interfaces, sysctls, saved_sysctls)
            for address in addresses:
                address.observe()
            observed_s = now_s
        for address in addresses:
            watchdog.goes_on()
            if address.step(now_s):
                address.observe()
            if address.state.beats:
                address.beat()
        # The first time all is loaded anew, and where an interface was made anew: what the rules
        # send on goes out by its number. No connection suffers: see the file about its sets.
        before, indexes = indexes, [interface_index(each) for each in interfaces]
        made_anew = any(now not in (0, was) for was, now in zip(before, indexes))
        if checked_s is None or made_anew:
            tables.load()
            checked_s = now_s
        elif (
            flushed.any_new()
            or (changed and tables.incomplete)
            or now_s - checked_s >= (OBSERVE_S if tables.incomplete else TABLES_S)
        ):
            tables.check()
            checked_s = now_s
        busy = any(
            each.state.beats or each.to_forget or each.left_s not in (None, FOREVER)
            for each in addresses
        )
        poll.poll((BEAT_S if busy else OBSERVE_S) * 1000)


EACH = {"action": "append", "required": True}
OPTIONS = {
    "--vip": {**EACH, "help": "an address that moves; @INTERFACE behind it: where it is held"},
    "--own": {**EACH, "help": "this node's own address, likewise"},
    "--other": {"action": "append", "default": [], "help": "another node's address, likewise"},
    "--interface": {**EACH, "help": "each of the cluster's; the first: where no @ says it"},
    "--window": {"required": True, "type": int, "help": "seconds; 0: reset at once"},
    "--port": {
        "action": "append",
        "default": [],
        "type": int,
        "help": "UDP port of its beat, per vip",
    },
    "--table": {"default": "", "help": "the file that nft loads"},
    "--speakers": {"default": "", "help": "keepalived's file for nft"},
    "--clients": {"default": "", "help": "of a routed node: the file about clients, likewise"},
    "--mesh": {
        "action": "append",
        "default": [],
        "help": "another node's address; all nodes have the address, which does not move",
    },
    "--failed": {"default": "/run/tandem/failed", "help": "the watch's: 0 while nginx serves"},
    "--announced": {
        "default": "/run/tandem/announced",
        "help": "likewise: 1 while routers hear that this node serves",
    },
    "--drained": {
        "action": "append",
        "default": [],
        "help": "a file that is there while this node is drained",
    },
    "--directory": {"default": "/var/lib/tandem-handover"},
    "--remove": {"action": "store_true", "help": "undo everything, and end"},
}


def moving_addresses(given):
    """Those that the command line names, each with this node's own address beside it."""
    vips, owns, others = (
        [placed(each, given.interface[0]) for each in words]
        for words in (given.vip, given.own, given.other)
    )
    own = {(on, version(address)): address for address, on in owns}
    return [
        MovingAddress(
            vip,
            own[on, version(vip)],
            [other for other, its in others if (its, version(other)) == (on, version(vip))],
            on,
            given.window,
            port,
        )
        for (vip, on), port in zip(vips, given.port)
    ]


def main():
    given = parse("Let connections go on when the address moves.", OPTIONS)
    saved_sysctls = os.path.join(given.directory, "sysctls-before")
    if given.mesh:
        act = routed_loop.remove if given.remove else routed_loop.serve
        act(given, given.vip, saved_sysctls)
        return
    addresses = moving_addresses(given)
    if given.remove:
        remove(addresses, given.interface, saved_sysctls)
        return
    in_real_time()
    mesh_device.remove()  # of a cluster that was routed
    vips = [address.vip for address in addresses]
    remove_former_addresses(vips, os.path.join(given.directory, "addresses"))
    serve(addresses, NftTables(given.table, given.speakers), given.interface, saved_sysctls)
