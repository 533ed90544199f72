"""NGX: is nginx's configuration valid, as asked for, in force, and protected?"""

from __future__ import annotations

from collections.abc import Iterator

from verify.checks.check import Answer, Here, fails, faultless, holds, on_host, warns
from verify.checks.nginx.added_headers import added_otherwise
from verify.checks.nginx.limited_clients import limited_otherwise
from verify.checks.nginx.proxies_in_front import believed_otherwise
from verify.checks.nginx.served_places import served_otherwise
from verify.checks.nginx.served_streams import passed_on_otherwise
from verify.checks.nginx.served_versions import spoken_otherwise
from verify.checks.premises import has_cache, nginx_configured, nginx_installed, nginx_running
from verify.read.blocks import Block
from verify.read.machine_view import CannotTell
from verify.read.nginx_output import Dump

# A worker starts within this of the configuration it was started for; clocks count 0.01 s steps.
START_TOLERANCE_S = 0.05
# Where the watch asks for nginx's health.
HEALTH = "unix:/run/nginx/health.sock"
# What no setting says, so that a person may say otherwise (tasks/nginx leaves ours out then).
OWN_WINS = ("server_tokens", "reset_timedout_connection")


@on_host(
    "NGX-06",
    "the configuration on the disk is valid",
    reads=("nginx_dump",),
    needs=(nginx_installed,),
    reason="A reload ignores a broken configuration; the next start fails because of it.",
    remedy="nginx -t names the line that is wrong. Mend it in the snippet or the setting that it "
    "comes from, and run deploy.py, which tests before it replaces. A conflicting server name is "
    "one that two servers have: nginx serves the first alone, so give the other another name.",
)
def valid(here: Here) -> Answer:
    lines = here.machine.nginx_test_lines
    if not here.machine.configuration_is_good:
        return fails(expected="nginx -T exits 0", actual=" ".join(lines[:2]))
    if status := here.machine.told("nginx_dump").status:
        raise CannotTell(f"nginx -T exits {status}: {lines[-1]}")
    warnings = [line for line in lines if "[warn]" in line]
    if warnings:
        return warns(expected="no warning", actual="; ".join(warnings))
    return holds("nginx -T exits 0")


@on_host(
    "NGX-07",
    "nginx's configuration is what the settings ask for",
    reads=("nginx_dump", "system"),
    needs=(nginx_configured,),
    reason="A line changed by hand disappears with the next deploy, or stays for ever unnoticed.",
    remedy="Run deploy.py. What is meant to stay belongs in group_data/ or files/nginx/conf.d/.",
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
        ("http", "client_header_timeout"): (f"{here.node.client_header_timeout_s}s",),
        ("http", "client_body_timeout"): (f"{here.node.client_body_timeout_s}s",),
        ("http", "send_timeout"): (f"{here.node.send_timeout_s}s",),
        ("http", "reset_timedout_connection"): ("on",),
    }
    if here.node.gzip:
        wanted["http", "gzip"] = ("on",)
    faults = []
    for path, right in wanted.items():
        found = said(here.machine.nginx_dump, *path)
        if found not in right and not (found and path[-1] in OWN_WINS and not root.last(*path)):
            faults.append(f"{path[-1]} is {found or 'not set'}, not {right[0]}")
    faults += served_otherwise(root, here.node)
    faults += added_otherwise(root, here.node)
    faults += passed_on_otherwise(root, here.node)
    faults += limited_otherwise(root, here.node)
    faults += believed_otherwise(root, here.node)
    faults += spoken_otherwise(root, here.node)
    listens = list(root.every("http", "server", "listen"))
    if not here.node.classic and not any(listen.words[1] == HEALTH for listen in listens):
        faults.append(f"does not listen on {HEALTH}")
    ports = {port(listen) for listen in listens if listen.words[1] != HEALTH}
    wanted_ports = {here.node.http_port, here.node.served_port}
    faults += [f"listens on {extra} too" for extra in sorted(ports - wanted_ports)]
    faults += [f"does not listen on {missing}" for missing in sorted(wanted_ports - ports)]
    faults += _status_faults(root)
    return faultless(faults, expected="what group_data/ says")


def said(dump: Dump, *path: str) -> str:
    """What the last of `path` is, outside of a person's pieces; of what nginx takes once, theirs
    may have replaced ours."""
    return dump.base.last(*path) or dump.root.last(*path)


def port(listen: Block) -> int:
    """The port of a `listen` directive; 0 for a unix socket."""
    text = listen.words[1]
    if text.startswith("unix:"):
        return 0
    last = text.rpartition(":")[2]
    return int(last) if last.isdigit() else 80


def _status_faults(root: Block) -> Iterator[str]:
    """What is wrong with who may read nginx's counters."""
    places = [
        location
        for location in root.every("http", "server", "location")
        if any(location.every("stub_status"))
    ]
    if len(places) != 1:
        yield f"{len(places)} locations show stub_status, not one"
    for place in places:
        if place.words[-1] != "/nginx_status":
            yield f"stub_status is at {place.words[-1]}, not /nginx_status"
        allowed = [allow.words[1] for allow in place.every("allow")]
        closed = place.last("deny") == "all"
        if any(address not in ("127.0.0.1", "::1") for address in allowed) or not closed:
            yield "stub_status is open to others than 127.0.0.1"


@on_host(
    "NGX-08",
    "the workers have read the newest configuration",
    reads=("nginx_files", "nginx_processes", "system", "nginx_dump"),
    needs=(nginx_running, nginx_configured),
    settles=True,
    reason="A file that changed after the workers started is not in force, and takes effect at "
    "the next restart.",
    remedy="systemctl reload nginx if the change is intended; otherwise run deploy.py.",
)
def reloaded(here: Here) -> Answer:
    files = set(here.machine.nginx_dump.files)
    newest = max(
        (file for file in here.machine.nginx_files if file.path in files),
        key=lambda file: file.modified,
        default=None,
    )
    if newest is None:
        return fails(expected="nginx.conf below /etc/nginx", actual="nginx reads other files")
    starts_s = [worker.started_s for worker in here.machine.nginx_workers]
    if not starts_s:
        raise CannotTell("nginx has no worker (NGX-13)")
    late_s = newest.modified - here.machine.system.began(min(starts_s))
    late = f"{newest.path} was changed {late_s:.1f} s after a worker started"
    return faultless(
        [late] if late_s > START_TOLERANCE_S else [],
        expected="every worker younger than every file",
        found=f"workers are {-late_s:.0f} s younger",
    )


@on_host(
    "NGX-20",
    "only root can change what nginx reads",
    reads=("nginx_files",),
    needs=(nginx_configured,),
    reason="Whoever can write the configuration becomes root; whoever can read it knows the "
    "machine.",
    remedy="Run deploy.py, or: chown -R root:root /etc/nginx; chmod 640 /etc/nginx/nginx.conf; "
    "chmod 644 /usr/html/index.html",
)
def modes(here: Here) -> Answer:
    faults = []
    for file in here.machine.nginx_files:
        if file.kind == "l":
            continue
        shown = f"{file.path} is {file.mode:04o} {file.owner}"
        owner, _, group = file.owner.partition(":")
        writable = file.mode & 0o002 or (file.mode & 0o020 and group != "root")
        if owner != "root" or writable:
            faults.append(shown)
        elif file.path == "/etc/nginx/nginx.conf" and file.mode & 0o007:
            faults.append(f"{shown}, readable by everybody")
        elif file.path.endswith(".key") and file.mode & 0o077:
            faults.append(f"{shown}, though it is a key")
        elif file.path == "/usr/html/index.html" and not file.mode & 0o004:
            faults.append(f"{shown}, which workers cannot read")
    return faultless(faults, expected="root's, nginx.conf 0640, the page readable", found="root's")


@on_host(
    "NGX-22",
    "a manager bounds the cache, which is nginx's alone",
    reads=("nginx_processes", "nginx_cache", "nginx_user", "nginx_dump"),
    needs=(has_cache, nginx_running, nginx_configured),
    settles=True,
    reason="Without its manager the cache grows until the disk is full. Whoever can write there "
    "chooses what clients get.",
    remedy="Run deploy.py: it makes the directory and reloads nginx. If the manager is gone, "
    "systemctl reload nginx starts another.",
)
def cache(here: Here) -> Answer:
    wanted = here.node.cache
    assert wanted
    faults = []
    managers = [process for process in here.machine.nginx_processes if process.cache_manager]
    masters = {process.pid for process in here.machine.nginx_masters}
    if not any(manager.parent in masters for manager in managers):
        faults.append("no cache manager runs")
    faults += [
        f"the cache manager {manager.pid} runs as uid {manager.uid}"
        for manager in managers
        if manager.uid != here.machine.nginx_uid
    ]
    directory = here.machine.cache_directory()
    if not directory:
        faults.append(f"there is no {wanted.path}")
    elif directory != "700 nginx:nginx directory":
        faults.append(f"{wanted.path} is {directory}")
    paths = {
        place.words[1] for place in here.machine.nginx_dump.root.every("http", "proxy_cache_path")
    }
    if wanted.path not in paths:
        faults.append(f"nginx has no cache at {wanted.path}")
    expected = f"a manager, {wanted.path} 700 nginx:nginx"
    return faultless(faults, expected=expected)
