"""Which checks a run is told to make, and that what does not exist is refused."""

from __future__ import annotations

import pytest

from settings import SettingsError
from verify import judge


def _ids(only: str = "", skip: str = "") -> list[str]:
    return [check.id for check in judge.select(only, skip)]


def test_without_words_every_check_is_made() -> None:
    assert _ids() == [check.id for check in judge.every_check()]
    assert len(_ids()) >= 50


def test_only_takes_ids_and_areas_in_any_case() -> None:
    assert _ids("ngx-01, TIME") == ["NGX-01", "TIME-01"]
    assert {check_id.partition("-")[0] for check_id in _ids("X,NET")} == {"X", "NET"}


def test_skip_wins_over_only() -> None:
    assert "X-01" not in _ids("X", "X-01")
    assert "X-02" in _ids("X", "X-01")


@pytest.mark.parametrize(
    ("only", "skip", "words"),
    [
        ("NGX-99", "", "only = 'NGX-99': there is no such check; did you mean NGX-"),
        ("", "zzz", "skip = 'zzz': there is no such check; --data list=1 shows them all"),
        ("X-01", "X", "leaves nothing to check"),
    ],
)
def test_unknown_names_are_refused(only: str, skip: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        judge.select(only, skip)
    assert words in str(refused.value)


def test_all_unknown_names_are_told_at_once() -> None:
    with pytest.raises(SettingsError, match="2 mistakes"):
        judge.select("FOO", "BAR")


def test_explaining_what_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="explain"):
        judge.find("X-1")


def test_every_check_says_why_and_what_to_do() -> None:
    for check in judge.every_check():
        assert check.reason.endswith(".") and check.remedy
        assert len(check.title) <= 52, check.title
        assert check.reads or check.id == "HOST-01"
