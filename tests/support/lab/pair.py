"""The recipe's pair: what it holds and serves, and deploys that are watched or killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drills.control.faults import FORGIVEN
from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA

VIP = "172.16.12.254"


PAGES = {"host1": "master.wangej.com", "host2": "slaves.wangej.com"}


# What a run says last that has come to its end.
END_OF_RUN = r"^--> [a-z. ]+\.py: (nothing to do|done)"


OTHER_FLAG = 'nginx_extra_flags=["--with-http_addition_module", "--with-cc-opt=-O0"]'


def page(lab: Lab) -> str:
    return lab.run(["curl", "-s", "-m", "3", f"http://{VIP}/"]).stdout.strip()


def holders(lab: Lab) -> list[str]:
    """Which hosts hold the VIP under its label, in the form of either profile."""
    shown = {name: lab.ssh(name, "ip address show dev eth0").stdout for name in PAGES}
    form = rf"inet {VIP}/(32 scope host|16 scope global secondary) eth0:0\n"
    return [name for name, text in shown.items() if re.search(form, text)]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def changed_nothing(output: str) -> bool:
    """Whether the last line of a run that came to its end says so: no command was carried out."""
    told = re.findall(END_OF_RUN, output, re.MULTILINE)
    assert told, output
    return bool(told[-1] == "nothing to do")


def own_records_alone(output: str) -> bool:
    """Whether a run says last that it has written down who deployed what, and nothing else."""
    return ".py: done: nothing has changed but Tandem's own records on " in output


def start_deploy(lab: Lab, *words: str) -> subprocess.Popen[bytes]:
    command = lab.run_command([PYINFRA, "-y", "inventory.py", "deploy.py", *words])
    return subprocess.Popen(
        command,
        env=lab.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_when(lab: Lab, running: subprocess.Popen[bytes], sign: str, on: str = "host1") -> None:
    """Kill a deploy with -9 the moment `sign` succeeds there: it is looked for without a pause."""
    try:
        seen = lab.ssh(on, f"timeout 60 sh -c 'until {sign}; do :; done'")
        assert seen.returncode == 0 and running.poll() is None, "it was over before it was killed"
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


HOSTS = ("host1", "host2")


APPLY = "/usr/lib/tandem/apply-nginx"


HOME = "/var/lib/tandem/nginx"


def on(lab: Lab, host: str, command: str) -> str:
    done = lab.ssh(host, command)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


@contextmanager
def own_check_fails(lab: Lab, host: str) -> Iterator[None]:
    """The check of the inventories that have one (sysv_pair, platforms) fails there."""
    on(lab, host, "mv /etc/issue.net /etc/issue.away")
    try:
        yield
    finally:
        on(lab, host, "mv /etc/issue.away /etc/issue.net")


def digests(lab: Lab) -> list[str]:
    """What lies in /etc/nginx and /etc/keepalived, on both."""
    look = "find /etc/nginx /etc/keepalived -type f -exec sha256sum {} + | sort | sha256sum"
    return [on(lab, host, look) for host in HOSTS]


def forget_failures(lab: Lab) -> None:
    """As two minutes do in which nobody restarts nginx: its next trial is as short as its first."""
    for host in HOSTS:  # (In the classic profile there is none.)
        on(lab, host, f"systemctl reset-failed nginx; {FORGIVEN}")


# What there is of nginx, asked all at once: a login takes longer than the rest.
_LOOKS = (
    "systemctl show nginx -p MainPID --value",
    "cat /run/nginx/nginx.pid",
    "pgrep -f '^nginx: master process'",
    "systemctl show nginx -p NRestarts --value",
    "ls /run/nginx",
    "readlink /proc/$(cat /run/nginx/nginx.pid)/exe",
    "readlink /usr/sbin/nginx",
)


def process(lab: Lab, host: str) -> str:
    """The one master that runs. It has to be the one that systemd and the pid file name."""
    return _process_and_binaries(lab, host)[0]


def running_build(lab: Lab, host: str) -> str:
    _, binary, linked = _process_and_binaries(lab, host)
    assert binary == linked
    return binary.split("/")[-2]


def _process_and_binaries(lab: Lab, host: str) -> tuple[str, str, str]:
    said = on(lab, host, "; ".join(f"echo : $({look})" for look in _LOOKS))
    main, pid_file, master, restarts, files, binary, linked = (
        line.removeprefix(":").strip() for line in said.splitlines()
    )
    assert main and (pid_file, master, restarts) == (main, main, "0"), said
    assert "oldbin" not in files, said
    return main, binary, linked


def eventually(lab: Lab, host: str, command: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while lab.ssh(host, command).returncode:
        assert time.monotonic() < deadline, f"{command} does not hold after {seconds} s"
        time.sleep(0.2)


def with_snippets(directory: Path) -> tuple[str, str]:
    return "--data", f"nginx_snippets={directory}"
