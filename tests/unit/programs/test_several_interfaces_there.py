"""Several interfaces: what the watch, the hand-over and apply-keepalived make of each of them, and
of what an earlier version's unit gives them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import programs

command_options = programs.load("common.command_options")
commands = programs.load("common.commands")
handover_loop = programs.load("handover.handover_loop")
interface_sysctls = programs.load("handover.interface_sysctls")
keepalived_change = programs.load("apply_keepalived.keepalived_change")
metrics = programs.load("metrics")
interface_premises = programs.load("watch.premises.interface_premises")
node_premises = programs.load("watch.premises.node_premises")
premise_history = programs.load("watch.premises.premise_history")
vrrp_election = programs.load("apply_keepalived.vrrp_election")

VIP, VIP6, SECOND = "172.16.12.254", "fd61:1::254", "10.20.0.254"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.20.0.61", ("10.20.0.61", "eth0")),
        ("10.20.0.61@eth1.100", ("10.20.0.61", "eth1.100")),
        ("fd62:1::61@eth1", ("fd62:1::61", "eth1")),
    ],
)
def test_an_address_is_on_the_usual_interface_unless_it_says_another(
    text: str, expected: tuple[str, str]
) -> None:
    assert command_options.placed(text, "eth0") == expected


# --- the hand-over -------------------------------------------------------------------------------


def moving(monkeypatch: pytest.MonkeyPatch, words: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", ["handover", *words.split(), "--window", "60"])
    given = command_options.parse("", handover_loop.OPTIONS)
    return {each.vip: each for each in handover_loop.moving_addresses(given)}


def test_each_vip_has_the_own_address_and_the_others_of_its_interface(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = moving(
        monkeypatch,
        f"--interface eth0 --interface eth1 --vip {VIP} --port 7112 --vip {VIP6} --port 7112 "
        f"--vip {SECOND}@eth1 --port 7113 --own 172.16.12.61 --other 172.16.12.62 "
        "--own fd61:1::61 --other fd61:1::62 --own 10.20.0.61@eth1 --other 10.20.0.62@eth1",
    )
    assert {vip: (each.interface, each.own, each.others) for vip, each in found.items()} == {
        VIP: ("eth0", "172.16.12.61", [("172.16.12.62", 7112)]),
        VIP6: ("eth0", "fd61:1::61", [("fd61:1::62", 7112)]),
        SECOND: ("eth1", "10.20.0.61", [("10.20.0.62", 7113)]),
    }


def test_an_earlier_versions_unit_names_one_interface_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = moving(
        monkeypatch,
        f"--interface ens18 --vip {VIP} --port 7112 --vip {SECOND} --port 7113 "
        "--own 172.16.12.61 --other 172.16.12.62",
    )
    assert {each.interface for each in found.values()} == {"ens18"}
    assert found[SECOND].others == [("172.16.12.62", 7113)]


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sysctls of eth0 and eth1, which are 0."""

    def path(interface: str, name: str) -> str:
        return str(tmp_path / interface / name)

    monkeypatch.setattr(interface_sysctls, "_path", path)
    for interface in ("eth0", "eth1"):
        (tmp_path / interface).mkdir()
        for name in interface_sysctls.wanted(ipv6=True):
            Path(path(interface, name)).write_text("0\n")
    return tmp_path


def values(kernel: Path) -> dict[str, list[str]]:
    return {
        name: [
            (kernel / name / each).read_text().strip()
            for each in interface_sysctls.wanted(ipv6=False)
        ]
        for name in ("eth0", "eth1")
    }


def test_each_interfaces_sysctls_are_set_and_are_then_as_before(kernel: Path) -> None:
    saved, wanted = str(kernel / "saved"), interface_sysctls.wanted(ipv6=False)
    (kernel / "eth1/arp_announce").write_text("1\n")
    for _ in range(2):
        interface_sysctls.apply(["eth0", "eth1"], wanted, saved)
    assert values(kernel) == {"eth0": ["1", "2"], "eth1": ["1", "2"]}
    interface_sysctls.restore(["eth0"], saved)
    assert values(kernel) == {"eth0": ["0", "0"], "eth1": ["0", "1"]}


def test_an_interface_that_is_none_of_the_clusters_any_more_is_as_before(kernel: Path) -> None:
    saved, wanted = str(kernel / "saved"), interface_sysctls.wanted(ipv6=False)
    interface_sysctls.apply(["eth0", "eth1"], wanted, saved)
    interface_sysctls.restore_former(["eth0"], saved)
    interface_sysctls.apply(["eth0"], wanted, saved)
    assert values(kernel) == {"eth0": ["1", "2"], "eth1": ["0", "0"]}
    assert "eth1" not in Path(saved).read_text()
    # What is set there from now on is the machine's own.
    (kernel / "eth1/arp_ignore").write_text("8\n")
    interface_sysctls.apply(["eth0"], wanted, saved)
    interface_sysctls.restore(["eth0"], saved)
    assert values(kernel) == {"eth0": ["0", "0"], "eth1": ["8", "0"]}


def test_what_a_deploy_writes_down_of_a_new_interface_stays_until_the_service_knows_it(
    kernel: Path,
) -> None:
    """A machine may lose its power in between, and begin with the file of sysctls."""
    saved, wanted = kernel / "saved", interface_sysctls.wanted(ipv6=False)
    interface_sysctls.apply(["eth0"], wanted, str(saved))
    with saved.open("a") as file:
        file.write("eth1/arp_ignore 0\neth1/arp_announce 0\n")
    interface_sysctls.apply(["eth0"], wanted, str(saved))
    for name, value in wanted.items():
        (kernel / "eth1" / name).write_text(f"{value}\n")
    interface_sysctls.apply(["eth0", "eth1"], wanted, str(saved))
    interface_sysctls.restore(["eth0", "eth1"], str(saved))
    assert values(kernel) == {"eth0": ["0", "0"], "eth1": ["0", "0"]}


def test_what_an_earlier_version_has_saved_is_the_first_interfaces(kernel: Path) -> None:
    saved, wanted = kernel / "saved", interface_sysctls.wanted(ipv6=False)
    saved.write_text("arp_ignore 4\narp_announce 0\n")
    for name, value in wanted.items():
        (kernel / "eth0" / name).write_text(f"{value}\n")
    interface_sysctls.apply(["eth0", "eth1"], wanted, str(saved))
    interface_sysctls.restore(["eth0", "eth1"], str(saved))
    assert values(kernel) == {"eth0": ["4", "0"], "eth1": ["0", "0"]}


def test_an_interface_without_ipv6_has_the_others_set(kernel: Path) -> None:
    (kernel / "eth1/keep_addr_on_down").unlink()
    wanted = interface_sysctls.wanted(ipv6=True)
    interface_sysctls.apply(["eth0", "eth1"], wanted, str(kernel / "saved"))
    assert values(kernel)["eth1"] == ["1", "2"]
    assert not (kernel / "eth1/keep_addr_on_down").exists()


# --- the watch -----------------------------------------------------------------------------------

OWN = {"eth0": "10.0.0.1", "eth1": "10.20.0.1"}


class Machine:
    """Two interfaces: what `ip` shows of each, and what the kernel lets a socket do."""

    def __init__(self) -> None:
        self.indexes = {"eth0": 2, "eth1": 3}
        self.there = dict(OWN)
        self.silent: set[str] = set()
        self.usable = {(own, "") for own in OWN.values()}
        self.usable |= {("10.0.0.1", "10.0.0.2"), ("10.20.0.1", "10.20.0.2")}
        self.told: list[tuple[str, str]] = []
        self.asked: list[str] = []

    def run(self, *words: str, timeout_s: float) -> Any:
        name = words[-1]
        self.asked.append(name)
        shown = (
            f"2: {name}    inet {self.there[name]}/16 scope global" if name in self.there else ""
        )
        return commands.CommandResult(124 if name in self.silent else 0, shown, "")

    def announce(self, own: str, interface: str) -> None:
        self.told.append((own, interface))

    def has(self, own: str, other: str = "") -> bool:
        return (own, other) in self.usable


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    news = SimpleNamespace(any_new=lambda: True, socket=None)
    monkeypatch.setattr(node_premises, "Events", lambda *kinds: news)
    monkeypatch.setattr(interface_premises, "run", made.run)
    monkeypatch.setattr(interface_premises, "_has", made.has)
    announce = lambda self, own: made.announce(own, self.interface)  # noqa: E731
    monkeypatch.setattr(interface_premises.OwnAddresses, "announce", announce)
    monkeypatch.setattr(
        interface_premises, "interface_index", lambda name: made.indexes.get(name, 0)
    )
    return made


def premises() -> Any:
    own = ["10.0.0.1", "10.20.0.1@eth1"]
    others = ["10.0.0.2", "10.20.0.2@eth1", "10.0.0.3", "10.20.0.3@eth1"]
    return node_premises.NodePremises("eth0", own, others, 0.1)


def test_all_is_well_where_each_interface_has_what_it_needs(machine: Machine) -> None:
    assert premises().fault(0) == ""
    assert machine.asked == ["eth0", "eth1"]


@pytest.mark.parametrize("name", ["eth0", "eth1"])
def test_what_one_interface_lacks_is_missing(machine: Machine, name: str) -> None:
    own, index = OWN[name], machine.indexes[name]
    del machine.there[name]
    assert premises().fault(0) == f"{own} is not on {name}"
    machine.there[name] = OWN["eth1" if name == "eth0" else "eth0"]
    assert premises().fault(0) == f"{own} is not on {name}", "another interface's"
    machine.there[name] = own
    machine.indexes[name] = 0
    assert premises().fault(0) == f"there is no interface {name}"
    machine.indexes[name] = index
    machine.usable.remove((own, f"{own[:-1]}2"))
    assert premises().fault(0) == f"there is no route from {own} to any other node"
    machine.usable.remove((own, ""))
    assert premises().fault(0) == f"{own} is not usable here"


def test_a_routed_node_needs_a_way_to_one_of_its_routers(machine: Machine) -> None:
    made = node_premises.NodePremises("eth0", ["10.0.0.1"], ["10.20.0.254"], 0.1, "router")
    assert made.fault(0) == "there is no route from 10.0.0.1 to any router"
    machine.usable.add(("10.0.0.1", "10.20.0.254"))
    assert made.fault(0) == ""


def test_one_interface_that_nobody_could_ask_about_is_as_it_was(machine: Machine) -> None:
    here = premises()
    del machine.there["eth1"]
    assert here.fault(0) == "10.20.0.1 is not on eth1"
    machine.silent, machine.there["eth1"] = {"eth1"}, OWN["eth1"]
    assert here.fault(1) == "10.20.0.1 is not on eth1"
    del machine.there["eth0"]
    assert here.fault(2) == "10.0.0.1 is not on eth0", "the other one is asked all the same"
    machine.silent, machine.there["eth0"] = set(), OWN["eth0"]
    assert here.fault(3) == ""


def test_either_interface_that_is_made_anew_is_noticed_and_introduced(machine: Machine) -> None:
    here = premises()
    here.missing()
    for name, index in (("eth1", 9), ("eth0", 10)):
        machine.told.clear()
        machine.indexes[name] = index
        here.missing()
        assert (OWN[name], name) in machine.told
        assert "made anew" in here.history.outlived(0)


@pytest.mark.parametrize("gone", [(0, 3), (2, 0), (0, 0)])
def test_one_that_comes_back_as_it_was_is_not_made_anew(gone: tuple[int, int]) -> None:
    history = premise_history.PremiseHistory(0.1)
    for now_s, fault, indexes in ((0, "", (2, 3)), (5, "away", gone), (5.05, "", (2, 3))):
        history.observe(now_s, fault, indexes)
    assert history.outlived(1) == ""
    history.observe(9, "", (2, 4))
    assert "made anew" in history.outlived(1)


# --- where a VIP is ------------------------------------------------------------------------------

SHOWN = """\
1: lo    inet 127.0.0.1/8 scope host lo
1: lo    inet 172.16.12.254/32 scope host lo
2: eth0    inet 172.16.12.61/16 scope global eth0
3: eth1    inet 10.20.0.254/32 scope host eth1:1
"""


def test_apply_keepalived_sees_a_vip_on_any_interface_but_lo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vrrp_election, "run", lambda *words: commands.CommandResult(0, SHOWN, ""))
    assert vrrp_election.addresses() == {"172.16.12.61", SECOND}


def test_the_exporter_looks_at_each_interface_that_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`run` gives no line's end: the second interface's first line is a line of its own."""
    shown = {name: f"2: {name}    inet {own}/32 scope host" for name, own in OWN.items()}
    monkeypatch.setattr(
        metrics, "run", lambda *words, **_: commands.CommandResult(0, shown[words[-1]], "")
    )
    assert metrics.addresses(["eth0", "eth1"]) == set(OWN.values())


@pytest.mark.parametrize(
    ("rules", "deleted"),
    [
        (b"table ip tandem_clients {}\ntable ip6 tandem_clients {}\n", []),
        (b"table ip tandem_vrrp {}\n", ["ip", "ip6"]),
        (b"", []),  # not to be read
    ],
)
def test_rules_of_an_earlier_version_leave_no_limit_of_clients_behind(
    monkeypatch: pytest.MonkeyPatch, rules: bytes, deleted: list[str]
) -> None:
    """A rollback goes back to them."""
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(keepalived_change, "content", lambda path: rules)
    monkeypatch.setattr(keepalived_change, "run", lambda *words, **_: ran.append(words))
    keepalived_change.forget_limits()
    assert ran == [("nft", "delete", "table", family, "tandem_clients") for family in deleted]
