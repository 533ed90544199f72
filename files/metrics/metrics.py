"""Tell Prometheus of this node's part in the cluster: the VIP, VRRP, drains, the watch's verdict.

    curl http://ADDRESS:PORT/metrics

Every scrape observes anew: the kernel's addresses, keepalived's own state (which it writes when it
is sent a signal), the files that request a drain, and those with the watch's verdict. In a routed
cluster, where all nodes have the address, BIRD is asked instead: what it announces, and to whom.
docs/metrics.md says what each number means and what to alert on.

A table of nftables says who may read. This program has it loaded again should somebody flush it;
the kernel tells when that happens.
"""

import contextlib
import os
import re
import select
import socket
import time

from common import bird_control
from common.command_options import parse
from common.commands import run
from common.journal import say
from common.keepalived_state import DIRECTORY, instances, signal_number
from common.machine_files import read
from common.netlink import TABLES, Events

TABLE = ("inet", "tandem_metrics")
CHECK_S = 60.0  # also when the kernel has told of no change
SHORTEST_CHECK_S = 1.0  # between two checks of the table

ANSWER_S = 0.5
DRAINS = {"person": "/etc/keepalived/down", "deploy": "/run/tandem/drain"}
WATCH = "/run/tandem"
SERVICES = ("nginx", "keepalived", "tandem-watch", "tandem-handover")
# What BIRD announces the address by (templates/bird/bird.conf.j2), and how a router is then told.
ANNOUNCED_BY = {"vip_serves": "serves", "vip_yields": "yields"}
# Where nodes give each other segments.
MESH = "/sys/class/net/tandem/statistics"
# A scraper that sends nothing for so long loses its connection.
SCRAPER_TIMEOUT_S = 2.0

# keepalived's counters of adverts that it has refused.
REFUSALS = (
    *("packet_len_err", "advert_interval_err", "ip_ttl_err", "invalid_type_rcvd"),
    *("addr_list_err", "invalid_authtype", "authtype_mismatch", "auth_failure"),
)


# Each metric and what it means. The name of a counter ends in _total, all others are gauges.
METRICS = {
    "tandem_info": "Which node this is.",
    "tandem_service_active": "Whether a service of this node runs.",
    "tandem_vip_held": "Whether this node's kernel has the address that moves.",
    "tandem_drained": "Whether this node was asked to give the address away.",
    "tandem_watch_failed": "1: the watch takes this node out of the election.",
    "tandem_watch_last_resort": "1: it takes part behind every node whose nginx lives.",
    "tandem_nginx_overloaded": "Whether nginx is full, or busy. The address stays all the same.",
    "tandem_nginx_overloads_total": "How often it was, since the watch was started.",
    "tandem_keepalived_up": "Whether keepalived has told its state.",
    "tandem_bird_up": "Whether BIRD has told its state.",
    "tandem_vip_announced": "Whether a router is told of the address, and how.",
    "tandem_router_session_up": "Whether the BGP session to a router is established.",
    "tandem_router_bfd_up": "Whether BFD would tell of a silent router, and it of a silent node.",
    "tandem_mesh_packets_total": "What nodes have given each other: segments, questions and beats.",
    "tandem_vrrp_state": "0 starts, 1 is backup, 2 is master, 3 is faulty.",
    "tandem_vrrp_priority": "What it takes part with.",
    "tandem_vrrp_base_priority": "What it would take part with.",
    "tandem_vrrp_last_transition_timestamp_seconds": "When its state last changed.",
    "tandem_vrrp_transitions_total": "How often it took the address, and let it go.",
    "tandem_vrrp_adverts_received_total": "Adverts heard.",
    "tandem_vrrp_adverts_sent_total": "Adverts sent.",
    "tandem_vrrp_adverts_refused_total": "Adverts it could not accept.",
}


class MetricsPage:
    """The answer to a scrape: samples, grouped by metric, each metric under its HELP and TYPE."""

    def __init__(self):
        self.metrics = {}

    def add(self, name, value, **labels):
        kind = "counter" if name.endswith("_total") else "gauge"
        head = f"# HELP {name} {METRICS[name]}\n# TYPE {name} {kind}"
        pairs = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
        sample = f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}"
        self.metrics.setdefault(head, []).append(sample)

    def text(self):
        parts = ["\n".join([head, *samples]) for head, samples in self.metrics.items()]
        return "\n".join(parts) + "\n"


def escaped(text):
    return str(text).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def page(node, cluster, vips, observed):
    """The text of the page about what `observe` has returned. Pure."""
    out = MetricsPage()
    out.add("tandem_info", 1, node=node, cluster=cluster)
    for service, active in observed["services"].items():
        out.add("tandem_service_active", int(active), service=service)
    routed = observed.get("routed")
    for vip in vips if routed is None else ():
        out.add("tandem_vip_held", int(vip in observed["addresses"]), vip=vip)
    for by, there in observed["drains"].items():
        out.add("tandem_drained", int(there), by=by)
    for name, verdict in observed["watch"].items():
        out.add("tandem_watch_" + name.replace("-", "_"), verdict)
    for kind, (count, goes_on) in observed["overload"].items():
        out.add("tandem_nginx_overloaded", int(goes_on), kind=kind)
        out.add("tandem_nginx_overloads_total", count, kind=kind)
    if routed is not None:
        for name, value, labels in of_routers(routed, vips):
            out.add("tandem_" + name, value, **labels)
        return out.text()
    out.add("tandem_keepalived_up", int(bool(observed["instances"])))
    for instance in observed["instances"]:
        for name, value, labels in vrrp(instance["data"], instance["stats"]):
            labels = {"vrrp_instance": instance["data"]["iname"], **labels}
            out.add("tandem_vrrp_" + name, value, **labels)
    return out.text()


def vrrp(data, stats):
    """(metric, value, labels) of one VRRP instance, as keepalived describes it."""
    return [
        ("state", data["state"], {}),
        ("priority", data["effective_priority"], {}),
        ("base_priority", data["base_priority"], {}),
        ("last_transition_timestamp_seconds", data["last_transition"], {}),
        ("transitions_total", stats["become_master"], {"to": "master"}),
        ("transitions_total", stats["release_master"], {"to": "backup"}),
        ("adverts_received_total", stats["advert_rcvd"], {}),
        ("adverts_sent_total", stats["advert_sent"], {}),
        ("adverts_refused_total", sum(stats.get(counter, 0) for counter in REFUSALS), {}),
    ]


def of_routers(routed, vips):
    """(metric, value, labels) of what BIRD has told, and of the mesh."""
    protocols, neighbours, silent_s = routed["protocols"], routed["neighbours"], routed["bfd"]
    yield "bird_up", int(bool(protocols)), {}
    sessions = {
        address: protocols.get(protocol) == "Established"
        for protocol, address in sorted(neighbours.items())
    }
    for vip in vips:
        six = ":" in vip
        # What BIRD would say is told to nobody without a session of that family.
        told = any(up for address, up in sessions.items() if (":" in address) == six)
        for protocol, how in ANNOUNCED_BY.items():
            up = protocols.get(protocol + ("6" if six else "4")) == bird_control.UP
            yield "vip_announced", int(told and up), {"vip": vip, "as": how}
    for address, up in sessions.items():
        yield "router_session_up", int(up), {"router": address}
    for address, state in sorted(silent_s.items()):
        yield "router_bfd_up", int(state == "Up"), {"router": address}
    for direction, count in routed["mesh"].items():
        yield "mesh_packets_total", count, {"direction": direction}


def neighbours(lines):
    """{protocol: the router's address} of BIRD's answer to `show protocols all`."""
    found, protocol = {}, ""
    for line in lines:
        if line[:1].strip():
            protocol = line.split()[0]
        elif line.strip().startswith("Neighbor address:"):
            found[protocol] = line.split()[2].partition("%")[0]
    return found


def bfd_states(lines):
    """{router's address: state} of BIRD's answer to `show bfd sessions`."""
    rows = (line.split() for line in lines)
    found = (row for row in rows if len(row) > 2 and re.match(r"[\da-f:.]+(%\S+)?$", row[0]))
    return {row[0].partition("%")[0]: row[2] for row in found}


def observe_routed(bird):
    """What BIRD at that control socket tells, and what went through the mesh."""
    told = {"show protocols all": [], "show bfd sessions": []}
    with contextlib.suppress(OSError):
        for command in told:
            told[command] = bird_control.ask(command, ANSWER_S, bird).text()
    counted = {way: read(os.path.join(MESH, f"{way}_packets")) for way in ("rx", "tx")}
    ways = {"rx": "received", "tx": "sent"}
    protocols, sessions = told.values()
    return {
        "protocols": bird_control.states([line for line in protocols if line[:1].strip()]),
        "neighbours": neighbours(protocols),
        "bfd": bfd_states(sessions),
        "mesh": {ways[way]: int(count) for way, count in counted.items() if count.isdigit()},
    }


def printed(*words):
    """What a command prints; "" where it cannot be run."""
    return run(*words, timeout_s=5).output


def addresses(interfaces):
    """Those of the interfaces that have VIPs: on `lo` a VIP is not held."""
    shown = "\n".join(printed("ip", "-o", "address", "show", "dev", each) for each in interfaces)
    words = map(str.split, shown.splitlines())
    return {each[3].partition("/")[0] for each in words if len(each) > 3}


def overload(text):
    """{kind: (how often, whether it goes on)} of what the watch has written: KIND COUNT BEGAN ENDED
    in each line."""
    rows = [line.split() for line in text.splitlines()]
    return {kind: (int(count), began != "-" and ended == "-") for kind, count, began, ended in rows}


def observe(state_signal, interfaces, bird=""):
    """What the page tells, as it is now. bird: its control socket, in a routed cluster."""
    services = tuple("bird" if bird and each == "keepalived" else each for each in SERVICES)
    verdicts = {name: read(os.path.join(WATCH, name)) for name in ("failed", "last-resort")}
    states = zip(services, printed("systemctl", "is-active", *services).split())
    classic = not any(verdicts.values())  # then neither of Tandem's own services is here
    return {
        "services": {
            name: state == "active"
            for name, state in states
            if not (classic and name.startswith("tandem-"))
        },
        "addresses": addresses(interfaces),
        "drains": {by: os.path.exists(path) for by, path in DRAINS.items()},
        "watch": {name: int(digit) for name, digit in verdicts.items() if digit.isdigit()},
        "overload": overload(read(os.path.join(WATCH, "overload"))),
        "instances": [] if bird else instances(state_signal, ANSWER_S, DIRECTORY),
        "routed": observe_routed(bird) if bird else None,
    }


class AccessTable:
    """Keeps loaded the table by which the kernel turns away whoever may not read."""

    def __init__(self, path):
        self.path = path
        self.checked_s = float("-inf")
        self.changed = True
        self.events = None
        try:
            self.events = Events(TABLES)
        except OSError as error:
            say(f"the kernel does not tell of changed tables: {error}")

    def keep(self, now_s):
        """Load it if it is gone. Returns in how many seconds to check again."""
        if self.events and self.events.any_new():
            self.changed = True
        if now_s - self.checked_s >= self._pause_s():
            self.checked_s, self.changed = now_s, False
            if "chain scrape" not in printed("nft", "list", "table", *TABLE):
                say("the table was gone")
                run("nft", "--file", self.path, timeout_s=5)
        return max(0.1, self.checked_s + self._pause_s() - now_s)

    def _pause_s(self):
        return SHORTEST_CHECK_S if self.changed else CHECK_S


def answer(connection, text):
    """Answer one request, the only one of its connection."""
    connection.settimeout(SCRAPER_TIMEOUT_S)
    request = b""
    while b"\r\n\r\n" not in request and len(request) < 8192:
        more = connection.recv(4096)
        if not more:
            return
        request += more
    known = re.match(rb"GET /metrics(\?\S*)? HTTP/", request)
    status, body = ("200 OK", text()) if known else ("404 Not Found", "See /metrics\n")
    data = body.encode()
    kind = "text/plain; version=0.0.4; charset=utf-8"
    head = "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    connection.sendall((head % (status, kind, len(data))).encode() + data)


OPTIONS = {
    "--address": {"required": True, "help": "the machine's own"},
    "--port": {"required": True, "type": int},
    "--interface": {"action": "append", "required": True, "help": "where a VIP is held"},
    "--vip": {"action": "append", "default": [], "help": "an address that moves"},
    "--bird": {"default": "", "help": "BIRD's control socket, in a routed cluster"},
    "--node": {"required": True},
    "--cluster": {"required": True},
    "--table": {"required": True, "help": "the file that nft loads"},
}


def main():
    given = parse("Tell Prometheus of this node.", OPTIONS)
    state_signal = None if given.bird else signal_number()
    table = AccessTable(given.table)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((given.address, given.port))
    listener.listen(16)

    def text():
        seen = observe(state_signal, given.interface, given.bird)
        return page(given.node, given.cluster, given.vip, seen)

    sockets = [listener, table.events.socket] if table.events else [listener]
    while True:
        pause_s = table.keep(time.monotonic())
        if listener in select.select(sockets, [], [], pause_s)[0]:
            # The scraper may have disconnected; do not let that end the program.
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                answer(connection, text)
