"""How a bench ends when something goes wrong: nothing is lost, nothing is hidden, exit code 1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import __main__ as all_benches
from bench.machinery import bench_lab
from bench.machinery.bench_command import CannotMeasure, Measurements, Options, run_bench
from bench.machinery.bench_drills import run_drills
from bench.report.bench_result import Comparison, from_json
from drills.results import NotPutBack
from drills.results import to_json as drills_json
from lab.errors import LabError
from tests.support.drilling import drill_reports
from tests.unit.bench.test_bench import OURS, THEIRS

LEFT = NotPutBack("cable pulled", "web", "host1", "no power", "here: lab plug host1")


@pytest.mark.parametrize(
    "error",
    [CannotMeasure("wrk is missing"), LabError("no lab"), TypeError("none"), OSError(28, "")],
)
def test_what_was_measured_before_any_error_is_kept(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(_: Options, measured: Measurements) -> None:
        measured.rows.append(Comparison("no change", OURS, THEIRS))
        try:
            raise error
        finally:
            raise LabError("nor could the lab be taken down")

    with pytest.raises(SystemExit, match="1"):
        run_bench("a title", measure, ["--quick", "--report", str(tmp_path)])
    kept = from_json((tmp_path / "test_bench_endings.json").read_bytes())
    assert [row.what for row in kept.rows] == ["no change"]
    (note,) = (note for note in kept.notes if note.startswith("Not finished"))
    assert str(error) in note and "; then nor could the lab be taken down" in note


def test_a_lab_is_taken_down_although_what_it_has_compiled_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    done: list[str] = []
    monkeypatch.delenv(bench_lab.KEEP, raising=False)
    monkeypatch.setattr(bench_lab, "ROOT", tmp_path)
    monkeypatch.setattr(bench_lab, "ARTIFACTS", tmp_path / "none")
    monkeypatch.setattr(bench_lab, "_is_up", lambda pairs, inventory: True)
    nothing = SimpleNamespace(machines=())
    monkeypatch.setattr("bench.machinery.bench_lab.Lab.load", lambda root: nothing)
    monkeypatch.setattr("bench.machinery.bench_lab.lifecycle.down", lambda: done.append("down"))
    monkeypatch.setattr("bench.machinery.bench_lab.shutil.copytree", full)
    (tmp_path / ".lab" / "artifacts").mkdir(parents=True)
    with pytest.raises(CannotMeasure, match="the first"), bench_lab.lab_of(1):
        raise CannotMeasure("the first")
    assert done == ["down"]
    assert "could not be kept" in capsys.readouterr().err


def test_a_lab_that_stays_up_is_an_exit_code_and_hides_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise LabError("a device hangs")

    monkeypatch.setattr(all_benches, "take_down", fail)
    for code, expected in ((0, 1), (130, 130)):
        monkeypatch.setattr(all_benches, "_run", lambda name, words, code=code: code)
        assert all_benches.main(["--only", "verify"]) == expected


@pytest.mark.parametrize(
    "spoiled", [{"to_come": ("link-cut",)}, {"interrupted": "SIGTERM"}, {"not_put_back": (LEFT,)}]
)
def test_drills_that_did_not_come_to_their_end_measure_nothing(
    spoiled: dict[str, Any], tmp_path: Path
) -> None:
    twin: Any = SimpleNamespace(pyinfra=lambda *words, **named: SimpleNamespace(output="so it was"))
    whole = drill_reports.report(repeats=1)
    (tmp_path / "drills.json").write_bytes(drills_json(whole))
    assert run_drills(twin, "drill.py", report=tmp_path) == whole
    (tmp_path / "drills.json").write_bytes(drills_json(replace(whole, **spoiled)))
    with pytest.raises(CannotMeasure, match=r"(?s)did not come to its end.*so it was"):
        run_drills(twin, "drill.py", report=tmp_path)
