"""Tell Prometheus of this node's part in the cluster: the VIP, VRRP, drains, the watch's verdict.

    curl http://ADDRESS:PORT/metrics

Every scrape observes anew: the kernel's addresses, keepalived's own state (which it writes when it
is sent a signal), the files that request a drain, and those with the watch's verdict.
docs/metrics.md says what each number means and what to alert on.

A table of nftables says who may read. This program has it loaded again should somebody flush it;
the kernel tells when that happens.
"""

import argparse
import ast
import contextlib
import os
import re
import select
import signal
import socket
import time

from common.commands import run
from common.journal import say
from common.linux_processes import stat
from common.machine_files import read
from common.netlink import TABLES, Events
from common.timing import wait_for

TABLE = ("inet", "tandem_metrics")
CHECK_S = 60.0  # also when the kernel has told of no change
SHORTEST_CHECK_S = 1.0  # between two checks of the table

PID_FILE = "/run/keepalived.pid"
STATE = "/run/keepalived/keepalived.json"
ANSWER_S = 0.5
DRAINS = {"person": "/etc/keepalived/down", "deploy": "/run/tandem/drain"}
WATCH = "/run/tandem"
SERVICES = ("nginx", "keepalived", "tandem-watch", "tandem-handover")
# A scraper that sends nothing for so long loses its connection.
SCRAPER_TIMEOUT_S = 2.0

# keepalived's counters of adverts that it has refused.
REFUSALS = (
    *("packet_len_err", "advert_interval_err", "ip_ttl_err", "invalid_type_rcvd"),
    *("addr_list_err", "invalid_authtype", "authtype_mismatch", "auth_failure"),
)


class MetricsPage:
    """The answer to a scrape: samples, grouped by metric, each metric under its HELP and TYPE."""

    def __init__(self):
        self.metrics = {}

    def add(self, name, kind, meaning, value, **labels):
        head = f"# HELP {name} {meaning}\n# TYPE {name} {kind}"
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
    out.add("tandem_info", "gauge", "Which node this is.", 1, node=node, cluster=cluster)
    for service, active in observed["services"].items():
        meaning = "Whether a service of this node runs."
        out.add("tandem_service_active", "gauge", meaning, int(active), service=service)
    for vip in vips:
        meaning = "Whether this node's kernel has the address that moves."
        out.add("tandem_vip_held", "gauge", meaning, int(vip in observed["addresses"]), vip=vip)
    for by, there in observed["drains"].items():
        meaning = "Whether this node was asked to give the address away."
        out.add("tandem_drained", "gauge", meaning, int(there), by=by)
    for name, verdict in observed["watch"].items():
        meaning = {
            "failed": "1: the watch takes this node out of the election.",
            "last-resort": "1: it takes part behind every node whose nginx lives.",
        }[name]
        out.add("tandem_watch_" + name.replace("-", "_"), "gauge", meaning, verdict)
    meaning = "Whether keepalived has told its state."
    out.add("tandem_keepalived_up", "gauge", meaning, int(bool(observed["instances"])))
    for instance in observed["instances"]:
        vrrp(out, instance["data"], instance["stats"])
    return out.text()


def vrrp(out, data, stats):
    """Add one VRRP instance, as keepalived describes it."""
    name = data["iname"]

    def add(metric, kind, meaning, value, **labels):
        out.add("tandem_vrrp_" + metric, kind, meaning, value, vrrp_instance=name, **labels)

    add("state", "gauge", "0 starts, 1 is backup, 2 is master, 3 is faulty.", data["state"])
    add("priority", "gauge", "What it takes part with.", data["effective_priority"])
    add("base_priority", "gauge", "What it would take part with.", data["base_priority"])
    when = data["last_transition"]
    add("last_transition_timestamp_seconds", "gauge", "When its state last changed.", when)
    meaning = "How often it took the address, and let it go."
    add("transitions_total", "counter", meaning, stats["become_master"], to="master")
    add("transitions_total", "counter", meaning, stats["release_master"], to="backup")
    add("adverts_received_total", "counter", "Adverts heard.", stats["advert_rcvd"])
    add("adverts_sent_total", "counter", "Adverts sent.", stats["advert_sent"])
    refused = sum(stats.get(counter, 0) for counter in REFUSALS)
    add("adverts_refused_total", "counter", "Adverts it could not accept.", refused)


def parse_state(text):
    """The VRRP instances in keepalived's JSON: a bare list up to 2.2.7, later within an object.

    As a literal of Python, because Debian's python3-minimal has no json. Raises ValueError,
    SyntaxError or KeyError.
    """
    words = {"true": "True", "false": "False", "null": "None"}
    # They are replaced within strings, too; no string that is read here has them.
    python = re.sub(r"\b(true|false|null)\b", lambda found: words[found.group()], text)
    found = ast.literal_eval(python.replace("\\/", "/"))
    return found["vrrp"] if isinstance(found, dict) else found


class Keepalived:
    """Asks keepalived for its state."""

    def __init__(self):
        number = printed("/usr/sbin/keepalived", "--signum=JSON")
        self.signal = int(number) if number.isdigit() else signal.SIGRTMIN + 2

    def instances(self):
        """Its VRRP instances; none where it does not run or does not answer."""
        pid = read(PID_FILE)
        if not pid.isdigit() or stat(pid).name != "keepalived":
            return []
        before = modified_ns(STATE)
        try:
            os.kill(int(pid), self.signal)
        except OSError:
            return []

        def answer():
            if modified_ns(STATE) == before:
                return []
            try:
                return parse_state(read(STATE))
            except (ValueError, SyntaxError, KeyError):
                return []  # it is still being written

        return wait_for(answer, ANSWER_S, 0.01)


def printed(*words):
    """What a command prints; "" where it cannot be run."""
    return run(*words, timeout_s=5).output


def modified_ns(path):
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def addresses(interface):
    """Those of the interface that carries the VIP: on `lo` the VIP is not held."""
    lines = printed("ip", "-o", "address", "show", "dev", interface).splitlines()
    words = [line.split() for line in lines]
    return {each[3].partition("/")[0] for each in words if len(each) > 3}


def services():
    states = printed("systemctl", "is-active", *SERVICES).split()
    return {name: state == "active" for name, state in zip(SERVICES, states)}


def observe(keepalived, interface):
    """What the page tells, as it is now."""
    verdicts = {name: read(os.path.join(WATCH, name)) for name in ("failed", "last-resort")}
    found = services()
    if not any(verdicts.values()):  # the classic profile has neither
        found = {name: found[name] for name in found if not name.startswith("tandem-")}
    return {
        "services": found,
        "addresses": addresses(interface),
        "drains": {by: os.path.exists(path) for by, path in DRAINS.items()},
        "watch": {name: int(digit) for name, digit in verdicts.items() if digit.isdigit()},
        "instances": keepalived.instances(),
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
    if re.match(rb"GET /metrics(\?\S*)? HTTP/", request):
        status, body = "200 OK", text()
    else:
        status, body = "404 Not Found", "See /metrics\n"
    data = body.encode()
    kind = "text/plain; version=0.0.4; charset=utf-8"
    head = "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    connection.sendall((head % (status, kind, len(data))).encode() + data)


def main():
    parser = argparse.ArgumentParser(description="Tell Prometheus of this node.")
    parser.add_argument("--address", required=True, help="the machine's own")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--interface", required=True, help="where the VIP is held")
    parser.add_argument("--vip", action="append", default=[], help="an address that moves")
    parser.add_argument("--node", required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--table", required=True, help="the file that nft loads")
    given = parser.parse_args()
    keepalived = Keepalived()
    table = AccessTable(given.table)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((given.address, given.port))
    listener.listen(16)

    def text():
        return page(given.node, given.cluster, given.vip, observe(keepalived, given.interface))

    sockets = [listener, table.events.socket] if table.events else [listener]
    while True:
        pause_s = table.keep(time.monotonic())
        if listener in select.select(sockets, [], [], pause_s)[0]:
            # The scraper may have disconnected; do not let that end the program.
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                answer(connection, text)
