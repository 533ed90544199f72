"""The lab of this checkout, for every test that needs real machines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.deployment import Deployed, first_deploy
from tests.support.lab.exclusive_turns import turn

CHECKOUT = Path(__file__).resolve().parents[2]


# First, so that waiting is not counted as the test's own time.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    if os.geteuid() != 0:  # they are skipped
        return (yield)
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@dataclass(frozen=True)
class Checkout:
    """A checkout and the command `lab` in it."""

    directory: Path

    def lab(self, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        given = {"text": True, "capture_output": True, "stdin": subprocess.DEVNULL} | options
        if "input" in options:
            del given["stdin"]
        done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
            [sys.executable, "-m", "lab", *words], cwd=self.directory, **given
        )
        return done

    def up(self) -> Lab:
        done = self.lab("up")
        assert done.returncode == 0, done.stderr
        return Lab.load(self.directory)


def out(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that went well has printed."""
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def checkout() -> Checkout:
    """This checkout. Whatever boots or breaks machines wants `elsewhere` instead."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    return Checkout(CHECKOUT)


@pytest.fixture(scope="session")
def lab(checkout: Checkout) -> Iterator[Lab]:
    """The lab of this checkout. Left up if it was up, otherwise booted and taken down again."""
    was_up = checkout.lab("status").returncode == 0
    yield checkout.up()
    if not was_up:
        checkout.lab("down")


@pytest.fixture(scope="session")
def deployed(lab: Lab) -> Deployed:
    """The recipe on both machines, and what its first deploy said."""
    return first_deploy(lab)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, checkout: Checkout) -> Iterator[Checkout]:
    """Another checkout on the same machine, without a lab at first and at last."""
    directory = tmp_path_factory.mktemp("elsewhere")
    for path in (
        *CHECKOUT.glob("*.py"),
        *(CHECKOUT / room for room in ("settings", "controller", "lab", "group_data")),
    ):
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, directory / path.name, ignore=ignored)
        else:
            shutil.copy(path, directory)
    other = Checkout(directory)
    yield other
    other.lab("down")
