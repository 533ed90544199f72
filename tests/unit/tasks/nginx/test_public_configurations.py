"""What well-known projects document deploys as it is, or is refused with what to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from tasks.machine.survey import parse_survey
from tasks.nginx import service
from tasks.nginx.own import companions, doubts
from tests.support import fakes, public_configurations
from tests.support.public_configurations import PublicConfiguration

EVERY = (*public_configurations.ALL, public_configurations.WITHOUT_TLS)


def refusals(group: dict[str, Any]) -> list[str]:
    """All that a deploy says before any machine is touched."""
    (cluster,) = settings.load(fakes.inventory(**group))
    said = list(map(str, service.mistakes([cluster])))
    machine = parse_survey(fakes.survey())
    try:
        service.make_generation(cluster.nodes[0], cluster, machine, "1.30.6-0")
    except settings.SettingsError as error:
        said += map(str, error.mistakes)
    return said


@pytest.mark.parametrize("case", EVERY, ids=lambda case: f"{case.name}-{case.over_tls}")
def test_it_deploys_or_is_told_what_to_change(tmp_path: Path, case: PublicConfiguration) -> None:
    tls: dict[str, Any] = {}
    if case.over_tls:
        issued = authority.issue(tmp_path, ("172.16.12.254", "www.example.org"))
        tls = {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}
    asis = case.put(tmp_path / "asis", mended=False) | tls
    said = refusals(asis)
    assert len(said) == len(case.refused), said
    for told in case.refused:
        assert any(told in one for one in said), said
    if case.refused:
        group = case.put(tmp_path / "mended", mended=True) | tls
        assert not refusals(group)
        (cluster,) = settings.load(fakes.inventory(**group))
        own = companions.own(cluster.nodes[0], cluster)
        # (Many have headers of their own in a block, which is worth a word, and not wrong.)
        doubtful = doubts.all_of(cluster.nodes[0], own)
        assert not [
            one for one in doubtful if "docs/sites.md" not in one and "no file is" not in one
        ]
