"""`--data NAME=VALUE`: a text setting is what is typed, whatever that looks like."""

from __future__ import annotations

from typing import Any

import pyinfra_cli.cli as pyinfra_cli
import pytest
from pydantic import SecretStr

import settings
from controller import typed_data
from settings.node import SECRETS, Node
from settings.run_options import RunOptions
from tests.unit.settings.test_settings import inventory

# What pyinfra would take for a number, a boolean, null or JSON.
LOOKS = ("12345678", "007", "-1", "1.30", "1e5", "true", "False", "[1]", '{"a": 1}', '"quoted"')
MODELS = (Node, RunOptions)
TEXTS = [
    (model, name)
    for model in MODELS
    for name, field in model.model_fields.items()
    if typed_data.is_text(field.annotation) and name not in ("name", "cluster", "lab")
]


def test_the_settings_of_each_type_are_told_apart() -> None:
    texts = {name for _, name in TEXTS}
    assert {"auth_pass", "page", "nginx_version", "vip", "vip6", "label", "to", "timing"} <= texts
    assert not texts & {"priority", "vrrp_version", "metrics", "sites", "cache", "wait", "list"}
    assert len(texts) > 30


@pytest.mark.parametrize("looks", [*LOOKS, "null"])
def test_every_text_setting_works_as_it_is_typed_or_is_refused_as_it_is_typed(looks: str) -> None:
    for model, name in TEXTS:
        typed = typed_data.typed([f"{name}={looks}"])
        if looks == "null" and name in ("vip6", "address6", "label", "vrrp_interface"):
            assert typed == {name: None}
            continue
        assert typed == {name: looks}, name
        more = {"vrrp_version": 2} if name.startswith("auth_pass") else {}
        machines = inventory(override=typed | more)
        try:
            found = (
                settings.options(machines)
                if model is RunOptions
                else settings.load(machines)[0].preferred
            )
        except settings.SettingsError as error:
            said = str(error)
            shown = f"({len(looks)} characters)" if name in SECRETS else looks
            # Some are about what follows from it: a label, a key's half, a file that is not there.
            follows = name.startswith(("interface", "tls_", "auth_pass_"))
            assert (name in said and shown in said) or follows, (name, said)
        else:
            value: Any = getattr(found, name)
            value = value.get_secret_value() if isinstance(value, SecretStr) else value
            assert str(value) == looks, name


@pytest.mark.parametrize("looks", ["12345678", "007", "true", "1e5"])
def test_a_password_keeps_its_zeros(looks: str) -> None:
    given = typed_data.typed([f"auth_pass={looks}", "vrrp_version=2"])
    node = settings.load(inventory(override=given))[0].preferred
    assert node.auth_pass.get_secret_value() == looks and node.classic


def test_all_else_is_read_as_pyinfra_does() -> None:
    given = ["priority=7", "metrics=true", 'metrics_allow=["10.0.0.5"]', "mine=1", "ssh_port=22"]
    assert typed_data.typed([*given, "ssh_user=007", "_sudo_password=1234"]) == {
        **{"priority": 7, "metrics": True, "metrics_allow": ["10.0.0.5"], "mine": 1},
        **{"ssh_port": 22, "ssh_user": "007", "_sudo_password": "1234"},
    }


def test_pyinfra_gives_the_machines_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyinfra_cli, "_set_override_data", pyinfra_cli._set_override_data)
    typed_data.install()
    ssh = ("root", None, None, 2222, None)
    given = pyinfra_cli._set_override_data(("auth_pass=007", "priority=7"), *ssh)
    assert given == {"auth_pass": "007", "priority": 7, "ssh_user": "root", "ssh_port": 2222}


@pytest.mark.parametrize("given", [12345678, True, 1.5])
def test_a_number_in_the_inventory_is_told_to_be_put_in_quotes(given: object) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(inventory(override={"auth_pass": given, "vrrp_version": 2}))
    assert "give text, in quotes: 1 to 8 printable characters" in str(caught.value)
    assert str(given) not in str(caught.value)
