"""The scripts that undo faults on machines, run by a shell: what fails stays, to be tried again."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from drills.control import faults, self_undo
from drills.control.machines import ScriptAnswer


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "tandem-drill"
    monkeypatch.setattr(self_undo, "DIRECTORY", str(found))
    return found


def shell(script: str) -> tuple[int, str]:
    """Exit status and output, as `Machines` gets them."""
    done = subprocess.run(
        ["sh", "-c", ScriptAnswer().command(script)], capture_output=True, text=True
    )
    *lines, status = done.stdout.splitlines()
    return int(status.removeprefix("exit=")), "\n".join(lines)


def armed(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*")) if directory.exists() else []


def test_an_undo_that_fails_stays_armed_and_is_tried_again(tmp_path: Path, directory: Path) -> None:
    mended = tmp_path / "may-be-mended"
    assert shell(self_undo.inject("nginx", "true", f"test -e {mended}", 600))[0] == 0
    for _ in range(2):
        assert shell(self_undo.undo("nginx"))[0] != 0
        assert armed(directory) == ["nginx.pid", "nginx.undo"]
        status, said = shell(self_undo.undo_everything())
        assert (status, said) == (1, "could not be undone there: nginx")
        assert armed(directory) == ["nginx.pid", "nginx.undo"]
    mended.touch()
    assert shell(self_undo.undo("nginx"))[0] == 0
    assert armed(directory) == []
    assert shell(self_undo.undo("nginx"))[0] == 0, "nothing is left to do"


def test_undoing_everything_goes_on_after_one_that_fails(tmp_path: Path, directory: Path) -> None:
    other = tmp_path / "other"
    shell(self_undo.inject("a-first", "true", "false", 600))
    shell(self_undo.inject("b-second", "true", f"touch {other}", 600))
    assert shell(self_undo.undo_everything()) == (1, "could not be undone there: a-first")
    assert other.exists()
    assert armed(directory) == ["a-first.pid", "a-first.undo"]
    (directory / "a-first.undo").write_text("true\n")
    assert shell(self_undo.undo_everything())[0] == 0
    assert not directory.exists()
    assert shell(self_undo.undo_everything())[0] == 0


def test_a_machine_that_is_left_alone_tries_until_it_is_undone(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_undo, "TRY_AGAIN_S", 0.1)
    tries, mended = tmp_path / "tries", tmp_path / "may-be-mended"
    shell(self_undo.inject("nginx", "true", f"echo >>{tries}; test -e {mended}", 0))
    deadline = time.monotonic() + 10
    while not (tries.exists() and len(tries.read_text()) > 1):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    mended.touch()
    while armed(directory):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_outlives_a_reboot_is_undone_where_its_note_has_not(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert shell(self_undo.undo("nginx-conf", f"touch {mark}"))[0] == 0
    assert mark.exists()
    assert shell(self_undo.undo("nginx-conf", "false"))[0] == 1


def test_a_broken_configuration_is_mended_once_and_whatever_came_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf, kept = tmp_path / "nginx.conf", tmp_path / "kept"
    conf.write_text("good;\n")
    fault = faults.BAD_CONFIGURATION

    def here(script: str) -> str:
        script = script.replace(faults.NGINX_CONF, str(conf)).replace(faults.SERVICE, "false")
        return script.replace("/var/lib/tandem-drill.nginx.conf", str(kept))

    assert fault.lasting
    assert shell(here(fault.do))[0] == 0
    assert "nonsense" in conf.read_text()
    for _ in range(2):
        assert shell(here(fault.undo))[0] == 0
        assert conf.read_text() == "good;\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nginx.conf"]
