"""pyinfra's own arguments in the inventory: who one is there may be set, how a run goes may not."""

from __future__ import annotations

import pytest
from pyinfra.api.arguments import (
    all_global_arguments,
    auth_argument_meta,
    execution_argument_meta,
    retry_argument_meta,
)

from settings.mistakes import pyinfra_mistakes

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
