"""What becomes of machines that are off the network while the drill that did it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.twin import Lab
from tests.lab.breaking.test_killed_drills import kill_with_guards
from tests.support.lab.drill_runs import assert_nothing_is_left, drill, running, until


def addresses(lab: Lab, name: str) -> tuple[str, ...]:
    """The addresses on a machine's card, as the lab sees them from outside."""
    return next(status.addresses for status in lab.status() if status.machine.name == name)


def has_own(lab: Lab, name: str) -> bool:
    return any(each.startswith(f"{lab.machine(name).address}/") for each in addresses(lab, name))


@pytest.mark.parametrize("guards", [True, False], ids=["guarded", "unguarded"])
def test_a_machine_that_stands_still_goes_on(guards: bool, healthy: Lab, tmp_path: Path) -> None:
    with running(healthy, "vm-pause", tmp_path / "log", repeats=1) as process:
        until("the machine never stands still", lambda: healthy.is_paused("host1"))
        if guards:
            process.kill()
            until("nobody has it go on", lambda: not healthy.is_paused("host1"))
        else:
            kill_with_guards(process)
            assert healthy.is_paused("host1")
    done = drill(healthy, "undo=1")
    assert done.returncode == 0, done.stdout
    assert not healthy.is_paused("host1")
    assert_nothing_is_left(healthy)


def test_a_machine_without_card_gets_one(healthy: Lab, tmp_path: Path) -> None:
    with running(healthy, "interface-recreated", tmp_path / "log", repeats=1) as process:
        until("the card is never taken out", lambda: not addresses(healthy, "host2"))
        kill_with_guards(process)
    done = drill(healthy, "undo=1")
    assert done.returncode == 0, done.stdout
    assert "Putting back: network card taken out on host2" in done.stdout
    assert has_own(healthy, "host2")
    assert_nothing_is_left(healthy)


@pytest.mark.parametrize("name", ["own-address-lost", "interface-down-up"])
def test_a_machine_comes_back_by_itself(name: str, healthy: Lab, tmp_path: Path) -> None:
    def away() -> bool:
        show = f"ip -o link show dev {machine.interface} up"
        return not has_own(healthy, "host1") or not _outside(healthy, show)

    machine = healthy.machine("host1")
    with running(healthy, name, tmp_path / "log", repeats=1) as process:
        until("the machine is never off the network", away)
        kill_with_guards(process)
    until("it does not come back", lambda: not away())
    done = drill(healthy, "undo=1")
    assert done.returncode == 0, done.stdout
    assert_nothing_is_left(healthy)


def _outside(lab: Lab, script: str) -> str:
    """What a command prints in host1's network, which nobody needs to log in for."""
    command = ["nsenter", f"--net=/run/netns/{lab.machine('host1').netns}", "--", *script.split()]
    return lab.run(command).stdout.strip()
