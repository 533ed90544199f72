"""What would be asked of a Red Hat machine, and what its tools print. No such machine has been at
hand: the samples are written as RHEL 9's manuals and firewalld's and SELinux's own tests have them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from tasks.machine import firewall, install_record, selinux
from tasks.machine.survey import mismatches, parse_survey
from tests.support import fakes
from tests.unit.tasks.test_deploy import machines

pytestmark = pytest.mark.usefixtures("no_download")

SPEAKS = 'rule family="ipv4" source address="172.16.12.62" '
ZONE = f"""zone=public
now=ports=80/tcp 443/tcp
now=rich-rule={SPEAKS}protocol value="vrrp" accept
now=rich-rule={SPEAKS}port port="7112" protocol="udp" accept
later=ports=443/tcp
"""
LABELS = """/run/tandem(/.*)?          all files          system_u:object_r:keepalived_var_run_t:s0
/usr/lib/tandem(/.*)?      all files          system_u:object_r:lib_t:s0
Would relabel /usr/lib/tandem/watch from system_u:object_r:lib_t:s0 to system_u:object_r:bin_t:s0
"""


def deployed(
    distribution: str = "rocky9", given: dict[str, Any] | None = None, **answers: Any
) -> list[str]:
    """Commands for host1, with settings, and answers to what contains a key's words."""
    says = {
        f"cat {install_record.FIREWALLD}": answers.get("opened", "").splitlines(),
        "firewall-cmd --state": answers.get("zone", "").splitlines(),
        "semanage fcontext -l": answers.get("labels", "").splitlines(),
    }
    enforcing = "1" if distribution == "rocky9" else ""
    hosts = machines(distribution, distribution, answers=says, settings=given, selinux=enforcing)
    return fakes.run("deploy.py", hosts)["@fake/host1"]


def test_firewalld_is_read() -> None:
    found = firewall.ZoneFact().process(ZONE.splitlines())
    assert found.name == "public"
    assert found.later == {"port=443/tcp"}
    assert (
        "port=80/tcp" in found.now
        and f'rich-rule={SPEAKS}protocol value="vrrp" accept' in found.now
    )
    assert firewall.ZoneFact().process([]) == firewall.ZoneFact.default()


def test_a_line_that_is_not_firewalls_is_passed_over() -> None:
    """In a fact any error but pyinfra's own ends the run for every machine."""
    said = ["", "usage: see the manual", *ZONE.splitlines()]
    assert firewall.ZoneFact().process(said) == firewall.ZoneFact().process(ZONE.splitlines())


@pytest.mark.parametrize("distribution", ["rocky9", "debian12"])
def test_what_is_closed_is_opened_now_and_for_later_and_nothing_else(distribution: str) -> None:
    asked = [c for c in deployed(distribution, zone=ZONE) if c.startswith("firewall-cmd")]
    assert asked == [
        "firewall-cmd --permanent --zone=public --add-port=80/tcp",
        f"firewall-cmd --permanent --zone=public '--add-rich-rule={SPEAKS}"
        'protocol value="vrrp" accept\'',
        f"firewall-cmd --permanent --zone=public '--add-rich-rule={SPEAKS}"
        'port port="7112" protocol="udp" accept\'',
    ]


def test_what_a_setting_has_opened_is_closed_when_it_has_changed() -> None:
    gone = 'rich-rule=rule family="ipv4" source address="172.16.12.63" protocol value="vrrp" accept'
    opened = (
        "--zone=public port=80/tcp\n--zone=public port=8080/tcp\n"
        f"--permanent --zone=public port=80/tcp\n--permanent --zone=public {gone}\n"
    )
    commands = deployed(zone=ZONE, opened=opened)
    closing = [c for c in commands if "--remove-" in c]
    assert len(closing) == 2
    assert "firewall-cmd --zone=public --remove-port=8080/tcp;" in closing[0]
    assert 'source address="172.16.12.63"' in closing[1] and "--permanent" in closing[1]
    last_turn = max(i for i, c in enumerate(commands) if "apply-keepalived" in c)
    assert commands.index(closing[0]) > last_turn, "what runs may still need it"


def test_a_record_forgets_the_line_that_is_closed_and_no_other(tmp_path: Path) -> None:
    record = tmp_path / "firewalld"
    rule = 'rich-rule=rule family="ipv4" source address="172.16.12.63" accept'
    record.write_text(f"--zone=public port=80/tcp\n--permanent --zone=public {rule}\n")
    for line in (f"--permanent --zone=public {rule}", "--zone=public port=80/tcp"):
        subprocess.run(["sh", "-ec", install_record.forget(str(record), line)], check=True)
        assert line not in record.read_text()
    assert record.read_text() == ""
    assert not (tmp_path / "firewalld.new").exists()


def test_without_firewalld_nothing_is_opened() -> None:
    assert not [c for c in deployed() if c.startswith("firewall-cmd")]


def test_both_families_of_peers_may_say_that_they_carry_the_address() -> None:
    cluster = settings.load(
        fakes.inventory(
            {
                f"@fake/host{place}": {
                    "ssh_hostname": f"172.16.12.6{place}",
                    "address6": f"fd61:1::6{place}",
                    "priority": 102 - place,
                    "page": "p",
                }
                for place in (1, 2)
            },
            vip6="fd61:1::254/64",
        )
    )[0]
    node = cluster.nodes[0]
    ((_, entries),) = firewall.openings(node, cluster)
    speaks = 'rich-rule=rule family="ipv6" source address="fd61:1::62" '
    assert f'{speaks}port port="7112" protocol="udp" accept' in entries


def test_labels_are_read() -> None:
    found = selinux.LabelsFact().process(LABELS.splitlines())
    assert found.types == {
        "/run/tandem(/.*)?": "keepalived_var_run_t",
        "/usr/lib/tandem(/.*)?": "lib_t",
    }
    assert found.wrong == ("/usr/lib/tandem/watch",)


def test_types_that_are_wrong_or_missing_are_mended_and_files_labelled() -> None:
    commands = [c for c in deployed(labels=LABELS) if "fcontext -l" not in c]
    asked = [c for c in commands if c.startswith(("semanage", "restorecon"))]
    assert asked == [
        "semanage fcontext -m -t bin_t '/usr/lib/tandem(/.*)?'",
        "semanage fcontext -a -t keepalived_unconfined_script_exec_t "
        r"'/etc/keepalived/notify\.sh'",
        "semanage fcontext -a -t bin_t '/etc/tandem/hooks(/.*)?'",
        "restorecon -iR /usr/lib/tandem /etc/keepalived/notify.sh /run/tandem /etc/tandem/hooks",
    ]


def test_hooks_and_own_checks_are_placed_and_labelled_as_programs(tmp_path: Path) -> None:
    hook = tmp_path / "own" / "master.d" / "10-move"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    given = {
        "hooks": str(tmp_path / "own"),
        "checks": {"a": {"command": "/usr/bin/curl x", "weight": 1}},
    }
    commands = deployed(given=given)
    placed, staged, labelled = (
        next(place for place, command in enumerate(commands) if re.search(pattern, command))
        for pattern in (
            r"mv -fT \S+ /etc/tandem/hooks/master\.d/10-move\b",
            r"mv -fT \S+ /var/lib/tandem/keepalived/keepalived\.conf\b",
            "^restorecon -iR",
        )
    )
    assert placed < staged < labelled
    assert "chmod 755" in commands[placed]
    assert "for it in /usr/bin/curl; do test -x" in commands[staged]


def test_semanage_is_installed_where_selinux_is_on() -> None:
    install = next(c for c in deployed() if "package-manager 300 dnf install" in c)
    assert "policycoreutils-python-utils" in install and "nftables" in install


@pytest.mark.parametrize(("missed", "refused"), [(6, True), (3, False)])
def test_release_8_has_a_keepalived_that_counts_to_three(missed: int, refused: bool) -> None:
    inventory = fakes.inventory(missed_adverts=missed)
    node = settings.load(inventory)[0].nodes[0]
    mistakes = list(mismatches(node, parse_survey(fakes.survey("alma8"))))
    assert [mistake.setting for mistake in mistakes] == ["missed_adverts"] * refused
