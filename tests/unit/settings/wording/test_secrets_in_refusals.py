"""No secret is in a refusal, wherever a person has put it."""

from __future__ import annotations

from typing import Any

import pytest

from settings.mistakes.mistake import Mistake, TypedMistake
from tests.unit.settings.test_unknown_names import slips
from tests.unit.settings.wording.every_setting import ALL, Setting, by_name, refusal

CANARY = "xcanaryx"
PEM = f"-----BEGIN PRIVATE KEY-----\nMIIB{CANARY}\nMIIC{CANARY}\n-----END PRIVATE KEY-----\n"
# What is a secret by its looks, in one of each shape that a value may have.
LOOKING: tuple[Any, ...] = (
    PEM,
    [f"anna:$2y$05${CANARY}", f"{{SSHA}}{CANARY}==", PEM],
    {"x": f"Bearer {CANARY}", "y": f"https://anna:{CANARY}@example.org/", "z": [PEM]},
    {PEM: f"Authorization: Basic {CANARY}"},
)
# By its name: these hold a secret, or say where it is.
SECRET = [
    setting
    for setting in ALL
    if setting.last.endswith(("_command", "_env"))
    or setting.last in ("auth_pass", "auth_pass_file", "tls_key", "key", "basic_auth")
    or setting.last == "password_file"
]
SHAPES: tuple[Any, ...] = (CANARY, [CANARY], {"x": CANARY}, {"anna": {"y": [CANARY]}})
HEADERS = [setting for setting in ALL if setting.last in ("headers", "send_headers")]
NAMES = ("Authorization", "Cookie", "X-Api-Key", "Set-Cookie", "X-Auth-Token", "X-Upstream-Secret")


@pytest.mark.parametrize("setting", ALL, ids=by_name)
def test_what_looks_like_a_secret_is_shown_by_no_setting(setting: Setting) -> None:
    for given in LOOKING:
        assert CANARY not in refusal(setting.data(given)), given


def test_the_settings_of_secrets_are_found() -> None:
    assert len(SECRET) > 15 and len(HEADERS) == 10, (len(SECRET), len(HEADERS))


@pytest.mark.parametrize("setting", SECRET, ids=by_name)
def test_a_secrets_setting_shows_nothing_of_it_in_whatever_form(setting: Setting) -> None:
    for given in SHAPES:
        assert CANARY not in refusal(setting.data(given)), given


@pytest.mark.parametrize("setting", SECRET, ids=by_name)
def test_a_secrets_misspelt_setting_shows_nothing_of_it(setting: Setting) -> None:
    for slip in slips(setting.last).values():
        for given in SHAPES:
            said = refusal(setting.data(given, name=slip))
            assert said and CANARY not in said, (slip, given)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setting", HEADERS, ids=by_name)
def test_a_header_that_carries_a_secret_is_hidden_where_another_is_wrong(
    setting: Setting, name: str
) -> None:
    for wrong in ("b\nc", 5, None):
        said = refusal(setting.data({name: CANARY, "X-B": wrong}))
        assert said and CANARY not in said
    for given in ([[name, CANARY], ["X-B", 5]], {name: [CANARY]}, {name: {"x": CANARY}}):
        assert CANARY not in refusal(setting.data(given)), given


@pytest.mark.parametrize("name", ["ssh_pasword", "_sudo_pass", "smtp_password", "api_token"])
def test_names_of_others_are_hidden_too(name: str) -> None:
    assert CANARY not in refusal({name: CANARY})
    assert CANARY not in refusal({"upstreams": {"app": {"servers": ["x"], name: CANARY}}})


def test_a_secret_is_hidden_in_all_that_is_said() -> None:
    remedy = f'write "auth_pass": "{CANARY}"'
    for mistake in (
        Mistake("host1", "auth_pas", CANARY, remedy),
        Mistake("host1", f"sites[anna:$2y$05${CANARY}]", "x", "leave it out"),
        Mistake("host1", "page", "x", f"not {PEM}"),
        TypedMistake.saying(f"--data takes NAME=VALUE, not {PEM}"),
    ):
        assert CANARY not in f"{mistake}{mistake.without_secrets!r}"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("tls_key", "web.key"),
        ("sites[0].tls_key", "/etc/ssl/private/www.example.org.pem"),
        ("auth_pass_env", "TANDEM_PASS"),
        ("paths[/].basic_auth.file", "sites/staff.htpasswd:3"),
        ("paths[/].send_headers.X-Script-Name", "/api"),
        ("page", "Monday: 5 basic steps"),
        ("upstreams[app].keepalive", 3),
    ],
)
def test_what_is_no_secret_is_shown(setting: str, value: object) -> None:
    assert f"{setting} = {value!r}: no" in str(Mistake("host1", setting, value, "no"))


def test_a_commands_program_is_shown_and_nothing_behind_it() -> None:
    said = str(Mistake("host1", "tls_key_command", ("/usr/bin/sops", "-d", CANARY), "no"))
    assert "/usr/bin/sops" in said and CANARY not in said


@pytest.mark.parametrize(
    "written",
    [
        f"X-Api-Key {CANARY}",
        f'Authorization "Bearer ab!{CANARY}" always;',
        {"X-Api-Key": f'hun"{CANARY}'},
    ],
)
def test_no_remedy_has_what_is_hidden_in_another_form(written: object) -> None:
    for name in ("proxy_set_header", "add_header"):
        paths = {"/": {"proxy": "app", name: written}}
        said = refusal({"paths": paths, "upstreams": {"app": {"servers": ["10.0.0.1:80"]}}})
        assert said and CANARY not in said, said


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"streams": {"token-service": {"listen": "x", "to": ["10.0.0.1:1"]}}}, "'x'"),
        ({"upstreams": {"passport": {"servers": ["nowhere"]}}}, "'nowhere'"),
        ({"paths": {"/reset-password/": {"proxy": "none"}}}, "'none'"),
        ({"paths": {"/a": {"redirect": "nowhere/$1$is_args$args"}}}, "$1$is_args$args"),
        ({"paths": {"/a": {"directory": "/a", "index": "Basic information"}}}, "information"),
        ({"bypass": "yes"}, "'yes'"),
        ({"passenger_root": "/opt"}, "'/opt'"),
    ],
)
def test_what_only_sounds_like_a_secret_is_shown(given: dict[str, Any], shown: str) -> None:
    assert shown in refusal(given)
