"""The kernel's limits, raised where nginx is set up for more; the file notes what they were."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pyinfra.api import FactBase

from controller.batched_facts import LinesFact, change, parallel, rolling
from settings import Node
from tasks.machine import install_record
from tasks.machine.quoting import quoted

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

    now: Mapping[str, int] = MappingProxyType({})
    before: Mapping[str, int] = MappingProxyType({})
    text: str = ""


class KernelLimits(FactBase[Limits]):
    """What a machine's kernel allows."""

    default = Limits

    def command(self) -> str:
        names = " ".join(REASONS)
        return (
            f'for name in {names}; do echo "now $name $(cat /proc/sys/$(echo $name | tr . /))"; '
            f"done 2>/dev/null; sed 's/^/file /' {FILE} 2>/dev/null; true"
        )

    def process(self, output: list[str]) -> Limits:
        printed = "\n".join(output)
        now = re.findall(r"^now (\S+) (\d+)$", printed, re.MULTILINE)
        text = "".join(f"{line}\n" for line in re.findall(r"^file (.*)$", printed, re.MULTILINE))
        before = re.findall(r"^# .*; it was (\d+)$\n^(\S+) = \d+$", text, re.MULTILINE)
        return Limits(
            {name: int(value) for name, value in now},
            {name: int(value) for value, name in before},
            text,
        )


def needed(node: Node, workers: int) -> dict[str, int]:
    """What the kernel has to allow, by sysctl."""
    return {
        "net.core.somaxconn": node.listen_backlog,
        "net.ipv4.tcp_max_syn_backlog": node.listen_backlog,
        "fs.nr_open": node.files_limit,
        "fs.file-max": workers * node.files_limit + OTHERS_FILES,
    }


def too_low(found: Limits, needs: Mapping[str, int]) -> dict[str, tuple[int, int]]:
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
    """Raise the kernel's limits to what nginx is set up for."""
    parallel.request(KernelLimits)
    apply_limits(name="Kernel: limits no lower than nginx's", needs=needed(node, workers))


@change("they are high enough")
def apply_limits(needs: dict[str, int]) -> Iterator[str]:
    """Raise each sysctl that is too low; put back those that need not be raised any more."""
    found = parallel.get(KernelLimits)
    values = too_low(found, needs)
    text = rendered(values)
    low = [name for name, (_, value) in values.items() if found.now[name] < value]
    if text == found.text and not low:
        return
    for name, value in found.before.items():
        if name not in values:
            yield quoted("sysctl", "-q", "-w", f"{name}={value}")
    if not text:
        yield quoted("rm", "-f", FILE)
        return
    for name in low:
        yield install_record.note_sysctl(name.replace(".", "/"))
    yield f"printf %s {quoted(text)} >{FILE}.new && mv {FILE}.new {FILE}"
    yield quoted("sysctl", "-q", "-p", FILE)


# --- taking it away ------------------------------------------------------------------------------


class ChangedSysctls(LinesFact):
    """ "NAME VALUE" of each recorded sysctl whose value is another now than before the deploys."""

    def command(self) -> str:
        return (
            "while read -r name value; do "
            # (An interface's go with it.)
            '[ ! -e "/proc/sys/$name" ] || [ "$(cat "/proc/sys/$name")" = "$value" ] || '
            'echo "$name $value"; '
            f"done 2>/dev/null <{install_record.SYSCTLS}; true"
        )


@change("they are as they were")
def restore() -> Iterator[str]:
    """Give the sysctls that deploys have changed the values that they had."""
    for line in rolling.get(ChangedSysctls):
        name, _, value = line.partition(" ")
        yield f"echo '{value}' >/proc/sys/{name}"
