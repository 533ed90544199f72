"""What tests share. pyinfra's command line comes first: it patches the standard library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyinfra_cli  # noqa: F401
import pytest
from pyinfra.connectors.fake import FakeConnector

from controller import source
from report import live_line
from tests.support import artifacts


@pytest.fixture(autouse=True)
def no_stage_goes_on() -> Iterator[None]:
    """What a test has begun would tell of itself in the next ones."""
    yield
    live_line.end()


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A source and an artifact cache of the test's own, so that nothing is fetched or kept."""
    tarball = tmp_path / "nginx.tar.gz"
    tarball.write_bytes(b"source")
    monkeypatch.setattr(source, "fetch", lambda node: tarball)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TANDEM_LAB", raising=False)
    monkeypatch.setattr(FakeConnector, "get_file", artifacts.fetched)
