"""NGX and SYS: the proxy's cache, and whether the kernel allows what nginx is set up for."""

from __future__ import annotations

from verify.checks.check import Answer, Here, faultless, on_host
from verify.checks.premises import cached, nginx_configured, nginx_running

# By sysctl's path below /proc/sys.
BACKLOGS = ("net/core/somaxconn", "net/ipv4/tcp_max_syn_backlog")


@on_host(
    "NGX-22",
    "the cache manager runs, the cache is nginx's alone",
    reads=("nginx_processes", "nginx_cache", "nginx_user", "nginx_dump"),
    needs=(nginx_running, cached, nginx_configured),
    settles=True,
    reason="Without its manager the cache grows until the disk is full; what others may write "
    "there, clients are answered with.",
    remedy="Run deploy.py, which makes the directory and reloads nginx. Its manager is gone? "
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
    user = here.machine.text("nginx_user").strip()
    faults += [
        f"the cache manager {manager.pid} runs as uid {manager.uid}"
        for manager in managers
        if str(manager.uid) != user
    ]
    said = here.machine.text("nginx_cache").strip()
    if here.machine.section("nginx_cache").status:
        faults.append(f"there is no {wanted.path}")
    elif said != "700 nginx:nginx directory":
        faults.append(f"{wanted.path} is {said}")
    paths = {
        place.arguments[0]
        for place in here.machine.nginx_dump.root.every("http", "proxy_cache_path")
    }
    if wanted.path not in paths:
        faults.append(f"nginx has no cache at {wanted.path}")
    expected = f"a manager, {wanted.path} 700 nginx:nginx"
    return faultless(faults, expected=expected, found=expected)


@on_host(
    "SYS-03",
    "the kernel allows what nginx is set up for",
    reads=("kernel_limits", "listeners", "system", "nginx_processes"),
    needs=(nginx_running,),
    settles=True,
    reason="The lowest limit of the chain is the one that holds: connections are turned away while "
    "all others say that there is room.",
    remedy="Run deploy.py: it raises what is too low in /etc/sysctl.d/62-tandem-nginx.conf; is it "
    "overruled by another file there? A queue that is too short: systemctl restart nginx.",
)
def kernel_limits(here: Here) -> Answer:
    node = here.node
    limits = here.machine.kernel_limits
    workers = here.machine.system.cpus * {"cpu": 1, "io": 2}[node.workload]
    needs = {name: node.listen_backlog for name in BACKLOGS}
    needs["fs/nr_open"] = node.files_limit
    needs["fs/file-max"] = workers * node.files_limit
    faults = [
        f"{name.replace('/', '.')} is {limits.get(name, 0)}, less than {value}"
        for name, value in needs.items()
        if limits.get(name, 0) < value
    ]
    ours = {process.pid for process in here.machine.nginx_processes}
    faults += [
        f"on {item.address}:{item.port} {item.backlog} may wait, not {node.listen_backlog}"
        for item in here.machine.listeners
        if item.port == node.http_port
        and any(pid in ours for _, pid in item.programs)
        and item.backlog != node.listen_backlog
    ]
    faults += [
        f"the master may open {master.files_limit} files, and its workers are to open "
        f"{node.files_limit}"
        for master in here.machine.nginx_masters
        if master.files_limit < node.files_limit
    ]
    expected = f"{node.listen_backlog} waiting connections, {node.files_limit} files per process"
    return faultless(faults, expected=expected, found=expected)
