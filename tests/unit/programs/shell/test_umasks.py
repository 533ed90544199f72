"""Whoever starts it, with whatever umask: what a command or a program makes can be read."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from pyinfra.api import StringCommand
from pyinfra.connectors.util import make_unix_command

from controller import program_archive
from controller.ssh import surroundings
from tests.support import fakes

SHELL_PROGRAMS = [
    path
    for folder in ("files", "templates")
    for path in sorted((fakes.ROOT / folder).rglob("*"))
    if path.is_file() and path.read_text(errors="replace").startswith("#!/bin/sh")
    # keepalived's unit has a stricter one, and an example is a person's.
    if path.name != "notify.sh.j2" and path.suffix != ".example"
]

STARTED_BY_NO_UNIT = ("nginx/apply-nginx", "sysv/supervise")


def under(umask: int, command: str, directory: Path) -> str:
    def hardened() -> None:
        os.umask(umask)

    return subprocess.run(
        ["sh", "-c", command],
        preexec_fn=hardened,
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o000])
def test_a_command_has_a_umask_of_its_own(umask: int, tmp_path: Path) -> None:
    command = make_unix_command(
        StringCommand("""umask; echo "it's $0"; mkdir -p a/b; : >a/c; stat -c %a a a/b a/c"""),
        _shell_executable=surroundings.SHELL,
    ).get_raw_value()
    said = under(umask, command, tmp_path).split()
    assert said == ["0022", "it's", "sh", "755", "755", "644"]


def test_the_exit_status_and_the_input_are_the_commands_own(tmp_path: Path) -> None:
    command = make_unix_command(StringCommand("cat; exit 3"), _shell_executable=surroundings.SHELL)
    done = subprocess.run(
        ["sh", "-c", command.get_raw_value()], input="x", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "x")


@pytest.mark.parametrize("umask", [0o077, 0o027])
def test_another_user_is_no_exception(umask: int, tmp_path: Path) -> None:
    """sudo and doas start the shell; here a program that only passes it on."""
    (tmp_path / "sudo").write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    command = make_unix_command(
        StringCommand("umask"), _sudo=True, _shell_executable=surroundings.SHELL
    ).get_raw_value()
    assert under(umask, f'PATH="{tmp_path}:$PATH"; {command}', tmp_path) == "0022\n"


@pytest.mark.parametrize("path", SHELL_PROGRAMS, ids=lambda path: path.name)
def test_a_program_in_shell_sets_it_before_it_does_anything(path: Path) -> None:
    words = re.sub(r"^#.*$", "", path.read_text(), flags=re.MULTILINE).split("\n")
    lines = [line.strip() for line in words if line.strip()]
    assert "umask 022" in lines, path
    done = lines[: lines.index("umask 022")]
    assert not [
        line for line in done if re.search(r"\b(mkdir|install|mv|exec|tar)\b|>[\"$/]", line)
    ]


@pytest.mark.parametrize("name", STARTED_BY_NO_UNIT)
def test_a_program_in_python_that_no_unit_starts_sets_it_itself(name: str) -> None:
    assert "os.umask(0o022)" in "".join(program_archive.modules(name).values())


def test_the_others_say_of_each_file_who_may_read_it() -> None:
    """Their units have a umask that lets nobody."""
    for name in program_archive.PROGRAMS.keys() - STARTED_BY_NO_UNIT:
        for path, source in program_archive.modules(name).items():
            made = re.findall(r"(?<!fd)open\([^)]*O_CREAT.*", source)
            assert all(re.search(r"0o\d{3}\)", line) for line in made), path
