"""What time or somebody else brings about bars deploys, and no command that is needed at night."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyinfra.context import ctx_host

import settings
from controller import preflight
from lab.gateway import authority
from settings import Bars, releases
from tasks.machine.one_file import FileState
from tasks.nginx import new_certificates
from tests.support import fakes
from tests.unit.controller.test_preflight import INVENTORY, pyinfra

NIGHT = ("verify.py", "switchover.py", "rollback.py", "teardown.py", "drill.py")
NAMES = ("www.example.org",)


def certificate(directory: Path, **when: Any) -> authority.Issued:
    return authority.issue(directory, NAMES, **when)


def expired(directory: Path) -> authority.Issued:
    return certificate(directory, days=1, begins=datetime.now(UTC) - timedelta(days=9))


def not_yet(directory: Path) -> authority.Issued:
    return certificate(directory, days=1, begins=datetime.now(UTC) + timedelta(days=9))


def tls(issued: authority.Issued) -> dict[str, Any]:
    return {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}


def without(directory: Path, part: str) -> dict[str, Any]:
    issued = certificate(directory)
    getattr(issued, part).unlink()
    return tls(issued)


def another_key(directory: Path) -> dict[str, str]:
    return tls(certificate(directory)) | {
        "tls_key": tls(certificate(directory, name="b"))["tls_key"]
    }


def site(directory: Path, name: str) -> dict[str, Any]:
    (directory / "empty").mkdir()
    return {"sites": [{"server_names": list(NAMES), "content": str(directory / name)}]}


OUTSIDE: dict[str, Callable[[Path], dict[str, Any]]] = {
    "an expired certificate": lambda directory: tls(expired(directory)),
    "a certificate of tomorrow": lambda directory: tls(not_yet(directory)),
    "a certificate that is gone": lambda directory: without(directory, "certificate"),
    "a key that is gone": lambda directory: without(directory, "key"),
    "a renewal half done": another_key,
    "a site that is gone": lambda directory: site(directory, "gone"),
    "a site that was emptied": lambda directory: site(directory, "empty"),
    "a withdrawn release": lambda directory: {"nginx_version": "1.4.1"},
    "a release that Debian dropped": lambda directory: {
        **{"nginx_version": "1.30.6", "nginx_source": "debian"},
    },
    "another checksum": lambda directory: {"nginx_version": "1.30.6", "nginx_sha256": "0" * 64},
}


@pytest.mark.parametrize("change", OUTSIDE.values(), ids=OUTSIDE)
def test_what_changes_by_itself_is_told_and_bars_nothing_at_night(
    change: Callable[[Path], dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(releases, "IN_DEBIAN", {})
    machines = fakes.inventory(**change(tmp_path))
    (cluster,) = settings.clusters(machines)
    assert len(cluster.nodes) == 2
    doubts = settings.doubts(machines)
    assert doubts and all(doubt.where == "@fake/host1, @fake/host2" for doubt in doubts)
    preflight._refuse_mistakes(machines, [], deploying=False)
    preflight._tell_doubts(machines)
    told = capsys.readouterr().err
    assert told.count("Warning") == len(doubts)
    if any(doubt.bars is Bars.DEPLOY for doubt in doubts):
        with pytest.raises(settings.SettingsError) as caught:
            preflight._refuse_mistakes(machines, [], deploying=True)
        assert all(str(doubt) in str(caught.value) for doubt in doubts)
    else:
        preflight._refuse_mistakes(machines, [], deploying=True)
        assert f"{datetime.now(UTC):%Y}" in told and "newly into service" in told


@pytest.mark.parametrize("deploy_file", [*NIGHT, "deploy.py"])
def test_each_command_bars_what_concerns_it(deploy_file: str, tmp_path: Path) -> None:
    inventory = tmp_path / "machines.py"
    inventory.write_text(INVENTORY)
    words = ["--data", "nginx_version=1.4.1", "--limit", "nobody"]
    if deploy_file == "switchover.py":
        words += ["--data", "to=host2"]
    done = pyinfra(inventory, deploy_file, *words)
    assert done.returncode == 1
    if deploy_file == "deploy.py":
        assert "2 mistakes in the settings and what was typed" in done.stdout
    else:
        assert done.stdout.count("Warning: host1, host2: nginx_version = '1.4.1'") == 1
        assert "--> Refused: --limit nobody names no machine" in done.stdout


class _Machine:
    """A machine that has one file, with this sha256."""

    def __init__(self, path: str, sha256: str):
        self.there = {path: FileState("644", "root", "root", sha256)}

    def get_fact(self, fact: object, paths: tuple[str, ...]) -> dict[str, FileState]:
        return {path: self.there[path] for path in paths if path in self.there}


@pytest.mark.parametrize("make", [expired, not_yet])
def test_an_outdated_certificate_stays_where_it_is_and_is_put_nowhere_newly(
    make: Callable[[Path], authority.Issued], tmp_path: Path
) -> None:
    issued = make(tmp_path)
    node = settings.load(fakes.inventory(**tls(issued)))[0].preferred
    digest = hashlib.sha256(issued.certificate.read_bytes()).hexdigest()
    with ctx_host.use(_Machine("/etc/nginx/tls/default.pem", digest)):
        new_certificates.refuse_outdated(node)
    for machine in (_Machine("/etc/nginx/tls/default.pem", "0" * 64), _Machine("", "")):
        with ctx_host.use(machine), pytest.raises(settings.SettingsError) as caught:
            new_certificates.refuse_outdated(node)
        assert "tls_certificate" in str(caught.value)


def test_a_certificate_that_is_in_time_costs_no_question(tmp_path: Path) -> None:
    node = settings.load(fakes.inventory(**tls(certificate(tmp_path))))[0].preferred
    with ctx_host.use(None):
        new_certificates.refuse_outdated(node)
