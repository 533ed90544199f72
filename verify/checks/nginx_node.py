"""NGX: is it the nginx that was asked for, and does it do what was asked?"""

from __future__ import annotations

from verify.checks.check import Answer, Here, agrees, fails, faultless, holds, on_host, warns
from verify.checks.premises import nginx_configured, nginx_installed, nginx_running, others_reached

# A worker starts within this of the configuration it was started for; clocks count 0.01 s steps.
START_TOLERANCE_S = 0.05
SLOW_S = 0.5


@on_host(
    "NGX-01",
    "nginx is the version in the inventory",
    reads=("nginx_version",),
    reason="Another version has other bugs, known holes among them, and other directives.",
    remedy="Run deploy.py: it compiles the inventory's version and puts it in place.",
)
def version(here: Here) -> Answer:
    expected = f"nginx {here.node.nginx_version}"
    if not here.machine.nginx_installed:
        return fails(expected=expected, actual="there is no /usr/sbin/nginx")
    return agrees(expected=expected, actual=f"nginx {here.machine.nginx_build.version}")


@on_host(
    "NGX-02",
    "compiled with the documented flags",
    reads=("nginx_version",),
    needs=(nginx_installed,),
    reason="A missing flag is a feature that fails when it is first used, or a path that differs.",
    remedy="Run deploy.py: a binary with other flags is compiled again.",
)
def flags(here: Here) -> Answer:
    actual, wanted = here.machine.nginx_build.arguments, here.node.flags
    faults = [f"missing: {flag}" for flag in wanted if flag not in actual]
    faults += [f"not asked for: {flag}" for flag in actual if flag not in wanted]
    return faultless(
        faults, expected=f"exactly the {len(wanted)} flags asked for", found=f"{len(actual)} flags"
    )


@on_host(
    "NGX-03",
    "the running binary is the installed one",
    reads=("nginx_binaries", "nginx_installed"),
    needs=(nginx_installed, nginx_running),
    reason="A replaced binary does nothing until it runs: an upgrade that only seems done.",
    remedy="Run deploy.py: it also finishes an upgrade that has stopped half way, which is what a "
    "leftover nginx.pid.oldbin is; or one that waits for the last connections of the old nginx.",
)
def running_binary(here: Here) -> Answer:
    installed = here.machine.text("nginx_installed")
    lines = here.machine.text("nginx_binaries").splitlines()
    running = dict(line.split(" ", 1) for line in lines if line.startswith("/proc/"))
    masters = [running.get(f"/proc/{process.pid}", "") for process in here.machine.nginx_masters]
    faults = [f"runs {binary}" for binary in masters if binary != installed]
    if "nginx.pid.oldbin" in lines:
        faults.append("/run/nginx/nginx.pid.oldbin is there")
    return faultless(faults, expected=f"runs {installed}", found=installed)


@on_host(
    "NGX-04",
    "every library it needs is there",
    reads=("nginx_libraries",),
    needs=(nginx_installed,),
    reason="A library that was removed stops the next start, not the running process.",
    remedy="Install the missing library's package again, or run deploy.py.",
)
def libraries(here: Here) -> Answer:
    lines = here.machine.text("nginx_libraries").splitlines()
    missing = [line.strip() for line in lines if "not found" in line]
    return faultless(missing, expected="all found", found=f"{len(lines)} found")


@on_host(
    "NGX-05",
    "no other nginx is in the way",
    reads=("nginx_places", "nginx_packages", "units"),
    needs=(nginx_installed,),
    reason="The distribution's nginx, or a second copy, is what somebody starts by accident.",
    remedy="Remove it: apt-get remove 'nginx*' (dnf remove nginx), or delete the extra file; then "
    "run deploy.py.",
)
def others(here: Here) -> Answer:
    installed = here.machine.text("nginx_installed")
    places = {line for line in here.machine.text("nginx_places").splitlines() if line}
    faults = [f"another binary: {place}" for place in sorted(places - {installed})]
    for line in here.machine.text("nginx_packages").splitlines():
        status, _, package = line.rpartition(" ")
        if not status or status.strip() == "ii":
            faults.append(f"package {package} is installed")
    unit = here.machine.unit("nginx").get("FragmentPath", "")
    if unit and not unit.startswith(("/etc/systemd/system/", "/etc/init.d/")):
        faults.append(f"its unit is {unit}")
    return faultless(faults, expected=f"{installed} alone", found=f"{installed} alone")


@on_host(
    "NGX-06",
    "the configuration on the disk is valid",
    reads=("nginx_test",),
    needs=(nginx_installed,),
    reason="A broken configuration is ignored by a reload and fatal at the next start.",
    remedy="Run deploy.py, which tests before it replaces; nginx -t names the line that is wrong.",
)
def valid(here: Here) -> Answer:
    section = here.machine.section("nginx_test")
    lines = [line for line in section.text.splitlines() if line.strip()]
    if section.status:
        return fails(expected="nginx -t exits 0", actual=" ".join(lines[:2]))
    warnings = [line for line in lines if "[warn]" in line]
    if warnings:
        return warns(expected="no warning", actual="; ".join(warnings))
    return holds("nginx -t exits 0")


@on_host(
    "NGX-08",
    "the workers have read the newest configuration",
    reads=("nginx_files", "nginx_processes", "system"),
    needs=(nginx_running, nginx_configured),
    settles=True,
    reason="A file changed after the workers started is not in force, and surprises at a restart.",
    remedy="systemctl reload nginx, if the change is meant; else run deploy.py.",
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
    boot = here.machine.system.boot_time
    oldest = min((worker.started_s for worker in here.machine.nginx_workers), default=0) + boot
    late_s = newest.modified - oldest
    if late_s > START_TOLERANCE_S:
        actual = f"{newest.path} was changed {late_s:.1f} s after a worker started"
        return fails(expected="every worker younger than every file", actual=actual)
    return holds(f"workers are {-late_s:.0f} s younger")


@on_host(
    "NGX-09",
    "its unit is enabled and active",
    reads=("units",),
    settles=True,
    reason="A unit that is not enabled is a web server that stays away after the next reboot.",
    remedy="systemctl enable --now nginx; if it does not start: journalctl -u nginx -n 50",
)
def unit(here: Here) -> Answer:
    found = here.machine.unit("nginx")
    wanted = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
    faults = [f"{name}={found.get(name, '')}" for name in wanted if found.get(name) != wanted[name]]
    if faults:
        return fails(expected="loaded, active, enabled", actual=", ".join(faults))
    restarts = int(found.get("NRestarts", "0"))
    if restarts:
        actual = f"systemd has restarted it {restarts} times; journalctl -u nginx says why"
        return warns(expected="no restart since it was started", actual=actual)
    return holds("loaded, active, enabled")


@on_host(
    "NGX-10",
    "exactly one nginx master runs, its unit's",
    reads=("nginx_processes", "units"),
    settles=True,
    reason="Without a master nothing answers; with two it is chance which one does.",
    remedy="systemctl start nginx. A master that its unit does not know was started by hand: "
    "nginx -s quit, then systemctl restart nginx.",
)
def one_master(here: Here) -> Answer:
    expected = "one master, started by nginx.service"
    masters = [process.pid for process in here.machine.nginx_masters]
    if len(masters) != 1:
        shown = f"{len(masters)} masters: {masters}" if masters else "no master"
        return fails(expected=expected, actual=shown)
    main = here.machine.unit("nginx").get("MainPID", "0")
    if main != str(masters[0]):
        known = f"the unit knows {main}" if main != "0" else "the unit knows none"
        return fails(expected=expected, actual=f"master {masters[0]}, but {known}")
    return holds(f"pid {masters[0]}")


@on_host(
    "NGX-11",
    "the web ports are nginx's alone",
    reads=("listeners", "nginx_processes"),
    needs=(nginx_running,),
    reason="Another program on the port answers some clients, or keeps nginx from starting.",
    remedy="ss -ltnp shows who listens; stop it, then systemctl restart nginx.",
)
def listeners(here: Here) -> Answer:
    ports = sorted({here.node.http_port, here.node.served_port})
    ours = {process.pid for process in here.machine.nginx_processes}
    found = [item for item in here.machine.listeners if item.port in (*ports, 443)]
    faults = [
        f"{program} (pid {pid}) listens on {item.address}:{item.port}"
        for item in found
        for program, pid in item.programs
        if pid not in ours
    ]
    for port in ports:
        if not any(item.port == port for item in found):
            faults.append(f"nobody listens on port {port}")
    shown = " and ".join(map(str, ports))
    return faultless(faults, expected=f"nginx on port {shown}", found=f"port {shown}")


@on_host(
    "NGX-12",
    "workers run as nginx, without capabilities",
    reads=("nginx_processes", "nginx_user"),
    needs=(nginx_running,),
    reason="A hole in a worker must not be a hole in the machine.",
    remedy="`user nginx nginx;` in nginx.conf, then systemctl reload nginx; or run deploy.py.",
)
def unprivileged(here: Here) -> Answer:
    wanted = here.machine.text("nginx_user").strip()
    faults = []
    for worker in here.machine.nginx_workers:
        if str(worker.uid) != wanted:
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
    reason="Too few workers leave CPUs idle; too few files turn connections away under load.",
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
    "its own page answers other machines in time",
    reads=("page:{name}",),
    needs=(nginx_running, others_reached),
    settles=True,
    reason="Only another machine sees what clients see: firewall, routes and the page itself.",
    remedy="Compare with curl http://127.0.0.1/ on the machine: right there means firewall or "
    "network; wrong there means nginx or /usr/html/index.html, which deploy.py writes.",
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
    "NGX-20",
    "only root can change what nginx reads",
    reads=("nginx_files",),
    needs=(nginx_configured,),
    reason="Whoever can write the configuration is root; whoever can read it knows the machine.",
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
            faults.append(f"{shown}, a key")
        elif file.path == "/usr/html/index.html" and not file.mode & 0o004:
            faults.append(f"{shown}, which workers cannot read")
    return faultless(faults, expected="root's, nginx.conf 0640, the page readable", found="root's")


@on_host(
    "NGX-21",
    "what runs is what its manifest says was built",
    reads=("nginx_made", "nginx_libraries"),
    needs=(nginx_running,),
    settles=True,
    reason="A binary that was exchanged can do anything; one whose origin is not known cannot be "
    "mended or made again.",
    remedy="Find out who exchanged it. deploy.py then puts the recorded build in place again: from "
    "the controller's cache, from another machine, or compiled anew.",
)
def manifest(here: Here) -> Answer:
    faults = []
    lost = here.machine.text("nginx_libraries").splitlines()
    for binary in here.machine.nginx_binaries:
        recorded = binary.manifest
        if recorded is None:
            faults.append(f"there is no MANIFEST.json beside {binary.path}")
            continue
        if binary.sha256 != recorded.binary_sha256:
            faults.append(f"{binary.path} has the sha256 {binary.sha256}")
        if recorded.version != here.node.nginx_version:
            faults.append(f"built from nginx {recorded.version}")
        if recorded.flags != here.node.flags:
            faults.append("built with other flags")
        faults += [
            f"{soname} of package {package} is not there"
            for soname, package in recorded.libraries.items()
            if any(line.strip().startswith(f"{soname} => not found") for line in lost)
        ]
    wanted = f"nginx {here.node.nginx_version}, flags, libraries and sha256 as recorded"
    return faultless(faults, expected=wanted, found="as recorded")
