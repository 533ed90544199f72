"""The steps of the hand-over: which commands they are, and what they leave as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs

moving_address = programs.load("handover.moving_address")
nft_tables = programs.load("handover.nft_tables")
results = programs.load("common.commands")
interface_sysctls = programs.load("handover.interface_sysctls")
unresolved_neighbours = programs.load("handover.unresolved_neighbours")
handover_loop = programs.load("handover.handover_loop")
FOREVER = programs.load("handover.address_state").FOREVER
VIP, VIP6 = "172.16.12.254", "fd61:1::254"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is run; each command prints nothing."""
    found: list[str] = []

    def logged(*words: str) -> str:
        found.append(" ".join(words))
        return ""

    def run(*words: str, timeout_s: float = 0) -> Any:
        return results.CommandResult(0, logged(*words), "")

    monkeypatch.setattr(moving_address, "logged", logged)
    monkeypatch.setattr(nft_tables, "logged", logged)
    monkeypatch.setattr(nft_tables, "run", run)
    return found


def address(vip: str = VIP, window_s: int = 60) -> Any:
    return moving_address.MovingAddress(vip, "172.16.12.61", ["172.16.12.62"], "eth0", window_s, 1)


@pytest.mark.parametrize(
    ("vip", "command"),
    [
        (VIP, f"{VIP}/32 dev lo valid_lft forever scope host preferred_lft forever"),
        (VIP6, f"{VIP6}/128 dev lo valid_lft forever preferred_lft 0"),
    ],
)
def test_on_lo_an_address_is_no_source_of_the_machines_own_choice(
    commands: list[str], vip: str, command: str
) -> None:
    address(vip).have()
    assert commands == [f"ip address replace {command}"]


class Running:
    """A command that has not come to its end."""

    def poll(self) -> int | None:
        return None


class Ended(Running):
    def poll(self) -> int | None:
        return 0


FORGOTTEN = f"ss -K -t state time-wait src {VIP}"


@pytest.fixture
def begun(commands: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commands that are begun and not waited for are among `commands`, and end at once."""

    def popen(words: tuple[str, ...], **_: Any) -> Running:
        commands.append(" ".join(words))
        return Ended()

    monkeypatch.setattr(subprocess, "Popen", popen)
    return commands


def test_an_address_that_leaves_stays_for_the_window_and_a_margin(
    begun: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = address()
    leaving.holds, leaving.left_s = False, FOREVER
    monkeypatch.setattr(leaving, "has_connections", lambda: True)
    assert leaving.step(100.0)
    assert [command for command in begun if command != FORGOTTEN] == [
        f"ip address replace {VIP}/32 dev lo valid_lft 65 scope host preferred_lft 65",
    ]


def test_ended_connections_are_forgotten_when_the_address_goes_and_comes_and_between(
    begun: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that live on here end while it is away, and their clients use the ports again."""
    moving = address()
    monkeypatch.setattr(moving, "has_connections", lambda: True)

    def forgotten(now_s: float, holds: bool, left_s: float | None) -> bool:
        begun.clear()
        moving.holds, moving.left_s = holds, left_s
        moving.step(now_s)
        return FORGOTTEN in begun

    assert forgotten(100.0, False, FOREVER), "it goes"
    assert not forgotten(100.1, False, 64.9), "not ten times a second"
    assert forgotten(100.6, False, 64.4) and forgotten(101.2, False, 63.8), "it is away"
    assert forgotten(101.3, True, 63.7), "it comes"
    assert not forgotten(101.9, True, FOREVER), "it is here"
    assert forgotten(102.0, False, FOREVER), "it goes again at once"
    moving.forgetting = Running()
    assert not forgotten(103.0, True, 64.0), "one at a time"
    assert not forgotten(103.1, True, FOREVER), "it is still under way"
    moving.forgetting = Ended()
    assert forgotten(103.2, True, FOREVER), "what it may have passed by"
    assert not forgotten(103.3, True, FOREVER)


def test_connections_are_reset_while_their_address_is_still_there(commands: list[str]) -> None:
    address(VIP6).cut()
    assert commands == [f"ss -K -t src [{VIP6}]", f"ip address delete {VIP6}/128 dev lo"]


@pytest.mark.parametrize(("printed", "has"), [("ESTAB 0 0", True), ("", False), (None, True)])
def test_connections_that_cannot_be_counted_are_taken_for_some(
    monkeypatch: pytest.MonkeyPatch, printed: str | None, has: bool
) -> None:
    monkeypatch.setattr(moving_address, "logged", lambda *words: printed)
    assert address().has_connections() is has


def test_an_address_that_cannot_be_read_is_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    held = address()
    held.holds, held.left_s = True, FOREVER
    monkeypatch.setattr(moving_address, "logged", lambda *words: None)
    held.observe()
    assert (held.holds, held.left_s) == (True, FOREVER)


def test_removal_resets_only_what_is_not_held(
    commands: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held, left, absent = address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.3")
    held.holds, held.left_s, left.left_s = True, FOREVER, 30.0
    monkeypatch.setattr(moving_address.MovingAddress, "observe", lambda self: None)
    handover_loop.remove([held, left, absent], ["eth0"], str(tmp_path / "sysctls"))
    assert commands == [
        "ip address delete 10.0.0.1/32 dev lo",
        *("ss -K -t src 10.0.0.2", "ip address delete 10.0.0.2/32 dev lo"),
        "nft list tables",
    ]


def test_an_address_of_another_inventory_is_taken_off_lo_once(
    commands: list[str], tmp_path: Path
) -> None:
    saved = tmp_path / "addresses"
    handover_loop.remove_former_addresses([VIP, VIP6], str(saved))
    assert commands == [] and saved.read_text().split() == [VIP, VIP6]
    handover_loop.remove_former_addresses([VIP], str(saved))
    handover_loop.remove_former_addresses([VIP], str(saved))
    assert commands == [f"ip address delete {VIP6}/128 dev lo"]


# --- nftables --------------------------------------------------------------------------------


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "handover.nft"
    path.write_text("table ip tandem_handover {\n}\ntable ip6 tandem_handover_1 {\n}\n")
    return str(path)


def test_only_our_own_tables_that_are_wanted_no_more_are_deleted(
    rules: str, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = "table ip tandem_handover\ntable ip tandem_handover_9\ntable ip other\ntable inet x\n"

    def logged(*words: str) -> str:
        commands.append(" ".join(words))
        return there

    monkeypatch.setattr(nft_tables, "logged", logged)
    nft_tables.NftTables(rules, "").load()
    changing = [command for command in commands if "list table " not in command]
    assert changing == [
        *("nft list tables", "nft delete table ip tandem_handover_9", f"nft -f {rules}"),
    ]


def test_a_routed_node_takes_away_a_limit_of_clients_that_is_none_any_more(
    rules: str, commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere keepalived's unit has loaded it, and the classic profile has no hand-over."""
    there = "table ip tandem_handover\ntable ip tandem_clients\ntable ip6 tandem_clients\n"

    def logged(*words: str) -> str:
        commands.append(" ".join(words))
        return there

    monkeypatch.setattr(nft_tables, "logged", logged)
    clients = tmp_path / "clients.nft"
    clients.write_text("table ip tandem_clients {}\ntable ip tandem_clients {\n}\n")
    tables = nft_tables.NftTables(rules, str(clients), clients=True)
    tables.load()
    assert [each for each in commands if "delete" in each] == [
        "nft delete table ip6 tandem_clients"
    ]
    assert f"nft -f {clients}" in commands
    commands.clear()
    clients.write_text("# nobody is limited\n")
    tables.load()
    assert [each for each in commands if "delete" in each] == [
        *("nft delete table ip tandem_clients", "nft delete table ip6 tandem_clients"),
    ]
    commands.clear()
    nft_tables.NftTables(rules).load()
    assert not [each for each in commands if "delete" in each]


def test_tables_are_loaded_again_only_when_they_differ(
    rules: str, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = [b"as loaded"]
    monkeypatch.setattr(nft_tables.NftTables, "_listed", lambda self, tables: list(listing))
    tables = nft_tables.NftTables(rules)
    tables.load()
    commands.clear()
    tables.check()
    assert commands == []
    tables.listings[rules] = [b"flushed"]
    tables.check()
    assert commands == [f"nft -f {rules}"]


def test_tables_that_were_refused_are_loaded_as_soon_as_they_can_be(
    rules: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel refuses a rule with an interface that is not there (yet)."""
    answers = [results.CommandResult(1, "", "No such device")] * 2
    answers.append(results.CommandResult(0, "", ""))
    loaded: list[str] = []

    def run(*words: str, timeout_s: float = 0) -> Any:
        if words[:2] != ("nft", "-f"):
            return results.CommandResult(0, "", "")
        loaded.append(words[2])
        return answers.pop(0)

    monkeypatch.setattr(nft_tables, "run", run)
    monkeypatch.setattr(nft_tables, "logged", lambda *words: "")
    tables = nft_tables.NftTables(rules)
    tables.load()
    for _ in range(4):
        tables.check()
    assert loaded == [rules] * 3
    assert capsys.readouterr().err.count("No such device") == 1, "said once"


# --- sysctls ---------------------------------------------------------------------------------


def test_sysctls_are_saved_once_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eth0").mkdir()
    monkeypatch.setattr(
        interface_sysctls, "_path", lambda interface, name: str(tmp_path / interface / name)
    )
    saved = str(tmp_path / "saved")
    both = interface_sysctls.wanted(ipv6=True)
    interface_sysctls.apply(["eth0"], both, saved)
    assert not Path(saved).exists(), "there is no such interface yet"

    def values() -> dict[str, str]:
        return {path.name: path.read_text().strip() for path in (tmp_path / "eth0").iterdir()}

    for name in both:
        (tmp_path / "eth0" / name).write_text("0\n")
    # Later the cluster gets an IPv6 address, too: what was saved stays, and the rest is added.
    for wanted in (interface_sysctls.wanted(ipv6=False), both, both):
        interface_sysctls.apply(["eth0"], wanted, saved)
    assert values() == {"arp_ignore": "1", "arp_announce": "2", "keep_addr_on_down": "1"}
    interface_sysctls.restore(["eth0"], saved)
    assert values() == dict.fromkeys(both, "0")
    assert not Path(saved).exists()


def test_whoever_was_asked_for_without_a_cable_is_asked_for_anew_when_it_is_back(
    commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    carriers = {"eth0": "1", "eth1": "1"}
    monkeypatch.setattr(unresolved_neighbours, "logged", lambda *words: commands.append(words[4]))
    monkeypatch.setattr(unresolved_neighbours, "read", lambda path: carriers[path.split("/")[4]])
    neighbours = unresolved_neighbours.UnresolvedNeighbours(["eth0", "eth1"])
    neighbours.observe()
    carriers["eth0"] = "0"
    neighbours.observe()
    assert commands == []
    carriers["eth0"] = "1"
    neighbours.observe()
    neighbours.observe()
    assert commands == ["eth0"]
    carriers["eth1"] = ""  # taken out: there is no such file
    neighbours.observe()
    carriers["eth1"] = "1"
    neighbours.observe()
    assert commands == ["eth0", "eth1"]
