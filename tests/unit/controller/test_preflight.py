"""Through pyinfra's own command line: what is wrong is refused before it connects anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyinfra_cli.cli import cli

from controller.given import typed_options
from settings.run_options import COMMANDS
from tests.support.fakes import ROOT

# TEST-NET-1: if a run ever got as far as connecting, it would reach nobody.
INVENTORY = """
web = (
    [
        ("host1", {"ssh_hostname": "192.0.2.61", "priority": 101, "page": "one"}),
        ("host2", {"ssh_hostname": "192.0.2.62", "priority": 100, "page": "two"}),
    ],
    {"vip": "192.0.2.254/24"},
)
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "machines.py"
    path.write_text(INVENTORY)
    return path


def pyinfra(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("pyinfra")
    return subprocess.run(
        [program, "-y", *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env={key: value for key, value in os.environ.items() if key != "TANDEM_LAB"} | environment,
    )


@pytest.mark.parametrize("deploy_file", ["deploy.py", "verify.py"])
def test_a_mistyped_inventory_does_not_look_like_success(deploy_file: str) -> None:
    done = pyinfra("inventry.py", deploy_file)
    assert done.returncode == 1
    assert "There is no inventory inventry.py" in done.stdout


def test_wrong_settings_are_refused_before_any_connection(inventory: Path) -> None:
    done = pyinfra(
        inventory, "deploy.py", "--data", "virtual_router_id=256", "--data", "nginx_versoin=1.30.6"
    )
    assert done.returncode == 1
    assert "--> Refused: 2 mistakes in the settings; no machine was touched" in done.stdout
    assert "virtual_router_id = 256: give 1 to 255" in done.stdout
    assert "did you mean nginx_version?" in done.stdout
    assert "Connecting" not in done.stdout
    assert "Traceback" not in done.stdout


def test_what_switchover_lacks_is_said_with_the_mistakes_of_the_settings(inventory: Path) -> None:
    done = pyinfra(inventory, "switchover.py", "--data", "to=host9")
    assert done.returncode == 1
    assert "to = 'host9': no such machine; there are host1, host2" in done.stdout
    done = pyinfra(inventory, "switchover.py", "--data", "virtual_router_id=256")
    assert done.returncode == 1
    assert "2 mistakes in the settings" in done.stdout
    assert "to = '(nothing)': give one of to=HOST" in done.stdout
    assert "virtual_router_id = 256: give 1 to 255" in done.stdout


def test_what_rollback_is_given_wrong_is_refused_before_any_connection(inventory: Path) -> None:
    done = pyinfra(inventory, "rollback.py", "--data", "to=host9")
    assert done.returncode == 1
    assert "to = 'host9': the name of a generation" in done.stdout
    assert "Connecting" not in done.stdout


def test_a_deploy_loads_neither_the_verifier_nor_the_drills(inventory: Path) -> None:
    refused = "--data", "virtual_router_id=256"
    loaded = pyinfra(inventory, "deploy.py", *refused, PYTHONPROFILEIMPORTTIME="1").stdout
    assert "| controller.preflight" in loaded.replace("|   ", "| ")
    assert "verify" not in loaded and "drills" not in loaded


def test_a_limit_that_names_nobody_is_refused(inventory: Path) -> None:
    done = pyinfra(inventory, "deploy.py", "--limit", "host9")
    assert done.returncode == 1
    assert "--limit host9 names no machine" in done.stdout
    assert "Connecting" not in done.stdout


@pytest.mark.parametrize("option", ["--limit", "--exclude"])
@pytest.mark.parametrize("between", [",", ", ", ";", " "])
def test_several_names_in_one_option_are_told_how(
    inventory: Path, option: str, between: str
) -> None:
    done = pyinfra(inventory, "verify.py", option, f"host1{between}host2")
    assert done.returncode == 1
    assert f"give the option for each, {option} host1 {option} host2" in done.stdout
    assert "Connecting" not in done.stdout and "No host matches" not in done.stdout


def test_a_misspelt_machine_is_told_with_those_that_there_are(inventory: Path) -> None:
    done = pyinfra(inventory, "verify.py", "--limit", "hots1")
    assert "did you mean host1? there are host1, host2, and the groups web" in done.stdout
    assert "no such" not in pyinfra(inventory, "verify.py", "--limit", "host*", "--serial").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "host1", "--exclude", "host*"], "--limit and --exclude leave no machine"),
        (["--exclude", "web"], "--limit and --exclude leave no machine"),
        (["--data", "http_port=81", "--data", "http_port=82"], "http_port=: it is given 2 times"),
        (["--group-data", "/nowhere"], "--group-data /nowhere: there is no such directory"),
    ],
)
def test_what_would_be_passed_over_is_refused(inventory: Path, words: list[str], said: str) -> None:
    done = pyinfra(inventory, "verify.py", *words)
    assert done.returncode == 1
    assert said in done.stdout and "Connecting" not in done.stdout


@pytest.mark.parametrize("operation", [["debug-inventory"], ["exec", "--", "true"]])
def test_pyinfras_own_commands_show_no_traceback_either(
    tmp_path: Path, operation: list[str]
) -> None:
    path = tmp_path / "machines.py"
    path.write_text("web = (\n")
    done = pyinfra(path, *operation)
    assert done.returncode == 1
    assert f"{path}, line 1: '(' was never closed" in done.stdout
    assert "Traceback" not in done.stdout and "bug report" not in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_what_data_names_is_looked_at_for_every_command(inventory: Path, command: str) -> None:
    """All of what is typed wrong, with the mistakes of the settings, in one list."""
    words = ("olny=NGX-01", "http_port=0", "nginx_snippets=/nowhere", "nothing")
    data = [word for each in words for word in ("--data", each)]
    foreign = next(name for name in ("replay", "undrain") if name not in COMMANDS[command])
    told = pyinfra(inventory, command, *data, "--data", f"{foreign}=x", "--limit", "host9").stdout
    assert "mistakes in the settings and what was typed; no machine was touched" in told
    assert "--data: olny = 'NGX-01': there is no such setting; did you mean only?" in told
    assert "http_port = 0: give 1 to 65535" in told
    assert "--data nothing: give NAME=VALUE" in told
    assert f"--data: {foreign} = 'x': {command} has no such option" in told
    assert "--limit host9 names no machine" in told
    assert ("nginx_snippets = '/nowhere': there is no such" in told) is (command == "deploy.py")
    assert "Connecting" not in told and "Traceback" not in told


def test_what_verify_is_to_check_is_judged_with_the_settings(inventory: Path) -> None:
    words = ("only=NGX-991", "skip=FOO", "explain=BAR", "http_port=0")
    data = [word for each in words for word in ("--data", each)]
    told = pyinfra(inventory, "verify.py", *data).stdout
    assert "4 mistakes in the settings" in told
    assert all(said in told for said in ("only = 'NGX-991'", "skip = 'FOO'", "explain = 'BAR'"))


def test_what_a_drill_is_given_is_judged_with_the_settings(inventory: Path) -> None:
    words = ("drills=nginx-carsh", "drilled_vip=10.0.0.1", "http_port=0")
    data = [word for each in words for word in ("--data", each)]
    told = pyinfra(inventory, "drill.py", *data).stdout
    assert "3 mistakes in the settings" in told
    assert all(said in told for said in ("nginx-carsh", "drilled_vip = '10.0.0.1'", "http_port"))


def test_an_empty_inventory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "machines.py"
    path.write_text("web = []\n")
    done = pyinfra(path, "deploy.py")
    assert done.returncode == 1
    assert "name your machines in inventory.py" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--no-wait"], "Leave out --no-wait and --serial: Tandem orders its own steps."),
        (["--serial"], "Leave out --no-wait and --serial: Tandem orders its own steps."),
        (["--fail-percent", "100"], "Leave out --fail-percent: a run stops at the first"),
        (["--fail-percent", "0"], "is left out by --exclude MACHINE"),
        (["--retry", "3"], "Leave out --retry: "),
        (["--shell-executable", "bash"], "Leave out --shell-executable: "),
        (["--exclude", "host9"], "--exclude host9 names no machine"),
        (["--data", "_ignore_errors=1"], "host1, host2: _ignore_errors = 1: leave it out"),
        (["--data", "_serial=1"], "host1, host2: _serial = 1: leave it out"),
    ],
)
def test_what_would_undo_a_promise_is_refused(inventory: Path, words: list[str], said: str) -> None:
    done = pyinfra(inventory, "deploy.py", *words)
    assert done.returncode == 1
    assert said in done.stdout
    assert "Connecting" not in done.stdout


def test_all_of_them_are_named_at_once(inventory: Path) -> None:
    done = pyinfra(inventory, "verify.py", "--serial", "--fail-percent", "100", "--retry", "1")
    assert done.returncode == 1
    for flag in ("--no-wait and --serial", "--fail-percent", "--retry"):
        assert f"Leave out {flag}: " in done.stdout


# Who we are there, what is shown, what is meant by the run: none of it changes what a run does.
HARMLESS = {
    *("inventory", "operations", "verbosity", "dry", "diff", "yes", "limit", "exclude", "data"),
    *("group_data", "parallel", "support", "debug", "debug_all", "debug_facts", "version"),
    *("debug_operations", "json_output", "sudo", "sudo_user", "same_sudo_password"),
    *("use_sudo_password", "use_sudo_login", "su_user", "dzdo", "dzdo_user", "retry_delay"),
    *("ssh_user", "ssh_port", "ssh_key", "ssh_key_password", "ssh_password"),
    "ssh_password_prompt",
    # Where they keep config.py from being read, controller/all_hosts.py refuses.
    *("config_filename", "chdir"),
}


def test_every_option_of_pyinfra_has_been_judged() -> None:
    refused = {option.name for option in typed_options.REFUSED_OPTIONS}
    assert not refused & HARMLESS
    assert {option.name for option in cli.params} == refused | HARMLESS


def test_the_inventory_can_be_printed() -> None:
    done = pyinfra("inventory.py", "debug-inventory")
    assert done.returncode == 0
    assert "172.16.12.254/16" in done.stdout


def test_minus_y_alone_takes_nothing_away(inventory: Path) -> None:
    done = pyinfra(inventory, "teardown.py")
    assert done.returncode == 1
    assert "If you mean it: -y --data yes=1. No machine was touched." in done.stdout
    together = pyinfra(inventory, "deploy.py", "teardown.py")
    assert "Run teardown.py by itself" in together.stdout
