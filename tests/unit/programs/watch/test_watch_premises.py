"""What the watch makes of an own address that goes, an interface that is made anew, and a
keepalived that is older than they."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs

premise_history = programs.load("watch.premises.premise_history")
interface_premises = programs.load("watch.premises.interface_premises")
node_premises = programs.load("watch.premises.node_premises")
stuck_keepalived = programs.load("watch.stuck_keepalived")
commands = programs.load("common.commands")

GONE = "10.0.0.1 is not on eth0"
GRACE_S = 0.1


def history(*looks: tuple[float, str, tuple[int, ...]]) -> Any:
    made = premise_history.PremiseHistory(GRACE_S)
    for look in looks:
        made.observe(*look)
    return made


def test_what_is_away_for_a_moment_is_not_missing() -> None:
    blink = history((0, "", (2,)), (10, GONE, (2,)))
    assert blink.missing(10.05) == ""
    assert blink.until_judged_s(10.05) == pytest.approx(0.05)
    blink.observe(10.09, "", (2,))
    assert blink.missing(20) == ""
    # keepalived, started long ago or in that moment, goes on.
    assert blink.outlived(5) == blink.outlived(10.05) == ""
    assert blink.until_judged_s(10.09) == float("inf")


def test_what_is_away_for_longer_is_and_only_until_it_is_back() -> None:
    lost = history((0, "", (2,)), (10, GONE, (2,)), (11, GONE, (2,)))
    assert lost.missing(11) == GONE
    assert lost.until_judged_s(11) == float("inf")
    lost.observe(12, "", (2,))
    assert lost.missing(12) == ""


@pytest.mark.parametrize(
    ("began_s", "anew"), [(5, False), (9.8, True), (11, True), (12.2, True), (13, False)]
)
def test_a_keepalived_that_was_started_without_the_address_is_started_anew(
    began_s: float, anew: bool
) -> None:
    lost = history((0, "", (2,)), (10, GONE, (2,)), (12, GONE, (2,)))
    assert lost.outlived(began_s) == "", "while it is missing, that would not help"
    lost.observe(12.1, "", (2,))
    assert bool(lost.outlived(began_s)) is anew


def test_one_that_is_older_than_its_interface_is_started_anew() -> None:
    absent = "there is no interface eth0"
    made_anew = history((0, "", (2,)), (10, absent, (0,)), (14, "", (3,)))
    assert "made anew" in made_anew.outlived(5)
    assert made_anew.outlived(15) == ""
    # Between two looks, so that nothing was ever seen missing.
    assert "made anew" in history((0, "", (2,)), (14, "", (3,))).outlived(5)
    # It may be there later than the watch.
    late = history((0, absent, (0,)), (14, "", (2,)))
    assert late.outlived(20) == ""
    assert "made anew" in late.outlived(5)


def test_what_the_watch_finds_missing_at_its_start_may_be_missing_for_long() -> None:
    """The watch was started anew meanwhile, or later than keepalived."""
    assert "before" in history((10, GONE, (2,)), (30, "", (2,))).outlived(5)
    assert history((10, GONE, (2,)), (30, "", (2,))).missing(30) == ""
    assert history((10, GONE, (2,))).missing(10.05) == "", "it has the same grace"


class Machine:
    """What `ip` shows, and what the kernel lets a socket do."""

    def __init__(self) -> None:
        self.index = 2
        self.shown = "2: eth0    inet 10.0.0.1/16 scope global eth0\n"
        self.code = 0
        self.usable = {("10.0.0.1", ""), ("10.0.0.1", "10.0.0.2")}
        self.events: list[bool] = []
        self.asked = 0
        self.announced: list[tuple[str, str]] = []

    def run(self, *words: str, timeout_s: float) -> Any:
        self.asked += 1
        return commands.CommandResult(self.code, self.shown, "")

    def announce(self, own: str, interface: str) -> None:
        self.announced.append((own, interface))

    def has(self, own: str, other: str = "") -> bool:
        return (own, other) in self.usable

    def any_new(self) -> bool:
        return self.events.pop(0) if self.events else False


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(node_premises, "Events", lambda *kinds: made)
    monkeypatch.setattr(interface_premises, "run", made.run)
    monkeypatch.setattr(interface_premises, "_has", made.has)
    monkeypatch.setattr(interface_premises, "interface_index", lambda interface: made.index)
    announce = lambda self, own: made.announce(own, self.interface)  # noqa: E731
    monkeypatch.setattr(interface_premises.OwnAddresses, "announce", announce)
    return made


def premises(others: tuple[str, ...] = ("10.0.0.2", "10.0.0.3")) -> Any:
    return node_premises.NodePremises("eth0", ["10.0.0.1"], list(others), GRACE_S)


@pytest.mark.parametrize(("kind", "whole"), [("brport", "bridge"), ("bonding_slave", "bond")])
def test_a_port_of_something_else_hears_nothing(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, whole: str
) -> None:
    monkeypatch.setattr(interface_premises, "_INTERFACES", str(tmp_path))
    assert premises().fault(0) == ""
    (tmp_path / "eth0" / kind).mkdir(parents=True)
    here = premises()
    assert here.fault(0) == f"eth0 is a port of a {whole}"
    # keepalived takes its leaving the bridge for the interface's end, and is deaf from then on.
    now_s = [10.0]
    monkeypatch.setattr(node_premises, "boottime_s", lambda: now_s[0])
    here.missing()
    (tmp_path / "eth0" / kind).rmdir()
    now_s[0] = 20
    assert here.missing() == "" and "made anew" in here.history.outlived(5)


def test_each_premise_is_judged(machine: Machine) -> None:
    assert premises().fault(0) == ""
    machine.usable = {("10.0.0.1", "")}
    assert "no route" in premises().fault(0)
    assert premises(others=()).fault(0) == "", "nobody to be reached"
    assert premises(others=("fd00::2",)).fault(0) == "", "of another family"
    machine.usable = set()
    assert premises().fault(0) == "10.0.0.1 is not usable here"
    # On a bridge now, into which eth0 was put: keepalived does not hear on it.
    machine.shown = "2: eth0    inet6 fe80::1/64 scope link\n"
    machine.usable = {("10.0.0.1", ""), ("10.0.0.1", "10.0.0.2")}
    assert premises().fault(0) == "10.0.0.1 is not on eth0"
    machine.code = 124
    assert premises().fault(0) == "", "an answer that was not given is no evidence"
    machine.code = 0
    here = premises()
    assert here.fault(0)
    machine.code, machine.events = 124, [True]
    assert here.fault(1), "nor that it is well again"
    machine.code, machine.shown = 0, "2: eth0    inet 10.0.0.1/16 scope global eth0\n"
    assert here.fault(1.5)
    assert here.fault(2.1) == "", "it is asked again soon"
    machine.index = 0
    assert premises().fault(0) == "there is no interface eth0"


def test_other_interfaces_that_come_and_go_do_not_keep_it_busy(machine: Machine) -> None:
    here = premises()
    machine.events = [True] * 100
    for number in range(100):
        here.fault(number / 1000)
    assert machine.asked == 2


def test_the_last_of_several_changes_is_looked_at_in_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [5.0]
    monkeypatch.setattr(node_premises, "boottime_s", lambda: now_s[0])
    here = premises()
    here.missing()
    assert here.until_judged_s() == float("inf")
    machine.events = [True]
    now_s[0] = 5.02
    here.missing()
    assert machine.asked == 1 and here.until_judged_s() == pytest.approx(0.03)
    now_s[0] = 5.06
    here.missing()
    assert machine.asked == 2 and here.until_judged_s() == float("inf")


def test_news_are_taken_note_of_also_without_an_address_to_judge(machine: Machine) -> None:
    """Whoever waits for them would not wait."""
    machine.events = [True]
    node_premises.NodePremises("eth0", [], [], GRACE_S).fault(0)
    assert machine.events == []


def test_a_unit_that_allows_no_netlink_gets_by(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*kinds: Any) -> Any:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(node_premises, "Events", refused)
    here = node_premises.NodePremises("", [], [], GRACE_S)
    assert here.news() == []
    assert here.missing() == ""


def test_a_machine_without_descriptors_still_has_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted(*words: Any) -> Any:
        raise OSError(24, "Too many open files")

    assert not interface_premises._has("192.0.2.1")
    monkeypatch.setattr(interface_premises.socket, "socket", exhausted)
    assert interface_premises._has("192.0.2.1")


def test_ip_is_asked_when_the_kernel_tells_and_now_and_then(machine: Machine) -> None:
    here = premises()
    for now_s in (0, 0.2, 0.4):
        here.fault(now_s)
    assert machine.asked == 1
    machine.events = [True]
    here.fault(0.6)
    here.fault(0.8)
    assert machine.asked == 2
    here.fault(6)
    assert machine.asked == 3


def test_the_others_learn_of_a_new_mac_at_once_and_of_the_right_one_each_second(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [5.0]
    monkeypatch.setattr(node_premises, "boottime_s", lambda: now_s[0])
    here = premises()
    for now_s[0], index, told in ((5.0, 2, 1), (5.2, 2, 1), (5.4, 3, 2), (6.3, 3, 2), (6.4, 3, 3)):
        machine.index = index
        here.missing()
        assert machine.announced == [("10.0.0.1", "eth0")] * told
    machine.usable = set()
    now_s[0] = 9.0
    here.missing()
    assert len(machine.announced) == 3, "an address that is not usable is not announced"


def test_a_keepalived_is_killed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    sent: list[list[int]] = []

    def send_signals(pids: list[int], number: int, is_still_so: Any) -> bool:
        assert number == signal.SIGKILL and is_still_so()
        sent.append(pids)
        return True

    monkeypatch.setattr(stuck_keepalived, "running_pid", lambda path: int(pid_file.read_text()))
    monkeypatch.setattr(stuck_keepalived, "began_s", float)
    monkeypatch.setattr(stuck_keepalived, "children", lambda pid: [pid + 1])
    monkeypatch.setattr(stuck_keepalived, "send_signals", send_signals)
    keepalived = stuck_keepalived.OutlivedKeepalived(str(pid_file))
    made_anew = history((0, "", (2,)), (14, "", (3,)))
    pid_file.write_text("5")
    for _ in range(3):
        keepalived.end_if(made_anew)
    assert sent == [[5, 6]]
    pid_file.write_text("20")
    keepalived.end_if(made_anew)
    pid_file.write_text("0")
    keepalived.end_if(made_anew)
    assert len(sent) == 1


def test_a_way_out_that_is_lost_leaves_the_neighbours(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]
    monkeypatch.setattr(node_premises, "boottime_s", lambda: now_s[0])
    here = premises()
    assert here.missing() == "", "it never had one"
    machine.usable |= {("10.0.0.1", "192.0.2.1")}
    now_s[0] = 1
    assert here.missing() == ""
    machine.usable -= {("10.0.0.1", "192.0.2.1")}
    now_s[0] = 2
    assert here.missing() == "" and here.until_judged_s() == pytest.approx(GRACE_S)
    now_s[0] = 3
    assert here.missing() == "there is no route from 10.0.0.1 to other networks any more"
    assert here.serves_neighbours
    machine.usable = set()
    for now_s[0] in (4, 5):
        found = here.missing()
    assert found == "10.0.0.1 is not usable here" and not here.serves_neighbours
