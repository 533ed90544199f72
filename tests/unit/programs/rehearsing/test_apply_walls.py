"""apply-nginx inside the unit's walls: how they are put up, and what nginx's workers find there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import fakes, programs
from tests.support.nginx_processes import failed
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.walls")
rehearsal = programs.load("apply_nginx.rehearsal")
worker_paths = programs.load("apply_nginx.worker_paths")
CommandResult = programs.load("common.commands").CommandResult
UNIT = """[Unit]
Description=nginx
[Service]
Type=forking
PIDFile=/run/nginx/nginx.pid
ExecStart=/usr/sbin/nginx
KillMode=mixed
RestartSec=1
RuntimeDirectory=nginx
RemoveIPC=yes
LimitNOFILE=8192
ReadWritePaths=/var/log/nginx -/run/tandem
ReadWritePaths=-/srv/w
ProtectHome=tmpfs
BindReadOnlyPaths=-/home/site
BindPaths=-/home/w
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
"""


@pytest.fixture
def walled(disk: Disk) -> Any:
    wanted = disk.generation("one")
    wanted.unit = UNIT.encode()
    return wanted


class Runs:
    """Takes the words of the commands that are run, and answers."""

    def __init__(self, patch: pytest.MonkeyPatch, answer: Any) -> None:
        self.words: tuple[str, ...] = ()
        self.answer = answer
        patch.setattr(program, "run", self)

    def __call__(self, *words: str, timeout_s: float) -> Any:
        self.words = words
        return self.answer

    @property
    def properties(self) -> list[str]:
        return [word for flag, word in pairwise(self.words) if flag == "-p"]


OK = CommandResult(0, "", "")


def test_the_walls_are_all_of_the_unit_but_how_its_processes_live(
    walled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(monkeypatch, OK)
    program.run_inside(walled, ("nginx", "-t"), [("/view", "/etc/nginx", False)], 30)
    assert runs.words[0] == "systemd-run" and runs.words[-3:] == ("--", "nginx", "-t")
    assert runs.properties == [
        "LimitNOFILE=8192",
        "ReadWritePaths=/var/log/nginx -/run/tandem",
        "ReadWritePaths=-/srv/w",
        "ProtectHome=tmpfs",
        "BindReadOnlyPaths=-/home/site",
        "BindPaths=-/home/w",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged",
        "BindReadOnlyPaths=/view:/etc/nginx",
        "ReadWritePaths=/run/nginx",
        "RuntimeMaxSec=30",
    ]


def test_every_line_of_the_real_unit_is_a_wall_or_about_its_life() -> None:
    """A wall that is new in the template is tested by being there."""
    text = (fakes.ROOT / "templates" / "nginx" / "nginx.service.j2").read_text()
    service = text.partition("[Service]")[2].partition("[Install]")[0]
    names = {line.partition("=")[0] for line in service.splitlines() if line[:1].isupper()}
    walls = {name for name, _ in program._properties(text.encode())}
    assert names - walls == {
        *("Type", "PIDFile", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload"),
        *("ExecStop", "ExecStopPost", "KillSignal", "KillMode", "TimeoutStopSec", "Restart"),
        *("RestartSec", "RuntimeDirectory", "RuntimeDirectoryPreserve", "RemoveIPC"),
    }


def test_what_is_replaced_is_not_the_real_one_any_more(
    walled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(monkeypatch, OK)
    binds = [(f"/new{path}", path, True) for path in ("/var/log/nginx", "/srv/w", "/run/nginx")]
    program.run_inside(walled, ("nginx",), binds, 30, alone=True)
    assert [word for word in runs.properties if word.startswith(("ReadWrite", "BindPaths"))] == [
        "ReadWritePaths=-/run/tandem",
        "BindPaths=-/home/w",
        *(f"BindPaths=/new{path}:{path}" for _, path, _ in binds),
    ]
    assert "PrivateNetwork=yes" in runs.properties


def test_without_a_unit_there_are_mounts_and_no_walls(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(monkeypatch, OK)
    wanted = disk.generation("one")
    wanted.unit = b"#!/bin/sh\n[ -x x ]\nProtectHome=yes\n"
    program.run_inside(wanted, ("nginx", "-t"), [("/view", "/etc/nginx", False)], 30)
    assert runs.words[:3] == ("unshare", "--mount", "sh")
    assert runs.words[-5:] == ("/view", "/etc/nginx", "--", "nginx", "-t")
    assert not program.has_walls(wanted)


def test_a_full_run_is_told_where_systemd_has_other_words(
    walled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Failed to start transient service unit: Unit run-u165.service not found."
    Runs(monkeypatch, CommandResult(1, "", said))
    done = program.run_inside(walled, ("nginx", "-t"), [], 30)
    assert done.code == 1 and done.message == f"{said}\nIs there room in /run (df /run)?"


def test_the_walls_are_read_off_the_unit(walled: Any) -> None:
    around = program.of(walled)
    assert around.writable == ("/var/log/nginx", "/srv/w", "/run/nginx", "/home/w")
    assert around.readable_homes == ("/home/site",)


def test_a_skeleton_has_the_directories_with_their_modes_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "real" / "a" / "bc" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "a" / "file").touch()
    (tmp_path / "real" / "a").chmod(0o2750)
    program.skeleton(str(tmp_path / "real"), str(tmp_path / "new"))
    made = sorted(str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*"))
    assert made == ["a", "a/bc"]
    assert (tmp_path / "new" / "a").stat().st_mode & 0o7777 == 0o2750


# --- what workers find ---------------------------------------------------------------------------

MAIN = "# configuration file /etc/nginx/nginx.conf:\nuser web web;\n\n"


def faults(
    monkeypatch: pytest.MonkeyPatch, wanted: Any, text: str, *answers: str
) -> tuple[list[str], Runs]:
    runs = Runs(monkeypatch, CommandResult(0, "\n".join([*answers, "end"]), ""))
    dump = f"{MAIN}# configuration file /etc/nginx/conf.d/a.conf:\n{text}\n"
    files = worker_paths.parse_dump(dump)
    return worker_paths.faults(wanted, files, "/apply-nginx", []), runs


@pytest.mark.parametrize(
    ("text", "answer", "said"),
    [
        ("root /srv/a;", "ok", ""),
        ("root /srv/a;", "missing", ""),
        ("root /home/a;", "denied /home", "nginx_readable_homes"),
        ("root /home/site/none;", "missing", "there is no /home/site, and nginx"),
        ("access_log /srv/a.log;", "ok", "nginx_writable_paths"),
        ("root /srv/a/b;", "denied /srv/a", "user web, may not enter /srv/a: `chmod o+x /srv/a`"),
        ("auth_basic_user_file /srv/p;", "denied /srv/p", "user web, may not read it"),
        ("proxy_store /srv/w/s;", "denied /srv/w/s", "user web, may not write it"),
        ("proxy_store /srv/w/s;", "read-only /srv/w", "/srv/w is read-only for nginx"),
        ("proxy_pass http://unix:/srv/s;", "denied /srv/s", "user web, may not connect to it"),
        ("root /srv/a; proxy_bind $a transparent;", "ok", "keeps CAP_NET_RAW"),
    ],
)
def test_what_workers_cannot_use_is_said_with_its_remedy(
    walled: Any, monkeypatch: pytest.MonkeyPatch, text: str, answer: str, said: str
) -> None:
    found, runs = faults(monkeypatch, walled, text, answer)
    assert runs.words[-4:-1] == ("probe", "web", "web")
    if not said:
        assert found == []
        return
    (line,) = found
    assert line.startswith("/etc/nginx/conf.d/a.conf:1: ") and said in line


@pytest.mark.parametrize("text", ["root /home/site/later;", "proxy_pass http://unix:/home/site/s;"])
def test_what_comes_later_may_be_in_a_home_that_is_there(
    walled: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(worker_paths.os.path, "isdir", lambda path: path == "/home/site")
    found, _ = faults(monkeypatch, walled, text, "missing")
    assert found == []


def test_an_answer_that_is_cut_off_is_none(walled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(failed(), match="cannot be told"):
        faults(monkeypatch, walled, "root /srv/a; error_page 404 /x; alias /srv/b;", "ok")


@pytest.fixture
def served() -> Iterator[Path]:
    """A directory that everybody may enter, as pytest's own are not."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    for name, mode in (("open", 0o755), ("closed", 0o700), ("dropbox", 0o711), ("all", 0o777)):
        (directory / name / "in").mkdir(parents=True)
        (directory / name / "file").write_text("x")
        (directory / name).chmod(mode)
    (directory / "secret").write_text("x")
    (directory / "secret").chmod(0o600)
    yield directory
    shutil.rmtree(directory)


def test_a_link_in_what_is_served_may_lead_into_a_home(
    walled: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    link = tmp_path / "photos" / "new"
    link.symlink_to("/home/hidden/new")
    (tmp_path / "later").symlink_to("/srv/later")
    answer = worker_paths._found("read", str(tmp_path))
    assert answer == f"link {link}"
    (line,), _ = faults(monkeypatch, walled, f"root {tmp_path};", answer)
    assert f"{link} leads to /home/hidden/new" in line and "nginx_readable_homes" in line
    link.unlink()
    assert worker_paths._found("read", str(tmp_path)) == "ok"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_what_the_workers_user_finds(served: Path, tmp_path: Path) -> None:
    expected = {
        "read:open/in": "ok",
        "read:open/file": "ok",
        "read:none/x": "missing",
        "read:secret/x": "missing",
        "read:secret": "denied secret",
        "read:closed/in": "denied closed",
        "read:dropbox/file": "ok",
        "read:dropbox": "ok",
        "write:open/new": "denied open",
        "write:all/new/deep": "ok",
        "write:closed/new": "denied closed",
        "connect:none": "missing",
        "connect:open/file": "denied open/file",
        "load:closed/in": "ok",
        "open:closed/in": "ok",
    }
    placed = programs.placed("nginx/apply-nginx", tmp_path)
    words = [f"{need}:{served}/{path}" for need, path in (word.split(":") for word in expected)]
    done = subprocess.run(
        [placed, "probe", "nobody", "nogroup", *words], capture_output=True, text=True, check=True
    )
    found = done.stdout.replace(f"{served}/", "").splitlines()
    assert found == [*expected.values(), "end"]


# --- the rehearsal's places ----------------------------------------------------------------------


def test_what_nginx_writes_in_its_rehearsal_it_writes_elsewhere(
    walled: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = disk.root / "srv"
    (top / "inside").mkdir(parents=True)
    (top / "key.pem").touch()
    walled.unit = f"[Service]\nReadWritePaths={top} {top}/inside\n".encode()
    monkeypatch.setattr(program.layout, "PID_FILE", str(disk.root / "no" / "nginx.pid"))
    named = [
        path
        for line in ("ssl_certificate", "root", "access_log")
        for path in worker_paths.nginx_paths.named_paths(f"{line} {top}/key.pem;")
    ]
    with rehearsal._places(walled, named) as binds:
        (place, _, _), (kept, there, writable) = binds
        assert [target for _, target, _ in binds] == [str(top), str(top / "key.pem")]
        assert (Path(place) / "inside").is_dir() and not (Path(place) / "key.pem").exists()
        assert kept == there and not writable, "what is only read is the real one"
    assert not list(disk.state.glob("view.*"))
