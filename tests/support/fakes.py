"""Machines that are not there: a deploy file run against pyinfra's @fake connector.

It shows what would be asked of a machine, never that it works; the lab shows that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_inventory, ctx_state
from pyinfra_cli.util import load_deploy_file

from controller import batched_facts

ROOT = Path(__file__).resolve().parents[2]

OS_RELEASE = {
    "debian12": "debian||12|Debian GNU/Linux 12 (bookworm)",
    "debian11": "debian||11|Debian GNU/Linux 11 (bullseye)",
    "debian13": "debian||13|Debian GNU/Linux 13 (trixie)",
    "ubuntu20": "ubuntu|debian|20.04|Ubuntu 20.04.6 LTS",
    "ubuntu22": "ubuntu|debian|22.04|Ubuntu 22.04.5 LTS",
    "ubuntu24": "ubuntu|debian|24.04|Ubuntu 24.04.2 LTS",
    "rocky10": "rocky|rhel centos fedora|10.0|Rocky Linux 10.0 (Red Quartz)",
    "rocky9": "rocky|rhel centos fedora|9.4|Rocky Linux 9.4 (Blue Onyx)",
    "alma8": "almalinux|rhel centos fedora|8.10|AlmaLinux 8.10 (Cerulean Leopard)",
    "alpine": "alpine||3.20|Alpine Linux v3.20",
}


def defaults() -> dict[str, Any]:
    """What group_data/all.py sets, by name."""
    scope: dict[str, Any] = {}
    exec((ROOT / "group_data" / "all.py").read_text(), scope)
    return {key: value for key, value in scope.items() if not key.startswith("_")}


def survey(
    distribution: str = "debian12",
    *,
    address: str = "172.16.12.61",
    prefix: int = 16,
    interface: str = "eth0",
    beside: Mapping[str, str] | None = None,
    holds: str = "",
    init: str = "systemd",
    free_mb: int = 9000,
    compiler: bool = False,
    selinux: str = "",
    peers: Sequence[str] = (),
    serves: bool = False,
    builds: Sequence[str] = (),
    masked: Sequence[str] = (),
    mac: str = "02:00:00:00:00:61",
    replies: Sequence[str] = (),
    commands: Sequence[str] = (),
    ports: Sequence[str] = (),
) -> str:
    """What a machine answers to `tasks.machine.survey.Survey`. `beside`: further interfaces, each
    with its address; `builds`: "NAME MANIFEST" each; `replies`: "ADDRESS MAC" each; `commands`,
    `ports`: lines of the shell of `check_commands` and `port_holders`."""
    links = [
        {
            "ifname": "lo",
            "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}],
        },
        {
            "ifname": interface,
            "address": mac,
            "addr_info": [
                {"family": "inet", "local": each, "prefixlen": prefix}
                for each in (address, holds)
                if each
            ],
        },
    ]
    links += [
        {
            "ifname": name,
            "addr_info": [{"family": "inet", "local": own, "prefixlen": int(length)}],
        }
        for name, own, length in ((name, *text.split("/")) for name, text in (beside or {}).items())
    ]
    free = f"/dev/vda 20000000 1000 {free_mb * 1024} 1% /"
    parts = [
        OS_RELEASE[distribution],
        "x86_64",
        init,
        "none",
        "2",
        free,
        selinux,
        "",
        "000001ffffffffff",
        json.dumps(links),
        "/usr/bin/make" if compiler else "",
        "\n".join(("unicast_peer {", *peers, "}")),
        "/etc/keepalived/keepalived.conf" if serves else "",
        "\n".join(builds),
        "\n".join(replies),
        "\n".join(commands),
        "\n".join(ports),
        "\n".join(masked),
    ]
    return "\n@\n".join(parts)


def inventory(
    hosts: Mapping[str, dict[str, Any]] | None = None,
    group: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Inventory:
    """The recipe's two machines, fake, with `settings` for both; or other `hosts` and `group`."""
    if hosts is None:
        hosts = {
            "@fake/host1": {"ssh_hostname": "172.16.12.61", "priority": 101, "page": "one"},
            "@fake/host2": {"ssh_hostname": "172.16.12.62", "priority": 100, "page": "two"},
        }
    members = [(name, _answering(own)) for name, own in hosts.items()]
    cluster = {"vip": "172.16.12.254/16"} | dict(group or {}) | settings
    everything = (members, defaults())
    return Inventory(everything, web=(members, cluster))  # type: ignore[no-untyped-call]


def _answering(own: dict[str, Any]) -> dict[str, Any]:
    """A fake machine's data: its own answers first, then what every Linux machine says."""
    answers = {
        "uname -s": "Linux",
        "for name in": ["everything"],  # no package is installed yet
        "/etc/os-release": survey(address=own["ssh_hostname"]),
    }
    return own | {
        "fake_delay": 0,
        "fake_delay_jitter": 0,
        "fake_responses": own.get("fake_responses", {})
        | {
            key: value for key, value in answers.items() if key not in own.get("fake_responses", {})
        },
    }


def fetch_one_by_one(
    self: batched_facts.BatchedFacts, host: Host
) -> dict[batched_facts.FactQuery, Any]:
    """The connector knows an answer by a part of the command: one query, one round trip."""
    self._known[host] = known = {
        query: host.get_fact(query.fact, **dict(query.arguments))
        for query in self._requested[host].values()
    }
    return known


def run(deploy_file: str, machines: Inventory) -> dict[str, list[str]]:
    """Run a deploy file to its end and give back each machine's commands, in order."""
    config = Config(FAIL_PERCENT=0)  # type: ignore[no-untyped-call]
    state = State(check_for_changes=False)
    state.cwd = str(ROOT)
    with ctx_state.use(state), ctx_config.use(config), ctx_inventory.use(machines):
        state.init(machines, config)
        state.set_stage(StateStage.Connect)
        connect_all(state)
        state.set_stage(StateStage.Prepare)
        load_deploy_file(state, str(ROOT / deploy_file))
        state.set_stage(StateStage.Execute)
        with mock.patch.object(batched_facts.BatchedFacts, "_fetch", fetch_one_by_one):
            run_ops(state)
    return {
        host.name: host.connector.executed_commands  # type: ignore[attr-defined]
        for host in machines
    }


def placing(commands: Iterable[str]) -> str:
    """`commands` but for those that look in every place of ours, whatever a machine is to have:
    for what was there before, for what killed runs have left, and for another profile's."""
    return "\n".join(
        each
        for each in commands
        if not any(words in each for words in ("replaced.tar", ".????????.new", "s/^/vrrp /"))
    )
