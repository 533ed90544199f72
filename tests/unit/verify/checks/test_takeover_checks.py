"""keepalived's part in a takeover: how long it takes, what it follows, what it has done of late."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.broken_upkeep import logged, moves, now, outcome_of
from tests.support.snapshots import BOTH, DEFAULT, Spoiled, bad
from verify.checks.check import Outcome
from verify.checks.takeover import worst_case
from verify.read import keepalived_log

DISCARDS = "(VI_1) received lower priority (253) advert from 172.16.12.62 - discarding"


@pytest.mark.parametrize(
    ("ages_s", "outcome"),
    [
        ([3500, 3000, 2000, 1000], Outcome.OK),
        ([3500, 3000, 2000, 1000, 900, 800], Outcome.WARN),
        ([9000, 8000, 7000, 6000, 5000, 4000], Outcome.OK),
        ([9, 7, 4, 1], Outcome.FAIL),
        ([28, 20, 11, 1], Outcome.OK),
    ],
)
def test_a_vip_that_comes_and_goes_is_found(ages_s: list[float], outcome: Outcome) -> None:
    """host2 has been it once before."""
    assert outcome_of(moves("host2", ages_s)(Spoiled()), "KA-11", "host2")[0] is outcome


def test_moves_before_keepalived_was_started_are_not_its() -> None:
    spoiled = moves("host1", [9, 6, 4, 1])(Spoiled())
    logged("host1", (now(spoiled) - 1, "Starting Keepalived v2.2.7 (01/16,2022)"))(spoiled)
    assert outcome_of(spoiled, "KA-11")[0] is Outcome.OK


def test_where_nothing_keeps_logs_keepaliveds_counters_tell() -> None:
    spoiled = Spoiled().answer("host1", "keepalived_log", "none")
    assert outcome_of(spoiled, "KA-11")[0] is Outcome.OK
    spoiled.vrrp("host1", become_master=9)
    spoiled.vrrp("host1", last_transition=now(spoiled) - 60)
    found, actual = outcome_of(spoiled, "KA-11")
    assert found is Outcome.WARN and "10 times MASTER since its start" in actual
    assert outcome_of(spoiled, "KA-19")[0] is Outcome.SKIP


@pytest.mark.parametrize(
    ("age_s", "text", "outcome"),
    [
        (60, "A thread timer expired 2.100000 seconds ago", Outcome.WARN),
        (7000, "A thread timer expired 2.100000 seconds ago", Outcome.OK),
        (7000, "Truncating auth_pass to 8 characters", Outcome.WARN),
        (60, DISCARDS, Outcome.WARN),
        (60, "(VI_1) Received advert from 172.16.12.62, forcing new election", Outcome.WARN),
        (60, "Netlink: Receive buffer overrun on reflector socket", Outcome.WARN),
    ],
)
def test_what_keepalived_complains_of_warns(age_s: float, text: str, outcome: Outcome) -> None:
    spoiled = Spoiled()
    started = now(spoiled) - 9000
    logged("host1", (started, "Starting Keepalived v2"), (now(spoiled) - age_s, text))(spoiled)
    assert outcome_of(spoiled, "KA-19")[0] is outcome
    assert spoiled.judge(skip="NGX-19").passed


def test_what_is_part_of_an_election_is_no_complaint() -> None:
    spoiled = Spoiled()
    at = now(spoiled) - 60
    logged("host1", (at - 3, DISCARDS), (at, "(VI_1) Entering MASTER STATE"))(spoiled)
    assert outcome_of(spoiled, "KA-19")[0] is Outcome.OK


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("inotify ", "process ", 1), "no process of keepalived's"),
        (lambda text: text.replace("ino:", "ino:f", 1), "watches 1 directories, not /run/tandem"),
        (lambda text: text.replace("sdev:", "sdev:f", 1), "watches 1 directories, not"),
    ],
)
def test_a_keepalived_that_does_not_follow_its_files_is_found(
    spoil: Callable[[str], str], said: str
) -> None:
    spoiled = Spoiled(DEFAULT)
    spoiled.answer(
        "host2", "keepalived_watches", spoil(spoiled.says("host2", "keepalived_watches"))
    )
    (finding,) = spoiled.judge().bad
    assert (finding.id, finding.host) == ("KA-22", "host2")
    assert said in finding.answer.actual


def test_a_configuration_that_tracks_no_file_is_found() -> None:
    spoiled = Spoiled(DEFAULT)
    for host in BOTH:
        spoiled.replace(host, "keepalived_conf", "/run/tandem/failed", "/run/other")
    assert bad(spoiled.judge()) == {"KA-22"}


def test_a_holder_whose_silence_counts_late_is_found() -> None:
    spoiled = Spoiled(DEFAULT)
    for host in BOTH:
        spoiled.replace(host, "keepalived_conf", "down_timer_adverts 6", "down_timer_adverts 60")
    assert bad(spoiled.judge()) == {"KA-17"}


def test_settings_that_promise_little_warn() -> None:
    spoiled = Spoiled()
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["check_fall"] = 9
    for host in BOTH:
        spoiled.replace(host, "keepalived_conf", "fall      2", "fall      9")
    found, actual = outcome_of(spoiled, "KA-17")
    assert found is Outcome.WARN and actual.endswith("21.61 s after nginx fails")


def test_the_worst_case_is_what_the_standards_say() -> None:
    """RFC 3768: 3 adverts and (256 - 100) / 256 s; RFC 5798: of an advert."""
    two = worst_case(classic=True, advert_s=1, missed=3, priority=100, notice_s=4)
    assert (two.silent, two.unserved) == (3.609375, 7.609375)
    three = worst_case(classic=False, advert_s=1, missed=3, priority=128, notice_s=0)
    assert (three.silent, three.unserved) == (3.5, 0.5)


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-28T09:15:12.463846+00:00 host1 Keepalived_vrrp[99]: (VI_1) Entering MASTER STATE",
        "Nov 28 09:15:12 host1 Keepalived_vrrp[99]: (VI_1) Entering MASTER STATE",
    ],
)
def test_syslogs_files_are_read_in_both_forms(line: str) -> None:
    found = keepalived_log.log(f"syslog /var/log/syslog +0000 2026\n{line}")
    (entered,) = found.lines
    assert (found.kept, entered.entered) == ("/var/log/syslog", ("VI_1", "MASTER"))
    assert int(entered.at) == 1795857312


def test_a_device_has_the_kernels_own_number() -> None:
    assert keepalived_log.kernel_device(86) == 0x56
    assert keepalived_log.kernel_device(8 << 8 | 1) == 8 << 20 | 1
    assert keepalived_log.kernel_device(1 << 20 | 8 << 8 | 0x2C) == 8 << 20 | 300
