"""Two revisions side by side: a checkout for the other, both in turns, and what is no worse."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import revisions
from bench.machinery import other_revision
from bench.machinery.bench_command import ROOT, CannotMeasure, Measurements, Options, parse_options
from bench.machinery.bench_lab import INVENTORY, Operator
from bench.report.bench_result import at_most
from drills.records import LongLived
from drills.results import Budget, DrillResult, DrillVerdict, Kind, RequestOutcome
from tests.support.drilling import drill_reports
from tests.support.drilling.drill_plans import PLANS

MAKEFILE = """\
.venv/.installed: needed
\t@mkdir -p .venv/bin && cp needed .venv/bin/python && chmod +x .venv/bin/python && touch $@
"""
# Stands for Python: it says where it was started, and the last line of its program.
PYTHON = '#!/bin/sh\necho "$(basename "$PWD") $2"\n'
LOST = {RequestOutcome.REFUSED: 1}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A revision "old" with a Makefile, and one after it whose environment cannot be made."""
    root = tmp_path / "repository"
    root.mkdir()
    _git(root, "init", "-q")
    (root / "Makefile").write_text(MAKEFILE)
    (root / "needed").write_text(PYTHON)
    _git(root, "add", "-A")
    _commit(root, "first")
    _git(root, "tag", "old")
    _git(root, "rm", "-q", "needed")
    _commit(root, "second")
    return root


def _git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *words], check=True, capture_output=True, text=True
    ).stdout


def _commit(root: Path, message: str) -> None:
    _git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", message)


def _trees(root: Path) -> int:
    return len(_git(root, "worktree", "list").splitlines())


def test_the_other_revision_has_a_tree_with_the_environment_of_its_own_makefile(
    repository: Path,
) -> None:
    commit = _git(repository, "rev-parse", "old").strip()
    with other_revision.checkout("old", repository) as tree:
        assert (tree / "needed").read_text() == PYTHON
        assert (tree / other_revision.INSTALLED).exists()
        assert _git(tree, "rev-parse", "HEAD").strip() == commit
        # Its own Python is asked, in its own tree.
        names = other_revision.drill_names(tree, "all")
        assert names[0] == tree.name and "GROUPS['all']" in " ".join(names)
    assert not tree.exists() and _trees(repository) == 1


@pytest.mark.parametrize(
    ("revision", "why"),
    [
        ("none-such", "there is no revision none-such here"),
        ("--all", "there is no revision --all here"),
        ("HEAD", "no environment for HEAD: .*needed"),
    ],
)
def test_a_revision_that_cannot_be_measured_is_named_and_leaves_no_tree(
    revision: str, why: str, repository: Path
) -> None:
    with pytest.raises(CannotMeasure, match=why), other_revision.checkout(revision, repository):
        pass
    assert _trees(repository) == 1


def test_a_tree_goes_whatever_ends_the_bench(repository: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        other_revision.checkout("old", repository) as tree,
    ):
        raise KeyboardInterrupt
    assert not tree.exists() and _trees(repository) == 1


def test_a_revision_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_options(["--against", "v1"], with_revision=True).against == "v1"
    with pytest.raises(SystemExit, match="2"):
        parse_options([], with_revision=True)
    assert "--against" in capsys.readouterr().err


def test_machines_are_told_by_the_programs_of_the_tree(tmp_path: Path) -> None:
    program = tmp_path / ".venv" / "bin" / "pyinfra"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$PWD $*"\n')
    program.chmod(0o755)
    network: Any = SimpleNamespace(run_command=list, environment=dict)
    said = Operator(network, 1, tmp_path).pyinfra("deploy.py").output
    assert said.startswith(f"{tmp_path} ") and said.endswith(" deploy.py\n")


@pytest.fixture
def lab_calls(tmp_path: Path) -> Path:
    """What a checkout's own `lab` was told; none is up there, unless `up` lies beside it."""
    program = tmp_path / other_revision.LAB
    program.parent.mkdir(parents=True)
    calls = tmp_path / "calls"
    program.write_text(f'#!/bin/sh\necho "$*" >>{calls}\n[ "$1" != status ] || [ -e up ]\n')
    program.chmod(0o755)
    return calls


def test_each_revision_boots_a_lab_by_its_own_command(tmp_path: Path, lab_calls: Path) -> None:
    """What one remembers of a lab another may not understand."""
    with pytest.raises(KeyboardInterrupt), other_revision.own_lab(tmp_path, "v1") as lab:
        assert lab.run_command(["pyinfra", "x"])[1:] == ["run", "--", "pyinfra", "x"]
        raise KeyboardInterrupt
    assert lab_calls.read_text().splitlines() == ["status", f"up {INVENTORY}", "down"]


def test_a_lab_that_is_up_there_is_left_alone(tmp_path: Path, lab_calls: Path) -> None:
    (tmp_path / "up").touch()
    with (
        pytest.raises(CannotMeasure, match="First: lab down"),
        other_revision.own_lab(tmp_path, "v1"),
    ):
        pass
    assert lab_calls.read_text().splitlines() == ["status"]


# --- in turns ------------------------------------------------------------------------------


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """What was run, by tree, with machines and trees that are none."""

    @contextmanager
    def there(*given: object) -> Iterator[Any]:
        yield Path("other")

    def drilled(
        operator: Operator, names: Sequence[str], directory: Path
    ) -> tuple[DrillResult, ...]:
        done.append(("now" if operator.tree == ROOT else "before", tuple(names)))
        return tuple(_drill(name) for name in names)

    def drill_names(tree: Path, group: str) -> tuple[str, ...]:
        own = "a-new-one" if tree == ROOT else "an-old-one"
        return {"all": (own, "nginx-crash"), "changes": ("link-back",), "quick": ()}[group]

    done: list[tuple[str, tuple[str, ...]]] = []
    monkeypatch.setattr(revisions, "checkout", there)
    monkeypatch.setattr(revisions, "own_lab", there)
    monkeypatch.setattr(revisions, "drill_names", drill_names)
    monkeypatch.setattr(revisions, "_drilled", drilled)
    return done


def _drill(name: str, **changed: Any) -> DrillResult:
    plan = next(plan for plan in PLANS if plan.name == name)
    return replace(drill_reports.drill(plan, 1), **changed)


def test_both_take_turns_with_the_drills_that_both_have(
    runs: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    measured = Measurements()
    revisions.measure(Options(False, 3, tmp_path, 2, "v1"), measured)
    assert [who for who, _ in runs] == ["before", "now", "now", "before", "before", "now"]
    assert {names for _, names in runs} == {("nginx-crash", "link-back")}
    assert [row.what for row in measured.rows] == ["nginx-crash", "link-back", "failed or void"]
    assert all(row.met for row in measured.rows)
    assert len(measured.rows[0].ours.values) == 3
    assert measured.notes == ["Only v1 has: an-old-one.", "Only this revision has: a-new-one."]


def test_two_revisions_without_a_drill_in_common_cannot_be_measured(
    runs: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    with pytest.raises(CannotMeasure, match="no drill that v1 has"):
        revisions.measure(Options(True, 1, tmp_path, 2, "v1"), Measurements())
    assert runs == []


# --- no worse ------------------------------------------------------------------------------


def _side(*drills: DrillResult) -> revisions.RevisionSide:
    return revisions.RevisionSide("v1", ROOT, list(drills))


def _took(*seconds: float | None) -> revisions.RevisionSide:
    drill = _drill("link-cut", budget=Budget(seconds=0.35))
    return _side(
        *(
            replace(drill, repeats=(replace(drill.repeats[0], measured_s=value),))
            for value in seconds
        )
    )


@pytest.mark.parametrize(("now_s", "met"), [(0.405, True), (0.406, False)])
def test_the_median_may_be_a_quarter_longer_and_a_little(now_s: float, met: bool) -> None:
    (row,) = revisions.rows("link-cut", _took(0.2, 0.3, 0.9), _took(0.1, now_s, 0.5))
    assert row.goal == at_most(0.405) and row.met is met
    assert "requests lost" in row.note


def test_a_drill_that_one_of_them_could_not_do_is_not_compared() -> None:
    assert revisions.rows("link-cut", _took(0.3), _took(None)) == []
    assert revisions.rows("link-cut", _took(), _took(0.3)) == []
    assert revisions.rows("reload", _took(0.3), _took(0.3)) == []


def test_nothing_lost_stays_nothing_lost_in_every_repeat() -> None:
    drill = _drill("link-back", budget=Budget(lost=0, cut=0))
    lost = replace(drill, repeats=(replace(drill.repeats[0], lost=LOST),))
    cut = replace(drill, repeats=(replace(drill.repeats[0], long_lived=(_download("reset"),)),))
    whole = replace(drill, repeats=(replace(drill.repeats[0], long_lived=(_download(""),)),))
    for worse in (lost, cut):
        (row,) = revisions.rows("link-back", _side(drill, drill, drill), _side(drill, drill, worse))
        assert row.goal == at_most(0) and row.met is False
    (row,) = revisions.rows("link-back", _side(drill, whole), _side(whole, drill))
    assert row.met is True


def _download(cut: str) -> LongLived:
    return LongLived(Kind.DOWNLOAD, 0.0, 1.0, 1, 1000, cut=cut)


def test_a_drill_that_fails_now_is_counted_and_its_reason_said() -> None:
    failed = _drill("link-back", verdict=DrillVerdict.FAILED, reasons=("two holders",))
    (row,) = revisions.judged(_side(_drill("link-back")), _side(failed))
    assert row.met is False and "link-back failed: two holders" in row.note
    (row,) = revisions.judged(_side(failed), _side(failed))
    assert row.met is True
    assert revisions.judged(_side(failed), _side()) == []
