"""pyinfra with a step that is disturbed: python -m tests.support.lab.steps.disturbed_run
NOTES DISTURBANCE WORDS...

It writes to the file NOTES what it carries out (`Note`), and does once what DISTURBANCE says
(`Disturbance` as JSON; "" for nothing). It has to run inside the lab, as `lab run` has it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import psutil
from pyinfra.api import FileDownloadCommand, FileUploadCommand, Host, StringCommand
from pyinfra.api.command import FunctionCommand
from pyinfra_cli.main import main

from lab.guests import guest
from lab.twin import Lab
from tests.support.lab.steps.disturbance import QUESTIONS, TABLE, Disturbance, How, Note

COMMANDS = (StringCommand, FileUploadCommand, FileDownloadCommand, FunctionCommand)
REASON = "made to fail by a test"


class Disturber:
    """Notes every command, and disturbs one."""

    def __init__(self, notes: Path, disturbance: Disturbance | None) -> None:
        # A line is written at once: the process may be killed at any moment.
        self._file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._disturbance = disturbance
        self._counts: Counter[tuple[str, str]] = Counter()
        self._planned = False

    def carried_out(self, host: Any, command: Any, carry_out: Callable[[Any], Any]) -> Any:
        """Carry out a command, or a question where `command` is None, as the plan has it."""
        step = step_of(host)
        if step != QUESTIONS and not self._planned:
            self._planned = True
            for operation in host.state.get_op_order():
                self._note("planned", named(host.state, operation), host, 0)
        self._counts[step, host.name] += 1
        number = self._counts[step, host.name]
        self._note("began", step, host, number)
        wanted = self._disturbance
        if not wanted or (wanted.step, wanted.host, wanted.command) != (step, host.name, number):
            result = carry_out(command)
        elif wanted.how is How.FAIL:
            self._note("disturbed", step, host, number)
            if isinstance(command, FunctionCommand):
                return False
            if not isinstance(command, StringCommand):
                raise OSError(REASON)
            result = carry_out(StringCommand(f"echo '{REASON}' >&2; exit 1"))
        else:
            result = self._broken(wanted, host, lambda: carry_out(command))
        self._note("ended", step, host, number)
        return result

    def _broken(self, wanted: Disturbance, host: Any, carry_out: Callable[[], Any]) -> Any:
        """Carry out what is broken off in its middle, or at its end if that comes before."""

        def once() -> None:
            if self._disturbance:
                self._disturbance = None
                self._note("disturbed", wanted.step, host, wanted.command)
                ACTS[wanted.how](host)

        if not wanted.after_s and wanted.how is not How.KILL:
            once()
        waiting = gevent.spawn_later(wanted.after_s, once)
        result = carry_out()
        if self._disturbance:
            waiting.kill()
            once()
        waiting.join()
        return result

    def _note(self, event: str, step: str, host: Any, number: int) -> None:
        line = Note(event, time.monotonic(), step, host.name, number).to_json()
        os.write(self._file, f"{line}\n".encode())


def step_of(host: Any) -> str:
    running = host.nested_executing_op_hash or host.executing_op_hash
    return named(host.state, running) if running else QUESTIONS


def named(state: Any, operation: str) -> str:
    return ", ".join(sorted(state.get_op_meta(operation).names))


def kill_controller(host: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lose_packets(host: Any) -> None:
    """From now on nothing passes in either direction, and nobody is told."""
    port = host.connector.client.get_transport().sock.getsockname()[1]
    rules = f"""
        add table {TABLE}
        add chain {TABLE} hears {{ type filter hook input priority -400; }}
        add chain {TABLE} says {{ type filter hook output priority -400; }}
        add rule {TABLE} hears tcp sport {port} drop
        add rule {TABLE} says tcp dport {port} drop
    """
    netns = Lab.load().machine(host.name).netns
    command = ["ip", "netns", "exec", netns, "nft", "-f", "-"]
    subprocess.run(command, input=rules, text=True, check=True)


def end_sessions(host: Any) -> None:
    """Kill the machine's sshd for this session, and not the one that accepts connections."""
    lab = Lab.load()
    group = guest.group(lab.plan.tag, lab.machine(host.name))
    for processes in group.rglob("cgroup.procs"):
        with suppress(OSError):  # the group has ended meanwhile
            for pid in map(int, processes.read_text().split()):
                with suppress(psutil.NoSuchProcess):
                    process = psutil.Process(pid)
                    said = " ".join(process.cmdline())
                    if said.startswith("sshd: ") and "[listener]" not in said:
                        process.kill()


def power_off(host: Any) -> None:
    Lab.load().power_off(host.name)


ACTS = {
    How.KILL: kill_controller,
    How.CUT: lose_packets,
    How.HANG_UP: end_sessions,
    How.OFF: power_off,
}


def install(disturber: Disturber) -> None:
    """Have every command of every operation pass through `disturber`."""
    for kind in COMMANDS:

        def execute(
            self: Any, state: Any, host: Any, arguments: Any, _original: Any = kind.execute
        ) -> Any:
            return disturber.carried_out(
                host, self, lambda command: _original(command, state, host, arguments)
            )

        kind.execute = execute  # type: ignore[assignment,method-assign]
    ask = Host.run_shell_command

    def run_shell_command(self: Any, command: Any, *args: Any, **options: Any) -> Any:
        if self.state.is_executing:  # a command, which is noted, or a question of a step
            return ask(self, command, *args, **options)
        return disturber.carried_out(
            self, command, lambda given: ask(self, given, *args, **options)
        )

    Host.run_shell_command = run_shell_command  # type: ignore[method-assign]


if __name__ == "__main__":
    chosen = Disturbance.from_json(sys.argv[2]) if sys.argv[2] else None
    install(Disturber(Path(sys.argv[1]), chosen))
    sys.argv = ["pyinfra", *sys.argv[3:]]
    sys.exit(main())
