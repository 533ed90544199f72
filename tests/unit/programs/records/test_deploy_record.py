"""What a machine writes down of its deploys, and how it goes back to a generation."""

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

program = programs.load("deploy_record.record_command")
generations = programs.load("deploy_record.machine_generations")
deploy_log = programs.load("deploy_record.deploy_log")
json_text = programs.load("deploy_record.json_text")

RUN = {
    "command": "deploy",
    "revision": "v1",
    "operator": "root@desk",
    "controller": "desk",
    "time": "2026-11-28T13:15:02Z",
    "services": [],
    "files": [],
    "steps": [],
}
A, B, C = "20261128-100000", "20261128-110000", "20261128-120000"


class RecordedMachine:
    """A machine's disk: nginx's generations, sites, keepalived's files."""

    def __init__(self, root: Path) -> None:
        self.state, self.builds = root / "state", root / "builds"
        self.page, self.staged = root / "page.html", self.state / "keepalived/keepalived.conf"
        self.syslog: list[str] = []
        for directory in (self.staged.parent, self.state / "nginx", self.builds):
            directory.mkdir(parents=True)

    def put(self, name: str, build: str = "1.26.3-old") -> None:
        """Everything as a deploy called `name` would leave it."""
        nginx = self.state / "nginx" / "generations" / f"{build}.{name}"
        (nginx / "etc" / "conf.d").mkdir(parents=True, exist_ok=True)
        (nginx / "etc" / "conf.d" / "a.conf").write_text(name)
        (nginx / "etc" / "nginx.conf").write_text("same")
        (nginx / "about").write_text(f"build={build}\n")
        (self.builds / build).mkdir(exist_ok=True)
        (self.builds / build / "nginx").touch()
        link(self.state / "nginx" / "staged", f"generations/{build}.{name}")
        self.serve("docs", f"{name}.100")
        self.page.write_text(name)
        self.page.chmod(0o644)
        self.staged.write_text(f"password {name}")
        self.staged.chmod(0o640)

    def serve(self, site: str, version: str) -> None:
        place = self.state / "sites" / site
        (place / version).mkdir(parents=True, exist_ok=True)
        (place / version / "index.html").touch()
        (place / f"{version}.whole").touch()
        link(place / "current", version)

    def deploy(self, name: str, id_: str, **changed: Any) -> None:
        paths = [str(self.page), "/etc/keepalived/keepalived.conf"]
        sites = changed.pop("sites", ["docs", "later"])
        left = {
            "id": id_,
            "paths": paths,
            "sites": sites,
            "about": {"revision": "v1", "vips": ["10.0.0.1"]},
        }
        program.done(json.dumps(RUN | {"run": id_, "generation": left} | changed))

    def listed(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        program.list_all()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in Path(deploy_log.LOG).read_text().splitlines()]


def link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordedMachine:
    made = RecordedMachine(tmp_path)
    monkeypatch.setattr(generations, "STATE", str(made.state))
    monkeypatch.setattr(generations, "BUILDS", str(made.builds))
    staged = {"/etc/keepalived/keepalived.conf": str(made.staged)}
    monkeypatch.setattr(generations, "STAGED", staged)
    monkeypatch.setattr(deploy_log, "LOG", str(made.state / "deploys.jsonl"))

    def run(*words: str) -> Any:
        if words[0] == "logger":
            made.syslog.append(words[-1])
        refused = words[0].endswith("keepalived") and "bad" in Path(words[-1]).read_text()
        return programs.load("common.commands").CommandResult(int(refused), "", "line 1: bad")

    monkeypatch.setattr(program, "run", run)
    return made


# --- the log -------------------------------------------------------------------------------------


def test_a_deploy_is_written_down_with_what_differs_from_the_one_before(
    machine: RecordedMachine,
) -> None:
    machine.put("a")
    machine.deploy("a", A)
    machine.put("b", build="1.30.6-new")
    machine.deploy("b", B, services=["nginx: upgrade"], files=["/etc/x", str(machine.staged)])
    last = machine.log[-1]
    assert last["exit"] == "done"
    assert last["sites"] == ["docs"]
    assert last["services"] == ["nginx: upgrade", "nginx 1.30.6-new"]
    installed = ["/etc/keepalived/keepalived.conf", "/etc/nginx/conf.d/a.conf"]
    assert last["files"] == sorted([*installed, "/etc/x", str(machine.page)])
    assert machine.syslog[-1].startswith("deploy of v1 by root@desk on desk: services: nginx: upg")
    assert "\n" not in machine.syslog[-1]
    assert stat.S_IMODE(os.stat(deploy_log.LOG).st_mode) == 0o644
    assert "password" not in Path(deploy_log.LOG).read_text()


def test_a_run_that_did_not_come_to_its_end_stays_and_is_called_stopped(
    machine: RecordedMachine,
) -> None:
    Path(deploy_log.LOG).write_text(
        json.dumps(RUN | {"run": "1", "exit": "begun"})
        + '\n{"cut": "o\n'
        + json.dumps(RUN | {"run": "2", "exit": "begun"})
        + "\n"
    )
    program.done(json.dumps(RUN | {"run": "2"}))
    assert [(entry["run"], entry["exit"]) for entry in machine.log] == [
        ("1", "stopped"),
        ("2", "done"),
    ]


def test_the_last_fifty_are_kept(machine: RecordedMachine) -> None:
    for number in range(60):
        program.done(json.dumps(RUN | {"run": str(number)}))
    assert [entry["run"] for entry in machine.log] == [str(number) for number in range(10, 60)]


@pytest.mark.parametrize(
    "value",
    [{}, [], {"a": ["é", "😀", '"\\\n\x7f'], "b": {"c": 1}}, {"a": {}, "b": []}],
)
@pytest.mark.parametrize("indent", ["", " "])
def test_what_is_written_is_json(value: Any, indent: str) -> None:
    written = json_text.dumps(value, indent)
    assert json.loads(written) == value
    assert json.loads(json_text.dumps(json_text.loads(written))) == value


@pytest.mark.parametrize("text", ["", '{"a": 1', "null", "__import__('os')", '{"a": 1}\n{"a": 1}'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        json_text.loads(text)


# --- generations ---------------------------------------------------------------------------------


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
