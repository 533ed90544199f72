"""BIRD reads what is rendered for machines and routers, and what the documents have for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.gateway import bird, router_config
from tests.unit.lab.test_lab_routers import clients, pair
from tests.unit.settings.network.test_routed_documents import SNIPPETS
from tests.unit.tasks.routed.test_bird_configuration import PASSWORD, PROFILES, rendered

Reader = Callable[[str], tuple[int, str]]


@pytest.fixture(scope="module", autouse=True)
def fetched() -> None:
    bird.ensure()


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """BIRD's verdict on a configuration: its exit code, and what it says."""
    monkeypatch.setenv("WORD", PASSWORD)

    def judged(text: str) -> tuple[int, str]:
        file = tmp_path / "bird.conf"
        file.write_text(text)
        words = [bird.path("bird"), "-p", "-c", str(file)]
        given = os.environ | bird.environment()
        done = subprocess.run(words, env=given, capture_output=True, text=True, timeout=30)
        return done.returncode, done.stderr

    return judged


@pytest.mark.parametrize("profile", PROFILES)
def test_a_machines_own(profile: str, read: Reader) -> None:
    text = rendered(**PROFILES[profile])
    assert read(text) == (0, "")
    code, said = read(text + "nonsense;\n")
    assert code and "syntax error" in said


def test_a_routers_and_the_gateways(read: Reader) -> None:
    plan = pair("172.16.0.1", "172.16.0.2", "fd61:1::1", "fd61:1::2", password="a b'c")
    assert read(router_config.of_router(plan.routers[1], clients(plan))) == (0, "")
    assert read(router_config.of_gateway(plan.routers, clients(plan))) == (0, "")


def test_the_snippet_of_the_documents(read: Reader) -> None:
    assert read(SNIPPETS["BIRD 2"]) == (0, "")
