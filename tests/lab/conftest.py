"""The lab of this checkout, for every test that needs real machines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lab.twin import Lab
from tests.support.lab import verifier_runs
from tests.support.lab.deployment import CHECKOUT, ROOT, Deployed, deploy, first_deploy
from tests.support.lab.exclusive_turns import turn
from tests.support.lab.own_lab import NOT_COPIED
from tests.support.lab.pair import (
    HOSTS,
    digests,
    forget_failures,
    holders,
    on,
    process,
    running_build,
    wait_until,
)
from tests.support.loopback.real_nginx import Build, builds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.lab)


# First, so that waiting is not counted as the test's own time.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
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
def checkout() -> Iterator[Checkout]:
    """This checkout, or a copy of it where LAB_COPY names one.

    Whatever boots or breaks machines wants `elsewhere` instead.
    """
    assert os.geteuid() == 0, "the tests in tests/lab need root: make test asks for it"
    if ROOT == CHECKOUT:
        yield Checkout(ROOT)
        return
    remove_copy()
    shutil.copytree(CHECKOUT, ROOT, ignore=NOT_COPIED)
    (ROOT / ".venv").symlink_to(CHECKOUT / ".venv")
    yield Checkout(ROOT)
    remove_copy()


def remove_copy() -> None:
    """Before its directory goes its lab goes, or nobody could take it down any more."""
    if ROOT.exists():
        Checkout(ROOT).lab("down")
        shutil.rmtree(ROOT)


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


@pytest.fixture
def plain(lab: Lab, deployed: Deployed) -> Iterator[None]:
    """The pair as the inventory has it, before and after."""
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    forget_failures(lab)  # whatever other tests have killed
    before = digests(lab), [running_build(lab, host) for host in HOSTS]
    yield
    if (digests(lab), [running_build(lab, host) for host in HOSTS]) != before:
        forget_failures(lab)
        done = deploy(lab)
        assert done.returncode == 0, done.stdout
        for host in HOSTS:
            process(lab, host)


@pytest.fixture
def snippets(tmp_path: Path) -> Path:
    (tmp_path / "hello.conf.j2").write_text(
        'server {\n    listen 8099;\n    return 200 "{{ node.name }} {{ cluster.vip.ip }}\\n";\n}\n'
    )
    return tmp_path


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, checkout: Checkout) -> Iterator[Checkout]:
    """Another checkout on the same machine, without a lab at first and at last."""
    directory = tmp_path_factory.mktemp("elsewhere")
    for path in (
        *CHECKOUT.glob("*.py"),
        *(CHECKOUT / room for room in ("settings", "controller", "lab", "group_data")),
    ):
        if path.is_dir():
            shutil.copytree(path, directory / path.name, ignore=NOT_COPIED)
        else:
            shutil.copy(path, directory)
    other = Checkout(directory)
    yield other
    other.lab("down")


@pytest.fixture(scope="module")
def healthy(
    lab: Lab, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """The deployed pair, healthy to begin with. Afterwards keepalived forgets what it refused."""
    for machine in lab.machines:  # whoever tested before may have had nginx restarted
        on(lab, machine.name, "systemctl reset-failed nginx keepalived")
    result = verifier_runs.verify(lab, tmp_path_factory.mktemp("before"), "wait=30")
    assert result.exit_code == 0, result.output
    yield lab
    for machine in lab.machines:
        clear = "kill -s $(keepalived --signum=STATS_CLEAR) $(cat /run/keepalived.pid)"
        on(lab, machine.name, clear)


@pytest.fixture(scope="module")
def well_again(healthy: Lab) -> Iterator[Callable[[], str]]:
    """Waits up to 30 s until all holds: "well", or what does not hold even then."""
    process = subprocess.Popen(
        healthy.run_command([sys.executable, "-m", "tests.support.lab.watcher"]),
        cwd=ROOT,
        env=healthy.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    ask, answers = process.stdin, process.stdout

    def wait() -> str:
        ask.write("30\n")
        ask.flush()
        return answers.readline().strip()

    yield wait
    ask.close()
    process.wait(timeout=30)


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> list[Build]:
    """What is compiled; without any, the session's lab compiles one first."""
    return builds() or (request.getfixturevalue("deployed") and builds())


@pytest.fixture(scope="session")
def newest(built: list[Build]) -> Build:
    return built[-1]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short name."""
    with TemporaryDirectory(prefix="n-", dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)
