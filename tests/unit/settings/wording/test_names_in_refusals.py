"""Of every setting: a refusal names settings, and nothing of how they are read."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from pydantic import Field

import settings
from settings.mistakes.mistake import Mistake, merge
from settings.validation import validated
from settings.values import Values
from settings.wording.secrecy import every_name
from tests.unit.settings.test_settings import TWO, inventory
from tests.unit.settings.wording.every_setting import ALL, Setting, by_name

ODD = "no such"
WRONG: tuple[object, ...] = (
    *(None, True, 5, "10.1.0.256", [[1]], ["fe80::1%eth0"], [5, None]),
    *({ODD: "x"}, {ODD: [1]}, {ODD: {ODD: 1}}, {1: 2}),
)
KNOWN = {*every_name(), ODD, "1", "hosts", "clusters"}


def names(setting: str) -> set[str]:
    """Those of `sites[0].paths[/].proxy`."""
    while (plain := re.sub(r"\[[^\[\]]*\]", "", setting)) != setting:
        setting = plain
    return set(setting.split("."))


def test_what_pydantic_calls_a_type_is_no_name() -> None:
    inside = "routers[0].address.lax-or-strict[lax=function[x()],strict=json[y]]"
    assert names(inside) - KNOWN == {"lax-or-strict"} and not names("routers[0].asn") - KNOWN


@pytest.mark.parametrize("setting", ALL, ids=by_name)
def test_steps_that_are_no_settings_are_not_shown(setting: Setting) -> None:
    for wrong in WRONG:
        given = setting.data(wrong)
        try:
            settings.load(inventory({name: own | given for name, own in TWO.items()}))
        except settings.SettingsError as error:
            for mistake in error.mistakes:
                assert not names(mistake.setting) - KNOWN, (wrong, str(mistake))
                assert "Input should" not in str(mistake) and "Value error" not in str(mistake)


class _Door(Values):
    """Settings of two types, or kept as a dict, without a validator that says what is right."""

    knock: IPv4Address | IPv6Address = Field(description="an address")
    rooms: dict[str, int] = Field(default={}, description="numbers by name")


class _House(Values):
    doors: tuple[_Door, ...] = Field(description="a list of doors")


@pytest.mark.parametrize(
    ("door", "told"),
    [
        ({"knock": "10.1.0.256"}, "h: doors[0].knock = '10.1.0.256': give an address"),
        ({"knock": "::1", "rooms": {"a": "x"}}, "h: doors[0].rooms = 'x': give numbers by name"),
        ({}, "h: doors[0].knock = '(not set)': give an address"),
        ({"knock": "::1", "nock": 1}, "h: doors[0].nock = 1: there is no such setting; did you"),
    ],
)
def test_one_of_two_types_is_one_mistake(door: dict[str, Any], told: str) -> None:
    mistakes: list[Mistake] = []
    assert validated(_House, "h", {"doors": [door]}, mistakes) is None
    (mistake,) = merge(mistakes)
    assert str(mistake).startswith(told)
