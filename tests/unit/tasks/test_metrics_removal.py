"""Metrics that are taken away, also where a deploy has come only so far."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import settings
from controller import run_changes
from tasks.machine import one_file, packages, service_state
from tasks.metrics import exporters
from tests.support import fakes


@pytest.mark.parametrize("ours", [True, False])
def test_it_is_taken_away_where_a_deploy_has_stopped_before_it_had_its_tools(
    ours: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at packages that could not be installed: the units are there, and what manages them is
    not."""
    missing, noted = str(tmp_path / "service"), []
    monkeypatch.setattr(service_state, "MANAGER", missing)
    monkeypatch.setattr(one_file, "state_of", lambda path: True)
    recorded = [exporters.NGINX] if ours else []
    this = SimpleNamespace(get_fact=lambda fact, **arguments: recorded)
    monkeypatch.setattr(exporters, "host", this)
    monkeypatch.setattr(packages, "remove_one", lambda *words: ["true"])
    monkeypatch.setattr(run_changes, "note_service", lambda *words: noted.append(words))
    group = fakes.inventory(metrics=True, metrics_allow=["172.16.0.1"])
    node, _ = settings.of(group.get_host("@fake/host1"))
    commands = exporters.remove._inner.__wrapped__(node)  # type: ignore[attr-defined]
    managing = [command for command in commands if missing in command]
    assert len(managing) == 3
    for command in managing:
        assert subprocess.run(["sh", "-ec", command]).returncode == 0, command
    assert noted == [(name, "remove") for name in (exporters.NAME, *recorded)]
