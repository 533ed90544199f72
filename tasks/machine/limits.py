"""The kernel's limits, raised where nginx is set up for more; what they were stands beside."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts
from settings import Node
from tasks.machine import install_record
from tasks.machine.survey import shell

FILE = "/etc/sysctl.d/62-tandem-nginx.conf"
# Why nginx needs each.
REASONS = {
    "net.core.somaxconn": "connections that wait until a worker accepts them (listen_backlog)",
    "net.ipv4.tcp_max_syn_backlog": "connections whose handshake is not complete (listen_backlog)",
    "fs.nr_open": "files that one process may have open (worker_connections, twice)",
    "fs.file-max": "files that all processes together may have open",
}
# For everybody else on the machine.
OTHERS_FILES = 65536


class Limits(NamedTuple):
    """The kernel's values; what they were before each line of our file; the file, "" for none."""

    now: Mapping[str, int]
    before: Mapping[str, int]
    text: str


class Kernel(FactBase[Limits]):
    """What a machine's kernel allows."""

    @staticmethod
    def default() -> Limits:
        return Limits({}, {}, "")

    def command(self) -> str:
        names = " ".join(REASONS)
        return (
            f'for name in {names}; do echo "now $name $(cat /proc/sys/$(echo $name | tr . /))"; '
            f"done 2>/dev/null; sed 's/^/file /' {FILE} 2>/dev/null; true"
        )

    def process(self, output: list[str]) -> Limits:
        return parse(output)


def parse(lines: list[str]) -> Limits:
    """The lines that `Kernel` has printed."""
    now: dict[str, int] = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["now"] and len(words) == 3 and words[2].isdigit():
            now[words[1]] = int(words[2])
    text = "".join(f"{line.removeprefix('file ')}\n" for line in lines if line.startswith("file "))
    found = re.findall(r"^# .*; it was (\d+)$\n^(\S+) = \d+$", text, re.MULTILINE)
    return Limits(now, {name: int(value) for value, name in found}, text)


def needed(node: Node, workers: int) -> dict[str, int]:
    """What the kernel has to allow, by sysctl."""
    return {
        "net.core.somaxconn": node.listen_backlog,
        "net.ipv4.tcp_max_syn_backlog": node.listen_backlog,
        "fs.nr_open": node.files_limit,
        "fs.file-max": workers * node.files_limit + OTHERS_FILES,
    }


def raised(found: Limits, needs: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """(the value before, the value needed) of each sysctl that is too low as the machine has it."""
    before = {**found.now, **found.before}
    return {
        name: (before[name], value)
        for name, value in needs.items()
        if before.get(name, value) < value
    }


def rendered(values: Mapping[str, tuple[int, int]]) -> str:
    """The file; "" where the kernel's own values do."""
    if not values:
        return ""
    lines = ["# What nginx is set up for, where the kernel had less. Written by Tandem's deploy.\n"]
    for name, (before, value) in values.items():
        lines.append(f"# {REASONS[name]}; it was {before}\n{name} = {value}\n")
    return "".join(lines)


def configure(node: Node, workers: int) -> None:
    """Have the kernel allow what nginx is set up for."""
    batched_facts.parallel.request(Kernel)
    fitted(
        name="Kernel: limits no lower than nginx's",
        needs=needed(node, workers),
    )


@operation()
def fitted(needs: dict[str, int]) -> Generator[StringCommand, None, None]:
    """Have each sysctl at least as high, and as it was where that is enough."""
    found = batched_facts.parallel.get(Kernel)
    values = raised(found, needs)
    text = rendered(values)
    low = [name for name, (_, value) in values.items() if found.now[name] < value]
    gone = {name: value for name, value in found.before.items() if name not in values}
    if text == found.text and not low:
        host.noop("they are high enough")
        return
    batched_facts.invalidate()
    for name, value in gone.items():
        yield StringCommand(shell("sysctl", "-q", "-w", f"{name}={value}"))
    if not text:
        yield StringCommand(shell("rm", "-f", FILE))
        return
    for name in low:
        yield StringCommand(install_record.note_sysctl(name.replace(".", "/")))
    yield StringCommand(f"printf %s {shell(text)} >{FILE}.new && mv {FILE}.new {FILE}")
    yield StringCommand(shell("sysctl", "-q", "-p", FILE))
