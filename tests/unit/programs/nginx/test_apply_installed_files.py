"""What apply-nginx does to the files that it finds on a machine."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.support import programs
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.installed_files")
rehearsal = programs.load("apply_nginx.rehearsal")


def test_a_snippet_that_is_wanted_no_more_goes_and_somebodys_own_stays(disk: Disk) -> None:
    with_snippet = disk.generation("one", __a="a;", __b="b;")
    without = disk.generation("two", __b="b;")
    (disk.etc / "conf.d").mkdir(parents=True)
    (disk.etc / "conf.d" / "own.conf").write_text("mine;")
    program.install(with_snippet)
    assert disk.in_etc().keys() == {"nginx.conf", "conf.d/a", "conf.d/b", "conf.d/own.conf"}
    program.install(without)
    assert disk.in_etc().keys() == {"nginx.conf", "conf.d/b", "conf.d/own.conf"}
    assert program.users_snippets(without) == [str(disk.etc / "conf.d" / "own.conf")]


def test_what_a_killed_run_has_put_is_known_to_the_next(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.install(disk.generation("one"))

    def killed(source: str, target: str) -> None:
        if target.endswith("/nginx.conf"):
            raise KeyboardInterrupt
        rename(source, target)

    rename = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            program.install(disk.generation("two", __a="a;"))
    assert "conf.d/a" in disk.in_etc()
    program.install(disk.generation("three"))
    assert disk.in_etc() == {"nginx.conf": "# three"}


def test_somebodys_own_file_is_not_written_over(disk: Disk) -> None:
    (disk.etc / "conf.d").mkdir(parents=True)
    own = disk.etc / "conf.d" / "a"
    own.write_text("mine;")
    with pytest.raises(rehearsal.Failed, match="no deploy put it there"):
        rehearsal.check_configuration(disk.generation("one", __a="a;"))
    own.write_text("a;")
    assert program.users_files_in_the_way(disk.generation("one", __a="a;")) == []


def test_files_that_are_the_same_are_not_touched(disk: Disk) -> None:
    """A reload reads them; a worker older than its files would be a finding."""
    one = disk.generation("one")
    program.install(one)
    before = (disk.etc / "nginx.conf").stat()
    program.install(one)
    assert (disk.etc / "nginx.conf").stat().st_mtime_ns == before.st_mtime_ns


def test_the_way_back_is_what_was_in_place(disk: Disk) -> None:
    program.install(disk.generation("one", __a="a;"))
    (disk.etc / "nginx.conf").write_text("# changed by hand")
    before_files = disk.in_etc()
    new = disk.generation("two", "new", __b="b;")
    before = program.snapshot(new)
    program.install(new)
    assert program.is_installed(new)
    assert program.linked_build() == "new"
    program.install(before)
    assert disk.in_etc() == before_files
    assert program.linked_build() == "old"


def test_a_key_is_roots_alone_also_after_somebody_has_opened_it(disk: Disk) -> None:
    wanted = disk.generation("one", **{"tls/default.key": "KEY", "tls/default.pem": "PEM"})
    program.install(wanted)
    key, pem = disk.etc / "tls" / "default.key", disk.etc / "tls" / "default.pem"
    assert (key.stat().st_mode & 0o777, pem.stat().st_mode & 0o777) == (0o600, 0o640)
    assert program.has_files(wanted)
    key.chmod(0o644)
    assert not program.has_files(wanted)
    program.install(wanted)
    assert key.stat().st_mode & 0o777 == 0o600 and program.has_files(wanted)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another group")
def test_workers_read_what_they_need_and_nobody_else(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "_workers_group", lambda: 4242)
    wanted = disk.generation("one", htpasswd="anna:x", **{"tls/default.key": "KEY"})
    with (disk.state / "generations" / "one" / "about").open("a") as about:
        about.write("workers_read=htpasswd tls/default.key\n")
    wanted = rehearsal.StoredGeneration(wanted.directory)
    users, key = disk.etc / "htpasswd", disk.etc / "tls" / "default.key"
    # Somebody has put the same there by hand.
    disk.etc.mkdir()
    users.write_text("anna:x")
    users.chmod(0o644)
    program.install(wanted)
    assert (users.stat().st_mode & 0o777, users.stat().st_gid) == (0o640, 4242)
    assert (key.stat().st_mode & 0o777, key.stat().st_gid) == (0o600, os.getegid())
    assert program.has_files(wanted)
    preview = disk.state / "view"
    program.write_all(str(preview), wanted)
    assert (preview / "htpasswd").stat().st_gid == 4242
    os.chown(users, -1, 0)
    assert not program.has_files(wanted)
    program.install(wanted)
    users.write_text("by hand")
    found = program.snapshot(disk.generation("two"))
    assert found.workers_read == {"htpasswd"}, "the way back, too"


def test_a_persons_files_are_for_workers_alone_and_go_with_their_directories(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "_workers_group", lambda: 4242)
    names = ("files/a/b/page.html", "files/own.key", "files/c/x.pem", "server.d/b.org/a.conf")
    program.install(disk.generation("one", **dict.fromkeys(names, "x")))
    modes = {
        str(path.relative_to(disk.etc)): (path.stat().st_mode & 0o777, path.stat().st_gid)
        for path in (disk.etc / "files", *(disk.etc / "files").rglob("*"))
    }
    assert modes == {
        **dict.fromkeys(("files", "files/a", "files/a/b", "files/c"), (0o750, 4242)),
        **dict.fromkeys(("files/a/b/page.html", "files/c/x.pem"), (0o640, 4242)),
        "files/own.key": (0o600, os.getgid()),
    }
    (disk.etc / "files" / "c" / "mine").touch()
    (disk.etc / "server.d" / "b.org" / "hand.conf").touch()
    assert program.users_snippets(disk.generation("three", **{"server.d/b.org/a.conf": "x"})) == [
        str(disk.etc / "server.d" / "b.org" / "hand.conf")
    ]
    program.install(disk.generation("two"))
    assert disk.in_etc().keys() == {"nginx.conf", "files/c/mine", "server.d/b.org/hand.conf"}
    assert not (disk.etc / "files" / "a").exists(), "nothing is in it any more"
    assert not program.users_snippets(disk.generation("two")), "nginx reads no server.d then"


def test_a_directory_of_somebodys_own_stays_open(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is called files as well, and one beside what a deploy brings."""
    monkeypatch.setattr(program, "_workers_group", lambda: 4242)
    theirs = disk.etc / "files" / "own"
    theirs.mkdir(parents=True)
    (theirs / "page.html").touch()
    modes = {path: (path.stat().st_mode, path.stat().st_gid) for path in (theirs.parent, theirs)}
    program.install(disk.generation("one"))
    assert modes == {path: (path.stat().st_mode, path.stat().st_gid) for path in modes}
    program.install(disk.generation("two", **{"files/a/b.html": "x"}))
    assert (theirs.stat().st_mode, theirs.stat().st_gid) == modes[theirs]
    for path in (theirs.parent, disk.etc / "files" / "a"):
        assert (path.stat().st_mode & 0o777, path.stat().st_gid) == (0o750, 4242)


def test_what_nginx_has_anyway_gives_way_to_somebodys_own(disk: Disk) -> None:
    disk.etc.mkdir()
    own = disk.etc / "fastcgi_params"
    own.write_text("mine;")

    def generation(name: str) -> Any:
        made = disk.generation(name, fastcgi_params="ours;", uwsgi_params="ours;")
        with open(f"{made.directory}/about", "a") as about:
            about.write("yielding=fastcgi_params uwsgi_params\n")
        return program.generations.StoredGeneration(made.directory)

    program.install(generation("one"))
    assert program.users_files_in_the_way(generation("two")) == []
    assert (own.read_text(), program.has_files(generation("two"))) == ("mine;", False)
    program.install(generation("two"))
    assert disk.in_etc() == {
        "nginx.conf": "# two",
        "fastcgi_params": "mine;",
        "uwsgi_params": "ours;",
    }, "what a deploy has put there is no one's own"
    own.unlink()
    program.install(generation("three"))
    assert own.read_text() == "ours;"
