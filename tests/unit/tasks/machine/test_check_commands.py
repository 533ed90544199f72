"""Commands of own checks that a machine's keepalived would not run are refused by its survey."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import Bars
from tasks.machine.others import check_commands
from tasks.machine.survey import Survey, mismatches, parse_survey
from tests.support import fakes
from tests.unit.tasks.test_deploy import machines

COMMAND = "/opt/app/check"
STEPS = (
    f"command {COMMAND}",
    f"step 81ed 0 0 {COMMAND}",
    "step 41ed 0 0 /opt/app",
    "step 41ed 0 0 /opt",
    "step 41ed 0 0 /",
)
# In /tmp others may write, and take away nothing that is not theirs.
STICKY = "step 43ff 0 0 /opt/app"


def told(*lines: str, distribution: str = "debian12", command: str = COMMAND) -> list[str]:
    """What is refused of a machine that says this."""
    given = {"a": {"command": f"{command} x", "weight": 1}}
    (cluster,) = settings.load(fakes.inventory(checks=given))
    found = list(
        mismatches(cluster.nodes[0], parse_survey(fakes.survey(distribution, commands=lines)))
    )
    assert all(each.setting == "checks[a]" and each.bars is Bars.DEPLOY for each in found), found
    return [each.remedy for each in found]


def test_one_that_keepalived_runs_is_no_mistake() -> None:
    assert told(*STEPS) == []
    assert told(*STEPS[:2], STICKY, *STEPS[3:]) == []


@pytest.mark.parametrize(
    ("place", "line", "said"),
    [
        (1, "step 81a4 0 0 /opt/app/check", "not executable: 'chmod +x /opt/app/check'"),
        (1, "step 41ed 0 0 /opt/app/check", "it is no file"),
        (1, "step 81ed 33 0 /opt/app/check", "others than root can write /opt/app/check"),
        (1, "step 81fd 0 33 /opt/app/check", "others than root can write /opt/app/check"),
        (1, "step 83ff 0 0 /opt/app/check", "others than root can write /opt/app/check"),
        (2, "step 41ed 1000 0 /opt/app", "chown root:root /opt/app"),
        (2, "step 41ff 0 0 /opt/app", "chmod go-w /opt/app"),
    ],
)
def test_what_keepalived_would_not_run_is_refused(place: int, line: str, said: str) -> None:
    lines = list(STEPS)
    lines[place] = line
    (remedy,) = told(*lines)
    assert said in remedy


def test_the_group_root_may_write() -> None:
    assert told(STEPS[0], "step 81fd 0 0 /opt/app/check", *STEPS[2:]) == []


def test_all_that_is_wrong_is_told_at_once() -> None:
    remedies = told(STEPS[0], "step 81a4 33 0 /opt/app/check", "step 41ff 0 0 /opt/app", "dos")
    assert len(remedies) == 3


def test_one_that_is_not_there_is_refused_unless_a_deploy_brings_it() -> None:
    (remedy,) = told(STEPS[0])
    assert "bring it there first" in remedy
    assert told("command /usr/bin/curl", command="/usr/bin/curl") == []


@pytest.mark.parametrize("distribution", ["debian13", "ubuntu24", "debian12"])
def test_a_link_is_refused_where_keepalived_follows_none(distribution: str) -> None:
    real = ["step 81ed 0 0 /srv/app-7/check", "step 41ed 0 0 /srv/app-7", *STEPS[4:]]
    named = [STEPS[1], "step a1ff 0 0 /opt/app", *STEPS[3:]]
    found = told(STEPS[0], *real, *named, distribution=distribution)
    assert bool(found) == (distribution == "debian13")
    assert all("/opt/app is a link, and" in each for each in found)
    assert all(each.endswith("give /srv/app-7/check") for each in found)
    # The command itself may be one, wherever it leads.
    itself = ["step a1ff 0 0 /opt/app/check", *STEPS[2:]]
    assert told(STEPS[0], *real, *itself, distribution=distribution) == []


def test_who_can_change_the_link_can_change_the_program() -> None:
    itself = ["step a1ff 0 0 /opt/app/check", "step 41ff 0 0 /opt/app", *STEPS[3:]]
    (remedy,) = told(STEPS[0], "step 81ed 0 0 /srv/check", *STEPS[4:], *itself)
    assert "others than root can write /opt/app:" in remedy
    (remedy,) = told(STEPS[0], *STEPS[1:], "step a1ff 33 0 /opt/app/check")
    assert "chown root:root /opt/app/check" in remedy


def test_a_link_into_a_home_is_refused() -> None:
    (remedy,) = told(STEPS[0], "step 81ed 0 0 /home/app/check", "step 41ed 0 0 /home/app")
    assert "it is /home/app/check, and keepalived sees no home directories" in remedy


def found_by_shell(*names: str) -> dict[str, check_commands.FoundCommand]:
    shell = check_commands.shell(names)
    said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert not said.stderr
    return {each.name: each for each in check_commands.commands(said.stdout)}


def test_the_shell_tells_what_there_is(tmp_path: Path) -> None:
    here = tmp_path.resolve() / "a b"
    here.mkdir()
    for name, data in {
        "good": b"#!/bin/sh\n",
        "dos": b"#!/bin/sh\r\ntrue\r\n",
        "later": b"#!/bin/sh\ntrue\r\n",
        "binary": b"\x7fELF\0\0\r\n#!\r\n",
        "empty": b"",
    }.items():
        (here / name).write_bytes(data)
    (here / "good").chmod(0o754)
    (here / "link").symlink_to("good")
    (here / "loop").symlink_to("loop")
    names = ["good", "dos", "later", "binary", "empty", "link", "loop", "none"]
    found = found_by_shell(*(f"{here}/{name}" for name in names), "/usr/bin/env")
    told = {Path(name).name: each for name, each in found.items()}
    assert [name for name, each in told.items() if each.dos] == ["dos"]
    assert [name for name, each in told.items() if not each.steps] == ["loop", "none"]
    half = len(told["link"].steps) // 2
    assert told["link"].steps[:half] == told["good"].steps[:half] == told["good"].steps[half:]
    assert told["link"].steps[half].path == f"{here}/link"
    assert told["good"].steps[0].mode == 0o100754
    paths = [step.path for step in told["good"].steps[:half]]
    assert paths == [f"{here}/good", str(here), *map(str, here.parents)]
    assert told["env"].steps[-1] == check_commands.CommandStep(0o40755, 0, 0, "/")


def test_a_machine_is_asked_for_its_own_checks_commands_and_each_but_once() -> None:
    command = Survey().command(commands=("/opt/a", "/opt/b"))
    assert shlex.split(command.split("; echo @; ")[-3])[:5] == [
        *("for", "it", "in", "/opt/a", "/opt/b;"),
    ]


@pytest.mark.usefixtures("no_download")
def test_a_deploy_refuses_the_mistakes_of_all_machines_before_it_changes_any() -> None:
    given = {"checks": {"a": {"command": COMMAND, "weight": 1}}}
    hosts = machines("debian12", "debian13", settings=given, commands=[f"command {COMMAND}"])
    with pytest.raises(settings.SettingsError) as refused:
        fakes.run("deploy.py", hosts)
    assert [each.where for each in refused.value.mistakes] == ["@fake/host1, @fake/host2"]
    for host in hosts:
        connector: Any = host.connector
        assert all("/etc/os-release" in each for each in connector.executed_commands)
    # It does not bar the way back: that one is refused for another reason.
    with pytest.raises(settings.Refused, match="no earlier generation"):
        fakes.run("rollback.py", hosts)
