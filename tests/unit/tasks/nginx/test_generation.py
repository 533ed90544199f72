"""What is staged, and under which name."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import Cluster, Node
from tasks.nginx import generation
from tasks.nginx.own import own_files
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


# --- snippets --------------------------------------------------------------------------------


def pair(directory: Path) -> tuple[Node, Cluster]:
    (cluster,) = settings.load(fakes.inventory(nginx_snippets=str(directory)))
    return cluster.nodes[0], cluster


def test_snippets_are_copied_or_rendered_and_other_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "plain.conf").write_text("# {{ not.rendered }}\n")
    (tmp_path / "own.conf.j2").write_text("# {{ node.name }} {{ cluster.vip.ip }}\n")
    for name in ("README.md", ".hidden.conf", "off.conf.disabled"):
        (tmp_path / name).touch()
    found = {snippet.place: snippet for snippet in own_files.render(*pair(tmp_path))}
    assert found.keys() == {"conf.d/plain.conf", "conf.d/own.conf"}
    assert found["conf.d/plain.conf"].text == "# {{ not.rendered }}\n"
    assert found["conf.d/own.conf"].text == "# @fake/host1 172.16.12.254\n"
    assert found["conf.d/own.conf"].source.endswith("own.conf.j2")


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
        own_files.render(*pair(tmp_path))


def test_two_files_for_one_place_are_refused(tmp_path: Path) -> None:
    for name in ("a.conf", "a.conf.j2"):
        (tmp_path / name).touch()
    with pytest.raises(settings.Refused, match=r"are both a\.conf"):
        own_files.render(*pair(tmp_path))


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(settings.Refused, match="there is no such directory"):
        own_files.render(*pair(tmp_path / "nowhere"))
