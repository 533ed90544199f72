"""The gateway's services: NTP, SMTP, and the package proxy, the only way out of the lab.

The package proxy: tinyproxy outside of the lab accepts the mirrors' host names and refuses all
others. Inside, socat forwards to it through a Unix socket, which belongs to no network namespace.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import LabError
from lab.gateway import chrony
from lab.host import bridge, cgroup
from lab.host.mirrors import Mirrors
from lab.host.process import start, tail
from lab.paths import State
from lab.plan import PROXY_PORT, LabPlan

LISTENING_TIMEOUT_S = 10.0
PROXY_SOCKET = "packages.sock"
# Protocol and port of every service inside the gateway's namespace.
PORTS = {("tcp", 25), ("tcp", PROXY_PORT), ("udp", 123)}


@dataclass(frozen=True)
class GatewayService:
    """One process of the gateway, in the lab's network (`inside`) or in this machine's."""

    name: str
    command: tuple[str, ...]
    inside: bool
    purpose: str


def services(state: State, loopback_port: int) -> tuple[GatewayService, ...]:
    """The gateway's processes. Pure."""
    # File names are relative to state.run, because a socket's path is limited to 107 bytes.
    return (
        GatewayService(
            "ntp",
            chrony.command("chrony.conf"),
            inside=True,
            purpose="time, UDP 123",
        ),
        GatewayService(
            "smtp",
            (
                *(sys.executable, "-m", "aiosmtpd", "--nosetuid", "--smtputf8"),
                *("--listen", "0.0.0.0:25"),
                *("--class", "aiosmtpd.handlers.Mailbox", str(state.mail)),
            ),
            inside=True,
            purpose="mailbox, TCP 25 (lab mail)",
        ),
        GatewayService(
            "packages",
            ("socat", f"TCP-LISTEN:{PROXY_PORT},fork,reuseaddr", f"UNIX-CONNECT:{PROXY_SOCKET}"),
            inside=True,
            purpose=f"Debian's mirrors, TCP {PROXY_PORT}",
        ),
        GatewayService(
            "packages-outside",
            (
                *("socat", f"UNIX-LISTEN:{PROXY_SOCKET},fork,unlink-early,mode=600"),
                f"TCP:127.0.0.1:{loopback_port}",
            ),
            inside=False,
            purpose="socket of the package proxy, outside",
        ),
        GatewayService(
            "package-proxy",
            # tinyproxy asks the resolver for each file anew; with its own /etc/hosts it does not.
            (
                *("unshare", "--mount", "sh", "-c"),
                "mount --bind hosts /etc/hosts; exec tinyproxy -d -c tinyproxy.conf",
            ),
            inside=False,
            purpose="package proxy, outside",
        ),
    )


TINYPROXY_CONF = """\
Listen 127.0.0.1
Allow 127.0.0.1
User nobody
Group nogroup
Timeout 600
MaxClients 200
LogLevel Connect
Filter "mirrors"
FilterDefaultDeny Yes
ConnectPort 443
"""


def tinyproxy_conf(mirrors: Mirrors, loopback_port: int) -> str:
    """Configuration of a forward proxy on loopback that accepts the mirrors' host names only."""
    upstream = urlsplit(mirrors.upstream).netloc
    return f"{TINYPROXY_CONF}Port {loopback_port}\n" + (
        f"Upstream http {upstream}\n" if upstream else ""
    )


def tinyproxy_filter(mirrors: Mirrors) -> str:
    """One anchored basic regular expression per host name."""
    return "".join(f"^{re.sub(r'[.]', r'[.]', host)}$\n" for host in mirrors.host_names)


def hosts(mirrors: Mirrors, known: str) -> str:
    """An /etc/hosts with the addresses of what the package proxy connects to.

    A resolver that loses one question in forty costs 5 s each time, and an install is forty files.

    + known: this machine's own /etc/hosts.
    """
    upstream = urlsplit(mirrors.upstream).hostname
    lines = [known.rstrip("\n")]
    for name in (upstream,) if upstream else mirrors.host_names:
        # Whatever cannot be resolved now, tinyproxy asks for itself.
        with contextlib.suppress(OSError):
            lines.append(f"{socket.gethostbyname(name)} {name}")
    return "\n".join(lines) + "\n"


def group(tag: str, service: GatewayService) -> Path:
    """The cgroup of a service."""
    return cgroup.root(tag) / f"gateway.{service.name}"


def stopped(state: State, tag: str) -> list[GatewayService]:
    """The services that are not running."""
    return [service for service in services(state, 0) if not cgroup.alive(group(tag, service))]


def start_services(state: State, plan: LabPlan, mirrors: Mirrors) -> None:
    """Start all services; those still running from an earlier start are ended first."""
    for service in services(state, 0):
        cgroup.kill(group(plan.tag, service))
    port = _free_loopback_port()
    (state.run / "chrony.conf").write_text(chrony.configuration("chronyd.pid"))
    (state.run / "tinyproxy.conf").write_text(tinyproxy_conf(mirrors, port))
    (state.run / "mirrors").write_text(tinyproxy_filter(mirrors))
    (state.run / "hosts").write_text(hosts(mirrors, Path("/etc/hosts").read_text()))
    # Left by a killed chronyd; its pid may belong to another process by now.
    (state.run / "chronyd.pid").unlink(missing_ok=True)
    for name in ("tmp", "new", "cur"):
        (state.mail / name).mkdir(parents=True, exist_ok=True)
    for service in services(state, port):
        prefix = bridge.inside(plan.gateway_netns) if service.inside else ()
        start(
            [*prefix, *service.command],
            cgroup=cgroup.create(group(plan.tag, service)),
            log=state.log(f"gateway.{service.name}"),
            directory=state.run,
        )


def wait(state: State, plan: LabPlan) -> None:
    """Wait until every service listens. Raises `LabError` with the logs if one does not."""
    deadline = time.monotonic() + LISTENING_TIMEOUT_S
    while True:
        closed = PORTS - bridge.listening(plan.gateway_netns)
        if not closed and (state.run / PROXY_SOCKET).exists():
            break
        if time.monotonic() > deadline:
            logs = "\n".join(tail(path) for path in sorted(state.logs.glob("gateway.*")))
            raise LabError(f"The gateway does not listen on {closed or PROXY_SOCKET}:\n{logs}")
        time.sleep(0.05)
    for service in stopped(state, plan.tag):
        raise LabError(
            f"The gateway's {service.name} has ended: {tail(state.log(f'gateway.{service.name}'))}"
        )


def _free_loopback_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
