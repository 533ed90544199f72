"""SSH configuration and environment for commands that run in the lab. Pure.

The inventory needs nothing about the lab, because pyinfra reads ~/.ssh/config as ssh does.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.paths import State
from lab.plan import LabMachine, LabPlan

# Not inherited by commands in the lab: an agent's keys, and proxies to the outside.
DROPPED = (
    *("SSH_AUTH_SOCK", "SSH_AGENT_PID"),
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
)


def environment(outer: Mapping[str, str], state: State, cache: str) -> dict[str, str]:
    """The environment of a command in the lab; `cache` is the user's own cache directory."""
    kept = {name: value for name, value in outer.items() if name not in DROPPED}
    return kept | {
        "TANDEM_LAB": str(state.root),
        "HOME": str(state.home),
        "XDG_CACHE_HOME": cache,
        "APT_CONFIG": str(state.apt_conf),
    }


def ssh_config(state: State, plan: LabPlan) -> str:
    """~/.ssh/config: user, address and port per machine, one key for all."""
    machines = [
        f"Host {' '.join(names(machine))}\n"
        f"    HostName {machine.address}\n"
        f"    Port {machine.ssh_port}\n"
        f"    User {machine.login.user}\n\n"
        for machine in plan.machines
    ]
    return f"""{"".join(machines)}Host *
    IdentityFile "{state.key}"
    IdentitiesOnly yes
    UserKnownHostsFile "{state.ssh / "known_hosts"}"
    StrictHostKeyChecking yes
    ConnectTimeout 5
    LogLevel ERROR
"""


def known_hosts(plan: LabPlan, public_keys: Mapping[str, str]) -> str:
    """~/.ssh/known_hosts: one line per machine with all its names and addresses."""
    lines = []
    for machine in plan.machines:
        called = names(machine)
        if machine.ssh_port != 22:
            called = [f"[{name}]:{machine.ssh_port}" for name in called]
        kind, key = public_keys[machine.name].split()[:2]
        lines.append(f"{','.join(called)} {kind} {key}\n")
    return "".join(lines)


def names(machine: LabMachine) -> list[str]:
    """Every name and address by which a client may connect, each once."""
    return list(dict.fromkeys([machine.name, machine.ssh_hostname, machine.address]))
