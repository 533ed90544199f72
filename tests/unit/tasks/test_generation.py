"""What is staged, under which name, and where a rollback goes."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import Cluster, Node
from tasks.nginx import generation, snippets
from tasks.nginx.generation import KeptGenerations
from tests.support import fakes


def make(**changed: Any) -> generation.Generation:
    given: dict[str, Any] = {"port": 80, "drain_timeout_s": 300, "unit": "[Service]"}
    given["etc"] = {"nginx.conf": "x;"}
    return generation.make("1.26.3-abc", **given | changed)


def test_the_name_stays_while_nothing_changes_and_follows_whatever_does() -> None:
    assert make().name == make().name
    others: list[dict[str, Any]] = [
        {"port": 81},
        {"drain_timeout_s": 5},
        {"unit": "[Unit]"},
        {"etc": {"nginx.conf": ""}},
    ]
    assert len({make(**other).name for other in others} | {make().name}) == 5
    assert make().name.startswith("1.26.3-abc.")


def test_the_archive_holds_every_file_and_nobody_may_read_them() -> None:
    with tarfile.open(fileobj=io.BytesIO(make(etc={"conf.d/a.conf": "a;"}).tar())) as archive:
        assert archive.getnames() == ["about", "etc/conf.d/a.conf", "unit"]
        assert {member.mode for member in archive} == {0o640}


OLD = KeptGenerations("b", "run-2", "b", "run-2", "a")
NEW = KeptGenerations("c", "run-3", "c", "run-3", "b")
FAILED = KeptGenerations(
    "c", "run-3", "b", "run-2", "a"
)  # its turn did not come, or it went back itself
HALF = KeptGenerations("c", "run-3", "b", "run-2", "a", half_way=True)
FIRST = KeptGenerations("a", "run-1", "a", "run-1", "")


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (NEW, NEW, ("b", "b")),
        (FAILED, NEW, ("b", "b")),  # stopped after the first machine: only that one goes back
        (FAILED, HALF, ("b", "b")),  # stopped in the first machine's turn
        (HALF, NEW, ("b", "b")),
        (FAILED, FAILED, ("a", "a")),  # nothing came of it: the run before is what is undone
        (replace(NEW, half_way=True), NEW, ("b", "b")),  # changed by hand on one of them
        (OLD, NEW, ("b", "b")),  # the last run had nothing to change on one of them
        (FIRST, NEW, ("a", "b")),
    ],
)
def test_a_rollback_undoes_the_last_run_that_came_to_anything(
    one: KeptGenerations, two: KeptGenerations, expected: tuple[str, str]
) -> None:
    assert generation.rollback_targets({"one": one, "two": two}) == dict(
        zip(("one", "two"), expected, strict=True)
    )


def test_a_second_rollback_goes_forward_again() -> None:
    back = KeptGenerations("b", "run-4", "b", "run-4", "c")
    assert generation.rollback_targets({"one": back, "two": back}) == {"one": "c", "two": "c"}


def test_machines_without_an_earlier_generation_are_named() -> None:
    with pytest.raises(settings.Refused, match="one, two: there is no earlier"):
        generation.rollback_targets({"one": FIRST, "two": FIRST})
    with pytest.raises(settings.Refused, match="two: there is no earlier"):
        generation.rollback_targets({"one": FIRST, "two": KeptGenerations()})


def test_what_a_machine_remembers_is_read() -> None:
    lines = ["staged=c run-3", "current=b run-2", "previous=a run-1", "half-way=yes"]
    assert generation.parse_kept(lines) == HALF
    assert generation.parse_kept([]) == KeptGenerations()


# --- snippets --------------------------------------------------------------------------------


def pair(directory: Path) -> tuple[Node, Cluster]:
    (cluster,) = settings.load(fakes.inventory(nginx_snippets=str(directory)))
    return cluster.nodes[0], cluster


def test_snippets_are_copied_or_rendered_and_other_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "plain.conf").write_text("# {{ not.rendered }}\n")
    (tmp_path / "own.conf.j2").write_text("# {{ node.name }} {{ cluster.vip.ip }}\n")
    for name in ("README.md", ".hidden.conf", "off.conf.disabled"):
        (tmp_path / name).touch()
    found = {snippet.name: snippet for snippet in snippets.render(*pair(tmp_path))}
    assert found.keys() == {"plain.conf", "own.conf"}
    assert found["plain.conf"].text == "# {{ not.rendered }}\n"
    assert found["own.conf"].text == "# @fake/host1 172.16.12.254\n"
    assert found["own.conf"].source.endswith("own.conf.j2")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.conf.j2", "ok;\n{{ node.nmae }}", r"a\.conf\.j2: .*nmae"),
        ("a.conf.j2", "ok;\n{% if %}", r"a\.conf\.j2:2: "),
    ],
)
def test_a_template_with_a_mistake_is_refused_with_its_file(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(settings.Refused, match=said):
        snippets.render(*pair(tmp_path))


def test_two_files_for_one_place_are_refused(tmp_path: Path) -> None:
    for name in ("a.conf", "a.conf.j2"):
        (tmp_path / name).touch()
    with pytest.raises(settings.Refused, match=r"are both a\.conf"):
        snippets.render(*pair(tmp_path))


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(settings.Refused, match="there is no such directory"):
        snippets.render(*pair(tmp_path / "nowhere"))
