"""Programs at a change of state where there is no keepalived to run them."""

from __future__ import annotations

from pathlib import Path

import pytest

import settings
from settings import Bars, SettingsError
from tests.unit.settings.network.test_routed_settings import BGP, hosts
from tests.unit.settings.test_settings import inventory


def hook(directory: Path) -> str:
    """A directory with one, of a name that runs."""
    place = directory / "master.d"
    place.mkdir()
    (place / "10-move").write_text("#!/bin/sh\n")
    (place / "10-move").chmod(0o755)
    return str(directory)


def test_they_are_refused_before_a_deploy_with_what_to_do(tmp_path: Path) -> None:
    given = inventory(hosts(), **BGP | {"hooks": hook(tmp_path)})
    with pytest.raises(SettingsError) as raised:
        settings.load(given)
    (told,) = raised.value.mistakes
    assert (told.where, told.bars) == ("host1, host2", Bars.DEPLOY)
    assert f"hooks = {str(tmp_path)!r}: keepalived runs hooks" in str(told)
    assert "take master.d/10-move out" in str(told)
    assert "a directory without programs" in str(told)
    # Whoever looks, drains or takes away need not mend that first.
    (cluster,) = settings.clusters(given)
    assert cluster.routed


def test_what_is_none_is_nobody_s_mistake(tmp_path: Path) -> None:
    (tmp_path / "master.d").mkdir()
    (tmp_path / "master.d" / "10-move.example").write_text("#!/bin/sh\n")
    assert settings.load(inventory(hosts(), **BGP | {"hooks": str(tmp_path)}))
    assert settings.load(inventory(hosts(), **BGP)), "what lies in files/hooks is an example"


def test_with_vrrp_they_are_run(tmp_path: Path) -> None:
    assert settings.load(inventory(hooks=hook(tmp_path)))
