"""What teardown.py asks of machines, and in what order."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

import settings
from tasks.change import removal_plan
from tasks.change.removal_plan import BeforeRemoval, Leaving
from tasks.machine import install_record
from tasks.machine.survey import parse_survey
from tasks.sysv import supervision
from tests.support import fakes
from tests.unit.tasks.test_deploy import machines

VIP = "172.16.12.254"
pytestmark = pytest.mark.usefixtures("no_download")

HERE = BeforeRemoval(
    deployed=True, holds=frozenset(), recorded=True, answering=frozenset(), connections=0
)


# --- who goes when, and what is refused ----------------------------------------------------------


def leaving(**found: BeforeRemoval) -> Leaving:
    (cluster,) = settings.load(machines("debian12", "debian12", "debian12"))
    return Leaving(cluster, {f"@fake/{name}": one for name, one in found.items()})


def refused(one: Leaving, *, interrupt: bool = False) -> list[str]:
    surveys = {
        node.name: parse_survey(fakes.survey(address=str(node.address))) for node in one.order
    }
    return removal_plan.refusals(one, surveys, interrupt=interrupt)


def test_who_serves_goes_last_and_the_others_from_the_end_of_the_line() -> None:
    holder = BeforeRemoval(
        deployed=True, holds=frozenset({VIP}), recorded=True, answering=frozenset(), connections=2
    )
    order = [node.name for node in leaving(host1=HERE, host2=holder, host3=HERE).order]
    assert order == ["@fake/host3", "@fake/host1", "@fake/host2"]


def test_the_vip_moves_as_long_as_somebody_else_could_hold_it() -> None:
    holder = replace(HERE, holds=frozenset({VIP}))
    everybody = leaving(host1=HERE, host2=holder, host3=HERE)
    assert everybody.moves == 0, "who holds it goes last"
    heard = replace(holder, answering=frozenset({"172.16.12.62"}))
    assert leaving(host1=heard, host3=HERE).moves == 1
    able = frozenset({"@fake/host1", "@fake/host2", "@fake/host3"})
    assert replace(leaving(host1=holder, host2=HERE, host3=HERE), able=able).moves == 0
    # Of two that hold one each, the first gives its own to the other.
    (cluster,) = settings.load(
        machines(
            "debian12", "debian12", settings={"more_vips": {"172.16.12.253/16": "@fake/host2"}}
        )
    )
    found = {
        "@fake/host1": holder,
        "@fake/host2": replace(HERE, holds=frozenset({"172.16.12.253"})),
    }
    assert Leaving(cluster, found, able).moves == 1
    assert Leaving(cluster, found).moves == 0


def test_the_last_that_serves_is_refused_unless_the_interruption_is_accepted() -> None:
    alone = leaving(host1=HERE)
    assert "nobody else would serve" in refused(alone)[0]
    assert refused(alone, interrupt=True) == []
    heard = BeforeRemoval(True, frozenset({VIP}), True, frozenset({"172.16.12.63"}), 0)
    assert refused(leaving(host1=heard)) == []
    assert refused(leaving(host1=HERE, host2=HERE, host3=HERE)) == [], "the whole cluster goes"


def test_a_disk_from_which_nothing_could_be_removed_is_refused_before_anything_is_stopped() -> None:
    spoilt = BeforeRemoval(deployed=True, read_only=("/etc", "/usr/lib"))
    (said,) = refused(leaving(host1=spoilt, host2=HERE, host3=HERE))
    assert said.startswith("@fake/host1: /etc, /usr/lib: read-only file system: see why (dmesg)")
    told = removal_plan.BeforeRemovalFact().process(
        ["ours", "read-only /etc", "read-only /usr/lib"]
    )
    assert told == spoilt
    bare = BeforeRemoval(read_only=("/usr/lib",))
    assert not refused(leaving(host1=bare, host2=HERE, host3=HERE)), "nothing is to be removed"


def test_what_it_costs_is_said_before() -> None:
    bare = BeforeRemoval(False, frozenset(), False, frozenset(), 0)
    assert "nothing of Tandem is there" in removal_plan.costs(leaving(host1=bare))[0]
    holder = BeforeRemoval(
        deployed=True, holds=frozenset({VIP}), recorded=False, answering=frozenset(), connections=2
    )
    said = "\n".join(removal_plan.costs(leaving(host1=holder, host2=HERE, host3=HERE)))
    assert "172.16.12.254 goes away with @fake/host1" in said
    assert "2 connections live there; they have 300 s" in said
    assert "@fake/host1: no record of what packages deploys have brought: all of them stay" in said


def test_another_nginx_in_the_places_of_ours_is_refused() -> None:
    survey = fakes.survey().split("\n@\n")
    survey[7] = "/usr/sbin/nginx"
    one = leaving(host1=HERE, host2=HERE, host3=HERE)
    surveys = {node.name: parse_survey("\n@\n".join(survey)) for node in one.order}
    assert len(removal_plan.refusals(one, surveys, interrupt=True)) == 3


# --- what is asked -------------------------------------------------------------------------------

DEPLOYED = {
    "ss -Htn": ["ours", "recorded"],
    "is-enabled": ["keepalived", "nginx", "tandem-watch", "tandem-handover"],
    "nft list tables": ["ip tandem_vrrp", "ip tandem_handover"],
    f"comm -12 {install_record.PACKAGES}": ["curl", "keepalived"],
    "group nginx' ": ["user", "group"],
    f"cat {install_record.FIREWALLD}": [
        "",
        "--zone=public port=80/tcp",
        '--permanent --zone=public rich-rule=rule protocol value="vrrp" accept',
    ],
    "semanage fcontext -l": [
        "/usr/lib/tandem(/.*)?  all files  system_u:object_r:bin_t:s0",
        "/srv/mine(/.*)?  all files  system_u:object_r:bin_t:s0",
    ],
    "in /etc/keepalived/notify.sh;": ["/etc/keepalived/notify.sh"],
}


def taken(distribution: str, **survey: Any) -> list[str]:
    asked = fakes.run(
        "teardown.py", machines(distribution, distribution, answers=DEPLOYED, **survey)
    )
    return asked["@fake/host1"]


def in_order(commands: list[str], *wanted: str) -> None:
    places = [
        next(index for index, command in enumerate(commands) if command.startswith(one))
        for one in wanted
    ]
    assert places == sorted(places), list(zip(wanted, places, strict=True))


@pytest.mark.parametrize("distribution", ["debian12", "rocky9"])
def test_what_serves_ends_before_what_hands_over_and_packages_go_after_both(
    distribution: str,
) -> None:
    commands = taken(distribution)
    in_order(
        commands,
        "/usr/lib/tandem/service disable --now keepalived",
        "/usr/lib/tandem/service disable --now nginx",
        "nft delete table ip tandem_vrrp",
        "rm -rf -- /etc/keepalived/notify.sh",
        "userdel nginx",
        "sh -c",
    )


def test_red_hats_firewall_and_policy_are_as_before() -> None:
    commands = taken("rocky9", selinux="1")
    firewall = [c for c in commands if "--remove-" in c]
    assert len(firewall) == 2
    assert "then firewall-cmd --zone=public --remove-port=80/tcp; elif" in firewall[0]
    assert (
        "firewall-cmd --permanent --zone=public "
        "'--remove-rich-rule=rule protocol value=\"vrrp\" accept'" in firewall[1]
    )
    assert "firewall-offline-cmd --zone=public '--remove-rich-rule" in firewall[1]
    in_order(commands, "if firewall-cmd --state", f"rm -f {install_record.FIREWALLD}")
    forgotten = [c for c in commands if c.startswith("semanage fcontext -d")]
    assert forgotten == ["semanage fcontext -d '/usr/lib/tandem(/.*)?'"]
    assert [c for c in commands if c.endswith("package-manager 300 dnf remove curl keepalived")]


def test_debians_packages_go_only_as_far_as_nothing_else_needs_them() -> None:
    (purged,) = (c for c in taken("debian12") if " package-manager " in c)
    assert purged.endswith("package-manager 300 apt-get remove curl keepalived")


def test_syslog_is_told_first_who_takes_all_away() -> None:
    commands = taken("debian12")
    in_order(commands, "logger -t tandem 'teardown of ", "/usr/lib/tandem/service disable --now")


def test_bare_machines_are_left_as_they_are() -> None:
    asked = fakes.run("teardown.py", machines("debian12", "rocky9"))
    changing = re.compile(
        r"^(rm|mv|logger|sh -c|userdel|groupdel|nft delete|systemctl|ip address delete)"
    )
    for commands in asked.values():
        assert [command for command in commands if changing.match(command)] == []


def test_it_stops_at_the_first_machine_that_fails() -> None:
    answers = {"disable --now nginx": {"success": False, "stderr": "timeout"}} | DEPLOYED
    both = machines("debian12", "debian12", answers=answers)
    with pytest.raises(PyinfraError):
        fakes.run("teardown.py", both)
    first, second = (host.connector.executed_commands for host in reversed(list(both)))
    assert "/usr/lib/tandem/service disable --now keepalived" in first
    assert not [c for c in (*first, *second) if c.startswith("rm")]
    assert not [c for c in second if "disable" in c]


# --- what is told by a file goes on until that file is gone --------------------------------------

# What tells a run that a concern is to be taken away, and what else the concern has.
SIGNS = {
    "/etc/systemd/system/tandem-watch.service": "/usr/lib/tandem/watch",
    "/etc/systemd/system/tandem-handover.service": "/usr/lib/tandem/handover",
    "/etc/tandem/metrics.nft": "/usr/lib/tandem/metrics",
}
FOUND = [
    line for path in SIGNS for line in (f"644 root root {path}", f"{'0' * 64}  {path}", "0" * 64)
]


def removed(deploy_file: str, **answers: Any) -> list[str]:
    """Commands for host1, a machine with watch, hand-over and metrics that is to have none."""
    answers = {"stat -c '%a %U %G %n'": FOUND} | answers
    both = machines("debian12", "debian12", answers=answers, settings={"vrrp_version": 2})
    return fakes.run(deploy_file, both)["@fake/host1"]


@pytest.mark.parametrize("deploy_file", ["deploy.py", "teardown.py"])
@pytest.mark.parametrize("sign", SIGNS)
def test_what_tells_the_next_run_goes_last(deploy_file: str, sign: str) -> None:
    commands = removed(deploy_file)
    removals = [c for c in commands if c.startswith("rm ") and SIGNS[sign] in c.split()]
    assert len(removals) == 1
    words = " && ".join(c for c in commands if c.startswith("rm ")).split()
    assert words.index(sign) > words.index(SIGNS[sign])
    (last,) = (c for c in commands if c.startswith("rm ") and sign in c.split())
    assert last.endswith(f"rm -f {sign}")


def test_a_hand_over_whose_program_is_gone_is_removed_all_the_same() -> None:
    (undone,) = (c for c in removed("deploy.py") if c.endswith("--remove"))
    assert undone.startswith("[ ! -e /usr/lib/tandem/handover ] || $(sed ")


@pytest.mark.parametrize("ours", [True, False])
def test_an_exporter_that_was_there_before_stays(ours: bool) -> None:
    name = "prometheus-nginx-exporter"
    recorded = ["curl", name] if ours else ["curl"]
    commands = removed("deploy.py", **{"LC_ALL=C comm -12": recorded})
    taken_away = [c for c in commands if c.endswith(f"apt-get remove {name}")]
    assert len(taken_away) == ours
    assert any(f"try-restart {name}" in c for c in commands) != ours
    assert any(f"disable --now {name}" in c for c in commands) == ours
    assert any(f"{name}.service.d" in c for c in commands if c.startswith("rm "))


@pytest.mark.parametrize(
    ("found", "asked"),
    [
        ([supervision.LINE, "812"], []),
        ([supervision.LINE], ["telinit q"]),
        (["812"], ["sed"]),
        ([], ["sed"]),
    ],
)
def test_a_line_that_init_has_not_read_is_read(found: list[str], asked: list[str]) -> None:
    """A deploy that was killed between the two would leave services that nobody keeps alive."""
    answers = {f"grep -x '{supervision.LINE}'": found}
    both = machines("debian12", "debian12", init="init", answers=answers)
    commands = fakes.run("deploy.py", both)["@fake/host1"]
    given = [c for c in commands if c.startswith(("telinit", "sed '/^tan:/d'"))]
    assert [c.partition(" '")[0] for c in given] == asked


# --- what a deploy writes down -------------------------------------------------------------------


def test_a_deploy_writes_down_what_it_brings_before_it_brings_it() -> None:
    (commands, *_) = fakes.run("deploy.py", machines("debian12", "debian12")).values()
    in_order(
        commands,
        "mkdir -p /var/lib/tandem/brought && { [ -s /var/lib/tandem/brought/before ]",
        "sh -c",
        "if [ -s /var/lib/tandem/brought/before ]; then { cat",
    )
    noted = [c for c in commands if install_record.ACCOUNT in c]
    assert len(noted) == 2
    in_order(commands, noted[0], "groupadd", noted[1], "useradd")


def test_nobody_installs_packages_behind_the_record() -> None:
    installs = re.compile(r"\b(apt|dnf)\.packages\b|dnf install|apt-get -\S+ install")
    found = [
        path.name
        for path in sorted((fakes.ROOT / "tasks").rglob("*.py"))
        if installs.search(path.read_text())
    ]
    assert found == []  # they have files/machine/package-manager


def test_what_firewalld_is_told_is_written_down() -> None:
    assert "--zone=public port=80/tcp" in install_record.note(
        install_record.FIREWALLD, "--zone=public port=80/tcp"
    )
