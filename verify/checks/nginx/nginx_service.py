"""NGX: does nginx run as it should, and does it answer?"""

from __future__ import annotations

from verify.checks.check import (
    Answer,
    Here,
    agrees,
    fails,
    faultless,
    holds,
    holds_if,
    on_host,
    warns,
)
from verify.checks.nginx.udp_ports import held_otherwise
from verify.checks.premises import has_own_paths, nginx_running, others_reached
from verify.read.http_output import stub_status
from verify.read.keepalived_output import Overload
from verify.read.machine_view import RUNNING, CannotTell

SLOW_S = 0.5
# An overload that has ended is told of for so long.
TOLD_FOR_S = 86400.0


@on_host(
    "NGX-09",
    "nginx's unit is enabled and active",
    reads=("units",),
    settles=True,
    reason="A unit that is not enabled does not start nginx after the next reboot.",
    remedy="systemctl enable --now nginx; if it does not start: journalctl -u nginx -n 50",
)
def unit(here: Here) -> Answer:
    # Init scripts do not count them.
    restarts = int(here.machine.unit("nginx")["NRestarts"]) if here.machine.systemd else 0
    state = here.machine.service("nginx")
    if restarts and state == RUNNING:
        actual = f"systemd has restarted it {restarts} times; journalctl -u nginx says why"
        return warns(expected="no restart since it was started", actual=actual)
    return agrees(expected=RUNNING, actual=state)


@on_host(
    "NGX-10",
    "exactly one nginx master runs, started by its unit",
    reads=("nginx_processes", "units"),
    settles=True,
    reason="Without a master nothing answers; with two, which one answers is chance.",
    remedy="systemctl start nginx. A master that the unit does not know was started by hand: "
    "nginx -s quit, then systemctl restart nginx.",
)
def one_master(here: Here) -> Answer:
    expected = "one master, started by nginx.service"
    masters = [process.pid for process in here.machine.nginx_masters]
    if len(masters) != 1:
        shown = f"{len(masters)} masters: {masters}" if masters else "no master"
        return fails(expected=expected, actual=shown)
    main = here.machine.unit("nginx")["MainPID"]
    shown = f"master {masters[0]}; the unit's main process is {main}"
    return holds_if(main == str(masters[0]), expected=expected, actual=shown)


@on_host(
    "NGX-11",
    "nothing but nginx listens on its ports",
    reads=("listeners", "udp_sockets", "nginx_processes"),
    needs=(nginx_running,),
    reason="Another program on the port answers some clients, or keeps nginx from starting.",
    remedy="ss -ltunp shows who listens; stop it, then systemctl restart nginx.",
)
def listeners(here: Here) -> Answer:
    streams = {stream.listen for stream in here.node.streams if stream.is_tcp}
    ports = sorted({here.node.http_port, here.node.served_port} | streams)
    ours = {process.pid for process in here.machine.nginx_processes}
    found = [item for item in here.machine.listeners if item.port in (*ports, 443)]
    if nameless := [item for item in found if not item.programs]:
        raise CannotTell(f"ss does not say who listens on {nameless[0].address}:{nameless[0].port}")
    faults = [
        f"{program} (pid {pid}) listens on {item.address}:{item.port}"
        for item in found
        for program, pid in item.programs
        if pid not in ours
    ]
    for port in ports:
        if not any(item.port == port for item in found):
            faults.append(f"nothing listens on port {port}")
    shown = " and ".join(map(str, ports))
    datagrams = {stream.listen for stream in here.node.streams if not stream.is_tcp}
    datagrams |= {here.node.https_port} if here.node.speaks_http3 else set()
    for port in sorted(datagrams):
        faults += held_otherwise(here.machine, port)
    if datagrams:
        shown += f", and on {' and '.join(map(str, sorted(datagrams)))} of UDP"
    return faultless(faults, expected=f"nginx on port {shown}", found=f"port {shown}")


@on_host(
    "NGX-12",
    "workers run as nginx, without capabilities",
    reads=("nginx_processes", "nginx_user"),
    needs=(nginx_running,),
    reason="A vulnerability in a worker must not give away the whole machine.",
    remedy="`user nginx nginx;` in nginx.conf, then systemctl reload nginx; or run deploy.py.",
)
def unprivileged(here: Here) -> Answer:
    wanted = here.machine.nginx_uid
    faults = []
    if not here.machine.nginx_workers:
        raise CannotTell("nginx has no worker (NGX-13)")
    for worker in here.machine.nginx_workers:
        if worker.uid != wanted:
            faults.append(f"worker {worker.pid} runs as uid {worker.uid}")
        if worker.capabilities:
            faults.append(f"worker {worker.pid} has capabilities {worker.capabilities:x}")
    return faultless(faults, expected=f"uid {wanted}, no capabilities", found=f"uid {wanted}")


@on_host(
    "NGX-13",
    "worker count and file limit fit the workload",
    reads=("nginx_processes", "system"),
    needs=(nginx_running,),
    settles=True,
    reason="Too few workers leave CPUs idle; a low file limit refuses connections under load.",
    remedy="Run deploy.py: both follow from `workload` and `worker_connections`.",
)
def workers(here: Here) -> Answer:
    cpus = here.machine.system.cpus
    count = cpus * {"cpu": 1, "io": 2}[here.node.workload]
    files = here.node.files_limit
    running = here.machine.nginx_workers
    faults = [f"{len(running)} workers"] if len(running) != count else []
    faults += [
        f"worker {worker.pid} may open {worker.files_limit} files"
        for worker in running
        if worker.files_limit < files
    ]
    expected = f"{count} workers ({here.node.workload}, {cpus} CPUs), {files} files each"
    return faultless(faults, expected=expected, found=f"{count} workers")


@on_host(
    "NGX-14",
    "the node's page answers other machines in time",
    reads=("page:{name}",),
    needs=(nginx_running, others_reached),
    settles=True,
    reason="Only another machine gets what clients get: the page through firewall and routes.",
    remedy="Compare with curl http://127.0.0.1/ on the machine. If that is right, look at "
    "firewall and network; if it is wrong, at nginx and /usr/html/index.html, which deploy.py "
    "writes.",
)
def page(here: Here) -> Answer:
    expected = f"200, {here.node.page!r}, within {SLOW_S} s"
    faults = []
    for name, other in here.others.items():
        answer = other.asked(f"page:{here.node.name}", timed=True)
        if answer.status == 0:
            faults.append(f"{name} gets {answer.body}")
        elif answer.status != 200 or answer.body.rstrip("\n") != here.node.page:
            faults.append(f"{name} gets {answer.status}, {answer.body[:80].rstrip()!r}")
        elif (answer.seconds or 0) > SLOW_S:
            faults.append(f"{name} waits {answer.seconds:.2f} s")
    return faultless(faults, expected=expected, found=", ".join(here.others))


@on_host(
    "NGX-15",
    "an unknown path is answered with 404",
    reads=("nginx_missing",),
    needs=(has_own_paths, nginx_running),
    reason="A server that answers every path with 200 hides mistakes from monitoring.",
    remedy="Run deploy.py; look for a `try_files` or `error_page` that was added by hand.",
)
def unknown_path(here: Here) -> Answer:
    answer = here.machine.asked("nginx_missing")
    return agrees(expected="404", actual=str(answer.status or answer.body))


@on_host(
    "NGX-16",
    "no version is shown, protective headers are sent",
    reads=("nginx_page",),
    needs=(nginx_running,),
    reason="A version tells attackers which vulnerabilities to try; the headers keep browsers "
    "from guessing types.",
    remedy="Run deploy.py: server_tokens off in nginx.conf, and headers.conf included there. "
    "NGX-07 says which headers the configuration would add.",
)
def headers(here: Here) -> Answer:
    answer = here.machine.asked("nginx_page")
    if not answer.status:
        return fails(expected="an answer", actual=answer.body)
    faults = []
    if answer.headers.get("server", "nginx") != "nginx":
        faults.append(f"Server: {answer.headers['server']}")
    # Of a value that is a variable of nginx's nobody knows whether it is empty.
    added = here.node.headers_of(None).items()
    wanted = [name for name, value in added if "$" not in value]
    for name in wanted:
        if (count := len(answer.headers.get_all(name, []))) != 1:
            faults.append(f"{name}: {f'sent {count} times' if count else '(not sent)'}")
    expected = ", ".join(["Server: nginx", *wanted])
    return faultless(faults, expected=expected, found="as expected")


@on_host(
    "NGX-17",
    "only localhost reads the counters",
    reads=("nginx_status", "status:{name}"),
    needs=(nginx_running,),
    reason="The counters tell strangers how busy the site is.",
    remedy="Run deploy.py.",
)
def counters(here: Here) -> Answer:
    answer = here.machine.asked("nginx_status")
    if answer.status != 200:
        actual = f"127.0.0.1 gets {answer.status or answer.body}"
        return fails(expected="200 on 127.0.0.1, 403 elsewhere", actual=actual)
    accepted, _, _ = stub_status(answer.body)
    faults = []
    for name, other in here.others.items():
        outside = other.asked(f"status:{here.node.name}", timed=True).status
        if outside not in (0, 403, 404):
            faults.append(f"{name} gets {outside}")
    note = "" if here.others else "; no other machine asked"
    return faultless(
        faults,
        expected="200 on 127.0.0.1, 403 elsewhere",
        found=f"{accepted} connections accepted{note}",
    )


@on_host(
    "NGX-23",
    "every server behind nginx answers this machine",
    reads=("upstreams",),
    reason="What is proxied to a server that does not answer is 502 or 504 for clients, or slow; "
    "and of several servers nobody notices that the others carry its part.",
    remedy="Start that server, or open its port to this machine: curl -I http://ADDRESS/ there. If "
    "it is gone for good, take it out of `upstreams` or of the snippet. This warns, and fails with "
    "strict = True; --data skip=NGX-23 leaves it out.",
)
def upstreams(here: Here) -> Answer:
    """Those of the settings, and of snippets where they give an address."""
    found = here.machine.asked_servers
    if not found:
        return holds("nothing is proxied")
    faults = [f"{one.address} ({one.whose}) {one.problem}" for one in found if one.problem]
    if faults:
        answer = fails if here.node.strict else warns
        return answer(expected=f"{len(found)} servers answer", actual="; ".join(faults))
    return holds(f"{len(found)} servers answer")


@on_host(
    "NGX-24",
    "nginx had room for its clients, and time",
    reads=("nginx_overload", "nginx_status"),
    needs=(nginx_running,),
    reason="A full nginx closes new connections unanswered, a busy one answers late. The VIP "
    "stays, because its clients would do the same to the next node: nobody else tells of it.",
    remedy="Full: raise `worker_connections`; if few addresses hold many connections (`ss -Htn` "
    "tells which), set `client_limits`. Busy: more CPUs, or less work for each request. "
    "`journalctl -u tandem-watch` and nginx's error.log say when. This only warns, for a day.",
)
def room(here: Here) -> Answer:
    found = here.machine.overloads
    if found.seen is None and not here.node.classic:
        raise CannotTell("tandem-watch has written nothing of it: run deploy.py")
    told = [_told(one) for one in found.seen or () if (one.ended_ago_s or 0.0) < TOLD_FOR_S]
    if found.refused_ago_s is not None and found.refused_ago_s < TOLD_FOR_S:
        minutes = found.refused_ago_s / 60
        told.append(
            f"connections closed for want of room, the last {minutes:.0f} minutes ago"
            f"{_closed_unanswered(here)}"
        )
    if told:
        return warns(expected="neither full nor busy", actual="; ".join(told))
    stub_status(here.machine.asked("nginx_status").body)  # or nobody knows: it may be full just now
    return holds("neither full nor busy in the last day")


def _closed_unanswered(here: Here) -> str:
    """How many of clients' connections, as nginx has counted since its start; it cannot be asked
    while it is full, and has begun anew if it was restarted since."""
    status = here.machine.asked("nginx_status")
    if status.status != 200:
        return ""
    accepted, handled, _ = stub_status(status.body)
    return f": {accepted - handled} of {accepted} since nginx was started" * (accepted > handled)


def _told(one: Overload) -> str:
    if one.ended_ago_s is None:
        return f"{one.kind} now, since {one.seconds:.0f} s"
    minutes = one.ended_ago_s / 60
    times = f", {one.count} times since the watch was started" if one.count > 1 else ""
    return f"{one.kind} for {one.seconds:.1f} s, {minutes:.0f} minutes ago{times}"
