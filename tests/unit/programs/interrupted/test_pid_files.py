"""A pid file that was left behind names whoever has the number now: no signal is for them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import settings
from controller import rendering
from tests.support import fakes, programs

linux_processes = programs.load("common.linux_processes")
keepalived_state = programs.load("common.keepalived_state")
stuck_keepalived = programs.load("watch.stuck_keepalived")
masters = programs.load("apply_nginx.serving.masters")
layout = programs.load("apply_nginx.layout")
timing = programs.load("common.timing")

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
# What the stranger is: another program, one whose own name is that of the service, one that an
# interpreter runs as it runs ours.
STRANGERS: dict[str, Callable[[str], list[str]]] = {
    "sleep": lambda name: ["sh", "-c", "echo; exec sleep 60"],
    "called so": lambda name: ["bash", "-c", f"echo; exec -a '{name}: master process' sleep 60"],
    "names itself so": lambda name: [
        sys.executable,
        "-c",
        f"import time; open('/proc/self/comm', 'w').write('{name}'); print(flush=True); "
        "time.sleep(60)",
    ],
    "python": lambda name: SLEEP,
}


def script(template: str, **values: Any) -> str:
    node, cluster = settings.of(fakes.inventory().get_host("@fake/host1"))
    return rendering.render(template, node=node, cluster=cluster, **values)


def logrotate() -> str:
    text = rendering.read("nginx/logrotate")
    return text.partition("postrotate\n")[2].partition("endscript")[0]


DAEMON = {"name": "tandem-watch", "description": "x", "directories": ""}
COMMAND = "/usr/bin/python3 /usr/lib/tandem/watch --vip 192.0.2.9"
# Shell that signals: its text, its verbs, the service, and its pid file.
SHELL: dict[str, tuple[Callable[[], str], tuple[str, ...], str, str]] = {
    "reload-nginx": (
        lambda: rendering.read("nginx/reload-nginx"),
        ("",),
        "nginx",
        "nginx/nginx.pid",
    ),
    "logrotate": (logrotate, ("",), "nginx", "nginx/nginx.pid"),
    "init script of nginx": (
        lambda: script("sysv/nginx.j2"),
        ("stop", "reload", "upgrade"),
        "nginx",
        "nginx/nginx.pid",
    ),
    "init script of a daemon": (
        lambda: script("sysv/daemon.j2", **DAEMON, command=COMMAND),
        ("stop",),
        "python3",
        "tandem-watch.pid",
    ),
}


# nginx itself asks nobody: `nginx -s reload` signals whatever its pid file names.
NGINX = """#!/bin/sh
[ "$1" != -s ] || kill -HUP "$(cat {pid_file})"
"""


@pytest.fixture
def stranger(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], Any]]:
    begun: list[subprocess.Popen[bytes]] = []

    def start(kind: str, name: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(STRANGERS[kind](name), stdout=subprocess.PIPE)
        begun.append(process)
        assert process.stdout
        process.stdout.readline()
        assert timing.wait_for(lambda: linux_processes.stat(process.pid).state == "S", 5)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def survives(process: subprocess.Popen[bytes]) -> bool:
    time.sleep(0.1)
    return process.poll() is None


@pytest.mark.parametrize("kind", [kind for kind in STRANGERS if kind != "names itself so"])
@pytest.mark.parametrize("what", SHELL)
def test_shell_sends_no_signal_to_a_stranger(
    tmp_path: Path, stranger: Callable[[str, str], Any], what: str, kind: str
) -> None:
    text, verbs, name, pid_file = SHELL[what]
    (tmp_path / "run" / "nginx").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for command in ("pgrep", "pkill", "chown", "tail"):  # nothing of the machine that tests
        (tmp_path / "bin" / command).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "bin" / command).chmod(0o755)
    nginx = tmp_path / "usr" / "sbin" / "nginx"
    nginx.parent.mkdir(parents=True)
    nginx.write_text(NGINX.format(pid_file=tmp_path / "run" / "nginx" / "nginx.pid"))
    nginx.chmod(0o755)
    process = stranger(kind, name)
    (tmp_path / "run" / pid_file).write_text(f"{process.pid}\n")
    place = str(tmp_path)
    for verb in verbs:
        shell = re.sub(r"/(run|usr/sbin|usr/lib/tandem|var|etc)\b", rf"{place}/\1", text())
        words = ["sh", "-c", shell, "script", verb]
        path = f"{place}/bin:{os.environ['PATH']}"
        subprocess.run(words, env=os.environ | {"PATH": path}, capture_output=True, timeout=30)
        assert survives(process), verb


@pytest.mark.parametrize("kind", STRANGERS)
def test_programs_send_no_signal_to_a_stranger(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stranger: Callable[[str, str], Any],
    kind: str,
) -> None:
    pid_file = tmp_path / "pid"
    for name in ("keepalived", "nginx"):
        process = stranger(kind, name)
        pid_file.write_text(f"{process.pid}\n")
        os.kill(process.pid, signal.SIGSTOP)  # as one that the watch ends
        assert timing.wait_for(lambda pid=process.pid: linux_processes.stat(pid).state == "T", 5)
        assert stuck_keepalived.stuck_processes(str(pid_file)) == []
        assert not stuck_keepalived.end_stuck([process.pid], str(pid_file))
        assert not keepalived_state.running_pid(str(pid_file))
        assert not linux_processes.send_signal(process.pid, signal.SIGKILL, name)
        masters.send(process.pid, signal.SIGKILL)
        os.kill(process.pid, signal.SIGCONT)
        assert survives(process)


def test_the_right_process_gets_it(tmp_path: Path) -> None:
    program = tmp_path / "nginx"
    shutil.copy(str(shutil.which("sleep")), program)
    with subprocess.Popen([str(program), "60"]) as process:
        assert timing.wait_for(lambda: linux_processes.runs(process.pid, "nginx"), 5)
        assert linux_processes.send_signal(process.pid, signal.SIGTERM, "nginx")
        assert process.wait(5) == -signal.SIGTERM
        assert not linux_processes.send_signal(process.pid, signal.SIGTERM, "nginx")


def test_a_number_that_is_used_again_between_the_look_and_the_signal_gets_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The descriptor is of the process that was there at first, whoever has its number now."""
    with subprocess.Popen(["sleep", "60"]) as first, subprocess.Popen(["sleep", "60"]) as other:
        real = linux_processes.open_pidfd
        monkeypatch.setattr(linux_processes, "open_pidfd", lambda pid: real(first.pid))

        def ended_meanwhile() -> bool:
            first.kill()
            first.wait()
            return True  # what is looked at is the other one by now

        linux_processes.send_signals([other.pid], signal.SIGKILL, ended_meanwhile)
        assert survives(other)
        other.kill()
