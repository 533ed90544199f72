"""What answers at the gateway: the time, the mail, and the one hole to the package mirrors.

The hole: a forward proxy outside that lets the mirrors' host names pass and refuses everything
else, reached from inside through a Unix socket, which belongs to no network namespace.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import LabError
from lab.gateway import chrony
from lab.guests.mirrors import Mirrors
from lab.host import bridge, cgroup
from lab.host.process import start, tail
from lab.paths import State
from lab.plan import PROXY_PORT, Plan

LISTENING_TIMEOUT_S = 10.0
# What has to be open in the gateway's namespace.
PORTS = {("tcp", 25), ("tcp", PROXY_PORT), ("udp", 123)}


@dataclass(frozen=True)
class Service:
    """One process of the gateway; `inside` is the lab's network, otherwise this machine's."""

    name: str
    command: tuple[str, ...]
    inside: bool
    purpose: str


def services(state: State, loopback_port: int) -> tuple[Service, ...]:
    """The gateway's processes. Pure."""
    # Names of files are short and relative to state.run: a socket's path has 107 bytes at most.
    return (
        Service(
            "ntp",
            # -x: the guests share this machine's clock, and nobody may set it from here.
            (chrony.path(), "-x", "-d", "-u", "root", "-f", "chrony.conf"),
            inside=True,
            purpose="the time, UDP 123",
        ),
        Service(
            "smtp",
            (
                *(sys.executable, "-m", "aiosmtpd", "--nosetuid", "--smtputf8"),
                *("--listen", "0.0.0.0:25"),
                *("--class", "aiosmtpd.handlers.Mailbox", str(state.mail)),
            ),
            inside=True,
            purpose="a mailbox, TCP 25: lab mail",
        ),
        Service(
            "hole",
            ("socat", f"TCP-LISTEN:{PROXY_PORT},fork,reuseaddr", "UNIX-CONNECT:hole"),
            inside=True,
            purpose=f"Debian's mirrors, TCP {PROXY_PORT}",
        ),
        Service(
            "hole-outside",
            (
                *("socat", "UNIX-LISTEN:hole,fork,unlink-early,mode=600"),
                f"TCP:127.0.0.1:{loopback_port}",
            ),
            inside=False,
            purpose="the same, outside",
        ),
        Service(
            "mirrors",
            ("tinyproxy", "-d", "-c", "tinyproxy.conf"),
            inside=False,
            purpose="the filter of the hole, outside",
        ),
    )


# A server that always has a time to give, to anybody, and no other way in.
CHRONY_CONF = """\
local stratum 8
allow all
cmdport 0
bindcmdaddress /
pidfile chronyd.pid
"""


def tinyproxy_conf(mirrors: Mirrors, loopback_port: int) -> str:
    """A forward proxy on loopback that knows the mirrors' host names and no others."""
    lines = [
        f"Port {loopback_port}",
        "Listen 127.0.0.1",
        "Allow 127.0.0.1",
        "User nobody",
        "Group nogroup",
        "Timeout 600",
        "MaxClients 200",
        "LogLevel Connect",
        'Filter "mirrors"',
        "FilterDefaultDeny Yes",
        "ConnectPort 443",
    ]
    upstream = urlsplit(mirrors.upstream)
    if upstream.netloc:
        lines.append(f"Upstream http {upstream.netloc}")
    return "".join(f"{line}\n" for line in lines)


def tinyproxy_filter(mirrors: Mirrors) -> str:
    """One anchored basic regular expression per host name."""
    return "".join(f"^{re.sub(r'[.]', r'[.]', host)}$\n" for host in mirrors.host_names)


def group(tag: str, service: Service | str) -> Path:
    name = service if isinstance(service, str) else service.name
    return cgroup.root(tag) / f"gateway.{name}"


def silent(state: State, tag: str) -> list[Service]:
    """The services that do not run."""
    return [service for service in services(state, 0) if not cgroup.alive(group(tag, service))]


def start_services(state: State, plan: Plan, mirrors: Mirrors) -> None:
    """Start them all; those of an earlier start that still run are ended first."""
    for service in services(state, 0):
        cgroup.kill(group(plan.tag, service))
    port = _free_loopback_port()
    (state.run / "chrony.conf").write_text(CHRONY_CONF)
    (state.run / "tinyproxy.conf").write_text(tinyproxy_conf(mirrors, port))
    (state.run / "mirrors").write_text(tinyproxy_filter(mirrors))
    # One that was killed has left it, and its number may be somebody else's by now.
    (state.run / "chronyd.pid").unlink(missing_ok=True)
    for name in ("tmp", "new", "cur"):
        (state.mail / name).mkdir(parents=True, exist_ok=True)
    for service in services(state, port):
        place = bridge.inside(plan.gateway_netns) if service.inside else ()
        start(
            [*place, *service.command],
            cgroup=cgroup.create(group(plan.tag, service)),
            log=state.log(f"gateway.{service.name}"),
            directory=state.run,
        )


def wait(state: State, plan: Plan) -> None:
    """Until every service listens. Raises `LabError` with the log of one that does not."""
    deadline = time.monotonic() + LISTENING_TIMEOUT_S
    while True:
        closed = PORTS - bridge.listening(plan.gateway_netns)
        if not closed and (state.run / "hole").exists():
            break
        if time.monotonic() > deadline:
            logs = "\n".join(tail(path) for path in sorted(state.logs.glob("gateway.*")))
            raise LabError(f"The gateway does not listen on {closed or 'its hole'}:\n{logs}")
        time.sleep(0.05)
    for service in silent(state, plan.tag):
        raise LabError(
            f"The gateway's {service.name} has ended: {tail(state.log(f'gateway.{service.name}'))}"
        )


def _free_loopback_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
