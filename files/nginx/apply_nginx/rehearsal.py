"""Test a generation before it may touch anything: its configuration, and its start."""

import contextlib
import os
import re
import subprocess
import sys

from apply_nginx import layout
from apply_nginx.generations import StoredGeneration, remove
from apply_nginx.health import PROOF_TIMEOUT_S, current_problem, is_healthy, serious_errors
from apply_nginx.installed_files import obsolete, users_files_in_the_way, write_all
from apply_nginx.service_manager import Failed, must
from common.commands import run
from common.machine_files import read, write

TEST_TIMEOUT_S = 30.0
START_TIMEOUT_S = 10.0


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


def check_configuration(wanted, sources=()):
    """Let the build's own `nginx -t` judge the files, each at its final path. Raises `Failed`.

    sources: "NAME=SOURCE" for each file of /etc/nginx, for the message.
    """
    in_the_way = ", ".join(users_files_in_the_way(wanted))
    if in_the_way:
        raise Failed(f"{in_the_way} is there, and no deploy put it there: move it away")
    if not os.path.exists(wanted.binary):
        raise Failed(f"there is no build {wanted.build} here. Deploy again")
    script = 'mount --bind "$1" "$2" && exec "$3" -t -q'
    with _preview(wanted) as directory:
        done = run(
            *("unshare", "--mount", "sh", "-c", script, "sh"),
            *(directory, layout.ETC, wanted.binary),
            timeout_s=TEST_TIMEOUT_S,
        )
    if done.code:
        made_from = [
            f"{layout.in_etc(name)} is made from {source}"
            for name, source in (pair.split("=", 1) for pair in sources)
            if layout.in_etc(name) + ":" in done.message
        ]
        raise Failed("\n".join([done.message, *made_from]))


def rehearse(wanted):
    """Start the new nginx in a network of its own, where it must answer. Raises `Failed`."""
    hosts = read("/etc/hosts")
    with _preview(wanted) as directory:
        for _ in range(50):
            write(layout.in_state("view.hosts"), hosts.encode() + b"\n")
            done = run(
                *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"),
                *(sys.executable, os.path.abspath(sys.argv[0]), "rehearsal"),
                *(wanted.directory, directory),
                timeout_s=TEST_TIMEOUT_S,
            )
            # No name service can be reached from there: resolve the name here, and try again.
            unknown = re.search(r'host not found in \w+ "([^":]+)', done.message)
            addresses = unknown and run("getent", "ahosts", unknown.group(1)).output.split()
            if not done.code or not addresses:
                break
            hosts += f"\n{addresses[0]} {unknown.group(1)}"
    if done.code:
        raise Failed(f"refused in its rehearsal: {done.message}")


def start_isolated(directory, etc):
    """The part of `rehearse` in namespaces of its own, which end with this process.

    directory: the generation's; etc: what stands for /etc/nginx.
    """
    wanted = StoredGeneration(directory)
    must("mount", "--bind", etc, layout.ETC)
    must("mount", "--bind", layout.in_state("view.hosts"), "/etc/hosts")
    _mount_empty("/run")
    os.makedirs(os.path.dirname(layout.PID_FILE))
    log_directories = [parent for parent, _, _ in os.walk(layout.LOGS)]
    _mount_empty(layout.LOGS)
    for log_directory in log_directories:
        os.makedirs(log_directory, exist_ok=True)
    if wanted.cache:
        # Its cache manager would delete from the live cache what it does not know.
        _mount_empty(wanted.cache)
    must("ip", "link", "set", "lo", "up")
    for family in ("ipv4", "ipv6"):
        path = f"/proc/sys/net/{family}/ip_nonlocal_bind"
        with contextlib.suppress(OSError), open(path, "w") as file:
            file.write("1")
    # Into a file: the daemon would hold a pipe open.
    with open("/run/output", "w") as output:
        process = subprocess.Popen(
            [wanted.binary], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        code = process.wait(START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Failed(f"{wanted.binary} has not started within {START_TIMEOUT_S:g} s") from None
    if code:
        raise Failed(f"{wanted.binary}: exit {code}. {read('/run/output')}")
    if not is_healthy(wanted.port, PROOF_TIMEOUT_S):
        raise Failed(f"it {current_problem(wanted.port)}. {serious_errors()}")


def _mount_empty(path):
    must("mount", "-t", "tmpfs", "tmpfs", path)
