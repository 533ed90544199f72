"""pyinfra's own arguments in the inventory: who one is there may be set, how a run goes may not."""

from __future__ import annotations

import pytest
from pyinfra.api.arguments import (
    all_global_arguments,
    auth_argument_meta,
    execution_argument_meta,
    retry_argument_meta,
)

from settings import Mistake, SettingsError, load
from settings.mistakes import pyinfra_mistakes
from tests.unit.settings.test_settings import inventory

UNDOING = [*execution_argument_meta, *retry_argument_meta, "_ignore_errors", "_continue_on_error"]


@pytest.mark.parametrize("name", UNDOING)
def test_what_orders_steps_or_hides_failures_is_a_mistake(name: str) -> None:
    (mistake,) = pyinfra_mistakes.of_data("host1", {name: True, "_sudo": True, "vip": "x"})
    assert (mistake.where, mistake.setting, mistake.value) == ("host1", name, True)
    assert "leave it out" in mistake.remedy


@pytest.mark.parametrize("name", [*auth_argument_meta, "_env", "_timeout", "_temp_dir"])
def test_how_one_becomes_root_is_none(name: str) -> None:
    assert name in dict(all_global_arguments())
    assert list(pyinfra_mistakes.of_data("host1", {name: True})) == []


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("ssh_port", "22a", "a whole number"),
        ("ssh_port", True, "a whole number"),
        ("ssh_port", 0, "1 to 65535"),
        ("ssh_port", 70000, "1 to 65535"),
        ("ssh_user", 5, "text, in quotes"),
        ("ssh_look_for_keys", "perhaps", "True or False"),
        ("ssh_connect_retries", "often", "a whole number"),
        ("ssh_strict_host_key_checking", "maybe", '"accept-new"'),
        ("ssh_strict_host_key_checking", "acept-new", 'did you mean "accept-new"?'),
        ("ssh_key", "/nowhere/id", "no such file"),
        ("ssh_config_file", "/nowhere/config", "no such file"),
        ("_sudo", "Ture", "True or False"),
        ("_sudo_user", 0, "text, in quotes"),
    ],
)
def test_how_a_machine_is_reached_is_judged_before_it_is(
    name: str, value: object, right: str
) -> None:
    (mistake,) = pyinfra_mistakes.of_login("host1", {name: value})
    assert (mistake.setting, mistake.value) == (name, value) and right in mistake.remedy
    found = [str(each) for each in _loaded({name: value})]
    assert len(found) == 1 and right in found[0], found


def _loaded(given: dict[str, object]) -> tuple[Mistake, ...]:
    with pytest.raises(SettingsError) as caught:
        load(inventory(**given))  # type: ignore[arg-type]
    return caught.value.mistakes


@pytest.mark.parametrize(
    "data",
    [
        {"ssh_port": 2222, "ssh_user": "ann", "ssh_key": str(__file__), "_sudo": True},
        {"ssh_port": None, "ssh_strict_host_key_checking": "yes", "_sudo": False},
        {"ssh_paramiko_connect_kwargs": {"compress": True}, "ssh_password": "secret"},
    ],
)
def test_how_a_machine_may_be_reached_is_none(data: dict[str, object]) -> None:
    assert list(pyinfra_mistakes.of_login("host1", data)) == []


def test_a_password_is_not_shown() -> None:
    (mistake,) = pyinfra_mistakes.of_login("host1", {"ssh_password": 123456})
    assert "123456" not in str(mistake) and "(6 characters)" in str(mistake)
