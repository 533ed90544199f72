"""What the verifier finds where a routed pair is really broken: BIRD, the mesh and the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settings import Node
from tests.support.lab.routed import bare_answers
from tests.support.lab.routed.bare_pair import ASK, BarePair
from tests.support.snapshots import bad
from verify import judge
from verify.checks.check import Finding, Outcome
from verify.judge import VerifierVerdict

VIP = "198.51.100.80"
# Neighbours are asked once a second or so, sessions are tried again as often.
SOON_S = 20


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BarePair]:
    directory = tmp_path_factory.mktemp("routed")
    cluster = bare_answers.with_views(bare_answers.cluster(), directory)
    with BarePair(cluster, directory) as pair:
        yield pair


@pytest.fixture
def pair(bare: BarePair) -> Iterator[BarePair]:
    yield bare
    for node in bare.cluster.nodes:
        bare.reconfigure(node)
    bare.until(bare.is_well)


def judged(pair: BarePair, skip: str = "NGX-19") -> VerifierVerdict:
    return judge.judge(bare_answers.gathered(pair), judge.select("RT,HO,NET,X-19,X-11", skip))


def found(pair: BarePair, wanted: set[str]) -> dict[str, str]:
    """What was found, once it is what was wanted: what a kernel or a router notices takes a while.
    By check, of host1 where it is about machines."""
    verdicts: list[VerifierVerdict] = []

    def is_so() -> bool:
        verdicts.append(judged(pair))
        return bad(verdicts[-1]) == wanted

    try:
        pair.until(is_so, SOON_S)
    except AssertionError:
        assert bad(verdicts[-1]) == wanted
    return {finding.id: finding.answer.actual for finding in reversed(verdicts[-1].causes)}


def test_routers_further_away_without_bfd_and_without_a_password_are_well(tmp_path: Path) -> None:
    far = {"address": "172.16.12.1", "asn": 64512, "hops": 2, "password_command": ("echo", "far")}
    quiet = {"address": "fd61:1::1", "asn": 64513, "bfd": False}
    near = {"address": "172.16.12.2", "asn": 64512, "password_command": ("echo", "near")}
    cluster = bare_answers.cluster(routers=(far, near, quiet), bfd_interval_ms=100)
    with BarePair(cluster, tmp_path) as pair:
        assert not found(pair, set())
        pair.reconfigure(first(pair), lambda text: text.replace("multihop 2;", "multihop 9;"))
        assert found(pair, {"RT-03"})["RT-03"] == "router_1 has multihop 9, not 2"


def first(pair: BarePair) -> Node:
    return pair.cluster.preferred


def test_a_pair_that_is_well_passes(pair: BarePair) -> None:
    assert not found(pair, set())


def test_a_router_that_has_ended_the_session(pair: BarePair) -> None:
    pair.birdc("router1", "disable", "host1_0")
    try:
        actual = found(pair, {"RT-06", "RT-07"})
    finally:
        pair.birdc("router1", "enable", "host1_0")
    assert (
        "172.16.12.1 " in actual["RT-06"] and "Received: Administrative shutdown" in actual["RT-06"]
    )


def test_a_router_that_is_gone(pair: BarePair) -> None:
    pair.at("router2", "ip", "link", "set", "eth0", "down")
    try:
        actual = found(pair, {"RT-06", "RT-07"})
    finally:
        pair.at("router2", "ip", "link", "set", "eth0", "up")
        pair.at("router2", "ip", "address", "replace", "fd61:1::2/64", "dev", "eth0", "nodad")
    assert "172.16.12.2 " in actual["RT-06"] and "fd61:1::2 " in actual["RT-06"]


@pytest.mark.parametrize(
    ("timing", "outcome", "words"),
    [
        # It takes a packet each 300 ms, and ours are as many as may be missing.
        (
            "min rx interval 300 ms; min tx interval 50 ms; multiplier 5;",
            Outcome.WARN,
            "172.16.12.1 notices this machine after 0.9 s, this machine the router after 0.25 s",
        ),
        (
            "interval 50 ms; multiplier 40;",
            Outcome.OK,
            "172.16.12.1 notices this machine after 0.15 s, this machine the router after 2 s",
        ),
    ],
)
def test_a_router_with_another_bfd(
    pair: BarePair, timing: str, outcome: Outcome, words: str
) -> None:
    before = (pair.directory / "router1" / "bird.conf").read_text()
    assert "bfd { interval 50 ms; multiplier 3; };" in before
    said: list[Finding] = []

    def is_so() -> bool:
        findings = judge.judge(bare_answers.gathered(pair), judge.select("RT-07", "")).findings
        said[:] = [each for each in findings if each.host == "host1"]
        return said[0].outcome is outcome and words in said[0].answer.actual

    pair.change_router(
        "router1", lambda text: text.replace("interval 50 ms; multiplier 3;", timing)
    )
    try:
        pair.until(is_so, SOON_S)
    except AssertionError:
        assert said[0].answer.actual == words
    finally:
        pair.change_router("router1", lambda _: before)


def test_a_password_that_the_router_does_not_have(pair: BarePair) -> None:
    pair.reconfigure(first(pair), lambda text: text.replace('password "what', 'password "not'))
    assert "router_1 (172.16.12.1) has another" in found(pair, {"RT-04", "RT-06"})["RT-04"]


def test_a_file_that_was_changed_and_not_read(pair: BarePair) -> None:
    file = pair.directory / "host1" / "bird.conf"
    file.write_text(file.read_text() + "# by hand\n")
    assert "after BIRD has read it" in found(pair, {"RT-05"})["RT-05"]


def test_a_node_that_yields_without_a_reason(pair: BarePair) -> None:
    pair.announce(first(pair), "yields", "serves")
    # What each router is told is right for one that yields.
    assert found(pair, {"RT-08"})["RT-08"].startswith("announced behind all others")


def test_a_cluster_that_announces_nothing(pair: BarePair) -> None:
    for node in pair.cluster.nodes:
        pair.birdc(node.name, "disable", '"vip_*"')
    assert found(pair, {"RT-08", "RT-17"})["RT-17"] == "host1 not at all, host2 not at all"


def test_a_route_that_leaks(pair: BarePair) -> None:
    leak = "protocol static leak { ipv4; route 10.9.0.0/16 blackhole; }\n\n# --- the routers"
    pair.reconfigure(
        first(pair),
        lambda text: text.replace("# --- the routers", leak).replace(
            f"if net != {VIP}/32 then reject;", ""
        ),
    )
    actual = found(pair, {"RT-03", "RT-09"})
    assert "172.16.12.1 is told 10.9.0.0/16" in actual["RT-09"]
    assert "it has protocol static leak" in actual["RT-03"]


def test_a_bird_that_writes_into_the_kernel(pair: BarePair) -> None:
    kernel = "protocol kernel k { ipv4 { import none; export all; }; }\n\n# --- the routers"
    pair.reconfigure(first(pair), lambda text: text.replace("# --- the routers", kernel))
    assert found(pair, {"RT-03", "RT-10"})["RT-10"] == VIP


def test_a_vip_on_another_interface(pair: BarePair) -> None:
    where = (f"{VIP}/32", "dev", "eth0")
    pair.at("host1", "ip", "address", "add", *where)
    try:
        # And there it is answered for.
        actual = found(pair, {"RT-11", "RT-18"})
    finally:
        pair.at("host1", "ip", "address", "delete", *where)
    assert actual["RT-11"] == f"{VIP} is on eth0" and "(eth0 of host1)" in actual["RT-18"]


def test_a_network_with_the_vip_in_it(pair: BarePair) -> None:
    where = ("198.51.100.1/24", "dev", "eth0")
    pair.at("host1", "ip", "address", "add", *where)
    try:
        assert "198.51.100.1/24" in found(pair, {"RT-12"})["RT-12"]
    finally:
        pair.at("host1", "ip", "address", "delete", *where)


def _behind(pair: BarePair, verb: str) -> None:
    """Take out of the mesh's ways whoever is at host2's address, or put it back in."""
    mesh = bare_answers.mesh(pair, "host2")
    way = (mesh.mac, "dev", "tandem", "dst", "172.16.12.62")
    pair.at("host1", "bridge", "fdb", verb, *way)


BREAKS: dict[str, tuple[Callable[[BarePair], object], Callable[[BarePair], object], str]] = {
    "nobody behind it": (
        lambda pair: _behind(pair, "delete"),
        lambda pair: _behind(pair, "replace"),
        "host2 (172.16.12.62) is behind no card",
    ),
    "small": (
        lambda pair: pair.at("host1", "ip", "link", "set", "tandem", "mtu", "1280"),
        lambda pair: pair.at("host1", "ip", "link", "set", "tandem", "mtu", "1500"),
        "its MTU is 1280, not 1500",
    ),
}


@pytest.mark.parametrize("way", BREAKS)
def test_a_mesh_that_is_not_as_it_was_made(pair: BarePair, way: str) -> None:
    breaks, mends, words = BREAKS[way]
    with pair.handover_stands_still("host1"):  # which mends it
        breaks(pair)
        try:
            verdict = judged(pair)
        finally:
            mends(pair)
    faults = {finding.id: finding.answer.actual for finding in verdict.causes}
    assert words in faults["RT-14"]


def test_a_firewall_between_the_nodes(pair: BarePair) -> None:
    rules = (
        "table inet shut { chain in { type filter hook input priority 0; udp dport 7113 drop; }; }"
    )
    pair.at("host1", "nft", rules)
    try:
        actual = found(pair, {"RT-16"})
    finally:
        pair.at("host1", "nft", "delete", "table", "inet", "shut")
    assert "host1 does not hear that host2 is there (ip)" in actual["RT-16"]


def _in_router(pair: BarePair, change: Callable[[str], str]) -> dict[str, str]:
    """What is found with another file of router1's."""
    file = pair.directory / "router1" / "bird.conf"
    before = file.read_text()
    pair.change_router("router1", change)
    try:
        return found(pair, {"RT-19"})
    finally:
        pair.change_router("router1", lambda _: before)


def _filtered(text: str) -> str:
    """Nothing of host2's is taken over IPv4."""
    head, mark, session = text.partition("protocol bgp host2_0 {")
    assert mark and "import all;" in session
    return head + mark + session.replace("import all;", "import none;", 1)


def test_a_router_that_takes_nothing_from_a_machine(pair: BarePair) -> None:
    actual = _in_router(pair, _filtered)
    told, _, printed = actual["RT-19"].partition("; ")
    assert told == "172.16.12.1 does not name host2"
    assert printed.startswith("172.16.12.1 printed: BIRD 2") and VIP in printed


def test_a_router_that_keeps_a_machine_that_is_dead(pair: BarePair) -> None:
    # Nobody lets it out here; routers forget it by themselves.
    pair.birdc("host2", "disable", '"vip_*"')
    kept = "protocol static kept { ipv4; route 198.51.100.80/32 via 172.16.12.62; }\n"
    before = (pair.directory / "router1" / "bird.conf").read_text()
    pair.change_router("router1", lambda text: text + kept)
    try:
        actual = found(pair, {"RT-08", "RT-19"})
    finally:
        pair.change_router("router1", lambda _: before)
    assert actual["RT-19"].startswith("172.16.12.1 names host2, which announces nothing; ")


def test_a_router_that_cannot_be_asked(pair: BarePair) -> None:
    script = pair.directory / ASK
    before = script.read_text()
    script.write_text("echo no such router >&2; exit 255\n")
    try:
        actual = found(pair, {"RT-19"})
    finally:
        script.write_text(before)
    assert (
        "172.16.12.1: its view_command failed with status 255 and said: no such router"
        in (actual["RT-19"])
    )
