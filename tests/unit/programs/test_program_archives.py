"""The programs as they are placed on machines: the same bytes everywhere, for any Python 3.6 on."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from controller import program_archive, rendering, run_changes
from controller.program_archive import PROGRAMS, archive, modules
from tasks.machine import one_file
from tests.support import programs

# Of what `dpkg -L libpython3-minimal` lists, and of what is built in there, what is used.
MINIMAL = {
    *("argparse", "ast", "collections", "contextlib", "errno", "fcntl", "glob", "grp", "hashlib"),
    *("os", "pwd", "re", "select", "signal", "socket", "stat", "struct", "subprocess", "sys"),
    *("threading", "time", "typing"),
}
every_program = pytest.mark.parametrize("name", PROGRAMS)


def trees(name: str) -> dict[str, ast.Module]:
    return {
        path: ast.parse(source, path, feature_version=(3, 6))
        for path, source in modules(name).items()
    }


def imported(tree: ast.Module) -> set[str]:
    """The modules that are imported; of `from package import x`, package.x, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@every_program
def test_a_program_is_an_archive_that_the_kernel_can_start(name: str) -> None:
    data = archive(name)
    assert data.startswith(b"#!/usr/bin/python3\nPK")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert {path: file.read(path).decode() for path in file.namelist()} == modules(name)


@every_program
def test_its_bytes_depend_on_its_modules_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, source in sorted(modules(name).items(), reverse=True):
        directory = tmp_path if path.startswith("common/") else tmp_path / Path(name).parent
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)  # another time, mode, order and place
        file.chmod(0o600)
    monkeypatch.setattr(program_archive, "FILES", tmp_path)
    assert archive.__wrapped__(name) == archive(name)
    with zipfile.ZipFile(io.BytesIO(archive(name))) as zipped:
        for entry in zipped.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.compress_type == zipfile.ZIP_STORED, "zlib is not everywhere"
            assert (entry.create_system, entry.external_attr) == (3, 0o100644 << 16)


@every_program
def test_it_is_python_3_6_and_imports_what_python3_minimal_has(name: str) -> None:
    tops = {path.removesuffix(".py").partition("/")[0] for path in modules(name)}
    for path, tree in trees(name).items():
        for module in imported(tree):
            top = module.partition(".")[0]
            assert top in MINIMAL or top in tops, f"{path} imports {module}"


@every_program
def test_it_calls_nothing_that_is_younger_than_python_3_6(name: str) -> None:
    young = r"capture_output|text=|removeprefix|removesuffix|math\.prod|\bdataclass|zip\(.*strict="
    for path, source in modules(name).items():
        assert not re.search(young, source), path


@every_program
def test_nothing_of_its_archive_is_imported_late(name: str) -> None:
    """A deploy may replace the file while the program runs: it would read the wrong place of it."""
    for path, tree in trees(name).items():
        at_the_top = set()
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                at_the_top |= imported(ast.Module([node], []))
        assert imported(tree) - at_the_top <= {"socket"}, path


def test_every_shared_module_is_used_by_two_programs_at_least() -> None:
    users: dict[str, set[str]] = {}
    for name in PROGRAMS:
        for path, tree in trees(name).items():
            if not path.startswith("common/"):
                for module in imported(tree):
                    users.setdefault(module, set()).add(name)
    shared = {path for path in modules("watch/watch") if path.startswith("common/")}
    for path in shared - {"common/__init__.py"}:
        module = path.removesuffix(".py").replace("/", ".")
        assert len(users.get(module, ())) >= 2, module


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nginx/apply-nginx", "apply-nginx stage NAME TAR"),
        ("handover/handover", "--window"),
        ("watch/watch", "--misses"),
        ("metrics/metrics", "--cluster"),
        ("keepalived/notify", "--smtp-server"),
        ("keepalived/apply-keepalived", "start|restart|reload INTERFACE VIP"),
    ],
)
def test_it_runs_as_one_file(name: str, options: str, tmp_path: Path) -> None:
    path = programs.placed(name, tmp_path)
    words = [sys.executable, "-I", "-S", str(path), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/")
    assert options in done.stdout + done.stderr


def test_the_difference_that_is_shown_of_a_program_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan, data = run_changes.Plan(), archive("watch/watch")
    monkeypatch.setattr(run_changes, "is_planning", lambda: True)
    monkeypatch.setattr(run_changes, "this_plan", lambda: plan)
    one_file.show_difference("/usr/lib/tandem/watch", data)
    assert plan.differences == {"/usr/lib/tandem/watch": [f"binary, {len(data)} bytes"]}


def test_a_changed_program_is_a_changed_unit_for_whoever_asks_for_a_restart(
    tmp_path: Path,
) -> None:
    """An archive is no text: nothing that only knows lines may stand between it and its digest."""
    (tmp_path / "system").mkdir()
    unit = tmp_path / "unit"
    unit.write_text("[Unit]\nDescription=x\n[Service]\nExecStart=/x\n")
    script = rendering.read("machine/running-state")
    script = script.replace("/usr/lib/tandem", str(tmp_path))
    script = script.replace("/run/systemd/system", str(tmp_path / "system"))
    seen = set()
    for data in (archive("watch/watch"), archive("watch/watch").replace(b"60.0", b"61.0"), b""):
        (tmp_path / "watch").write_bytes(data)
        words = ["sh", "-c", script, "running-state", "fingerprint", "tandem-watch", str(unit)]
        seen.add(subprocess.run(words, capture_output=True, check=True).stdout)
    assert len(seen) == 3
