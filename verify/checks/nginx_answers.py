"""NGX: what the running configuration means, and how it answers on the machine itself."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Node
from verify.checks.check import Answer, Here, agrees, fails, faultless, on_host
from verify.checks.premises import nginx_configured, nginx_running, others_reached, own_paths
from verify.read.nginx_output import Directive
from verify.read.system_output import stub_status

HEADERS = {"x-content-type-options": "nosniff", "x-frame-options": "SAMEORIGIN"}


@on_host(
    "NGX-07",
    "the configuration means what was asked",
    reads=("nginx_dump",),
    needs=(nginx_configured,),
    reason="A line added or changed by hand is gone after the next deploy, or stays for ever.",
    remedy="Run deploy.py; what is meant to stay belongs into group_data/ or files/nginx/conf.d/.",
)
def meaning(here: Here) -> Answer:
    """Judged by meaning, not by text: the verifier has no copy of the deploy's template. What a
    person's own snippets add is asked for, whatever it is."""
    root = here.machine.nginx_dump.base
    cpus = here.machine.system.cpus
    wanted = {
        ("user",): ("nginx nginx", "nginx"),
        ("worker_processes",): (str(cpus * {"cpu": 1, "io": 2}[here.node.workload]),),
        ("events", "worker_connections"): (str(here.node.worker_connections),),
        ("http", "server_tokens"): ("off",),
    }
    faults = []
    for path, right in wanted.items():
        found = root.last(*path)
        if found not in right:
            faults.append(f"{path[-1]} is {found or 'not set'}, not {right[0]}")
    faults += _server_faults(root, here.node)
    ports = {port(listen) for listen in root.every("http", "server", "listen")}
    wanted_ports = {here.node.http_port, here.node.served_port}
    faults += [f"listens on {extra} too" for extra in sorted(ports - wanted_ports)]
    faults += [f"does not listen on {missing}" for missing in sorted(wanted_ports - ports)]
    faults += _status_faults(root)
    return faultless(faults, expected="what group_data/ says", found="what group_data/ says")


def _server_faults(root: Directive, node: Node) -> Iterator[str]:
    """What is wrong with who is answered, and from where."""
    names: dict[str, str] = {}
    for server in root.every("http", "server"):
        if served := server.last("root"):
            names |= {name: served for name in server.last("server_name").split()}
    wanted = {name: site.root for site in node.sites for name in site.server_names}
    for name, right in ({"_": "/usr/html"} | wanted).items():
        found = names.pop(name, "not set")
        if found not in (right, right.removeprefix("/usr/")):
            yield f"root of {name} is {found}, not {right}"
    for name in names:
        yield f"answers to {name}, which is no site"


def port(listen: Directive) -> int:
    """The port of a `listen` directive; 0 for a unix socket."""
    text = listen.arguments[0]
    if text.startswith("unix:"):
        return 0
    last = text.rpartition(":")[2]
    return int(last) if last.isdigit() else 80


def _status_faults(root: Directive) -> Iterator[str]:
    """What is wrong with who may read nginx's counters."""
    places = [
        location
        for location in root.every("http", "server", "location")
        if any(location.every("stub_status"))
    ]
    if len(places) != 1:
        yield f"{len(places)} locations show stub_status, not one"
    for place in places:
        if place.arguments[-1] != "/nginx_status":
            yield f"stub_status is at {place.arguments[-1]}, not /nginx_status"
        allowed = [allow.arguments[0] for allow in place.every("allow")]
        closed = place.last("deny") == "all"
        if any(address not in ("127.0.0.1", "::1") for address in allowed) or not closed:
            yield "stub_status is open to others than 127.0.0.1"


@on_host(
    "NGX-15",
    "an unknown path is answered with 404",
    reads=("nginx_missing",),
    needs=(nginx_running, own_paths),
    reason="A server that answers everything with 200 hides mistakes from those who watch it.",
    remedy="Run deploy.py; look for a `try_files` or `error_page` that was added by hand.",
)
def unknown_path(here: Here) -> Answer:
    answer = here.machine.asked("nginx_missing")
    return agrees(expected="404", actual=str(answer.status or answer.body))


@on_host(
    "NGX-16",
    "no version is shown, and protective headers are sent",
    reads=("nginx_page",),
    needs=(nginx_running,),
    reason="A version tells which holes to try; the headers keep browsers from guessing types.",
    remedy="Run deploy.py: server_tokens off, and both add_header lines in nginx.conf.",
)
def headers(here: Here) -> Answer:
    answer = here.machine.asked("nginx_page")
    if not answer.status:
        return fails(expected="an answer", actual=answer.body)
    faults = []
    if answer.headers.get("server", "nginx") != "nginx":
        faults.append(f"Server: {answer.headers['server']}")
    for name, value in HEADERS.items():
        if answer.headers.get(name, "").lower() != value.lower():
            faults.append(f"{name}: {answer.headers.get(name, '(not sent)')}")
    return faultless(faults, expected="Server: nginx, nosniff, SAMEORIGIN", found="as expected")


@on_host(
    "NGX-17",
    "counters for localhost only, none dropped",
    reads=("nginx_status", "status:{name}"),
    needs=(nginx_running,),
    reason="The counters tell strangers how busy the site is; accepts above handled are lost.",
    remedy="Run deploy.py. If connections are dropped: raise worker_connections.",
)
def counters(here: Here) -> Answer:
    answer = here.machine.asked("nginx_status")
    if answer.status != 200:
        actual = f"127.0.0.1 gets {answer.status or answer.body}"
        return fails(expected="200 on 127.0.0.1, 403 elsewhere", actual=actual)
    accepted, handled, _ = stub_status(answer.body)
    faults = [f"{accepted - handled} connections dropped"] if accepted != handled else []
    for name, other in here.others.items():
        outside = other.asked(f"status:{here.node.name}", timed=True).status
        if outside not in (0, 403, 404):
            faults.append(f"{name} gets {outside}")
    note = "" if not others_reached(here) else "; no other machine asked"
    return faultless(
        faults,
        expected="200 on 127.0.0.1, 403 elsewhere, nothing dropped",
        found=f"{accepted} accepted, all handled{note}",
    )
