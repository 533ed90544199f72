"""Test a generation before it may touch anything: its configuration, and its start."""

import contextlib
import os
import re
import subprocess
import sys

from apply_nginx import layout, nginx_paths, taken_ports, walls, worker_paths
from apply_nginx.generations import StoredGeneration, remove
from apply_nginx.installed_files import obsolete, users_files_in_the_way, write_all
from apply_nginx.serving.health import PROOF_TIMEOUT_S, current_problem, is_healthy, serious_errors
from apply_nginx.serving.service_manager import Failed, must
from common.commands import run
from common.machine_files import read, write

TEST_TIMEOUT_S = 30.0
START_TIMEOUT_S = 10.0
# As many names as a configuration may have that only a name service knows.
NAMES_MAX = 50
# Whatever it is the name of: an upstream, a resolver, a syslog server, an address to listen on.
_UNKNOWN_NAME = re.compile(r'host not found in [^"\n]*"(?:\w+://)?([\w.-]+)')


@contextlib.contextmanager
def _preview(wanted):
    """A directory like /etc/nginx will be, the user's own files included."""
    os.makedirs(layout.ETC, exist_ok=True)
    directory = layout.in_state(f"view.{os.getpid()}")
    os.mkdir(directory, 0o700)
    try:
        must("cp", "-a", layout.ETC + "/.", directory)
        for name in obsolete(wanted):
            os.unlink(os.path.join(directory, name))
        write_all(directory, wanted)
        yield directory
    finally:
        remove(directory)


def check_configuration(wanted, sources=(), judge_warnings=None):
    """Let the build's own `nginx -t` judge the files, each at its final path and inside the unit's
    walls; then see whether its workers can use what they name. Raises `Failed`.

    sources: "NAME=SOURCE" for each file of /etc/nginx, for the message. judge_warnings: tells what
    is wrong, from what nginx has said and the files, though it accepts them. Returns every
    `NamedPath`.
    """
    refuse_users_files(wanted)
    if not os.path.exists(wanted.binary):
        raise Failed(f"there is no build {wanted.build} here. Deploy again")
    walls.make_writable(wanted)
    return examine(wanted, sources, judge_warnings)


def refuse_users_files(wanted):
    """Raises `Failed` where a file that is the user's own is in the way."""
    in_the_way = ", ".join(users_files_in_the_way(wanted))
    if in_the_way:
        raise Failed(f"{in_the_way} is there, and no deploy put it there: move it away")


def examine(wanted, sources=(), judge_warnings=None):
    """The part of `check_configuration` that makes nothing that stays."""
    with _preview(wanted) as directory:
        binds = [(directory, layout.ETC, False)]
        # -T also prints what it has read, on stdout.
        words = (wanted.binary, "-t", "-T", "-q")
        done = walls.run_inside(wanted, words, binds, TEST_TIMEOUT_S)
        files = worker_paths.parse_dump(done.output)
        faults = [done.errors or f"exit {done.code}"] if done.code else []
        if files and not faults:
            faults = worker_paths.faults(wanted, files, _program(), binds)
            faults += taken_ports.faults(files)
            faults += judge_warnings(done.errors, files) if judge_warnings else []
    if faults:
        raise Failed("\n".join([*faults, *_hints(faults, wanted, sources)]))
    return [named for _, named in worker_paths.named_in(files)]


def _hints(faults, wanted, sources):
    """What helps a person with the faults: whose files they are in, and why root may not write."""
    said = "\n".join(faults)
    if "(30: Read-only file system)" in said:
        writable = ", ".join(walls.of(wanted).writable)
        yield f"nginx may write only below {writable}; nginx_writable_paths adds a directory"
    if "(2: No such file or directory)" in said and layout.ETC + "/" in said:
        yield (
            f"what is to be in {layout.ETC} on every machine may lie in files/nginx/files: by the "
            "name that a directive has for it below there, it is brought to the place that is meant"
        )
    for name, _, source in (pair.partition("=") for pair in sources):
        # (An earlier version's controller gives a word more.)
        if source and layout.in_etc(name) + ":" in said:
            yield f"{layout.in_etc(name)} is made from {source}"


def _program():
    return os.path.abspath(sys.argv[0])


def rehearse(wanted, named=()):
    """Start the new nginx in a network of its own, where it must answer. Raises `Failed`.

    named: the paths that its configuration names. What it writes there, it writes elsewhere.
    """
    hosts = read("/etc/hosts")
    with _preview(wanted) as directory, _places(wanted, named) as places:
        view = layout.in_state("view.hosts")
        binds = [(directory, layout.ETC, False), (view, "/etc/hosts", False), *places]
        words = (sys.executable, _program(), "rehearsal", wanted.directory)
        for _ in range(NAMES_MAX):
            write(view, hosts.encode() + b"\n")
            done = walls.run_inside(wanted, words, binds, TEST_TIMEOUT_S, alone=True)
            # No name service can be reached from there: resolve the name here, and try again.
            unknown = _UNKNOWN_NAME.search(done.message)
            if not done.code or not unknown or unknown.group(1) in hosts.split():
                break
            addresses = run("getent", "ahosts", unknown.group(1)).output.split()
            if not addresses:
                break
            hosts += f"\n{addresses[0]} {unknown.group(1)}"
    if done.code:
        raise Failed(f"refused in its rehearsal: {done.message}")


@contextlib.contextmanager
def _places(wanted, named):
    """Empty directories for all that nginx may write, as binds: a cache manager would delete from
    the live cache what it does not know, and an nginx that ends removes its sockets."""
    top = layout.in_state(f"view.{os.getpid()}.places")
    remove(top)
    os.mkdir(top, 0o755)
    try:
        binds = []
        for number, path in enumerate(_written(wanted)):
            place = os.path.join(top, str(number))
            walls.skeleton(path, place)
            binds.append((place, path, True))
        read_there = {
            each.path
            for each in named
            if each.need in (nginx_paths.LOAD, nginx_paths.READ)
            and not each.open_end
            and os.path.exists(each.path)
            and any(nginx_paths.is_below(each.path, path) for _, path, _ in binds)
        }
        replaced = {path for _, path, _ in binds}
        yield [*binds, *((path, path, False) for path in sorted(read_there - replaced))]
    finally:
        remove(top)


def _written(wanted):
    """The directories that nginx may write, none of them inside another."""
    paths = walls.of(wanted).writable if walls.has_walls(wanted) else ("/run", layout.LOGS)
    every = {*paths, *([wanted.cache] if wanted.cache else [])}
    return sorted(
        path
        for path in every
        if os.path.isdir(path)
        and not any(other != path and nginx_paths.is_below(path, other) for other in every)
    )


def start_isolated(directory):
    """The part of `rehearse` in a place of its own, whose processes end with this one.

    directory: the generation's.
    """
    wanted = StoredGeneration(directory)
    said = os.path.join(os.path.dirname(layout.PID_FILE), "output")
    # Into a file: the daemon would hold a pipe open.
    with open(said, "w") as output:
        process = subprocess.Popen(
            [wanted.binary], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        code = process.wait(START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Failed(f"{wanted.binary} has not started within {START_TIMEOUT_S:g} s") from None
    if code:
        raise Failed(f"{wanted.binary}: exit {code}. {read(said)}")
    if not is_healthy(wanted.port, PROOF_TIMEOUT_S, may_be_full=False):
        raise Failed(f"it {current_problem(wanted.port)}. {serious_errors()}")
