"""What a service's state makes a deploy do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller import run_changes
from tasks.machine import service_state
from tasks.machine.service_state import ManagedService, ServiceState, steps

RIGHT = ServiceState(
    loaded=True,
    active=True,
    enabled=True,
    runs_installed_binary=True,
    unit_same=True,
    configuration_same=True,
)


def test_what_is_right_is_left_alone() -> None:
    assert steps(RIGHT) == ([], "")


@pytest.mark.parametrize("wrong", ["active", "runs_installed_binary", "unit_same"])
def test_a_unit_is_read_before_it_is_started_anew(wrong: str) -> None:
    """systemd does not say that it has not read the first drop-in of a unit that it knows."""
    todo, reason = steps(replace(RIGHT, **{wrong: False}))
    assert todo[0] == "daemon-reload" and todo[-1] in ("start", "restart") and reason
    todo, reason = steps(replace(RIGHT, **{wrong: False, "enabled": False}))
    assert todo[0] == "enable" and todo[-1] in ("start", "restart") and reason


def test_a_reload_reads_no_unit_unless_that_has_changed() -> None:
    assert steps(replace(RIGHT, configuration_same=False))[0] == ["reload"]
    changed = replace(RIGHT, configuration_same=False, needs_daemon_reload=True)
    assert steps(changed)[0] == ["daemon-reload", "reload"]
    assert steps(replace(RIGHT, enabled=False))[0] == ["enable"]


def test_a_service_that_came_with_its_package_was_started_by_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its plan has said so, since nobody knows beforehand which of the two will start it."""
    noted: list[tuple[str, ...]] = []
    monkeypatch.setattr(service_state, "due_steps", lambda service: ([], ""))
    monkeypatch.setattr(run_changes, "note_service", lambda *words: noted.append(words))
    run = service_state.run_installed._inner.__wrapped__  # type: ignore[attr-defined]
    exporter = ManagedService("exporter", "/usr/bin/exporter")
    assert not list(run(exporter, "true")) and not noted
    assert not list(run(exporter, "true", starts_with_package=True))
    assert noted == [("exporter", "start", "it is not running")]
