"""Commands on machines that stop answering, come back, or do not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from drills.control import machines as module
from drills.control.machines import MachineError, Machines, NoAnswer


class Host:
    """A machine as pyinfra has it. `down`: that many attempts to connect still fail."""

    def __init__(self, name: str, down: int = 0):
        self.name, self.down = name, down
        self.connected = True
        self.connects = 0
        self.at_once = 0

    def connect(self, **options: Any) -> None:
        self.connects += 1
        self.at_once += 1
        assert self.at_once == 1, "one connection at a time"
        gevent.sleep(0.01)
        self.at_once -= 1
        if self.down:
            self.down -= 1
            raise OSError("no route to host")
        self.connected = True

    def disconnect(self) -> None:
        self.connected = False


class Asked(Machines):
    """Every connection is dead but those made anew; then a script answers."""

    def __init__(self, host: Host):
        state: Any = SimpleNamespace(inventory=[host])
        cluster: Any = SimpleNamespace(nodes=[SimpleNamespace(name=host.name)])
        super().__init__(state, cluster)
        self.host, self.scripts = host, 0
        self.status = 0

    def ask(self, name: str, script: str, timeout_s: float = 10.0) -> tuple[int, str]:
        if not self.host.connects or not self.host.connected:
            raise NoAnswer(f"{name}: it stopped answering")
        self.scripts += 1
        return self.status, "done"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_STEP_S", 0.01)
    monkeypatch.setattr(module, "RETURN_TIMEOUT_S", 0.3)


def test_a_machine_that_comes_back_is_asked_on_a_new_connection() -> None:
    machines = Asked(Host("host1", down=3))
    assert machines.insist("host1", "true") == "done"
    assert machines.host.connects == 4 and machines.scripts == 1


def test_one_that_does_not_is_waited_for_once_and_not_for_each_command() -> None:
    machines = Asked(Host("host1", down=10**6))
    with pytest.raises(NoAnswer, match="not back in 0 s: no route to host"):
        machines.insist("host1", "true")
    tried = machines.host.connects
    assert tried > 3
    with pytest.raises(NoAnswer):
        machines.insist("host1", "true")
    assert machines.host.connects - tried <= 2, "it is tried again, and not waited for"


def test_a_script_that_fails_is_an_answer() -> None:
    machines = Asked(Host("host1"))
    machines.host.connects = 1
    machines.status = 3
    with pytest.raises(MachineError, match="exit 3"):
        machines.insist("host1", "false")
    assert machines.scripts == 1, "it is not run twice"


def test_several_that_wait_for_a_machine_do_not_take_its_connection_from_each_other() -> None:
    machines = Asked(Host("host1", down=2))
    jobs = [gevent.spawn(machines.insist, "host1", "true") for _ in range(3)]
    assert [job.get() for job in jobs] == ["done"] * 3
    assert machines.host.connects == 3
