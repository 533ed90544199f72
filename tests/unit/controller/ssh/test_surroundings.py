"""A command is the same whatever a login brings along: environment, shell, a password for sudo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import StringCommand
from pyinfra.connectors.util import make_unix_command

from controller.ssh import sudo_password
from controller.ssh.surroundings import KEPT, PATH, SHELL, for_any_shell
from tests.support import fakes

# What a profile, PAM or sshd may have set, each of which changes what programs do.
HOSTILE = {
    "PATH": "/usr/bin:/bin",
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "de_DE.UTF-8",
    "LANGUAGE": "de",
    "TMPDIR": "/nonexistent",
    "BASH_ENV": "/etc/profile",
    "ENV": "/etc/profile",
    "SHELLOPTS": "errexit:noclobber:nounset",
    "POSIXLY_CORRECT": "1",
    "GREP_OPTIONS": "--color=always",
    "TAR_OPTIONS": "--nonsense",
    "GZIP": "-v",
    "CDPATH": "/usr",
    "PYTHONPATH": "/tmp",
    "CURL_HOME": "/tmp",
    "LD_PRELOAD": "",
    "IFS": "x",
    "http_proxy": "http://127.0.0.1:9",
    "HOME": "/root",
}
# Each byte that some login shell reads in its own way, and words that have to stay apart.
DIFFICULT = """printf '%s|' "it's" 'a\\b\\\\' '!$x`y`%z' "$0" 'ü\t(end)' \\
  <<'END'
here
END
printf '\\n'"""


def carried_out(words: list[str], **options: Any) -> str:
    return str(subprocess.run(words, capture_output=True, text=True, check=True, **options).stdout)


def test_whatever_the_login_has_set_is_not_there() -> None:
    command = make_unix_command(StringCommand("env"), _shell_executable=SHELL).get_raw_value()
    found = dict(
        line.split("=", 1) for line in carried_out(["sh", "-c", command], env=HOSTILE).splitlines()
    )
    assert found.pop("PATH") == PATH and found.pop("LC_ALL") == "C"
    for name in ("PWD", "_", "SHLVL", "OLDPWD"):  # the shell's own
        found.pop(name, None)
    assert found == {name: HOSTILE[name] for name in HOSTILE if name in KEPT}


def test_a_variable_that_the_inventory_asks_for_is_there() -> None:
    command = make_unix_command(
        StringCommand('echo "$TMPDIR"'), _env={"TMPDIR": "/var/tmp"}, _shell_executable=SHELL
    ).get_raw_value()
    assert carried_out(["sh", "-c", command], env=HOSTILE) == "/var/tmp\n"


def test_a_line_for_any_shell_has_nothing_that_one_reads_in_its_own_way() -> None:
    line = for_any_shell(DIFFICULT)
    assert line.isascii() and line.isprintable()
    assert line.count("'") == 2 and line.count('"') == 4 and line.count("$") == 1
    assert not set("!`") & set(line)
    # fish takes a backslash in front of another, and of a quote, away.
    assert "\\\\" not in line and "\\'" not in line


# Those that are there; the lab has the others.
SHELLS = [name for name in ("sh", "bash", "dash", "zsh", "fish", "tcsh") if shutil.which(name)]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_login_shell_carries_it_out_as_sh_does(shell: str) -> None:
    said = carried_out([shell, "-c", for_any_shell(DIFFICULT)])
    assert said == carried_out(["sh", "-c", DIFFICULT])
    assert said.startswith("it's|a\\b\\\\|!$x`y`%z|")


def test_what_no_word_can_hold_is_left_as_it_is() -> None:
    command = f"echo {'x' * 140_000}"
    assert for_any_shell(command) == command


# --- sudo's password -----------------------------------------------------------------------------

SECRET = "not 'so' $ecret \\!"
# A sudo that wants the password from the program that it is told, and shows what is to be seen.
SUDO = """#!/bin/sh
[ "$("$SUDO_ASKPASS")" = "$WANTED" ] || { echo "Sorry, try again." >&2; exit 1; }
tr '\\0' ' ' </proc/$PPID/cmdline; tr '\\0' ' ' </proc/$$/cmdline; echo
while [ "$1" != sh ]; do shift; done
exec "$@"
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "sudo").write_text(SUDO)
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANTED", SECRET)

    def run(command: StringCommand) -> tuple[bool, Any]:
        lines = carried_out(["sh", "-c", command.get_raw_value()]).splitlines()
        return True, SimpleNamespace(stdout_lines=lines)

    return SimpleNamespace(
        name="host1",
        state=None,
        connector_data={},
        get_temp_dir_config=lambda: "/tmp",
        run_shell_command=run,
    )


@pytest.mark.parametrize("prompted", [False, True])
def test_a_password_is_in_no_list_of_processes_and_in_no_file(
    host: Any, tmp_path: Path, prompted: bool
) -> None:
    arguments: dict[str, Any] = {"_sudo": True}
    if prompted:
        host.connector_data["prompted_sudo_password"] = SECRET
    else:
        arguments["_sudo_password"] = SECRET
    shown, line, first = sudo_password.command_line(host, StringCommand("cat"), arguments)
    assert SECRET not in str(shown) and SECRET not in shown.get_raw_value() and SECRET not in line
    said = carried_out(["sh", "-c", line], input=f"{first}what follows\n")
    assert said.endswith("\nwhat follows\n")
    assert "sudo -H -A -k" in said and SECRET not in said and "ecret" not in said
    (asks,) = (Path(path) for path in host.connector_data.values() if path != SECRET)
    assert "ecret" not in asks.read_text() and asks.stat().st_mode & 0o777 == 0o700
    asks.unlink()


def test_nothing_is_read_where_there_is_no_password(host: Any) -> None:
    _, line, first = sudo_password.command_line(host, StringCommand("cat"), {"_doas": True})
    assert first == "" and "read" not in line and host.connector_data == {}


# --- curl ----------------------------------------------------------------------------------------

CURL = re.compile(r"""^(?!\s*(?:#|remedy=)).*\bcurl -[^\n]*""", re.MULTILINE)


def test_no_curl_asks_a_proxy_or_reads_what_somebody_wants_of_his_own() -> None:
    """A machine's own address is never a proxy's to answer; ~/.curlrc may ask for anything."""
    found = [
        (path.relative_to(fakes.ROOT), line.strip())
        for folder in ("tasks", "files", "templates", "verify/observe", "drills")
        for path in sorted((fakes.ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".j2", ".sh", "")
        if path.is_file()
        for line in CURL.findall(path.read_text())
    ]
    assert len(found) > 6
    assert [line for line in found if "curl -q" not in line[1] or "--noproxy" not in line[1]] == []
