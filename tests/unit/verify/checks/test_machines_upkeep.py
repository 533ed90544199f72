"""Disks, logs, addresses, routes: what is found, what is no fault, and what is no answer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.broken_upkeep import (
    OWN,
    Break,
    outcome_of,
    own_address,
    own_address_gone,
    same_mac,
)
from tests.support.snapshots import BOTH, DEFAULT, EVERYTHING, SEVERAL, Spoiled, bad
from verify.checks.check import Outcome
from verify.observe import keepalived_probes, route_probes
from verify.read import keepalived_log, network_output, storage_output
from verify.read.storage_output import MIB

TIMER_GONE = "file={file}\ncron={cron}\ninit=scripts"


def _row(spoiled: Spoiled, place: str, **values: int) -> Spoiled:
    """Other numbers in df's row of this place."""
    columns = ("size", "used", "avail", "inodes", "free")
    rows = [line.split(None, 6) for line in spoiled.says("host1", "disks").splitlines()]
    for row in rows:
        if row[5:6] == [place]:
            for name, value in values.items():
                row[columns.index(name)] = str(value)
    return spoiled.answer("host1", "disks", "\n".join(" ".join(row) for row in rows))


# --- disks and logs ---


@pytest.mark.parametrize(
    ("values", "outcome", "said"),
    [
        ({"used": 89, "avail": 11}, Outcome.WARN, "/run is 89 % full"),
        ({"used": 90, "avail": 10}, Outcome.FAIL, "/run is 90 % full"),
        ({"used": 100, "avail": 0}, Outcome.FAIL, "/run is 100 % full"),
        ({"inodes": 819200, "free": 60000}, Outcome.FAIL, "/run has used 93 % of its inodes"),
        ({"inodes": 1200, "free": 900}, Outcome.FAIL, "/run has 900 inodes left"),
        ({"inodes": 0, "free": 0}, Outcome.OK, "/run"),
    ],
)
def test_a_file_system_that_fills_is_found(
    values: dict[str, int], outcome: Outcome, said: str
) -> None:
    spoiled = Spoiled()
    for place in ("/run", "/run/tandem"):
        _row(spoiled, place, **values)
    found, actual = outcome_of(spoiled, "SYS-06")
    assert found is outcome and said in actual


def test_a_read_only_file_system_is_found_unless_something_is_mounted_over_it() -> None:
    read_only = Spoiled().add("host1", "disks", "mount ro /run")
    assert outcome_of(read_only, "SYS-06") == (
        Outcome.FAIL,
        "/run is read-only (/run, /run/tandem)",
    )
    assert outcome_of(read_only.add("host1", "disks", "mount rw /run"), "SYS-06")[0] is Outcome.OK


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"journal {9 * 1024 * 1024} /var/log/journal", "the journal has 9216 MiB"),
        ("limit SystemMaxUse=1G\njournal 1500000 /var/log/journal", "beyond its 1024 MiB"),
        (f"log {30 * MIB} /var/log/tandem/tandem-watch.log", "tandem-watch.log has 30 MiB"),
    ],
)
def test_what_grows_beyond_its_bounds_is_found(line: str, said: str) -> None:
    spoiled = Spoiled()
    for each in line.splitlines():
        spoiled.add("host1", "logs", each)
    found, actual = outcome_of(spoiled, "SYS-09")
    assert found is Outcome.FAIL and said in actual


def test_without_room_for_another_log_like_the_largest_it_warns() -> None:
    size = 1024 * MIB
    spoiled = Spoiled()
    spoiled.add("host1", "logs", f"log {size} /var/log/nginx/access.log.1")
    assert outcome_of(spoiled, "SYS-09")[0] is Outcome.OK
    _row(spoiled, "/var/tmp/nginx", avail=900_000)
    found, actual = outcome_of(spoiled, "SYS-09")
    assert found is Outcome.WARN and "access.log.1 has 1024 MiB, 878 MiB are left" in actual


@pytest.mark.parametrize(
    ("file", "cron", "runs"),
    [
        ("/etc/cron.daily/logrotate", "runs", True),
        ("/etc/cron.daily/logrotate", "none", False),
        ("none", "runs", False),
        ("defers", "runs", False),
    ],
)
def test_cron_runs_logrotate_where_it_is_told_to(file: str, cron: str, runs: bool) -> None:
    text = TIMER_GONE.format(file=file, cron=cron)
    found = outcome_of(Spoiled().answer("host1", "rotation_run", text), "SYS-10")[0]
    assert found is (Outcome.OK if runs else Outcome.FAIL)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("UnitFileState=enabled", "UnitFileState=disabled"),
        ("NextElapseUSecRealtime=", "NextElapseUSecRealtime=n/a\nIgnored="),
    ],
)
def test_a_timer_that_does_not_come_again_is_found(old: str, new: str) -> None:
    assert bad(Spoiled().replace("host2", "rotation_run", old, new).judge()) == {"SYS-10"}


# --- the network ---


@pytest.mark.parametrize(
    ("spoil", "outcome", "said"),
    [
        (own_address("host1", dadfailed=True), Outcome.FAIL, f"{OWN} is dadfailed"),
        (own_address("host1", tentative=True), Outcome.FAIL, f"{OWN} is tentative"),
        (own_address("host1", valid_life_time=40), Outcome.FAIL, "goes in 40 s"),
        (
            own_address("host1", valid_life_time=3000, dynamic=True),
            Outcome.WARN,
            f"{OWN} goes in 3000 s unless it is renewed",
        ),
        (own_address_gone("host1"), Outcome.FAIL, f"{OWN} is on no interface"),
    ],
)
def test_an_own_address_that_does_not_stay_is_found(
    spoil: Break, outcome: Outcome, said: str
) -> None:
    found, actual = outcome_of(spoil(Spoiled()), "NET-05")
    assert found is outcome and said in actual


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f'"prefsrc":"{OWN}"', '"prefsrc":"172.16.12.70"', "to 172.16.12.62 from 172.16.12.70"),
        ('"dev":"eth0"', '"dev":"eth1"', "to 172.16.12.62 by eth1"),
    ],
)
def test_a_way_out_from_elsewhere_is_found(old: str, new: str, said: str) -> None:
    found, actual = outcome_of(Spoiled().replace("host1", "routes", old, new), "NET-04")
    assert found is Outcome.FAIL and said in actual


def _no_route(spoiled: Spoiled, host: str, line: int) -> Spoiled:
    lines = spoiled.says(host, "routes").splitlines()
    del lines[line - 1]
    failed = ["RTNETLINK answers: Network is unreachable", f"Command failed -:{line}"]
    return spoiled.answer(host, "routes", "\n".join(lines + failed), 2)


@pytest.mark.parametrize(("line", "outcome"), [(1, Outcome.FAIL), (3, Outcome.OK)])
def test_only_the_other_nodes_have_to_be_within_reach(line: int, outcome: Outcome) -> None:
    assert outcome_of(_no_route(Spoiled(), "host1", line), "NET-04")[0] is outcome


def test_a_cluster_without_any_way_out_has_lost_none() -> None:
    spoiled = _no_route(_no_route(Spoiled(), "host1", 4), "host2", 4)
    assert outcome_of(spoiled, "X-19")[0] is Outcome.OK


def test_the_second_vip_is_no_source_either() -> None:
    spoiled = Spoiled(SEVERAL).replace(
        "host2", "routes", '"prefsrc":"fd61:1::62"', '"prefsrc":"fd61:1::252"'
    )
    assert bad(spoiled.judge("NET-04")) == {"NET-04"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"prefixlen":32,"scope":"host","label":"eth0:0"', '"prefixlen":16,"scope":"global"'),
        ('"scope":"host","label":"eth0:0"', '"scope":"global","label":"eth0:0"'),
    ],
)
def test_a_vip_that_may_be_first_or_a_source_is_found(old: str, new: str) -> None:
    spoiled = Spoiled(DEFAULT).replace("host1", "addresses", old, new)
    assert bad(spoiled.judge("NET")) == {"NET-01"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('fd61:1::254","prefixlen":128', 'fd61:1::254","prefixlen":64'),
        ('"deprecated":true', '"nodad":true'),
    ],
)
def test_the_ipv6_address_that_moves_along_has_its_form_too(old: str, new: str) -> None:
    assert not bad(Spoiled(EVERYTHING).judge("NET-01"))
    spoiled = Spoiled(EVERYTHING).replace("host1", "addresses", old, new)
    assert bad(spoiled.judge("NET-01")) == {"NET-01"}


def test_a_vip_without_a_label_is_one_where_none_is_set() -> None:
    spoiled = Spoiled(DEFAULT)
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["label"] = ""
    assert bad(spoiled.judge("NET-01,X-06")) == {"NET-01", "X-06"}
    for host in BOTH:
        for probe in ("vrrp_before", "vrrp"):
            spoiled.replace(host, probe, " label eth0:0", "")
    spoiled.replace("host1", "addresses", '"label":"eth0:0"', '"label":"eth0"')
    assert not bad(spoiled.judge("NET-01,X-06"))


def test_an_own_address_behind_another_own_is_no_fault() -> None:
    def behind(link: dict[str, Any]) -> None:
        own = next(each for each in link["addr_info"] if each["local"] == OWN)
        link["addr_info"].insert(0, own | {"local": "172.16.12.70"})
        own["secondary"] = True

    assert outcome_of(Spoiled().link("host1", behind), "NET-07")[0] is Outcome.OK


def test_a_vip_in_a_comment_is_nobodys() -> None:
    text = "/etc/network/interfaces:  # not 172.16.12.254"
    assert outcome_of(Spoiled().answer("host1", "vip_files", text), "NET-06")[0] is Outcome.OK


def _prefix(link: dict[str, Any]) -> None:
    link["addr_info"][0]["prefixlen"] = 24


def _out_of_reach(spoiled: Spoiled) -> Spoiled:
    table = json.loads(spoiled.says("host1", "neighbours"))
    table = [entry for entry in table if entry.get("dst") != "172.16.12.62"]
    return spoiled.answer("host1", "neighbours", json.dumps(table) if table else "[]")


@pytest.mark.parametrize(
    ("spoil", "check", "said"),
    [
        (lambda s: s.link("host2", _prefix), "X-19", "prefix: host1 /16, host2 /24"),
        (_out_of_reach, "X-19", "host1 does not reach host2"),
        (lambda s: _no_route(s, "host2", 4), "X-19", "host2 has no default route (to 192.0.2.1)"),
        (same_mac, "X-22", "host1 and host2 have the MAC "),
        (
            lambda s: s.replace("host2", "identity", "hostname host2", "hostname host1"),
            "X-22",
            "host1 and host2 have the host name host1",
        ),
    ],
)
def test_machines_that_are_not_apart_or_not_together_are_found(
    spoil: Callable[[Spoiled], Spoiled], check: str, said: str
) -> None:
    found, actual = outcome_of(spoil(Spoiled()), check)
    assert found is Outcome.FAIL and said in actual


def test_machines_without_a_machine_id_share_none() -> None:
    spoiled = Spoiled()
    for host in BOTH:
        spoiled.answer(host, "identity", f"machine-id none\nhostname {host}")
    assert outcome_of(spoiled, "X-22")[0] is Outcome.OK


# --- what is no answer ---


@pytest.mark.parametrize("text", ["", "nonsense", "end of it", "none\nsh: not found"])
@pytest.mark.parametrize(
    "read",
    [
        storage_output.file_systems,
        storage_output.logs,
        storage_output.rotation_run,
        network_output.identity,
        keepalived_log.log,
        keepalived_log.watches,
    ],
)
def test_what_nobody_expected_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises((ValueError, LookupError)):
        read(text)


@pytest.mark.parametrize("line", ["sh: 3: grep: not found", ""])
def test_a_complaint_among_what_runs_logrotate_is_refused(line: str) -> None:
    text = Spoiled().says("host1", "rotation_run")
    assert storage_output.rotation_run(text).timer == "loaded, active, enabled"
    with pytest.raises(ValueError):
        storage_output.rotation_run(text.replace("\n", f"\n{line}\n", 1))


def test_a_list_that_could_not_be_made_is_no_empty_list() -> None:
    """Nothing is there to search with."""
    (cluster,) = Spoiled().snapshot.clusters
    node = cluster.nodes[0]
    asked = [*route_probes.from_kernel(node, cluster), *keepalived_probes.logged()]
    commands = {probe.name: probe.command for probe in asked}
    for probe in ("vip_files", "keepalived_log"):
        done = subprocess.run(
            ["/bin/sh", "-c", commands[probe]],
            env={"PATH": "/nonexistent"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        spoiled = Spoiled()
        spoiled.section("host1", probe).update(text=done.stdout, status=done.returncode)
        assert {finding.outcome for finding in spoiled.judge().bad} == {Outcome.UNKNOWN}, probe
