"""A secret from a file, the environment or a command: read once, shown never."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import settings
from lab.gateway import authority
from settings import Bars, secret_origins
from tests.support import fakes

SECRET = "Zq7Canry"
CLASSIC: dict[str, Any] = {"vrrp_version": 2, "nginx_weight": -4}


def program(directory: Path, text: str) -> list[str]:
    """A command that writes a line to `runs` each time it is run."""
    path = directory / "program.py"
    count = f"open({str(directory / 'runs')!r}, 'a').write('run\\n')"
    path.write_text(f"import sys, time\n{count}\n{text}\n")
    return [sys.executable, str(path)]


def given(way: str, directory: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, Any]:
    file = directory / "secret"
    file.write_text(text)
    monkeypatch.setenv("TANDEM_TEST_SECRET", text)
    return {
        "file": str(file),
        "env": "TANDEM_TEST_SECRET",
        "command": program(directory, f"print({text!r}, end='')"),
    }[way]  # type: ignore[return-value]


@pytest.mark.parametrize("way", ["file", "env", "command"])
def test_the_password_is_had_from_elsewhere(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = {f"auth_pass_{way}": given(way, tmp_path, monkeypatch, f"{SECRET}\n")}
    for _ in range(2):
        (cluster,) = settings.load(fakes.inventory(**CLASSIC, **setting))
        assert {node.auth_pass.get_secret_value() for node in cluster.nodes} == {SECRET}
        assert SECRET not in repr(cluster) + cluster.model_dump_json()
    if way == "command":
        assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize("way", ["env", "command"])
def test_a_key_is_had_from_elsewhere(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = authority.issue(tmp_path, ["www.example.org"])
    key = issued.key.read_text()
    issued.key.unlink()
    pair: dict[str, Any] = {
        "tls_certificate": str(issued.certificate),
        f"tls_key_{way}": given(way, tmp_path, monkeypatch, key),
    }
    site = {"server_names": ["www.example.org"], "page": "one", **pair}
    machines = fakes.inventory(**pair, sites=[site])
    node = settings.load(machines)[0].preferred
    assert [secret_origins.read(each.key).decode() for each in node.certificates] == [key, key]
    assert settings.doubts(machines) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"print('{SECRET}'); sys.exit('no key for you')", "status 1 and said: no key for you"),
        (f"print('{SECRET}', flush=True); time.sleep(9)", "has not ended after 1 s"),
        ("", "has nothing in it"),
        (f"print('{SECRET}#')", "1 to 8 printable characters"),
    ],
)
def test_a_command_that_fails_bars_deploys_and_shows_nothing_that_it_printed(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_origins, "TIMEOUT_S", 1)
    machines = fakes.inventory(**CLASSIC, auth_pass_command=program(tmp_path, text))
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(machines)
    assert said in str(caught.value) and SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.mistakes)
    assert (tmp_path / "runs").read_text() == "run\n"
    if "printable" not in said:
        assert [doubt.bars for doubt in settings.doubts(machines)] == [Bars.DEPLOY]
        assert len(settings.clusters(machines)[0].nodes) == 2


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("auth_pass_file", "/no/such/file", "No such file"),
        ("auth_pass_env", "TANDEM_TEST_UNSET", "is not there"),
        ("auth_pass_command", ["/no/such/program"], "cannot be run"),
    ],
)
def test_what_is_not_there_bars_deploys(setting: str, value: Any, said: str) -> None:
    machines = fakes.inventory(**CLASSIC, **{setting: value})
    with pytest.raises(settings.SettingsError, match=said):
        settings.load(machines)
    assert settings.clusters(machines)
    # Who does not use it does not need it.
    assert settings.load(fakes.inventory(**{setting: value}))


def test_two_origins_of_one_secret_are_refused() -> None:
    both: tuple[dict[str, Any], ...] = (
        {**CLASSIC, "auth_pass_file": "a", "auth_pass_env": "B"},
        {"tls_certificate": "a", "tls_key": "b", "tls_key_env": "C"},
    )
    for more in both:
        with pytest.raises(settings.SettingsError, match="give one of them"):
            settings.clusters(fakes.inventory(**more))


def test_words_that_are_no_list_are_refused() -> None:
    with pytest.raises(
        settings.SettingsError,
        match=r"auth_pass_command = \(11 characters\): no shell takes it apart: give a list",
    ):
        settings.clusters(fakes.inventory(auth_pass_command="pass show x"))
