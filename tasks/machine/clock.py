"""The clock: set once with ntpdate as in the recipe, and kept right by chrony from then on.

Where something keeps it already (a time service, or the host of a container), it is measured and
otherwise left alone: two that set one clock fight.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

import gevent
from gevent import Greenlet
from pyinfra import host
from pyinfra.api import FactBase, operation
from pyinfra.operations import files, systemd, sysvinit

from settings import Node
from tasks.machine import one_file, packages
from tasks.machine.quoting import quoted
from tasks.machine.survey import SurveyedMachine

# More than this and the logs of two machines cannot be laid side by side.
TOLERATED_OFFSET_S = 0.05
# Names the server to chrony, on Debian; on Red Hat a line of its configuration does.
SOURCES = "/etc/chrony/sources.d/tandem.sources"
SERVICES = ("chrony", "chronyd", "ntpsec", "ntpd", "ntp", "systemd-timesyncd")
# Prints "service=NAME.service" for those that run.
_UNITS = " ".join(f"{name}.service" for name in SERVICES)
WHO_KEEPS_IT = (
    "if [ -d /run/systemd/system ]; then "
    f"systemctl list-units --plain --no-legend --state=active {_UNITS}; else "
    f"for name in {' '.join(SERVICES)}; do /etc/init.d/$name status >/dev/null 2>&1 && "
    "echo $name.service; done; fi | sed 's/^/service=/'"
)
ASK = {
    "debian": "ntpdate -q -t 2 {server}",
    "redhat": "chronyd -Q -t 5 'server {server} iburst'",
}
SET = {"debian": "ntpdate -b {server}", "redhat": "chronyd -q -t 20 'server {server} iburst'"}


@dataclass(frozen=True)
class ClockState:
    """Which service keeps the clock ("" for none), and its offset if it could be measured."""

    service: str = ""
    offset_s: float | None = None


class MeasuredClock(FactBase[ClockState]):
    """The `ClockState`, in one round trip; asks the time server once.

    ntpsec's ntpdate ends a line with "+0.000123 +/- 0.000045 server …", the older one (Ubuntu 22.04
    may have either) with "server … offset -0.000123 sec"; chronyd says "System clock wrong by
    0.000123 seconds".
    """

    default = ClockState

    def command(self, family: str, server: str) -> str:
        ask = ASK[family].format(server=quoted(server))
        return f"{WHO_KEEPS_IT}; timeout 10 {ask} 2>&1 || true"

    def process(self, output: list[str]) -> ClockState:
        text = "\n".join(output)
        service = re.search(r"^service=(\S+)\.service\b", text, re.MULTILINE)
        offset = re.search(r"([+-]\d+\.\d+) \+/- \d|(?:wrong by|offset) ([+-]?\d+\.\d+) sec", text)
        seconds = float(offset[1] or offset[2]) if offset else None
        return ClockState(service[1] if service else "", seconds)


def synchronise(node: Node, machine: SurveyedMachine) -> None:
    """Set the clock by the configured server, and have it kept right."""
    if not node.ntp_server:
        return
    # Asked now and needed later: the time server may take seconds to answer.
    measured = gevent.spawn(
        host.get_fact, MeasuredClock, family=machine.family, server=node.ntp_server
    )
    set_clock(
        name=f"Clock: in step with {node.ntp_server}",
        family=machine.family,
        server=node.ntp_server,
        container=machine.container,
        measured=measured,
    )
    if not machine.container:
        _keep(node, machine)


def _keep(node: Node, machine: SurveyedMachine) -> None:
    """Let chrony keep the clock. A time service that was there before is left alone."""
    clock = host.get_fact(MeasuredClock, family=machine.family, server=node.ntp_server)
    if clock.service and not one_file.state_of(SOURCES):
        return
    line = f"server {node.ntp_server} iburst"
    if machine.family == "debian":
        service = "chrony"
        one_file.file("Clock: chrony's server", SOURCES, f"{line}\n")
        # After its file, so that it starts with this server; a run killed in between goes on here.
        packages.install_packages(
            name="Clock: chrony keeps it", node=node, family=machine.family, names=["chrony"]
        )
    else:  # chrony itself is among the packages: there is no ntpdate in this family
        service = "chronyd"
        files.line(name="Clock: chrony's server", path="/etc/chrony.conf", line=line)
    keeper = systemd if machine.systemd else sysvinit
    keeper.service(name="Clock: chrony runs, also after a boot", service=service, enabled=True)


@operation()
def set_clock(
    family: str, server: str, container: bool, measured: Greenlet[..., ClockState]
) -> Generator[str, None, None]:
    """Set the clock once, unless something else keeps it or it is right already."""
    clock = measured.get()
    kept_by = "this container's host" if container else clock.service
    off = clock.offset_s is not None and abs(clock.offset_s) > TOLERATED_OFFSET_S
    if kept_by and off:
        host.log(
            f"The clock is {clock.offset_s:+.3f} s from {server}, and {kept_by} keeps it: "
            "set it right there."
        )
    if kept_by or (clock.offset_s is not None and not off):
        host.noop(f"{kept_by or 'nothing yet'} keeps the clock, offset {clock.offset_s}")
        return
    yield SET[family].format(server=quoted(server))
