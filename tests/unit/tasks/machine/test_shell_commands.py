"""The shell that machines are given: what is true of every command, whoever wrote it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import fakes
from tests.unit.tasks.machine import shell_lists
from tests.unit.tasks.test_deploy import machines
from tests.unit.tasks.test_footprints import METRICS, PROXY, SEVERAL

pytestmark = pytest.mark.usefixtures("no_download")


def strings(module: Path) -> Iterator[tuple[int, str]]:
    """Each string of a module with its line; a value in an f-string is the word VALUE."""
    tree = ast.parse(module.read_text())
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in ast.walk(node)} - {id(node)}
            values = [getattr(part, "value", "") for part in node.values]
            yield node.lineno, "".join(v if isinstance(v, str) else "VALUE" for v in values)
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            yield node.lineno, str(node.value)


def test_the_reader_of_lists_sees_what_it_is_for() -> None:
    """As the shell reads it, not as it looks."""
    for text in (
        "[ -e a ] || make >a.new && mv a.new a",
        "mkdir -p x && { [ -e a ] || { list; } >a.new && mv a.new a; }",
        'there=$(x); for name in a b; do [ -e y ] || grep -q x && echo "$name"; done',
        "a ||\n    b && c",
        'x "$(a || b && c)"',
    ):
        assert list(shell_lists.ambiguous(text)), text
    for text in (
        "a && b || c",
        "a || { b && c; }",
        "a || b; c && d",
        "a || b\nc && d",
        "if a || b; then c && d; fi",
        "echo 'a || b && c'",
        "echo ${a||b} && c",
        "# a || b && c",
    ):
        assert not list(shell_lists.ambiguous(text)), text


@pytest.mark.parametrize(
    ("distribution", "init", "given"),
    [
        ("debian12", "systemd", METRICS),
        ("debian12", "systemd", PROXY),
        ("debian12", "systemd", SEVERAL),
        ("debian12", "init", {"vrrp_version": 2}),
        ("debian12", "init", {}),
        ("rocky9", "init", {}),
        ("rocky9", "systemd", {}),
    ],
)
def test_no_command_of_a_deploy_goes_on_after_a_success_it_did_not_wait_for(
    distribution: str, init: str, given: dict[str, Any]
) -> None:
    asked = fakes.run("deploy.py", machines(distribution, distribution, init=init, settings=given))
    commands = {command for each in asked.values() for command in each}
    assert len(commands) > 40
    assert [found for command in commands for found in shell_lists.ambiguous(command)] == []


def test_no_text_of_ours_has_such_a_list() -> None:
    """Whatever no pretended machine is asked: each string of tasks/, and each program in shell."""
    sources = [
        (f"{path.relative_to(fakes.ROOT)}:{line}", text)
        for path in (fakes.ROOT / "tasks").rglob("*.py")
        for line, text in strings(path)
    ]
    for folder in ("files", "templates"):
        for path in sorted((fakes.ROOT / folder).rglob("*")):
            if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh"):
                sources.append((str(path.relative_to(fakes.ROOT)), path.read_text()))
    assert len(sources) > 300
    found = [f"{place}: {one}" for place, text in sources for one in shell_lists.ambiguous(text)]
    assert found == []
