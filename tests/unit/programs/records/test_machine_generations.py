"""How a machine keeps its generations, and goes back to one."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.unit.programs.records.conftest import RUN, RecordedMachine

program = programs.load("deploy_record.record_command")
generations = programs.load("deploy_record.machine_generations")

A, B = "20261128-100000", "20261128-110000"


def test_a_generation_is_listed_with_what_differs_and_what_is_lacking(
    machine: RecordedMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, id_ in (("a", A), ("b", B)):
        machine.put(name)
        machine.deploy(name, id_)
    said = machine.listed(capsys)
    first, second = said["generations"]
    assert (said["present"], first["before"], second["before"]) == (B, "", A)
    assert second["differs"] == second["lacking"] == first["lacking"] == []
    assert {"site docs", "/etc/nginx/conf.d/a.conf", str(machine.page)} < set(first["differs"])
    assert first["vips"] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: (m.builds / "1.26.3-old" / "nginx").unlink(), "nginx's generation 1.26.3-old.a"),
        (lambda m: (m.state / "sites/docs/a.100.whole").unlink(), "the version a of site docs"),
        (
            lambda m: (m.state / "sites/docs/a.100/index.html").write_text("changed since"),
            "the version a of site docs",
        ),
        (
            lambda m: Path(
                generations.blob_path(hashlib.sha256(b"password a").hexdigest())
            ).write_text(""),
            "a copy of /etc/keepalived/keepalived.conf",
        ),
    ],
)
def test_what_is_not_there_whole_is_lacking_and_not_brought_back(
    machine: RecordedMachine,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[RecordedMachine], Any],
    said: str,
) -> None:
    for name, id_ in (("a", A), ("b", B)):
        machine.put(name)
        machine.deploy(name, id_)
    spoil(machine)
    assert machine.listed(capsys)["generations"][0]["lacking"] == [said]
    with pytest.raises(program.Refused, match="is missing"):
        program.restore(A)
    assert machine.page.read_text() == "b"


def test_sites_and_files_are_brought_back_with_their_modes(
    machine: RecordedMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, id_ in (("a", A), ("b", B)):
        machine.put(name)
        machine.deploy(name, id_)
    program.restore(A)
    assert machine.page.read_text() == "a"
    assert machine.staged.read_text() == "password a"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (machine.page, machine.staged)] == [
        0o644,
        0o640,
    ]
    assert os.readlink(machine.state / "sites/docs/current") == "a.100"
    assert not list(machine.staged.parent.glob("*trial*"))
    program.done(json.dumps(RUN | {"run": "r", "command": "rollback", "to": A}))
    said = machine.listed(capsys)
    assert (said["present"], said["last"]["to"], said["last"]["sites"]) == (A, A, ["docs"])


def test_a_site_that_came_later_is_not_served_any_more_once_nginx_does_not_know_it(
    machine: RecordedMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.put("a")
    machine.deploy("a", A)
    machine.serve("later", "x.100")
    machine.deploy("b", B)
    program.restore(A)
    assert (machine.state / "sites/later/current").is_symlink()
    program.done(json.dumps(RUN | {"run": "r", "command": "rollback", "to": A}))
    assert not (machine.state / "sites/later/current").is_symlink()
    back, newer = machine.listed(capsys)["generations"]
    assert (back["differs"], newer["differs"]) == ([], ["site later"])
    program.restore(B)
    assert os.readlink(machine.state / "sites/later/current") == "x.100"


def test_a_site_that_nginx_does_not_know_any_more_is_no_part_of_the_new_generation(
    machine: RecordedMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.put("a")
    machine.deploy("a", A)
    machine.deploy("b", B, sites=[])  # its link is still there, and removed next
    assert machine.log[-1]["sites"] == ["docs"]
    (machine.state / "sites/docs/current").unlink()
    older, here = machine.listed(capsys)["generations"]
    assert (older["differs"], here["differs"]) == (["site docs"], [])


def test_a_configuration_that_keepalived_refuses_now_stops_before_anything(
    machine: RecordedMachine,
) -> None:
    machine.put("bad")
    machine.deploy("bad", A)
    machine.put("b")
    machine.deploy("b", B)
    with pytest.raises(program.Refused, match="line 1: bad"):
        program.restore(A)
    assert machine.page.read_text() == "b"
    assert os.readlink(machine.state / "sites/docs/current") == "b.100"


def test_of_a_routed_one_bird_is_asked(
    machine: RecordedMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(program.JUDGES) == {"/etc/bird/bird.conf", "/etc/keepalived/keepalived.conf"}
    staged = {"/etc/bird/bird.conf": str(machine.staged)}
    monkeypatch.setattr(generations, "STAGED", staged)
    for name, id_ in (("bad", A), ("b", B), ("c", "20261128-120000")):
        machine.put(name)
        machine.deploy(name, id_)
    with pytest.raises(program.Refused, match="BIRD refuses its configuration of then: line 1"):
        program.restore(A)
    program.restore(B)
    assert machine.staged.read_text() == "password b"
    assert machine.staged.stat().st_mode & 0o777 == 0o640


def test_the_last_ones_are_kept_and_nobody_else_reads_their_files(
    machine: RecordedMachine,
) -> None:
    for number in range(8):
        machine.put(f"g{number}")
        machine.deploy("", f"20261128-10000{number}")
    assert generations.names() == [f"20261128-10000{number}" for number in range(3, 8)]
    blobs = machine.state / "generations" / "files"
    assert len(list(blobs.iterdir())) == 2 * 5
    assert stat.S_IMODE(blobs.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in blobs.iterdir()} == {0o600}


def test_what_is_in_place_is_kept_however_old(machine: RecordedMachine) -> None:
    for number in range(5):
        machine.put(f"g{number}")
        machine.deploy("", f"20261128-10000{number}")
    generations.set_present("20261128-100000")
    generations.prune()
    machine.put("new")
    machine.deploy("", "20261128-100009")
    assert generations.load("20261128-100009")["before"] == "20261128-100000"


def test_a_controllers_clock_that_is_behind_removes_nothing_to_go_back_to(
    machine: RecordedMachine,
) -> None:
    for number in range(5):
        machine.put(f"g{number}")
        machine.deploy("", f"20261128-10000{number}")
    for number in range(3):
        machine.put(f"behind{number}")
        machine.deploy("", f"20250101-00000{number}")
    last, before, first = (f"20250101-00000{number}" for number in (2, 1, 0))
    assert generations.load(last)["before"] == before
    assert generations.load(before)["before"] == first
    assert generations.load(first)["before"] == "20261128-100004"
    assert len(generations.names()) == generations.KEPT


def test_what_a_rollback_has_left_behind_is_kept_while_there_is_room(
    machine: RecordedMachine,
) -> None:
    for number in range(4):
        machine.put(f"g{number}")
        machine.deploy("", f"20261128-10000{number}")
    generations.set_present("20261128-100000")
    machine.put("new")
    machine.deploy("", "20261128-100009")
    assert generations.names() == [*(f"20261128-10000{n}" for n in (0, 1, 2, 3)), "20261128-100009"]


def test_the_program_runs_as_it_is_placed(tmp_path: Path) -> None:
    path = programs.placed("machine/deploy-record", tmp_path)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "deploy-record restore ID" in done.stderr


def test_a_disk_that_is_full_is_told_in_a_line(
    machine: RecordedMachine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*words: object) -> None:
        raise OSError(28, "No space left on device", "deploys.jsonl")

    umask = os.umask(0o022)
    hangup = signal.getsignal(signal.SIGHUP)
    monkeypatch.setitem(program.CHANGING, "done", full)
    monkeypatch.setattr(sys, "argv", ["deploy-record", "done", "{}"])
    try:
        assert program.main() == 1
    finally:
        os.umask(umask)
        signal.signal(signal.SIGHUP, hangup)
    assert "No space left on device" in capsys.readouterr().err
