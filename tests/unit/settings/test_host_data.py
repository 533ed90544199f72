"""Nothing but `settings` reads a host's data: all others have checked values, and the same ones."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("bench", "controller", "drills", "first_inventory", "lab", "report", "tasks", "verify")
MODULES = sorted(
    [*ROOT.glob("*.py"), *(path for room in ROOMS for path in ROOT.glob(f"{room}/**/*.py"))]
)


def reads(source: str) -> Iterator[str]:
    """Every `.data` of a module that knows pyinfra's hosts: one that imports pyinfra at all."""
    nodes = list(ast.walk(ast.parse(source)))
    imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    if not any(name.split(".")[0] in ("pyinfra", "pyinfra_cli") for name in imported):
        return
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr == "data":
            yield f"line {node.lineno}: {ast.unparse(node)}"


def test_only_settings_read_host_data() -> None:
    found = {str(path.relative_to(ROOT)): list(reads(path.read_text())) for path in MODULES}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_all_rooms_are_looked_at() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"settings", "tests"} <= {*ROOMS}
    assert len(MODULES) > 100


@pytest.mark.parametrize(
    "source",
    [
        "from pyinfra import host\nport = host.data.http_port",
        "import pyinfra\n\ndef vip(each):\n    return each.data.get('vip')",
        "def f(name):\n    from pyinfra.api import Host\n    return inventory.get_host(name).data",
    ],
)
def test_a_read_is_found(source: str) -> None:
    assert len(list(reads(source))) == 1
