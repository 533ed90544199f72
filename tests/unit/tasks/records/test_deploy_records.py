"""What deploy.py and rollback.py write down, on machines that are not there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import settings
from controller import revision
from controller.run_changes import MachineChanges
from tasks.change import deploy_record
from tests.support import fakes
from tests.unit.tasks.test_deploy import machines

pytestmark = pytest.mark.usefixtures("no_download")
A, B, C = "20261128-100000", "20261128-110000", "20261128-120000"


def written(commands: list[str]) -> dict[str, Any]:
    """What a machine is told to write down at the end."""
    (command,) = (each for each in commands if each.startswith(f"{deploy_record.PROGRAM} done"))
    found: dict[str, Any] = json.loads(shlex.split(command)[-1])
    return found


def test_a_deploy_writes_down_who_and_what_first_that_it_begins_and_last_that_it_is_done() -> None:
    for commands in fakes.run("deploy.py", machines("debian12", "debian12")).values():
        begins = [n for n, each in enumerate(commands) if '"exit": "begun"' in each]
        changes = [n for n, each in enumerate(commands) if re.match("groupadd|rm|install|mv", each)]
        assert len(begins) == 1
        assert begins[0] < changes[0]
        said = written(commands)
        assert said["revision"] == revision.describe()
        assert said["operator"] == revision.operator()
        assert "/etc/keepalived/notify.sh" in said["files"]
        assert "nginx: start" in said["services"]
        assert not [step for step in said["steps"] if "@fake" in step]
        assert said["generation"]["id"] == deploy_record.GENERATION
        assert "/etc/keepalived/vrrp.nft" in said["generation"]["paths"]


def test_the_line_that_a_run_begins_with_is_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (commands, _) = fakes.run("deploy.py", machines("debian12", "debian12")).values()
    (command,) = (each for each in commands if '"exit": "begun"' in each)
    log = tmp_path / "deploys.jsonl"
    command = command.replace(deploy_record.LOG, str(log)).replace("/var/lib/tandem", str(tmp_path))
    log.write_text('{"cut off": "by a power fail')
    subprocess.run(["sh", "-c", f"umask 077; {command}"], check=True)
    assert json.loads(log.read_text().splitlines()[-1])["exit"] == "begun"
    assert log.stat().st_mode & 0o777 == 0o644
    log.unlink()
    log.mkdir()
    full = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert full.returncode == 1 and "cannot be written: make room there" in full.stderr


def test_secrets_are_not_written_down() -> None:
    given = {"vrrp_version": 2, "auth_pass": "s3cret77"}
    for commands in fakes.run(
        "deploy.py", machines("debian12", "debian12", settings=given)
    ).values():
        assert "s3cret77" not in json.dumps(written(commands))
        assert not [each for each in commands if "begun" in each and "s3cret77" in each]


def test_what_is_written_down_last_is_read() -> None:
    read = deploy_record.LastDeploy().process
    assert read(['{"exit": "done", "revision": "v1"}']) == {"exit": "done", "revision": "v1"}
    assert read(['{"exit": "do']) == read([]) == read(["[]"]) == {}


# --- rollback.py ---------------------------------------------------------------------------------


def history(*ids: str, **more: Any) -> str:
    """What `deploy-record list` prints of a machine that is at the last of these."""
    kept = [
        {
            "id": id_,
            "before": before,
            "revision": f"rev-{id_}",
            "profile": "fast",
            "vips": ["172.16.12.254"],
            "contents": {"nginx": f"nginx-{id_}"},
            "differs": [] if id_ == ids[-1] else ["site docs"],
            "lacking": [],
        }
        for before, id_ in zip(("", *ids), ids, strict=False)
    ]
    return json.dumps({"generations": kept, "present": ids[-1], "last": {"exit": "done"}} | more)


def rolled_back(answer: str, **options: Any) -> dict[str, list[str]]:
    answers = {"deploy-record list": answer, "apply-nginx look": "Action=upgrade\nReason=x"}
    asked = machines("debian12", "debian12", answers=answers)
    asked.override_data |= options
    return fakes.run("rollback.py", asked)


def test_a_rollback_without_an_earlier_generation_is_refused_before_anything_is_touched() -> None:
    asked = machines("debian12", "debian12")
    with pytest.raises(settings.Refused):
        fakes.run("rollback.py", asked)
    for host in asked:
        commands = " ".join(host.connector.executed_commands)
        assert "deploy-record list" in commands
        assert not re.search("again|restore|apply-nginx apply|begun", commands)


def test_a_rollback_stages_the_whole_generation_and_applies_it_in_turns() -> None:
    for commands in rolled_back(history(A, B)).values():
        order = [
            next(n for n, each in enumerate(commands) if re.match(pattern, each))
            for pattern in (
                rf"umask 022.*begun.*{A}",
                rf"/usr/lib/tandem/apply-nginx again nginx-{A}$",
                rf"/usr/lib/tandem/deploy-record restore {A}$",
                "/usr/lib/tandem/apply-nginx apply$",
                "/usr/lib/tandem/apply-keepalived start eth0 172.16.12.254$",
                "/usr/lib/tandem/deploy-record done",
            )
        ]
        assert order == sorted(order)
        said = written(commands)
        assert (said["command"], said["to"], said["revision"]) == ("rollback", A, f"rev-{A}")
        assert "generation" not in said


def test_a_list_touches_nothing() -> None:
    for commands in rolled_back(history(A, B), list=1).values():
        asked = [each for each in commands if "deploy-record list" not in each]
        assert all("os-release" in each for each in asked)


def test_the_one_that_is_asked_for_is_gone_to() -> None:
    for commands in rolled_back(history(A, B, C), to=A).values():
        assert f"/usr/lib/tandem/deploy-record restore {A}" in commands


@pytest.mark.parametrize("place", ["/etc", "/var/lib", "/run"])
def test_a_machine_that_is_read_only_is_left_as_it_is(place: str, tmp_path: Path) -> None:
    (commands, _) = fakes.run("deploy.py", machines("debian12", "debian12")).values()
    (command,) = (each for each in commands if '"exit": "begun"' in each)
    for path in ("/etc", "/var", "/run", "/usr"):
        command = command.replace(f"{path}/", f"{tmp_path}{path}/").replace(
            f" {path} ", f" {tmp_path}{path} "
        )
    spoilt = tmp_path / place.lstrip("/")
    for directory in ("etc", "var/lib", "run"):
        (tmp_path / directory).mkdir(parents=True, exist_ok=True)
    # In namespaces of its own, where it is root.
    mounts = f"mount -t tmpfs -o ro none {spoilt} || exit 77"
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f"{mounts}; {command}"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this kernel has no user namespaces")
    assert done.returncode == 1
    assert f"Read-only file system: {spoilt}: see why (dmesg), remount it" in done.stderr
    assert not (tmp_path / "var/lib/tandem").exists()


@pytest.mark.parametrize(
    ("last", "writes"),
    [
        ({"revision": "v2", "exit": "done"}, False),
        ({"revision": "v1", "exit": "done"}, True),
        # What was rolled back is taken out of the inventory, too: nothing is left to change.
        ({"revision": "v2", "exit": "done", "to": A}, True),
    ],
)
def test_a_deploy_that_changes_nothing_ends_a_rollback(
    monkeypatch: pytest.MonkeyPatch, last: dict[str, Any], writes: bool
) -> None:
    here = SimpleNamespace(name="host1", state=SimpleNamespace(active_hosts=[]))
    monkeypatch.setattr(deploy_record, "host", here)
    monkeypatch.setattr("tasks.change.deploy_record.parallel.get", lambda fact: {"run": "1"} | last)
    monkeypatch.setattr(
        "tasks.change.deploy_record.run_changes.of", lambda host: MachineChanges([], [], [])
    )
    write_down: Any = deploy_record.write_down
    commands = write_down._inner.__wrapped__({"run": "1", "revision": "v2"}, ["host1"], {}, False)
    assert bool(list(commands)) is writes
