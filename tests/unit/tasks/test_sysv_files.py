"""Machines without systemd: what a deploy puts there, and what keeps services alive."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import settings
from controller import rendering
from tasks.handover import handover_service
from tasks.keepalived import configuration
from tasks.machine.survey import Survey, parse_survey
from tasks.nginx import service
from tasks.watch import health_watch
from tests.support import fakes, programs
from tests.support.snapshots import BOTH, DEFAULT, Spoiled, bad
from tests.unit.tasks.test_deploy import machines
from verify.checks.check import Outcome
from verify.read import system_output

program = programs.load("supervise")
SERVICE = str(fakes.ROOT / "files" / "machine" / "service")


def node(**more: Any) -> Any:
    inventory = fakes.inventory(**more)
    return settings.of(inventory.get_host("@fake/host1"))


def machine(distribution: str = "debian12") -> Any:
    return parse_survey(fakes.survey(distribution, init="init"))


# --- what a deploy does --------------------------------------------------------------------------


@pytest.mark.usefixtures("no_download")
def test_init_scripts_are_installed_in_place_of_units() -> None:
    asked = fakes.run("deploy.py", machines("debian12", "rocky9", init="init"))
    for commands in asked.values():
        # But for the survey's question, which comes before it is known what PID 1 is.
        first = Survey().command().partition(";")[0]
        everything = fakes.placing(each for each in commands if first not in each)
        assert "/etc/systemd" not in everything
        for path in ("/etc/init.d/tandem-watch", "/etc/init.d/tandem-handover", "/etc/inittab"):
            assert path in everything
    debian, redhat = ("\n".join(commands) for commands in asked.values())
    assert "/etc/default/keepalived" in debian
    assert "/etc/sysconfig/keepalived" in redhat


@pytest.mark.usefixtures("no_download")
def test_nothing_of_it_is_installed_beside_systemd() -> None:
    for commands in fakes.run("deploy.py", machines("debian12", "debian12")).values():
        everything = fakes.placing(commands)
        assert "supervise" not in everything
        assert "inittab" not in everything


@pytest.mark.parametrize("version", [2, 3])
def test_scripts_are_valid_shell(version: int, tmp_path: Path) -> None:
    one, cluster = node(vrrp_version=version)
    texts = [
        service.unit_file(one, machine()),
        configuration.unit_addition(one, cluster, machine())[1],
        health_watch.unit_file(one, cluster, machine()),
        handover_service.unit_file("/usr/bin/python3 x", machine()),
        rendering.read("machine/service"),
    ]
    for text in texts:
        done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert ("/run/tandem/failed" in texts[0]) == (version == 3)


def test_the_watch_is_started_with_the_same_words_by_both_inits() -> None:
    one, cluster = node()
    systemd = parse_survey(fakes.survey())
    unit = health_watch.unit_file(one, cluster, systemd)
    script = health_watch.unit_file(one, cluster, machine())
    (command,) = (line for line in script.splitlines() if line.startswith("command="))
    started = unit.replace("\\\n", "").split("ExecStart=")[1].splitlines()[0]
    assert command == f'command="{" ".join(started.split())}"'


# --- the supervisor ------------------------------------------------------------------------------


def table(**more: Any) -> list[Any]:
    one, cluster = node(**more)
    return program.parse(  # type: ignore[no-any-return]
        rendering.render("sysv/services.j2", node=one, cluster=cluster)
    )


def test_the_table_names_every_service_of_the_profile() -> None:
    every = table()
    assert [service.name for service in every] == [
        *("nginx", "keepalived", "tandem-watch", "tandem-handover")
    ]
    assert every[0].command == (
        "grep -qsx 1 /run/tandem/last-resort || echo 1 1<>/run/tandem/failed"
    )
    assert every[1].command == "ip address flush dev eth0 to 172.16.12.254"
    assert [service.name for service in table(vrrp_version=2)] == ["nginx", "keepalived"]


def test_the_dead_is_cleaned_up_behind_at_once_and_started_later() -> None:
    timer = program.RestartTimer(program.Service("nginx", "/x", 1.0, ""))
    assert timer.decide(10.0, left_pid_file=True, alive=True) == "wait"
    assert timer.decide(10.2, left_pid_file=True, alive=False) == "clean"
    assert timer.decide(10.4, left_pid_file=True, alive=False) == "wait"
    assert timer.decide(11.2, left_pid_file=True, alive=False) == "start"
    assert timer.decide(11.4, left_pid_file=True, alive=False) == "wait"
    assert timer.decide(12.3, left_pid_file=True, alive=False) == "start", "until it lives"
    assert timer.decide(12.5, left_pid_file=True, alive=True) == "wait"
    assert timer.decide(12.7, left_pid_file=True, alive=False) == "clean", "another death"


def test_what_was_stopped_is_left_alone() -> None:
    timer = program.RestartTimer(program.Service("nginx", "/x", 1.0, ""))
    assert timer.decide(10.0, left_pid_file=False, alive=False) == "wait"
    timer.decide(11.0, left_pid_file=True, alive=False)
    assert timer.decide(13.0, left_pid_file=False, alive=False) == "wait", "stopped while dead"


def test_a_pid_lives_only_while_it_is_what_it_should_be() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        pid = str(sleeper.pid)
        assert program.lives(pid, ("sleep",))
        assert not program.lives(pid, ("nginx",)), "a number that was used again"
        sleeper.kill()
        while program.lives(pid, ("sleep",)):
            pass  # dead, and not yet waited for: a zombie does not live
    assert not program.lives("", ("sleep",))
    assert not program.lives("no number", ("sleep",))


@pytest.mark.parametrize(("name", "ended"), [("tandem-watch", True), ("keepalived", False)])
def test_a_program_of_ours_that_stands_still_is_ended(name: str, ended: bool) -> None:
    service = program.SupervisedService(program.Service(name, "/x", 1.0, ""))
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        pids = [str(sleeper.pid)]
        for now_s in (0, 20):
            service.end_stopped(pids, now_s)
        sleeper.send_signal(signal.SIGSTOP)
        while program.stat(sleeper.pid).state != "T":
            time.sleep(0.01)
        service.end_stopped(pids, 30)
        service.end_stopped(pids, 39)
        time.sleep(0.05)
        assert sleeper.poll() is None
        service.end_stopped(pids, 41)
        if not ended:
            time.sleep(0.05)
            assert sleeper.poll() is None
            sleeper.kill()
        assert sleeper.wait(5) == -signal.SIGKILL


# --- the verifier --------------------------------------------------------------------------------


def without_systemd(**other: str) -> Spoiled:
    """The healthy pair, as machines with init scripts would have answered; `other` properties."""
    spoiled = Spoiled(DEFAULT)
    for host in BOTH:
        units_there = system_output.units(spoiled.says(host, "units"))
        scripts = [
            {
                "Id": f"{name}.service",
                "Init": "script",
                "LoadState": "loaded",
                "FragmentPath": f"/etc/init.d/{name}",
                "UnitFileState": "enabled",
                "ActiveState": "active",
                "ConditionResult": "yes",
                "MainPID": unit["MainPID"],
                "Restart": "always",
            }
            | other
            for name, unit in units_there.items()
        ]
        paragraphs = ["\n".join(f"{k}={v}" for k, v in script.items()) for script in scripts]
        spoiled.answer(host, "units", "\n\n".join(paragraphs))
        spoiled.answer(host, "failed_units", "sh: 1: systemctl: not found", 127)
    return spoiled


def test_a_healthy_pair_without_systemd_holds() -> None:
    verdict = without_systemd().judge()
    assert bad(verdict) == set()
    units_failed = [finding for finding in verdict.findings if finding.id == "SYS-05"]
    assert {finding.outcome for finding in units_failed} == {Outcome.SKIP}


def test_a_service_that_nobody_keeps_alive_is_found() -> None:
    assert bad(without_systemd(Restart="no").judge()) == {"KA-16"}


def test_scripts_that_are_not_started_at_boot_are_found() -> None:
    found = bad(without_systemd(UnitFileState="disabled").judge())
    assert found == {"NGX-09", "KA-01", "KA-21", "HO-01"}
