"""The report on the disk: all of it or what was there before, and honest about what is missing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drills.last_words import ReportWriter
from drills.report import drill_files, drill_terminal, drills_page
from drills.results import DrillVerdict, NotPutBack, Report, from_json, to_json
from tests.unit.drills.test_drill_run import report, with_long_lived_load


def test_a_report_that_cannot_be_written_leaves_the_earlier_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the disk gets full."""
    drill_files.write(report(), tmp_path)
    names = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    later = with_long_lived_load()
    write = Path.write_bytes
    for room in range(4):
        written: list[Path] = []

        def fill(path: Path, content: bytes, room: int = room, written: Any = written) -> int:
            written.append(path)
            if len(written) > room:
                write(path, content[:10])
                raise OSError(28, "No space left on device")
            return write(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", fill)
            with pytest.raises(OSError, match="No space left"):
                drill_files.write(later, tmp_path)
        found = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert found == names
    drill_files.write(later, tmp_path)
    assert from_json((tmp_path / "drills.json").read_bytes()) == later
    assert not (tmp_path / "samples" / "web-nginx-crash-1.csv").exists()


def test_what_was_written_is_named_and_is_there(tmp_path: Path) -> None:
    writer = ReportWriter(str(tmp_path))
    writer.write(report())
    named = [Path(each) for each in writer.sentence.removeprefix("Written: ").split(", ")]
    assert named == [tmp_path / "drills.html", tmp_path / "drills.json", tmp_path / "samples"]
    assert {path for path in tmp_path.iterdir()} == set(named)


def test_without_a_page_there_are_samples_and_no_page_of_an_earlier_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill_files.write(report(), tmp_path)

    def fail(report: Report) -> str:
        raise TypeError("no picture")

    monkeypatch.setattr(drills_page, "page", fail)
    with pytest.raises(TypeError):
        drill_files.write(with_long_lived_load(), tmp_path)
    assert from_json((tmp_path / "drills.json").read_bytes()) == with_long_lived_load()
    assert not (tmp_path / "drills.html").exists()


def test_a_directory_that_was_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    directory = tmp_path / "report"
    drill_files.try_out(directory)
    shutil.rmtree(directory)
    drill_files.write(report(), directory)
    assert from_json((directory / "drills.json").read_bytes()) == report()


def test_what_is_to_come_and_what_was_not_put_back_is_no_pass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (drill,) = report().drills
    passed = replace(report(), drills=(replace(drill, verdict=DrillVerdict.PASSED),))
    assert passed.passed
    left = NotPutBack("cable pulled", "web", "host1", "no power", "here: lab plug host1")
    for found, said in (
        (replace(passed, to_come=("link-cut",)), "Still to come when this was written: link-cut."),
        (replace(passed, not_put_back=(left,)), "Not put back: cable pulled on host1."),
    ):
        assert not found.passed
        assert from_json(to_json(found)) == found
        drill_terminal.report(found, drill_terminal.console())
        assert said in " ".join(capsys.readouterr().out.split())
        assert said in drills_page.page(found)
