"""Run a command inside the walls that a generation's unit puts around nginx.

Where an init script starts nginx there are no walls, and only mounts are as they are asked for.
"""

import os
import re

from apply_nginx import layout, nginx_paths
from common.commands import run

# What a unit says about how long its processes live, not about what they may do. RemoveIPC= would
# take away what the running nginx shares.
_NO_WALL = re.compile(r"Type|PIDFile|(Exec|Kill|Restart|Timeout|RuntimeDirectory)\w*|RemoveIPC")
_NONLOCAL = "/proc/sys/net/ipv{}/ip_nonlocal_bind"
_MOUNT_AND_RUN = (
    'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit; shift 2; done; shift; exec "$@"'
)
# As deep as directories are made again where a writable one is replaced: a cache's own two levels.
_DEPTH = 2


def _properties(unit):
    """What the unit says in [Service] about what nginx may do, each as (name, value)."""
    found, section = [], ""
    for line in (unit or b"").decode().splitlines():
        if line.startswith("["):
            section = line
        name, equals, value = line.partition("=")
        if section == "[Service]" and equals and name.isalpha() and not _NO_WALL.fullmatch(name):
            found.append((name, value))
    return found


def has_walls(wanted):
    return bool(_properties(wanted.unit))


def of(wanted):
    """The `nginx_paths.Walls` of a generation's unit."""
    said = {"ReadWritePaths": [], "BindPaths": [], "BindReadOnlyPaths": []}
    for name, value in _properties(wanted.unit):
        said.get(name, []).extend(path.lstrip("-") for path in value.split())
    runtime = os.path.dirname(layout.PID_FILE)
    writable = [*said["ReadWritePaths"], runtime, *said["BindPaths"]]
    readable = said["BindReadOnlyPaths"]
    own = [path for path in writable if path != "/run/tandem"]
    return nginx_paths.Walls(tuple(own), tuple(readable))


def make_writable(wanted):
    """Make what the unit lets nginx write, where it is missing. It is root's: who owns the
    directory of a log can let root write elsewhere. nginx gives its user a cache by itself."""
    for path in of(wanted).writable if has_walls(wanted) else ():
        os.makedirs(path, 0o755, exist_ok=True)


def run_inside(wanted, words, binds, timeout_s, alone=False):
    """Run `words` as root where nginx of `wanted` would run.

    binds: (what is there, where, whether it may be written). alone: in a network of its own, and
    all that it has started ends with it. Returns a `CommandResult`.
    """
    if not has_walls(wanted):
        own = ("--net", "--pid", "--fork", "--kill-child") if alone else ()
        mounts = [part for source, target, _ in binds for part in (source, target)]
        script = _MOUNT_AND_RUN
        if alone:
            script = f"ip link set lo up; {_allow_nonlocal()}{script}"
        whole = ("unshare", "--mount", *own, "sh", "-c", script, "sh", *mounts, "--", *words)
        return run(*whole, timeout_s=timeout_s)
    replaced = {target for _, target, _ in binds}
    properties = []
    for name, value in _properties(wanted.unit):
        if name in ("ReadWritePaths", "BindPaths"):
            value = " ".join(path for path in value.split() if path.lstrip("-") not in replaced)
        if value:
            properties.append((name, value))
    for source, target, writable in binds:
        properties.append(("BindPaths" if writable else "BindReadOnlyPaths", f"{source}:{target}"))
    runtime = os.path.dirname(layout.PID_FILE)
    if runtime not in replaced:
        properties.append(("ReadWritePaths", runtime))
    if alone:
        properties.append(("PrivateNetwork", "yes"))
        # With a plus: nginx itself may not.
        properties.append(("ExecStartPre", f"+/bin/sh -c '{_allow_nonlocal()}'"))
    properties.append(("RuntimeMaxSec", f"{timeout_s:g}"))
    while True:
        done = run(
            *("systemd-run", "--quiet", "--wait", "--pipe", "--collect"),
            *(part for name, value in properties for part in ("-p", f"{name}={value}")),
            *("--", *words),
            timeout_s=timeout_s + 5,
        )
        # In a unit's file an older systemd leaves out what it does not know; here it refuses it.
        unknown = re.search(r"^Unknown assignment: (\w+)=", done.message, re.MULTILINE)
        known = [each for each in properties if not unknown or each[0] != unknown.group(1)]
        if not done.code or len(known) == len(properties):
            if "Failed to start transient" in done.errors:  # also where it could not be written
                return done._replace(errors=f"{done.errors}\nIs there room in /run (df /run)?")
            return done
        properties = known


def _allow_nonlocal():
    """Shell words, so that nginx may listen on an address that another machine has."""
    files = [_NONLOCAL.format(version) for version in (4, 6)]
    return "".join(f"[ ! -e {file} ] || echo 1 >{file}; " for file in files)


def skeleton(source, directory):
    """Make `directory` like `source`, with the directories in it and no file."""
    os.makedirs(directory)
    for parent, names, _ in os.walk(source):
        inside = os.path.relpath(parent, source)
        made = os.path.normpath(os.path.join(directory, inside))
        known = os.stat(parent)
        os.makedirs(made, exist_ok=True)
        os.chown(made, known.st_uid, known.st_gid)
        os.chmod(made, known.st_mode & 0o7777)
        if inside != "." and inside.count("/") + 1 >= _DEPTH:
            del names[:]
