"""The file that is written: what every run accepts, in the shape of the shipped one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from first_inventory import inventory_file_writing
from first_inventory.findings import HeardRouter, MachineFindings
from settings import Refused
from settings.values import ROOT
from tests.support.found_machines import found, pair
from tests.support.written_inventories import proposed, written

NAMED = [found("a", "ens18 10.20.0.11/24"), found("b", "ens18 10.20.0.12/24")]
DIFFERENT = [found("10.20.0.11"), found("10.20.0.12", "bond0 10.20.0.12/24")]
THREE = [found("10.20.0.11"), found("10.20.0.12"), found("10.20.0.13")]
HEARD = pair(heard=[HeardRouter("ens18", 10, "10.20.0.2"), HeardRouter("ens18", 51, "fe80::1")])
LARGE = [found("172.16.12.61", "e 172.16.12.61/16"), found("172.16.12.62", "e 172.16.12.62/16")]
MAIL = {"email": ("ann@example.org", "bob@example.org"), "smtp_server": "mx.example.org"}
SHAPES: dict[str, tuple[list[MachineFindings], dict[str, Any]]] = {
    "a pair": (pair(), {}),
    "by name": (NAMED, {"user": "ann", "sudo": True}),
    "two interfaces": (DIFFERENT, {"cluster": "front"}),
    "three machines": (THREE, MAIL),
    "others heard": (HEARD, {"ntp_server": ""}),
    "nobody could listen": (pair(heard=None), {"probed": False}),
    "a large network": (LARGE, {"vip": "172.16.12.254"}),
    "a mail server alone": (pair(), {"smtp_server": "mx.example.org"}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_accepted_and_says_what_was_found(shape: str, tmp_path: Path) -> None:
    machines, answers = SHAPES[shape]
    inventory = proposed(machines, **answers)
    cluster, mistakes = inventory_file_writing.read_back(written(inventory, tmp_path))
    assert cluster, mistakes
    assert cluster.name == inventory.cluster
    assert cluster.vip == inventory.vip
    for node, meant, machine in zip(cluster.nodes, inventory.nodes, machines, strict=True):
        assert (node.name, node.priority) == (meant.name, meant.priority)
        assert node.address in [each.ip for each in machine.surveyed.interfaces[node.interface]]
        assert node.label is None
        assert node.virtual_router_id == inventory.router_id
        assert node.ntp_server == inventory.ntp_server
        assert node.notification_email == inventory.email
        if inventory.smtp_server:
            assert node.smtp_server == inventory.smtp_server


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_written_as_the_house_writes(shape: str, tmp_path: Path) -> None:
    machines, answers = SHAPES[shape]
    path = written(proposed(machines, **answers), tmp_path)
    for words in (["format", "--diff"], ["check"]):
        command = [sys.executable, "-m", "ruff", *words, "--config", str(ROOT / "pyproject.toml")]
        done = subprocess.run([*command, str(path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    assert "\n\n\n" not in path.read_text()


def test_the_comments_say_what_was_not_known(tmp_path: Path) -> None:
    text = written(proposed(pair(heard=None), probed=False), tmp_path).read_text()
    assert "Nobody was heard" not in text
    assert "Nobody answered" not in text
    assert "machine-11, machine-12 could not listen" in text


def test_who_logs_in_is_said_to_pyinfra(tmp_path: Path) -> None:
    text = written(proposed(pair(), user="ann", sudo=True), tmp_path).read_text()
    assert '"ssh_user": "ann",\n        "_sudo": True,\n' in text
    assert "_sudo" not in written(proposed(pair(), user="root"), tmp_path).read_text()


def test_what_cannot_be_read_back_names_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text('web = ([("a", {"priority": 300}), ("b", {})], {"vip": "10.20.0.10/24"})\n')
    cluster, mistakes = inventory_file_writing.read_back(path)
    assert cluster is None
    assert any("priority = 300" in str(each) for each in mistakes)


# --- in its place ---------------------------------------------------------------------------------


def test_it_comes_whole_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    for text, kept in (("one", None), ("two", "mine.py.bak"), ("three", "mine.py.bak2")):
        with inventory_file_writing.beside(path, text) as new:
            found_kept = inventory_file_writing.put_in_place(new, path)
        assert (found_kept.name if found_kept else None) == kept
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "mine.py": "three",
        "mine.py.bak": "one",
        "mine.py.bak2": "two",
    }


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        inventory_file_writing.beside(tmp_path / "mine.py", "text"),
    ):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine.txt", "ends with .py"),
        ("nowhere/mine.py", "no such directory"),
        ("there.py", "--replace, which keeps the old one as there.py.bak"),
    ],
)
def test_a_place_that_cannot_be_it_is_refused(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "there.py").touch()
    with pytest.raises(Refused, match=said):
        inventory_file_writing.refuse_unwritable(tmp_path / name, replace=False)


@pytest.mark.parametrize("name", ["deploy.py", "config.py", "init.py", "verify.py"])
def test_tandems_own_files_are_never_replaced(name: str) -> None:
    with pytest.raises(Refused, match="part of Tandem itself"):
        inventory_file_writing.refuse_unwritable(ROOT / name, replace=True)


def test_what_group_data_goes_before_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    path = written(proposed(pair(), user="ann", sudo=True), tmp_path)
    assert inventory_file_writing.overruled(path, "web") == []
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "web.py").write_text('ssh_user = "bob"\nworker_connections = 9\n')
    monkeypatch.setattr(inventory_file_writing, "ROOT", tmp_path)
    (found,) = map(str, inventory_file_writing.overruled(path, "web"))
    assert found.startswith("web: ssh_user = 'bob': group_data/web.py has it, and goes before")
