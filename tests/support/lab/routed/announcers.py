"""A BIRD and a server in a machine's network, beside its own programs.

They are this host's processes. What a deploy installs is not asked.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.gateway import bird
from lab.host import bridge
from lab.plan import LabMachine

PORT = 8080
# Not http.server's own, which asks for its host's name: there is no DNS in the lab.
SERVER = """
import socket, sys
name, port = sys.argv[1].encode(), int(sys.argv[2])
answer = b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(name), name)
with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    while True:
        with server.accept()[0] as client:
            client.recv(4096)
            client.sendall(answer)
"""


def configuration(
    machine: LabMachine,
    more: tuple[str, ...] = (),
    password: str | None = None,
    security: bool = True,
    yields: bool = False,
) -> str:
    """What the machine announces: its VIPs, and `more`, networks of IPv4.

    + password: another one than the inventory's.
    + security: whether what it sends shows that it comes from no further than the next wire.
    + yields: behind all others, with the community for a graceful shutdown (RFC 8326).
    """
    announced = {"ipv4": [f"{vip}/32" for vip in machine.vips if ":" not in vip] + list(more)}
    announced["ipv6"] = [f"{vip}/128" for vip in machine.vips if ":" in vip]
    text = f"router id {machine.address};\nprotocol device {{}}\nprotocol bfd {{}}\n"
    for family, prefixes in announced.items():
        routes = " ".join(f"route {prefix} blackhole;" for prefix in prefixes)
        text += f"protocol static of_{family} {{ {family}; {routes} }}\n"
    last = "filter { bgp_community.add((65535, 0)); accept; }"
    export = last if yields else "all"
    for number, peer in enumerate(machine.peerings, start=1):
        family = "ipv6" if ":" in peer.router else "ipv4"
        text += f"""protocol bgp router_{number} {{
    local {peer.address} as {peer.asn};
    neighbor {peer.router} as {peer.router_asn};
    password "{peer.password if password is None else password}";
    ttl security {"on" if security else "off"};
    bfd {{ interval {peer.bfd_interval_ms} ms; multiplier {peer.bfd_misses}; }};
    connect delay time 1; connect retry time 1; error wait time 1, 1;
    {family} {{ import none; export {export}; }};
}}
"""
    return text


@contextmanager
def announcing(machine: LabMachine, place: Path, text: str) -> Iterator[None]:
    """BIRD with that configuration, and a server that answers with the machine's name."""
    inside = bridge.inside(machine.netns)
    for vip in machine.vips:
        length = 128 if ":" in vip else 32
        nodad = ["nodad"] if ":" in vip else []
        words = ["ip", "address", "replace", f"{vip}/{length}", "dev", "lo", *nodad]
        subprocess.run([*inside, *words], check=True)
    (place / f"{machine.name}.conf").write_text(text)
    files = ["-c", f"{machine.name}.conf", "-s", f"{machine.name}.ctl", "-P", f"{machine.name}.pid"]
    commands = (
        [bird.path("bird"), "-f", *files],
        [sys.executable, "-c", SERVER, machine.name, str(PORT)],
    )
    environment = bird.environment() or None
    started = [
        subprocess.Popen([*inside, *command], cwd=place, env=environment) for command in commands
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait(timeout=10)


def reconfigure(machine: LabMachine, place: Path, text: str) -> None:
    """Another configuration for a BIRD that runs."""
    (place / f"{machine.name}.conf").write_text(text)
    command = [bird.path("birdcl"), "-s", f"{machine.name}.ctl", "configure"]
    environment = bird.environment() or None
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert "econfigur" in done.stdout and not done.returncode, done.stdout + done.stderr
