"""The hand-over's command line and its loop."""

import os
import select
import socket
import time

from common.command_options import parse
from common.journal import say
from common.machine_files import read, write
from common.netlink import ADDRESSES, LINKS, TABLES, Events
from common.timing import in_real_time
from handover import interface_sysctls
from handover.address_state import FOREVER
from handover.moving_address import MovingAddress, remove_from_lo, version
from handover.nft_tables import NftTables
from handover.unresolved_neighbours import UnresolvedNeighbours

BEAT_S = 0.1
OBSERVE_S = 2.0  # also when the kernel has told of no change
TABLES_S = 5.0


def remove(addresses, interface, saved_sysctls):
    """Leave nothing behind: `lo`, nftables and sysctls as they were before."""
    for address in addresses:
        address.observe()
        if address.left_s is not None:
            (address.forget if address.holds else address.cut)()
    NftTables().load()
    interface_sysctls.restore(interface, saved_sysctls)


def remove_former_addresses(vips, saved):
    """Take addresses off `lo` that another inventory had there; save those of this one."""
    for vip in set(read(saved).split()) - set(vips):
        say(f"{vip}: of another inventory, taken off lo")
        remove_from_lo(vip)  # after a boot it is not there, which does no harm
    write(saved, "".join(f"{vip}\n" for vip in vips).encode())


def serve(addresses, tables, interface, saved_sysctls):
    """Do all this for ever."""
    moved, flushed = Events(ADDRESSES, LINKS), Events(TABLES)
    sysctls = interface_sysctls.wanted(any(version(each.vip) == 6 for each in addresses))
    poll = select.poll()
    for events in (moved, flushed):
        poll.register(events.socket, select.POLLIN)
    observed_s = checked_s = None
    index = interface_index(interface)
    neighbours = UnresolvedNeighbours([interface])
    while True:
        now_s = time.monotonic()
        changed = moved.any_new()
        if changed:
            neighbours.observe()
        if changed or observed_s is None or now_s - observed_s >= OBSERVE_S:
            # Before `lo` may get the address.
            interface_sysctls.apply(interface, sysctls, saved_sysctls)
            for address in addresses:
                address.observe()
            observed_s = now_s
        for address in addresses:
            if address.step(now_s):
                address.observe()
            if address.state.beats:
                address.beat()
        # The first time all is loaded anew, and where the interface was made anew: what the rules
        # send on goes out by its number. No connection suffers: see the file about its sets.
        before, index = index, interface_index(interface)
        if checked_s is None or index not in (0, before):
            tables.load()
            checked_s = now_s
        elif (
            flushed.any_new()
            or (changed and tables.incomplete)
            or now_s - checked_s >= (OBSERVE_S if tables.incomplete else TABLES_S)
        ):
            tables.check()
            checked_s = now_s
        busy = any(each.state.beats or each.left_s not in (None, FOREVER) for each in addresses)
        poll.poll((BEAT_S if busy else OBSERVE_S) * 1000)


def interface_index(interface):
    """The interface's number; 0 where there is none."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


EACH = {"action": "append", "required": True}
OPTIONS = {
    "--vip": {**EACH, "help": "an address that moves"},
    "--own": {**EACH, "help": "this node's own address"},
    "--other": {"action": "append", "default": [], "help": "another node's address"},
    "--interface": {"required": True, "help": "where the address is held"},
    "--window": {"required": True, "type": int, "help": "seconds; 0: reset at once"},
    "--port": {**EACH, "type": int, "help": "UDP port of its beat, per vip"},
    "--table": {"default": "", "help": "the file that nft loads"},
    "--speakers": {"default": "", "help": "keepalived's file for nft"},
    "--directory": {"default": "/var/lib/tandem-handover"},
    "--remove": {"action": "store_true", "help": "undo everything, and end"},
}


def main():
    given = parse("Let connections go on when the address moves.", OPTIONS)
    own = {version(address): address for address in given.own}
    addresses = [
        MovingAddress(
            vip,
            own[version(vip)],
            [other for other in given.other if version(other) == version(vip)],
            given.interface,
            given.window,
            port,
        )
        for vip, port in zip(given.vip, given.port)
    ]
    saved_sysctls = os.path.join(given.directory, "sysctls-before")
    if given.remove:
        remove(addresses, given.interface, saved_sysctls)
        return
    in_real_time()
    remove_former_addresses(given.vip, os.path.join(given.directory, "addresses"))
    serve(addresses, NftTables(given.table, given.speakers), given.interface, saved_sysctls)
