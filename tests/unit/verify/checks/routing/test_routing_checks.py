"""Every check of a routed cluster fires when the thing that it is about is broken, and says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.routed.broken_routing import CASES
from tests.support.routed.routing_answers import (
    all_down,
    drained,
    protocol,
    unit,
    yielding,
)
from tests.support.snapshots import BOTH, ROUTED, ROUTING, Spoiled, bad
from verify.checks.check import Finding, Outcome


def _found(check: str, spoiled: Spoiled) -> Finding:
    """Of host1, or of the whole cluster."""
    return spoiled.judge(only=check).findings[0]


@pytest.mark.parametrize("case", CASES)
def test_a_check_fires_when_its_thing_is_broken_and_says_what(case: str) -> None:
    check, change, explained, words = CASES[case]
    verdict = change(Spoiled(ROUTED)).judge(skip="NGX-19")
    assert bad(verdict) <= {check} | explained
    found = next(f for f in verdict.causes if f.id == check)
    assert found.outcome is Outcome.FAIL and words in found.answer.actual
    assert found.command and found.answer.expected and found.check.reason and found.check.remedy


def test_every_check_of_a_routed_cluster_has_a_case() -> None:
    # (RT-03's are in test_wanted_configuration.py, RT-19's in test_router_views.py.)
    assert {check for check, *_ in CASES.values()} | {"RT-03", "RT-19"} == ROUTING


def test_what_needs_a_bird_is_unknown_because_of_it_where_none_runs() -> None:
    verdict = unit("ActiveState=active", "ActiveState=failed")(Spoiled(ROUTED)).judge(only="RT")
    assert bad(verdict) == {"RT-01"}
    assert {"RT-05", "RT-06", "RT-07", "RT-08", "RT-09"} <= {f.id for f in verdict.explained}


def test_a_bird_that_is_not_there_is_why_the_cluster_cannot_tell() -> None:
    stopped = unit("ActiveState=active", "ActiveState=inactive")(Spoiled(ROUTED))
    said = "Unable to connect to server control socket (/run/bird/bird.ctl): No such file"
    stopped.answer("host1", "bird_protocols", said, 1)
    verdict = stopped.judge(skip="NGX-19")
    assert bad(verdict) == {"RT-01"} and "RT-16" in {f.id for f in verdict.explained}
    assert verdict.begin_with.id == "RT-01"


def test_a_hand_over_that_does_not_run_is_what_to_begin_with() -> None:
    text = Spoiled(ROUTED).says("host2", "units").split("\n\n")
    text[3] = text[3].replace("ActiveState=active", "ActiveState=inactive")
    stopped = Spoiled(ROUTED).answer("host2", "units", "\n\n".join(text))
    for family in ("ip", "ip6"):
        stopped.replace("host1", "mesh_heard", f"{family} alive_2 there", f"{family} alive_2 empty")
    verdict = stopped.judge(skip="NGX-19")
    assert bad(verdict) == {"HO-01", "RT-16"} and verdict.begin_with.id == "HO-01"


def test_a_drained_node_is_a_warning_and_passes() -> None:
    for how in (yielding("host1"), all_down("host1")):
        verdict = how(drained(Spoiled(ROUTED))).judge(skip="NGX-19")
        assert verdict.passed
        assert {f.id for f in verdict.warned} == {"RT-08"}


def test_a_node_of_the_last_resort_is_behind_all_others() -> None:
    last = Spoiled(ROUTED).replace("host1", "watch_says", "last-resort 0", "last-resort 1")
    assert _found("RT-08", yielding("host1")(last)).outcome is Outcome.OK


def test_a_node_whose_nginx_is_dead_is_announced_not_at_all() -> None:
    dead = all_down("host1")(Spoiled(ROUTED).answer("host1", "nginx_processes", "none"))
    assert bad(dead.judge(only="RT,NGX-10")) == {"NGX-10"}
    on_trial = Spoiled(ROUTED).replace("host1", "watch_says", "failed 0", "failed 1")
    assert _found("RT-08", yielding("host1")(on_trial)).outcome is Outcome.OK


def test_a_router_that_notices_later_is_a_warning() -> None:
    """It expects packets as often as both have agreed on, not as often as this machine would."""
    slow = Spoiled(ROUTED).replace("host1", "bird_bfd", "0.050    0.150", "0.300    1.500", 1)
    found = _found("RT-07", slow)
    assert (found.outcome, found.answer.actual) == (
        Outcome.WARN,
        "172.16.12.1 notices this machine after 0.9 s, this machine the router after 1.5 s",
    )


def test_a_router_whose_silence_is_noticed_later_is_its_own_business() -> None:
    """Its multiplier counts for that, and nothing of ours depends on it."""
    other = Spoiled(ROUTED).replace("host1", "bird_bfd", "0.050    0.150", "0.050    2.500", 1)
    found = _found("RT-07", other)
    assert found.outcome is Outcome.OK
    assert "machine after 0.15 s, this machine the router after 2.5 s" in found.answer.actual


UPDATES, WITHDRAWS = ("Import updates:              {}   ", "Import withdraws:            {}   ")


def heard(updates: int, withdraws: int, since: str = "") -> Spoiled:
    """What router_2 has sent."""
    found = Spoiled(ROUTED)
    for words, count in ((UPDATES, updates), (WITHDRAWS, withdraws)):
        protocol("router_2", words.format(0), words.format(count))(found)
    return protocol("router_2", "00:21:01.975", since)(found) if since else found


def test_a_router_that_tells_its_whole_table_is_a_warning() -> None:
    told = heard(101, 0)
    found = _found("RT-09", told)
    assert (found.outcome, found.answer.actual) == (
        Outcome.WARN,
        "172.16.12.2 has sent 101 updates and 0 withdrawals of routes since 00:21:01.975",
    )
    assert told.judge(only="RT").passed
    assert _found("RT-09", heard(990_000, 1000, "2026-08-01")).outcome is Outcome.WARN


@pytest.mark.parametrize(
    "told", [(5000, 4999, ""), (5000, 4999, "2026-08-01"), (3000, 0, "2026-08-01")]
)
def test_a_default_route_that_comes_and_goes_for_months_is_not_worth_a_word(
    told: tuple[int, int, str],
) -> None:
    assert _found("RT-09", heard(*told)).outcome is Outcome.OK


def test_a_machine_without_a_session_does_not_serve_whatever_it_would_say() -> None:
    alone = all_down("host2")(Spoiled(ROUTED))
    idle = ("BGP state:          Established", "BGP state:          Idle")
    for number in range(1, 5):
        protocol(f"router_{number}", *idle)(alone)
        found = _found("RT-17", alone)
        # A family that nobody is told of is down, as much as both.
        wanted = Outcome.OK if number == 1 else Outcome.FAIL
        assert found.outcome is wanted, number
        whom = "no router" if number == 4 else "no router of IPv4"
        serves = f"host1 like all that serve, to {whom}, host2 not at all"
        assert wanted is Outcome.OK or found.answer.actual == serves


def test_what_was_recorded_before_ipv6_was_asked_is_read_and_leaves_that_open() -> None:
    earlier = Spoiled(ROUTED)
    del earlier.data["looks"]["host1"]["sections"]["page6:vip"]
    assert _found("RT-13", earlier).outcome is Outcome.UNKNOWN
    assert bad(earlier.judge(skip="NGX-19")) == {"RT-13"}
    (cluster,) = earlier.data["clusters"]
    for node in cluster["nodes"]:
        node["vip6"], node["routers"] = None, node["routers"][:2]
    assert _found("RT-13", earlier).answer.actual == "198.51.100.80: 200, 'one.example'"


def test_where_bfd_is_of_no_router_there_is_nothing_to_judge() -> None:
    without = Spoiled(ROUTED)
    for node in without.data["clusters"][0]["nodes"]:
        for router in node["routers"]:
            router["bfd"] = False
    assert _found("RT-07", without).outcome is Outcome.SKIP


def test_where_the_hand_over_is_off_there_is_no_mesh_and_no_table() -> None:
    off = Spoiled(ROUTED)
    for node in off.data["clusters"][0]["nodes"]:
        node["handover"] = False
    found = {f.id: f.outcome for f in off.judge(only="RT-14,RT-15,RT-16").findings}
    skip = Outcome.SKIP
    assert found == {"RT-14": skip, "RT-15": Outcome.FAIL, "RT-16": skip}
    for host in BOTH:
        for probe in ("handover_table", "handover_table6"):
            off.answer(host, probe, "Error: No such file or directory", 1)
    assert off.judge(only="RT-15").passed


def test_a_session_that_is_down_is_told_nothing_and_that_is_no_second_fault() -> None:
    down = CASES["no session"][1](Spoiled(ROUTED))
    down.answer("host1", "bird_exported:1", "BIRD 2.0.12 ready.\nNo valid tables", 1)
    assert bad(down.judge(only="RT")) == {"RT-06"}


def test_without_any_session_what_is_told_is_not_known() -> None:
    down = Spoiled(ROUTED)
    for number in range(1, 5):
        protocol(f"router_{number}", "state:          Established", "state:          Idle")(down)
    verdict = down.judge(only="RT")
    assert bad(verdict) == {"RT-06"} and {f.id for f in verdict.explained} == {"RT-09"}


def test_who_may_serve_unseen_is_not_said_to_be_missing() -> None:
    unseen = all_down("host1")(Spoiled(ROUTED))
    del unseen.data["looks"]["host2"]["sections"]["bird_protocols"]
    assert _found("RT-17", unseen).outcome is Outcome.UNKNOWN


def test_who_is_gone_is_not_missed_in_the_mesh_as_well() -> None:
    gone = Spoiled(ROUTED).lose("host2")
    for family in ("ip", "ip6"):
        for kind in ("alive", "serves"):
            gone.replace(
                "host1", "mesh_heard", f"{family} {kind}_2 there", f"{family} {kind}_2 empty"
            )
    assert bad(gone.judge(skip="NGX-19")) == {"HOST-01"}


def test_each_request_from_here_may_be_any_nodes_and_no_strangers() -> None:
    assert _found("X-11", Spoiled(ROUTED)).outcome is Outcome.OK
    stranger = Spoiled(ROUTED)
    stranger.data["from_here"]["web"][4]["body"] = "somebody else\n"
    assert _found("X-11", stranger).outcome is Outcome.FAIL


def test_another_version_of_bird_is_a_warning() -> None:
    other = Spoiled(ROUTED).replace("host2", "bird_version", "2.0.12", "2.17.1")
    found = _found("X-16", other)
    assert (found.outcome, found.answer.expected) == (Outcome.WARN, "one version of BIRD")


def test_nodes_in_two_rooms_are_no_neighbours() -> None:
    far = Spoiled(ROUTED).answer("host1", "neighbours", "[]")
    assert _found("X-19", far).outcome is Outcome.FAIL
    for node in far.data["clusters"][0]["nodes"][1:]:
        node["address"] = "10.20.0.62"
    assert _found("X-19", far).answer.actual == "MTU 1500"


def test_a_link_needs_no_multicast() -> None:
    def without(link: dict[str, Any]) -> None:
        link["flags"].remove("MULTICAST")

    assert _found("NET-03", Spoiled(ROUTED).link("host1", without)).outcome is Outcome.OK


def test_birds_file_is_a_secret() -> None:
    read_by_all = Spoiled(ROUTED)
    read_by_all.replace("host1", "secret_files", "750 bird:bird d", "755 bird:bird d")
    assert _found("SYS-08", read_by_all).outcome is Outcome.OK
    read_by_all.replace("host1", "secret_files", "640 root:bird f", "644 root:bird f")
    assert "/etc/bird/bird.conf is 0644" in _found("SYS-08", read_by_all).answer.actual
