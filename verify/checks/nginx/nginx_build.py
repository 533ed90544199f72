"""NGX: is the nginx on the machine the build that the inventory asks for, and is it safe to run?"""

from __future__ import annotations

from collections import Counter

from verify.checks.check import Answer, Here, agrees, fails, faultless, holds, on_host, warns
from verify.checks.premises import nginx_installed, nginx_running
from verify.read import advisories
from verify.read.machine_view import CannotTell

# So many of the worst are named.
NAMED = 3


@on_host(
    "NGX-01",
    "nginx is the version in the inventory",
    reads=("nginx_version",),
    reason="Another version has other bugs, other known vulnerabilities, and other directives.",
    remedy="Run deploy.py: it compiles the inventory's version and installs it.",
)
def version(here: Here) -> Answer:
    expected = f"nginx {here.node.nginx_version}"
    if not here.machine.nginx_installed:
        return fails(expected=expected, actual="there is no /usr/sbin/nginx")
    return agrees(expected=expected, actual=f"nginx {here.machine.nginx_build.version}")


@on_host(
    "NGX-02",
    "nginx is compiled with the documented flags",
    reads=("nginx_version",),
    needs=(nginx_installed,),
    reason="A missing flag is a feature that fails when it is first used, or a path that differs.",
    remedy="Run deploy.py: it compiles a binary with other flags again.",
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
    reads=("nginx_binaries", "nginx_installed", "nginx_processes"),
    needs=(nginx_installed, nginx_running),
    reason="A replaced binary has no effect until it runs: the upgrade only seems to be done.",
    remedy="Run deploy.py. It finishes an upgrade that stopped half way, which leaves "
    "nginx.pid.oldbin, and one that waits for the last connections of the old nginx.",
)
def running_binary(here: Here) -> Answer:
    installed = here.machine.text("nginx_installed")
    running, upgrade = here.machine.nginx_executables
    masters = [running.get(process.pid, "") for process in here.machine.nginx_masters]
    faults = [f"runs {binary}" for binary in masters if binary != installed]
    if upgrade:
        faults.append("/run/nginx/nginx.pid.oldbin is there")
    return faultless(faults, expected=f"runs {installed}", found=installed)


@on_host(
    "NGX-04",
    "every library that nginx needs is there",
    reads=("nginx_libraries",),
    needs=(nginx_installed,),
    reason="The running process survives the removal of a library; the next start does not.",
    remedy="Install the missing library's package again, or run deploy.py.",
)
def libraries(here: Here) -> Answer:
    there, faults = here.machine.nginx_libraries
    faults = [f"{name} => not found" for name, found in there.items() if not found] + faults
    return faultless(faults, expected="all found", found=f"{len(there)} found")


@on_host(
    "NGX-05",
    "no other nginx is installed",
    reads=("nginx_installed", "nginx_places", "nginx_packages", "units"),
    needs=(nginx_installed,),
    reason="The distribution's nginx, or a second copy, may be started by accident.",
    remedy="Remove it: apt-get remove 'nginx*' (dnf remove nginx), or delete the extra file; then "
    "run deploy.py.",
)
def others(here: Here) -> Answer:
    installed = here.machine.text("nginx_installed")
    places = set(here.machine.nginx_places)
    faults = [f"another binary: {place}" for place in sorted(places - {installed})]
    faults += [f"package {package} is installed" for package in here.machine.nginx_packages]
    unit = here.machine.unit("nginx")["FragmentPath"]
    if unit and not unit.startswith(("/etc/systemd/system/", "/etc/init.d/")):
        faults.append(f"nginx's unit is {unit}")
    return faultless(faults, expected=f"{installed} alone")


@on_host(
    "NGX-21",
    "the running binary is the one in its manifest",
    reads=("nginx_made", "nginx_libraries"),
    needs=(nginx_running,),
    settles=True,
    reason="A binary that was replaced can do anything; one of unknown origin can be neither "
    "repaired nor built again.",
    remedy="Find out who replaced it. deploy.py then installs the recorded build again: from the "
    "controller's cache, from another machine, or compiled anew.",
)
def manifest(here: Here) -> Answer:
    faults = []
    there, _ = here.machine.nginx_libraries
    binaries = here.machine.nginx_binaries
    if not binaries:
        raise CannotTell("no binary was found that nginx runs from")
    for binary in binaries:
        recorded = binary.manifest
        if recorded is None:
            faults.append(f"there is no MANIFEST.json beside {binary.path}")
            continue
        if binary.sha256 != recorded.files["nginx"]:
            faults.append(f"{binary.path} has the sha256 {binary.sha256}")
        if recorded.version != here.node.nginx_version:
            faults.append(f"built from nginx {recorded.version}")
        if recorded.flags != here.node.flags:
            faults.append("built with other flags")
        faults += [
            f"{soname} of package {library['package']} is not there"
            for soname, library in recorded.libraries.items()
            if not there.get(soname, True)
        ]
    wanted = f"nginx {here.node.nginx_version}, flags, libraries and sha256 as recorded"
    return faultless(faults, expected=wanted, found="as recorded")


@on_host(
    "NGX-19",
    "no known vulnerability in the compiled modules",
    reads=("nginx_version",),
    needs=(nginx_installed,),
    reason="A published vulnerability is tried on every server within days. Only modules that are "
    "compiled in count.",
    remedy="Set nginx_version to a release without it and run deploy.py. This warns, and fails "
    "with strict = True. verify/read/advisories.json names the list's sources.",
)
def vulnerabilities(here: Here) -> Answer:
    build = here.machine.nginx_build
    found = advisories.known(build.version, build.arguments)
    as_of = advisories.table().as_of
    if not found:
        return holds(f"none known on {as_of}")
    counts = Counter(item.severity for item in found)
    worst = [item.cve for item in found if item.severity == found[0].severity]
    named = ", ".join(worst[:NAMED]) + (", …" if len(worst) > NAMED else "")
    shown = ", ".join(f"{count} {severity}" for severity, count in counts.items())
    good = advisories.remedy(build.version, found)
    actual = f"nginx {build.version} has {len(found)} known vulnerabilities: {shown} ({named})"
    answer = fails if here.node.strict else warns
    return answer(
        expected=f"none known on {as_of}" + (f", as in {good}" if good else ""), actual=actual
    )
