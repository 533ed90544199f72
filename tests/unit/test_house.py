"""House rules for every file of the repository: short, uniquely named, documented, in a room."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LINES_MAX = 320
MODULES_MAX = 15
PROGRAM_SUFFIXES = {".py", ".sh", ".pl"}  # and everything that begins with #!
SPECIAL_MODULES = {"__init__", "__main__", "conftest"}
# The commands in these folders are named after what a person types.
COMMAND_FOLDERS = {".", "bench", "bench/expert", "bench/stock"}
ROOT_FILES = {
    *(".gitattributes", ".gitignore", "LICENSE", "Makefile", "README.md", "CONTRIBUTING.md"),
    *("pyproject.toml", "requirements.lock", "requirements-dev.lock"),
    *("requirements-bench.in", "requirements-bench.lock"),
    *("config.py", "inventory.py"),
    *("deploy.py", "drill.py", "init.py", "rollback.py", "switchover.py"),
    *("teardown.py", "verify.py"),
}
# Where a checkout without git has files that are not the repository's.
GENERATED = ("build", "reports", "bench-report", "__pycache__", "tandem.egg-info")


@cache
def files() -> tuple[PurePosixPath, ...]:
    """Every file that git tracks; in a copy without git, every file that is not generated."""
    git = ["git", "-C", str(CHECKOUT), "ls-files", "-z"]
    if (CHECKOUT / ".git").exists():
        names = subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0")
        return tuple(PurePosixPath(name) for name in names if (CHECKOUT / name).is_file())
    found = (path.relative_to(CHECKOUT) for path in CHECKOUT.rglob("*") if path.is_file())
    return tuple(
        PurePosixPath(path)
        for path in found
        if not any(part in GENERATED or part.startswith(".") for part in path.parts)
    )


@cache
def text(path: PurePosixPath) -> str:
    return (CHECKOUT / path).read_text(encoding="utf-8", errors="replace")


def is_program(path: PurePosixPath) -> bool:
    return path.suffix in PROGRAM_SUFFIXES or text(path).startswith("#!")


def is_python(path: PurePosixPath) -> bool:
    return path.suffix == ".py" or "python" in text(path).partition("\n")[0].partition("#!")[2]


@cache
def syntax(path: PurePosixPath) -> ast.Module:
    return ast.parse(text(path), str(path))


def room(path: PurePosixPath) -> str:
    return path.parts[0] if len(path.parts) > 1 else "root"


ROOMS = sorted({room(path) for path in files()})
every_room = pytest.mark.parametrize("name", ROOMS)


def of(name: str) -> Iterator[PurePosixPath]:
    """The programs of a room, Python's modules among them."""
    return (path for path in files() if room(path) == name and is_program(path))


@cache
def modules_by_name() -> dict[str, list[PurePosixPath]]:
    found = defaultdict(list)
    for path in files():
        if path.suffix == ".py" and path.stem not in SPECIAL_MODULES:
            found[path.stem].append(path)
    return found


@cache
def modules_by_class() -> dict[str, list[PurePosixPath]]:
    """The modules that define a class at their top level; tests aside, and what machines run."""
    found = defaultdict(list)
    for path in files():
        if room(path) not in ("tests", "files") and path.suffix == ".py":
            for node in syntax(path).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(path)
    return found


def refuse(wrong: list[str], remedy: str) -> None:
    """Fail with a line per finding, each with the remedy."""
    if wrong:
        pytest.fail("\n".join(f"{line}: {remedy}" for line in wrong), pytrace=False)


@every_room
def test_no_program_is_too_long(name: str) -> None:
    lengths = {path: len(text(path).splitlines()) for path in of(name)}
    wrong = [f"{path} has {n} lines" for path, n in lengths.items() if n > LINES_MAX]
    refuse(wrong, f"split it by concern into files of {LINES_MAX} lines at most")


@every_room
def test_no_folder_has_too_many_modules(name: str) -> None:
    counts = Counter(str(path.parent) for path in of(name) if path.stem != "__init__")
    wrong = [f"{folder}/ has {n} modules" for folder, n in counts.items() if n > MODULES_MAX]
    refuse(wrong, f"group them into sub-folders of {MODULES_MAX} modules at most")


@every_room
def test_no_module_has_the_base_name_of_another(name: str) -> None:
    wrong = [
        f"{stem}.py is in {', '.join(str(path.parent) for path in paths)}"
        for stem, paths in modules_by_name().items()
        if len(paths) > 1
        and any(room(path) == name for path in paths)
        and not all(str(path.parent) in COMMAND_FOLDERS for path in paths)
    ]
    refuse(wrong, "rename all but one after what it does in its room")


@every_room
def test_no_top_level_class_has_the_name_of_another(name: str) -> None:
    wrong = [
        f"class {cls} is in {', '.join(map(str, paths))}"
        for cls, paths in modules_by_class().items()
        if len(paths) > 1 and any(room(path) == name for path in paths)
    ]
    refuse(wrong, "rename all but one after what it stands for in its room")


@every_room
def test_every_module_opens_with_a_docstring(name: str) -> None:
    wrong = [
        f"{path} has no docstring"
        for path in of(name)
        if is_python(path)
        and not (path.name == "__init__.py" and not text(path).strip())
        and not ast.get_docstring(syntax(path))
    ]
    refuse(wrong, "open it with one sentence that says what it is for")


@pytest.mark.parametrize("path", [str(path) for path in files() if room(path) == "root"])
def test_the_root_has_only_files_that_a_person_edits_or_types(path: str) -> None:
    wrong = [] if path in ROOT_FILES else [f"{path} is in the root"]
    refuse(wrong, "move it into a room, or add it to ROOT_FILES if a person edits or types it")
