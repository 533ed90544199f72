"""Simulated machines of one cluster, whose VIP is where keepalived would have it; deploys of them,
and the plans of those deploys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from gevent.lock import BoundedSemaphore
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_config, ctx_inventory, ctx_state
from pyinfra_cli.util import load_deploy_file

import settings
from controller import batched_facts
from controller.artifact import BuildManifest
from tasks.machine.survey import parse_survey
from tasks.nginx import source_build
from tests.support import fakes
from tests.support.simulated.simulated_machine import SimulatedMachine

VIP = "172.16.12.254"


class SimulatedCluster:
    """`number` machines; `moves`: how often the VIP has come to another one."""

    def __init__(self, number: int, directory: Path) -> None:
        self.machines = {
            f"@fake/host{n}": SimulatedMachine(f"@fake/host{n}", directory / f"host{n}", VIP)
            for n in range(1, number + 1)
        }
        self.moves = 0
        self._holders: set[tuple[str, str]] = set()

    def copy(self, directory: Path) -> SimulatedCluster:
        """The same cluster, with disks of its own, where nothing has moved yet."""
        other = SimulatedCluster(0, directory)
        other.machines = {
            name: machine.copy(directory / name.rpartition("/")[2])
            for name, machine in self.machines.items()
        }
        other._holders = set(self._holders)
        return other

    def begin(self) -> None:
        """Count from now on."""
        self.moves = 0
        for machine in self.machines.values():
            machine.actions.clear()

    def inventory(self, given: Mapping[str, Any], **of_one: Mapping[str, Any]) -> Inventory:
        """With settings for all, and for some: `host2={…}`."""
        return fakes.inventory(self.hosts(given, **of_one), **given)

    def hosts(
        self, given: Mapping[str, Any], **of_one: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """The data of each machine, with what it answers to the first question."""
        hosts: dict[str, dict[str, Any]] = {}
        for n, name in enumerate(self.machines, start=1):
            own = {"priority": 101 - n, "page": f"page {n}"} | dict(of_one.get(f"host{n}", {}))
            hosts[name] = {"ssh_hostname": f"172.16.12.6{n}"} | own
        found = fakes.inventory(hosts, **given)
        for n, name in enumerate(self.machines, start=1):
            host = found.get_host(name)
            answer = fakes.survey(address=f"172.16.12.6{n}", serves=self._serves)
            spec = source_build.wanted_build(settings.of(host)[0], parse_survey(answer))
            built = BuildManifest(**spec.model_dump(), packages=(), files={})
            hosts[name]["fake_responses"] = {
                "/etc/os-release": fakes.survey(
                    address=f"172.16.12.6{n}",
                    serves=self._serves,
                    builds=[f"{spec.build} {built.model_dump_json()}"],
                )
            }
        return hosts

    @property
    def _serves(self) -> bool:
        return any("keepalived" in machine.active for machine in self.machines.values())

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Meanwhile these machines are what is behind pyinfra's @fake connector.

        Each answers one question after the other: others' greenlets ask about it as well, and what
        it looks at is what it is just writing for somebody else.
        """
        turns = {name: BoundedSemaphore() for name in self.machines}

        def run(connector: Any, *words: Any, **given: Any) -> Any:
            with turns[connector.host.name]:
                return self._run(connector, *words, **given)

        with (
            mock.patch.object(FakeConnector, "run_shell_command", run),
            mock.patch.object(batched_facts.BatchedFacts, "_fetch", fakes.fetch_one_by_one),
        ):
            yield

    @contextmanager
    def prepared(
        self, machines: Inventory, deploy_file: str, *, diff: bool = False, limit: str = ""
    ) -> Iterator[State]:
        """A run whose operations are known, with a plan; of all machines, or of one alone."""

        config = Config(FAIL_PERCENT=0, DIFF=diff)  # type: ignore[no-untyped-call]
        state = State(check_for_changes=True)
        state.cwd = str(fakes.ROOT)
        with (
            ctx_state.use(state),
            ctx_config.use(config),
            ctx_inventory.use(machines),
            self.answering(),
        ):
            only = [machines.get_host(limit)] if limit else None
            state.init(machines, config, initial_limit=only)
            state.set_stage(StateStage.Connect)
            connect_all(state)
            state.set_stage(StateStage.Prepare)
            load_deploy_file(state, str(fakes.ROOT / deploy_file))
            yield state

    def execute(self, state: State) -> None:
        """Do what was prepared."""
        state.set_stage(StateStage.Execute)
        run_ops(state)

    def _run(self, connector: Any, command: Any, *words: Any, **given: Any) -> Any:
        host: Host = connector.host
        text = command if isinstance(command, str) else command.get_raw_value()
        connector.executed_commands.append(text)
        if "/etc/os-release" in text:
            return connector._lookup_response(text)
        machine = self.machines[host.name]
        stdin = given.get("_stdin") or ""
        done, lines = machine.answer(text, stdin if isinstance(stdin, str) else "".join(stdin))
        self._elect()
        return done, CommandOutput([OutputLine("stdout" if done else "stderr", x) for x in lines])

    def _elect(self) -> None:
        """The VIP is with the first by priority that runs keepalived and is not drained, among
        those that hear each other: by one router's number."""
        groups: dict[str, dict[str, int]] = {}
        for name, machine in self.machines.items():
            if "keepalived" in machine.active and not machine.drained and not machine.away:
                conf = machine.files["/etc/keepalived/keepalived.conf"].data.decode()
                (number,) = re.findall(r"^ *virtual_router_id +(\d+)$", conf, re.MULTILINE)
                (priority,) = re.findall(r"^ *priority +(\d+)$", conf, re.MULTILINE)
                groups.setdefault(number, {})[name] = int(priority)
        # With another number an instance is another one, which begins without the VIP.
        after = {(max(group, key=lambda n: group[n]), vrid) for vrid, group in groups.items()}
        for name, machine in self.machines.items():
            machine.holds = name in dict(after)
        self.moves += len(after - self._holders) if self._holders else 0
        self._holders = after
