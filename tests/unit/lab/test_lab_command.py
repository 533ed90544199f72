"""The command `lab` where its Python packages or its lab are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab import __main__ as command
from lab import cli
from lab.errors import LabError
from lab.guests import guest
from lab.paths import AUTHORITY, STATE, State
from lab.plan import Card, LabMachine, LabPlan
from lab.twin import Lab
from tests.unit.lab.test_lab_plan import HOST1, plan_of, with_more

# Stands for an environment without the extra: both packages are invisible to imports.
WITHOUT_EXTRA = """
import sys

class Invisible:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("aiosmtpd", "typer"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Invisible)
"""


def test_without_the_extra_the_command_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "typer" else object())
    with pytest.raises(SystemExit, match=r"missing: typer\..*pip install -e '\.\[lab\]'"):
        command.main()


@pytest.mark.parametrize(
    "module", ["lab.lifecycle", "drills.control.lab_control", "drills.drill_run", "verify"]
)
def test_without_the_extra_everything_but_the_command_line_can_be_imported(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{WITHOUT_EXTRA}\nimport {module}"],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another checkout, in which somebody stands who is not root."""
    (tmp_path / "lab/guests").mkdir(parents=True)
    (tmp_path / "lab/guests/machine.sh").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return tmp_path


def test_a_certificate_needs_neither_root_nor_a_lab(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.ca(["10.20.0.100", "www.example.org"], name="shop")
    written = [elsewhere / AUTHORITY / name for name in ("ca.pem", "shop.pem", "shop.key")]
    assert capsys.readouterr().out.split() == list(map(str, written))
    authority = written[0].read_bytes()
    cli.ca(["10.20.0.100"])
    assert written[0].read_bytes() == authority
    # `lab down` removes the lab's directory, and this is not in it.
    assert not written[0].is_relative_to(elsewhere / STATE)


@pytest.mark.parametrize(
    ("names", "name", "said"),
    [(["a"], "ca", "--name ca"), (["a"], "../x", "--name"), (["https://a/"], "web", "Neither")],
)
def test_a_certificate_for_what_is_no_name_is_refused(
    elsewhere: Path, names: list[str], name: str, said: str
) -> None:
    with pytest.raises(LabError, match=said):
        cli.ca(names, name=name)
    assert not (elsewhere / AUTHORITY).exists()


def test_an_authority_that_may_not_be_read_says_whose_it_is(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    cli.ca(["a"])
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(LabError, match=r"ca\.key: Permission denied.* root perhaps"):
        cli.ca(["a"])


def test_what_root_issues_belongs_to_the_checkouts_owner(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, *owner: given.append((path.name, *owner)))
    cli.ca(["a"])
    owner = elsewhere.stat()
    assert {each[1:] for each in given} == {(owner.st_uid, owner.st_gid)}
    assert {".lab-ca", ".web.key.new", ".ca.key.new"} <= {each[0] for each in given}


def test_what_is_typed_next_is_what_was_typed_before(tmp_path: Path) -> None:
    called = "a checkout/.venv/bin/lab"
    steps = "\n".join(cli.next_steps("inventory.py", "web 1", called, {"SUDO_USER": "ann"}))
    assert (
        "sudo 'a checkout/.venv/bin/lab' run -- 'a checkout/.venv/bin/pyinfra' inventory.py "
        "deploy.py" in steps
    )
    assert "'a checkout/.venv/bin/lab' ssh 'web 1'" in steps
    assert "    lab run -- pyinfra" in cli.next_steps("i.py", "a", "/x/lab/__main__.py", {})[1]


@pytest.mark.parametrize(("words", "which"), [((), "eth0"), (("eth1",), "eth1")])
@pytest.mark.parametrize(
    ("verb", "there"),
    [("unplug", False), ("plug", True), ("take-card", False), ("give-card", True)],
)
def test_a_cable_or_a_card_is_the_first_interfaces_or_the_named_ones(
    verb: str, there: bool, words: tuple[str, ...], which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[tuple[str, bool]] = []

    def note(state: State, plan: LabPlan, machine: LabMachine, card: Card, there: bool) -> None:
        did.append((card.interface, there))

    lab = Lab(State(Path("/nowhere")), plan_of(with_more(HOST1, eth1=("10.20.0.61/24",))))
    monkeypatch.setattr(cli, "load", lambda: lab)
    for name, work in (("plug", note), ("exchange", note), ("is_on", lambda plan, machine: True)):
        monkeypatch.setattr(guest, name, work)
    done = CliRunner().invoke(cli.app, [verb, "host1", *words])
    assert done.exit_code == 0, done.output
    assert did == [(which, there)]
    assert CliRunner().invoke(cli.app, [verb, "host1", "eth7"]).exit_code == 1 and len(did) == 1
