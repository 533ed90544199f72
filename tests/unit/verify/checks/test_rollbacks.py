"""After a rollback: one warning that explains what differs from the settings, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.broken_upkeep import outcome_of
from tests.support.snapshots import BOTH, EVERYTHING, Spoiled
from tests.unit.verify.checks.test_last_deploys import line
from verify.checks.check import Finding, Outcome
from verify.observe import upkeep_probes
from verify.observe.probe import whole
from verify.read import deploy_output

TO = "20261128-120000"
BACK = line(command="rollback", to=TO)


def rolled_back(spoiled: Spoiled, *changed: str, hosts: tuple[str, ...] = BOTH) -> Spoiled:
    lines = [f"to {TO}", *(f"changed {each}" for each in changed), "looked"]
    for host in BOTH:
        spoiled.answer(host, "last_deploy", BACK if host in hosts else line())
    for host in hosts:
        spoiled.answer(host, "rolled_back", "\n".join(lines))
    return spoiled


def upgraded() -> Spoiled:
    """The settings ask for another release, other flags, other limits and a site."""
    spoiled = Spoiled()
    for node in spoiled.data["clusters"][0]["nodes"]:
        node.update(nginx_version="1.26.4", worker_connections=8192, listen_backlog=600)
        node.update(page=f"new {node['name']}", nginx_extra_flags=["--with-http_v3_module"])
        node["priority"] += 10
    return spoiled


def by_outcome(findings: tuple[Finding, ...], outcome: Outcome) -> set[str]:
    return {finding.id for finding in findings if finding.outcome is outcome}


def test_a_rollback_is_one_warning_and_explains_the_others() -> None:
    before = by_outcome(upgraded().judge().findings, Outcome.FAIL)
    assert {"NGX-01", "NGX-02", "NGX-07", "NGX-13", "NGX-14", "NGX-21", "X-10", "X-11"} < before
    known = by_outcome(Spoiled().judge().findings, Outcome.WARN)
    verdict = rolled_back(upgraded()).judge()
    assert not verdict.bad and verdict.passed
    assert by_outcome(verdict.findings, Outcome.WARN) - known == {"X-25"}
    (warning,) = (finding for finding in verdict.findings if finding.id == "X-25")
    assert warning.answer.actual == (
        "rolled back on 2026-11-28 13:15:02 UTC by root@desk, to generation 20261128-120000 "
        f"(revision v1.2-3-gabcdef0); because of it: {', '.join(sorted(before))}"
    )
    (explained,) = (one for one in verdict.findings if (one.id, one.host) == ("NGX-01", "host1"))
    assert explained.outcome is Outcome.SKIP
    assert explained.answer.actual == "nginx 1.26.3, since it was rolled back (X-25)"


def without_tls() -> Spoiled:
    """The settings ask for TLS, which machines do not have."""
    spoiled = Spoiled(EVERYTHING)
    for host, other in (BOTH, BOTH[::-1]):
        lines = spoiled.says(host, "listeners").splitlines()
        spoiled.answer(host, "listeners", "\n".join(line for line in lines if ":443 " not in line))
        for probe in ("nginx_page", "nginx_missing", f"page:{other}", "page:vip"):
            if spoiled.section(host, probe)["command"].find("https:") > 0:
                spoiled.answer(host, probe, "", 7)
        for probe in ("tls_served:default", "tls_1_1", "tls_1_2"):
            spoiled.answer(host, probe, "connect: Connection refused\nconnect:errno=111", 1)
    for get in spoiled.data["from_here"]["web"]:
        get.update(status=0, body="", problem="[Errno 111] Connection refused")
    return spoiled


def test_tls_that_went_with_a_rollback_is_asked_for_in_vain_and_that_is_no_fault() -> None:
    broken = {"NGX-11", "NGX-14", "NGX-16", "X-10", "X-11", "TLS-01", "TLS-03", "TLS-04"}
    known = by_outcome(Spoiled(EVERYTHING).judge().findings, Outcome.WARN)
    assert broken <= by_outcome(without_tls().judge().findings, Outcome.FAIL)
    verdict = rolled_back(without_tls()).judge()
    assert not verdict.bad and verdict.passed
    assert by_outcome(verdict.findings, Outcome.WARN) - known == {"X-25"}
    # With TLS in service it is another matter.
    spoiled = rolled_back(Spoiled(EVERYTHING))
    spoiled.answer("host2", "page:host1", "", 7)
    assert by_outcome(spoiled.judge().findings, Outcome.FAIL) == {"NGX-14"}


def test_what_is_broken_besides_still_fails() -> None:
    spoiled = rolled_back(upgraded())
    section = spoiled.section("host1", "nginx_made")
    section["text"] = "0" * 64 + section["text"][64:]
    spoiled.answer("host2", "page:host1", "", 7)
    spoiled.replace("host1", "nginx_processes", "Uid:\t999\t999", "Uid:\t0\t0", count=1)
    assert by_outcome(spoiled.judge().findings, Outcome.FAIL) == {"NGX-12", "NGX-14", "NGX-21"}


def test_what_was_changed_since_then_is_named_and_explains_nothing() -> None:
    spoiled = rolled_back(upgraded(), "/etc/nginx/nginx.conf")
    outcome, actual = outcome_of(spoiled, "X-25")
    assert outcome is Outcome.FAIL
    assert actual == (
        "changed since the rollback: host1: /etc/nginx/nginx.conf; host2: /etc/nginx/nginx.conf"
    )
    assert {"NGX-01", "NGX-07"} < by_outcome(spoiled.judge().findings, Outcome.FAIL)


def test_only_those_that_were_rolled_back_are_explained() -> None:
    spoiled = rolled_back(upgraded(), hosts=("host1",))
    failed = {one.host for one in spoiled.judge().findings if one.id == "NGX-01" and one.bad}
    assert failed == {"host2"}
    (warning,) = (one for one in spoiled.judge().findings if one.id == "X-25")
    assert "; not host2; because of it: KA-05, KA-17, NGX-01, " in warning.answer.actual


def test_without_its_explanation_it_stays_a_warning() -> None:
    verdict = rolled_back(upgraded()).judge(only="NGX-01")
    assert by_outcome(verdict.findings, Outcome.WARN) == {"NGX-01"} and verdict.passed


def test_without_a_rollback_nothing_is_explained() -> None:
    assert outcome_of(Spoiled(), "X-25")[0] is Outcome.OK
    stopped = upgraded()
    for host in BOTH:
        stopped.answer(host, "last_deploy", line(command="rollback", to=TO, exit="stopped"))
    assert "NGX-01" in by_outcome(stopped.judge().findings, Outcome.FAIL)


@pytest.mark.parametrize("text", ["", "to 1", f"to {TO}", f"to {TO}\nmore\nlooked", "looked"])
def test_what_is_no_whole_answer_is_refused(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        deploy_output.rolled_back(text)


# --- what the machines are asked -------------------------------------------------------------


class Machine:
    """The files of a machine that was rolled back, below a directory."""

    def __init__(self, root: Path):
        self.root = root
        self.state = root / "state"
        nginx = self.state / "nginx" / "generations" / "1.0-a.b"
        self.write(nginx / "about", "build=1.0-a\nport=80\n")
        sums = [
            self._sum("etc/nginx/nginx.conf", "etc/nginx.conf"),
            self._sum("unit", "unit"),
        ]
        self.write(nginx / "sums", "".join(sums))
        (root / "sbin").mkdir()
        (root / "sbin" / "nginx").symlink_to("/usr/lib/tandem/nginx/1.0-a/nginx")
        self.write(root / "keepalived.conf", "k")
        self.site = self.state / "sites" / "www" / "current"
        self.site.parent.mkdir(parents=True)
        self.site.symlink_to("abc.100")
        contents = {
            "nginx": "1.0-a.b",
            "site www": "abc",
            f"file {root}/keepalived.conf": hashlib.sha256(b"k").hexdigest(),
        }
        index = json.dumps({"contents": contents, "id": TO}, indent=1)
        self.write(self.state / "generations" / f"{TO}.json", index)
        (self.state / "generations" / "present").symlink_to(f"{TO}.json")
        self.log(line(), BACK)

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _sum(self, path: str, name: str) -> str:
        self.write(self.root / path, path)
        return f"{hashlib.sha256(path.encode()).hexdigest()}  {name}\n"

    def log(self, *lines: str) -> None:
        self.write(self.state / "deploys.jsonl", "".join(f"{each}\n" for each in lines))

    def says(self, shell: str = "sh") -> str:
        places = {
            "/var/lib/tandem": str(self.state),
            "/etc/nginx/": f"{self.root}/etc/nginx/",
            "/etc/systemd/system/nginx.service": f"{self.root}/unit",
            "/etc/init.d/nginx": f"{self.root}/unit",
            "/usr/sbin/nginx": f"{self.root}/sbin/nginx",
        }
        command = upkeep_probes._ROLLED_BACK
        for place, other in places.items():
            assert place in command
            command = command.replace(place, other)
        done = subprocess.run([shell, "-c", command], capture_output=True, text=True)
        assert not done.stderr
        return done.stdout.rstrip("\n")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_machine_says_that_it_is_as_it_was_rolled_back(tmp_path: Path, shell: str) -> None:
    machine = Machine(tmp_path)
    assert deploy_output.rolled_back(machine.says(shell)) == deploy_output.RolledBack(TO)
    for last in (line(), line(command="rollback", to=TO, exit="begun")):
        machine.log(BACK, last)
        assert machine.says(shell) == "none"
    os.unlink(machine.state / "deploys.jsonl")
    assert machine.says(shell) == "none"


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("etc/nginx/nginx.conf", "etc/nginx/nginx.conf"),
        ("unit", "unit"),
        ("keepalived.conf", "keepalived.conf"),
        ("sbin/nginx", "sbin/nginx"),
        ("state/generations/present", "state/generations/present"),
    ],
)
def test_a_machine_names_what_is_not_as_it_was(tmp_path: Path, place: str, named: str) -> None:
    machine = Machine(tmp_path)
    (tmp_path / place).unlink()
    found = deploy_output.rolled_back(machine.says())
    assert found and found.changed == (f"{tmp_path}/{named}",)


def test_a_site_that_is_another_version_is_named(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.site.unlink()
    machine.site.symlink_to("abd.100")
    found = deploy_output.rolled_back(machine.says())
    assert found and found.changed == ("site www",)
    (machine.state / "generations" / f"{TO}.json").unlink()
    found = deploy_output.rolled_back(machine.says())
    assert found and found.changed == (f"{machine.state}/generations/{TO}.json",)


def test_the_question_is_asked_as_a_whole() -> None:
    (node,) = (Spoiled().snapshot.clusters[0].nodes[0],)
    (probe,) = (each for each in upkeep_probes.from_files(node) if each.name == "rolled_back")
    assert upkeep_probes._ROLLED_BACK in probe.command
    assert whole("none\n\n(end)") == "none"
