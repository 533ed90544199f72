"""What pyinfra prints while a run goes on: each thing once, with the machines that it is about.

pyinfra prints every operation with a line for each machine, whether anything happens or not, and
has no other setting for it than its log. So its log is filtered: an operation is named when
something is told of it, and lines that several machines share are printed as one. With -v all is
printed as pyinfra has it.

What takes long stands in the live line meanwhile (report/live_line.py), in the place of pyinfra's
spinner.
"""

from __future__ import annotations

import logging
import re

import gevent
import pyinfra.progress
from gevent import Greenlet
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.context import ctx_state

from report import live_line

# Machines that do the same say so within this.
TOGETHER_S = 0.3
_STYLE = r"(?:\x1b\[[0-9;]*m)*"
_OF_MACHINE = re.compile(rf"^{_STYLE}\[{_STYLE}([^\]\x1b]+){_STYLE}\]{_STYLE}[ ]+(.*)$", re.DOTALL)
_STYLES = re.compile(r"\x1b\[[0-9;]*m")
_STEP = re.compile(r"^--> Starting (?:[a-z, ]+ )?operation: ")
# What is said of every machine and every operation, and tells nothing; what is told otherwise.
_ROUTINE = re.compile(
    r"No changes( on retry \d+)?$|Skipped$|Ready: |Error: executed \d+ commands|Loading: |"
    r"--> Skipping change detection|--> Results:|--> Loading config|--> Disconnecting"
)
_DONE = re.compile(r"Success( on retry \d+)?$")
# Meanwhile pyinfra may ask for the password of a key.
_ASKS = re.compile(r"--> Connecting")
_NUMBER = re.compile(r"\d+")


class _Console(logging.Filter):
    """Drops, and groups, records of pyinfra's log.

    `step`: the record that names the operation that goes on, until it is printed. `waiting`: what
    other machines may say as well, each with its machines, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self._step: logging.LogRecord | None = None
        self._waiting: dict[tuple[int, str], list[str]] = {}
        self._flushing: Greenlet[..., None] | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is printed as it is, now."""
        message = record.getMessage() if isinstance(record.msg, str) else ""
        plain = _STYLES.sub("", message)
        if record.levelno < logging.INFO or not plain:
            return True
        if step := _STEP.match(plain):
            self.flush()
            self._step = record
            live_line.begin(plain[step.end() :], said=True)
            return False
        told = _OF_MACHINE.match(message)
        if told and told[1] in _machines():
            said = _STYLES.sub("", told[2])
            if _DONE.match(said):
                self.begin_step()
            elif not _ROUTINE.match(said):
                self._wait(record.levelno, told[1], told[2])
            return False
        self.flush()
        if _ASKS.match(plain):
            live_line.end()
        elif plain.startswith("--> "):
            live_line.begin(plain[len("--> ") :], said=True)
        return not _ROUTINE.match(plain)

    def _wait(self, level: int, machine: str, text: str) -> None:
        machines = self._waiting.setdefault((level, text), [])
        if machine in machines:  # the same a second time
            self.flush()
            machines = self._waiting.setdefault((level, text), [])
        machines.append(machine)
        if not self._flushing:
            self._flushing = gevent.spawn_later(TOGETHER_S, self.flush)

    def begin_step(self) -> None:
        """Name the operation that goes on, if that was not done yet."""
        record, self._step = self._step, None
        if record:
            _print(record)

    def flush(self) -> None:
        """Print what has waited for other machines."""
        waiting, self._waiting, self._flushing = self._waiting, {}, None
        for (level, text), machines in waiting.items():
            self.begin_step()
            line = f"[{', '.join(sorted(machines))}] {text}"
            _print(logging.LogRecord(logger.name, level, "", 0, line, None, None))


def _machines() -> set[str]:
    """The names of the inventory's machines; a line may begin with another word in brackets."""
    if not ctx_state.isset():  # type: ignore[no-untyped-call]
        return set()
    state: State = ctx_state.get()  # type: ignore[no-untyped-call]
    return {host.name for host in state.inventory} if state.initialised else set()


def _print(record: logging.LogRecord) -> None:
    for handler in logger.handlers:
        handler.handle(record)


_console = _Console()


def install() -> None:
    """Print less than pyinfra, from now on."""
    if _console not in logger.filters:
        logger.addFilter(_console)


def begin_step() -> None:
    """Name the operation that goes on: it is about to change something."""
    _console.begin_step()


def flush() -> None:
    """Print what waits for other machines to say the same: something else is to be printed."""
    _console.flush()
    live_line.end()


def no_spinner() -> None:
    """Have pyinfra draw nothing itself: it would draw into the live line, and into a report."""
    pyinfra.progress._print_spinner = lambda *given: None


class CommandProgress:
    """What a command says of itself while it goes on.

    That it waits is printed, once for each thing that it waits for: a person may want to do
    something about it. How long, and how far it is, stands in the live line.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._said: set[str] = set()

    def waits(self, text: str) -> None:
        kind = _NUMBER.sub("", text)
        if kind not in self._said:
            self._said.add(kind)
            logger.info(f"{self._host.print_prefix}{text}")
        self.goes_on(text)

    def goes_on(self, text: str) -> None:
        live_line.part(text, self._host.name)

    def end(self) -> None:
        live_line.part("", self._host.name)
