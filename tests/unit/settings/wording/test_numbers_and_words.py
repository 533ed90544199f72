"""Of every setting that is a number or a choice: what is none is refused with what is right."""

from __future__ import annotations

from typing import Any

import pytest

from settings.values import has_bool_for_number
from tests.unit.settings.test_unknown_names import slips
from tests.unit.settings.wording.every_setting import (
    ALL,
    Setting,
    by_name,
    has_number,
    numbers_within,
    refusal,
)

NUMBERS = [setting for setting in ALL if has_number(setting)]
WITHIN = [setting for setting in ALL if numbers_within(setting)]
CHOICES = [setting for setting in ALL if setting.words]


def test_they_are_found() -> None:
    numbers = {setting.name for setting in NUMBERS}
    assert {"priority", "sites.paths.max_body_mb", "streams.listen", "cache.size_mb"} <= numbers
    assert {"sites.paths.limits.connections", "upstreams.servers.weight"} <= numbers
    assert len(numbers) > 80, len(numbers)
    assert {"cache.valid_s", "sites.paths.cache.valid_s"} <= {setting.name for setting in WITHIN}
    words = {setting.name for setting in CHOICES}
    assert {"unknown_host", "headers", "sites.headers", "gzip", "streams.protocol"} <= words
    assert {"upstreams.balance", "upstreams.retry_on", "workload", "nginx_source"} <= words


@pytest.mark.parametrize("setting", NUMBERS, ids=by_name)
def test_neither_a_bool_nor_what_is_no_number_is_one(setting: Setting) -> None:
    nan, infinite = float("nan"), float("inf")
    for wrong in (True, False, nan, infinite, -infinite, "nan", "inf", "ten", ["x"], {"x": 1}):
        said = refusal(setting.data(wrong))
        assert setting.last in said and f"ive {setting.field.description}" in said, (wrong, said)
    if float not in setting.kinds:
        assert f"give {setting.field.description}" in refusal(setting.data(1.5))


@pytest.mark.parametrize("setting", WITHIN, ids=by_name)
def test_no_bool_is_a_number_in_a_dict(setting: Setting) -> None:
    for given in ({"200": True}, [["200", True]], {"200": 3, "404": False}):
        said = refusal(setting.data(given))
        assert f"give {setting.field.description}" in said, said


def slipped(setting: Setting, word: str) -> list[str]:
    """What somebody types for one of its words."""
    found = slips(word) if len(word) > 3 else {"swapped": word[::-1], "case": word.upper()}
    wanted = [found[kind] for kind in ("swapped", "case") if kind in found]
    return [slip for slip in wanted if slip not in setting.words]


@pytest.mark.parametrize("setting", CHOICES, ids=by_name)
def test_a_slip_in_a_word_is_refused_with_that_word(setting: Setting) -> None:
    # A host may be called so.
    patterns = setting.last == "host"
    for word in setting.words:
        for slip in slipped(setting, word):
            within: Any = (
                [slip] if "tuple" in str(setting.kinds) and not is_headers(setting) else slip
            )
            said = refusal(setting.data(within))
            assert f'did you mean "{word}"?' in said or (patterns and not slip.startswith("$")), (
                said
            )


def is_headers(setting: Setting) -> bool:
    """Whether it is a profile of headers, which is kept as pairs."""
    return setting.last == "headers"


def test_a_bool_is_found_in_whatever_it_is() -> None:
    assert has_bool_for_number(int | None, True) and has_bool_for_number(float, False)
    assert has_bool_for_number(tuple[int, ...], [1, True])
    assert has_bool_for_number(tuple[tuple[str, int], ...] | None, {"a": True})
    for kind, value in ((bool, True), (int | bool, True), (str | None, True), (int, 1)):
        assert not has_bool_for_number(kind, value)
    assert not has_bool_for_number(tuple[tuple[str, int], ...], {"a": 1})
