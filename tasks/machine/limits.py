"""What the kernel allows, raised where nginx is set up for more; the file notes what it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import NamedTuple

from pyinfra.api import FactBase

from controller.batched_facts import LinesFact, change, parallel, rolling
from settings import Cluster, Node
from tasks.machine import install_record
from tasks.machine.quoting import quoted

FILE = "/etc/sysctl.d/62-tandem-nginx.conf"
# Why nginx needs each.
REASONS = {
    "net.core.somaxconn": "connections that wait until a worker accepts them (listen_backlog)",
    "net.ipv4.tcp_max_syn_backlog": "connections whose handshake is not complete (listen_backlog)",
    "fs.nr_open": "files that one process may have open (worker_connections, twice)",
    "fs.file-max": "files that all processes together may have open",
    **{
        f"net.ipv{version}.ip_nonlocal_bind": "listening on a VIP while another machine has it"
        for version in (4, 6)
    },
}
# Where a `listen` of a person's may stand: in what runs, and in what a rollback would bring back.
# Tandem's own never name an address in one, but a VIP as a server's name or a client.
_OWN_FILES = (
    "find /etc/nginx /var/lib/tandem/nginx/generations/*/etc -type f ! -path /etc/nginx/nginx.conf "
    "! -path '/etc/nginx/sites/*' ! -path '*/etc/nginx.conf' ! -path '*/etc/sites/*'"
)
# For everybody else on the machine.
OTHERS_FILES = 65536


class Limits(NamedTuple):
    """The kernel's values; what they were before each line of our file; the file, "" for none.

    `kept`: the VIPs that a person's files on the machine name, those of a rollback as well.
    """

    now: Mapping[str, int] = MappingProxyType({})
    before: Mapping[str, int] = MappingProxyType({})
    text: str = ""
    kept: frozenset[str] = frozenset()


class KernelLimits(FactBase[Limits]):
    """What a machine's kernel allows."""

    default = Limits

    def command(self, vips: tuple[str, ...] = ()) -> str:
        names = " ".join(REASONS)
        named = "".join(
            f"{_OWN_FILES} -exec grep -lswF {quoted(vip)} {{}} + 2>/dev/null | grep -q . && "
            f"echo kept {vip}; "
            for vip in vips
        )
        return (
            f'for name in {names}; do echo "now $name $(cat /proc/sys/$(echo $name | tr . /))"; '
            f"done 2>/dev/null; sed 's/^/file /' {FILE} 2>/dev/null; {named}true"
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
            frozenset(re.findall(r"^kept (\S+)$", printed, re.MULTILINE)),
        )


def needed(node: Node, workers: int, elsewhere: Iterable[str] = ()) -> dict[str, int]:
    """What the kernel has to allow, by sysctl. `elsewhere`: addresses to listen on that may be
    another machine's."""
    nonlocal_binds = {_nonlocal(address): 1 for address in elsewhere}
    return nonlocal_binds | {
        "net.core.somaxconn": node.listen_backlog,
        "net.ipv4.tcp_max_syn_backlog": node.listen_backlog,
        "fs.nr_open": node.files_limit,
        "fs.file-max": workers * node.files_limit + OTHERS_FILES,
    }


def _nonlocal(address: str) -> str:
    return f"net.ipv{ip_address(address).version}.ip_nonlocal_bind"


def still_needed(found: Limits) -> dict[str, int]:
    """What deploys have set and what still runs, or comes back with a rollback, does not start
    without."""
    return {_nonlocal(vip): 1 for vip in found.kept if _nonlocal(vip) in found.before}


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


def configure(node: Node, cluster: Cluster, workers: int, listens: Iterable[str]) -> None:
    """Raise the kernel's limits to what nginx is set up for.

    + listens: the VIPs that the configuration names, and listens on alone.
    """
    vips = tuple(str(vip.ip) for vip in cluster.addresses)
    parallel.request(KernelLimits, vips=vips)
    name = "Kernel: limits no lower than nginx's"
    apply_limits(name=name, needs=needed(node, workers, listens), vips=vips)


@change("they are high enough")
def apply_limits(needs: dict[str, int], vips: tuple[str, ...]) -> Iterator[str]:
    """Raise each sysctl that is too low; put back those that need not be raised any more."""
    found = parallel.get(KernelLimits, vips=vips)
    values = too_low(found, still_needed(found) | needs)
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
