"""What teardown.py asks of machines, in what order, and that it knows all that a deploy places."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_host

import settings
from tasks.change import removal_places, removal_plan
from tasks.change.removal_plan import Found, Leaving
from tasks.machine import firewall, install_record, one_file, packages
from tasks.machine.survey import parse_survey
from tests.support import fakes

pytestmark = pytest.mark.usefixtures("no_download")

HERE = Found(ours=True, holds=False, recorded=True, answering=frozenset(), living=0)


def machines(*distributions: str, answers: dict[str, Any] | None = None, **survey: Any) -> Any:
    settings_ = {name: survey.pop(name) for name in ("vrrp_version",) if name in survey}
    hosts: dict[str, dict[str, Any]] = {}
    for place_, distribution in enumerate(distributions, start=1):
        address = f"172.16.12.6{place_}"
        answer = fakes.survey(distribution, address=address, **survey)
        hosts[f"@fake/host{place_}"] = {
            "ssh_hostname": address,
            "priority": 102 - place_,
            "page": "p",
            "fake_responses": {"/etc/os-release": answer} | (answers or {}),
        }
    return fakes.inventory(hosts, **settings_)


# --- it knows what a deploy places ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("distribution", "init", "vrrp_version"),
    [("debian12", "systemd", 3), ("debian12", "init", 2), ("rocky9", "init", 3)],
)
def test_every_place_that_a_deploy_writes_to_is_known(
    distribution: str, init: str, vrrp_version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever adds a file to a deploy names its place in tasks/change/removal_places.py."""
    placed: set[str] = set()
    written = one_file.ahead

    def noting(path: str) -> None:
        assert ctx_host.get()  # type: ignore[no-untyped-call]
        placed.add(path)
        written(path)

    monkeypatch.setattr(one_file, "ahead", noting)
    asked = fakes.run(
        "deploy.py",
        machines(distribution, distribution, init=init, vrrp_version=vrrp_version),
    )
    commands = "\n".join(command for commands in asked.values() for command in commands)
    # Whatever is moved in, made or linked by a command of its own.
    moved = set(re.findall(r"^mv -fT \S+ (/\S+)$", commands, re.MULTILINE))
    made = set(re.findall(r"\bmkdir (?:-p )?(/\S+)", commands))
    assert len(placed) > 12 and moved <= placed
    belongs_to_packages = {"/etc/keepalived", "/etc/logrotate.d", "/etc/tmpfiles.d"}
    belongs_to_packages |= {"/etc/sysctl.d", "/etc/systemd/system", "/etc/init.d"}
    belongs_to_packages |= {"/etc/default", "/etc/sysconfig", "/etc/chrony/sources.d", "/etc"}
    unknown = {path for path in placed | made if not removal_places.covered(path)}
    assert unknown - belongs_to_packages == set()


def test_what_tmpfiles_make_is_known() -> None:
    for name in ("nginx/tmpfiles.conf", "watch/tmpfiles.conf"):
        lines = (fakes.ROOT / "files" / name).read_text().splitlines()
        made = [line.split()[1] for line in lines if line.startswith(("d ", "f "))]
        assert made and all(map(removal_places.covered, made))


def test_nothing_of_others_is_covered() -> None:
    for path in (
        *("/etc/nginx/mine.conf", "/etc/nginx/conf.d/mine.conf", "/usr/html/mine.html"),
        *("/var/log/nginx/access.log", "/etc/sysctl.d/99-mine.conf", "/etc/keepalived/mine"),
        *("/etc/logrotate.d/mine", "/usr/lib/tandem-of-mine", "/usr/sbin/keepalived"),
    ):
        assert not removal_places.covered(path), path


# --- who goes when, and what is refused ----------------------------------------------------------


def leaving(**found: Found) -> Leaving:
    (cluster,) = settings.load(machines("debian12", "debian12", "debian12"))
    return Leaving(cluster, {f"@fake/{name}": one for name, one in found.items()})


def refused(one: Leaving, *, interrupt: bool = False) -> list[str]:
    surveys = {
        node.name: parse_survey(fakes.survey(address=str(node.address))) for node in one.order
    }
    return removal_plan.refusals(one, surveys, interrupt=interrupt)


def test_who_serves_goes_last_and_the_others_from_the_end_of_the_line() -> None:
    holder = Found(ours=True, holds=True, recorded=True, answering=frozenset(), living=2)
    order = [node.name for node in leaving(host1=HERE, host2=holder, host3=HERE).order]
    assert order == ["@fake/host3", "@fake/host1", "@fake/host2"]


def test_the_last_that_serves_is_refused_unless_the_interruption_is_accepted() -> None:
    alone = leaving(host1=HERE)
    assert "nobody else would serve" in refused(alone)[0]
    assert refused(alone, interrupt=True) == []
    heard = Found(True, True, True, frozenset({"172.16.12.63"}), 0)
    assert refused(leaving(host1=heard)) == []
    assert refused(leaving(host1=HERE, host2=HERE, host3=HERE)) == [], "the whole cluster goes"


def test_what_it_costs_is_said_before() -> None:
    bare = Found(False, False, False, frozenset(), 0)
    assert "nothing of Tandem is there" in removal_plan.costs(leaving(host1=bare))[0]
    holder = Found(ours=True, holds=True, recorded=False, answering=frozenset(), living=2)
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
    install_record.PACKAGES: ["recorded", "package curl", "package keepalived"],
    "group nginx' ": ["user", "group"],
    f"cat {install_record.FIREWALLD}": [
        "--zone=public port=80/tcp",
        '--permanent --zone=public rich-rule=rule protocol value="vrrp" accept',
    ],
    "semanage fcontext -l": [
        "/usr/lib/tandem(/.*)?  all files  system_u:object_r:bin_t:s0",
        "/srv/mine(/.*)?  all files  system_u:object_r:bin_t:s0",
    ],
    "/etc/keepalived/notify.sh /": ["/etc/keepalived/notify.sh"],
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
        "sh -ec",
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
    (erased,) = (c for c in commands if c.startswith("sh -ec"))
    assert "rpm -e --test curl keepalived" in erased
    assert "dnf remove -y --noautoremove curl keepalived" in erased


def test_debians_packages_go_only_as_far_as_nothing_else_needs_them() -> None:
    (purged,) = (c for c in taken("debian12") if c.startswith("sh -ec"))
    assert "apt-mark auto curl keepalived" in purged and "purge -y $names" in purged
    assert "firewall-cmd" not in purged


def test_bare_machines_are_left_as_they_are() -> None:
    asked = fakes.run("teardown.py", machines("debian12", "rocky9"))
    changing = re.compile(
        r"^(rm|mv|sh -ec|userdel|groupdel|nft delete|systemctl|ip address delete)"
    )
    for commands in asked.values():
        assert [command for command in commands if changing.match(command)] == []


def test_it_stops_at_the_first_machine_that_fails() -> None:
    answers = DEPLOYED | {"disable --now nginx": {"success": False, "stderr": "timeout"}}
    both = machines("debian12", "debian12", answers=answers)
    with pytest.raises(PyinfraError):
        fakes.run("teardown.py", both)
    first, second = (host.connector.executed_commands for host in reversed(list(both)))
    assert "/usr/lib/tandem/service disable --now keepalived" in first
    assert not [c for c in (*first, *second) if c.startswith("rm")]
    assert not [c for c in second if "disable" in c]


# --- what a deploy writes down -------------------------------------------------------------------


def test_a_deploy_writes_down_what_it_brings_before_it_brings_it() -> None:
    (commands, *_) = fakes.run("deploy.py", machines("debian12", "debian12")).values()
    in_order(
        commands,
        "mkdir -p /var/lib/tandem/brought && { [ -e /var/lib/tandem/brought/before ]",
        "DEBIAN_FRONTEND=noninteractive apt-get",
        "{ cat /var/lib/tandem/brought/packages",
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
    assert found == ["packages.py"]


def test_what_firewalld_is_told_is_written_down() -> None:
    assert "--zone=public port=80/tcp" in install_record.note(
        install_record.FIREWALLD, "--zone=public port=80/tcp"
    )
    assert firewall.Opened().process(["", "--zone=x port=1/tcp"]) == ["--zone=x port=1/tcp"]
    assert packages.BroughtPackages().process(["recorded", "package a"]) == (True, ("a",))
    assert packages.BroughtPackages().process([]) == (False, ())
