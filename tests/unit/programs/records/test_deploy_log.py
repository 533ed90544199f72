"""What a machine writes down of its deploys, and in what form."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.unit.programs.records.conftest import RUN, RecordedMachine

program = programs.load("deploy_record.record_command")
deploy_log = programs.load("deploy_record.deploy_log")
json_text = programs.load("deploy_record.json_text")

A, B = "20261128-100000", "20261128-110000"


def test_a_deploy_is_written_down_with_what_differs_from_the_one_before(
    machine: RecordedMachine,
) -> None:
    machine.put("a")
    machine.deploy("a", A)
    machine.put("b", build="1.30.6-new")
    machine.deploy("b", B, services=["nginx: upgrade"], files=["/etc/x", str(machine.staged)])
    last = machine.log[-1]
    assert last["exit"] == "done"
    assert last["sites"] == ["docs"]
    assert last["services"] == ["nginx: upgrade", "nginx 1.30.6-new"]
    installed = ["/etc/keepalived/keepalived.conf", "/etc/nginx/conf.d/a.conf"]
    assert last["files"] == sorted([*installed, "/etc/x", str(machine.page)])
    assert machine.syslog[-1].startswith("deploy of v1 by root@desk on desk: services: nginx: upg")
    assert "\n" not in machine.syslog[-1]
    assert stat.S_IMODE(os.stat(deploy_log.LOG).st_mode) == 0o644
    assert "password" not in Path(deploy_log.LOG).read_text()


def test_a_run_that_did_not_come_to_its_end_stays_and_is_called_stopped(
    machine: RecordedMachine,
) -> None:
    Path(deploy_log.LOG).write_text(
        json.dumps(RUN | {"run": "1", "exit": "begun"})
        + '\n{"cut": "o\n'
        + json.dumps(RUN | {"run": "2", "exit": "begun"})
        + "\n"
    )
    program.done(json.dumps(RUN | {"run": "2"}))
    assert [(entry["run"], entry["exit"]) for entry in machine.log] == [
        ("1", "stopped"),
        ("2", "done"),
    ]


def test_the_last_fifty_are_kept(machine: RecordedMachine) -> None:
    for number in range(60):
        program.done(json.dumps(RUN | {"run": str(number)}))
    assert [entry["run"] for entry in machine.log] == [str(number) for number in range(10, 60)]


@pytest.mark.parametrize(
    "value",
    [{}, [], {"a": ["é", "😀", '"\\\n\x7f'], "b": {"c": 1}}, {"a": {}, "b": []}],
)
@pytest.mark.parametrize("indent", ["", " "])
def test_what_is_written_is_json(value: Any, indent: str) -> None:
    written = json_text.dumps(value, indent)
    assert json.loads(written) == value
    assert json.loads(json_text.dumps(json_text.loads(written))) == value


@pytest.mark.parametrize("text", ["", '{"a": 1', "null", "__import__('os')", '{"a": 1}\n{"a": 1}'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        json_text.loads(text)
