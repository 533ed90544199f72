"""Names that nobody knows, and names where nobody looks, are refused with the nearest known one."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
from pyinfra.api import Inventory

import settings
from settings.mistakes import name_mistakes
from settings.mistakes.name_mistakes import OPTIONS, SETTINGS, of_pyinfra
from settings.run_options import COMMANDS, commands_of
from tests.support import fakes
from tests.unit.settings.test_settings import TWO, inventory, mistakes

KNOWN = sorted(SETTINGS | OPTIONS | of_pyinfra())


def slips(name: str) -> dict[str, str]:
    """What somebody types instead of `name`, by the kind of slip."""
    middle = len(name) // 2
    swapped = f"{name[: middle - 1]}{name[middle]}{name[middle - 1]}{name[middle + 1 :]}"
    found = {"swapped": swapped, "doubled": f"{name[:middle]}{name[middle - 1]}{name[middle:]}"}
    if len(name) > 4:
        found |= {"left out": name[:middle] + name[middle + 1 :], "case": name.upper()}
    return {kind: slip for kind, slip in found.items() if slip not in KNOWN}


@pytest.mark.parametrize("name", KNOWN)
def test_a_slip_in_any_name_that_there_is_is_refused_with_that_name(name: str) -> None:
    for kind, slip in slips(name).items():
        override = {slip: "1"}
        (found,) = name_mistakes.of_override(override)
        assert (found.where, found.setting) == ("--data", slip)
        meant = re.search(r"did you mean (\w+)\?", found.remedy)
        assert meant, (kind, slip, found.remedy)
        # Among names that differ in one letter, either may be meant.
        near = {name, *(other for other in KNOWN if slip in slips(other).values())}
        if kind in ("swapped", "left out"):
            assert meant[1] in near or abs(len(meant[1]) - len(name)) <= 2, (slip, meant[1])


@pytest.mark.parametrize("read", [settings.clusters, settings.load])
def test_what_data_names_and_nobody_knows_is_refused_for_every_command(read: Any) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        read(inventory(override={"olny": "NGX-01", "zzz": 1, "auth_pas": "secret1"}))
    assert str(caught.value).count("there is no such setting") == 3
    assert "did you mean only?" in str(caught.value)
    assert "did you mean auth_pass?" in str(caught.value) and "secret1" not in str(caught.value)
    assert "zzz = 1: there is no such setting; group_data/all.py has" in str(caught.value)


@pytest.mark.parametrize("name", sorted(SETTINGS | of_pyinfra()))
def test_every_name_that_there_is_is_known(name: str) -> None:
    assert not list(name_mistakes.of_override({name: "1"}))
    assert not list(name_mistakes.of_data("host1", {name: "1"}, {}))


def test_every_option_belongs_to_a_command_and_every_command_tells_its_own() -> None:
    assert frozenset().union(*COMMANDS.values()) == OPTIONS
    for command in COMMANDS:
        told = ast.get_docstring(ast.parse((fakes.ROOT / command).read_text())) or ""
        assert set(re.findall(r"--data (\w+)=", told)) <= COMMANDS[command], command


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_a_command_does_not_know_is_refused(command: str) -> None:
    for option in sorted(OPTIONS):
        found = list(name_mistakes.of_commands({option: "1"}, [command]))
        assert bool(found) is (option not in COMMANDS[command]), option
        assert all(commands_of(option)[0] in mistake.remedy for mistake in found)
    assert not list(name_mistakes.of_commands({"only": "X"}, ["deploy.py", "verify.py"]))
    assert not list(name_mistakes.of_commands({"only": "X"}, [command, "my_own.py"]))


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_an_option_of_a_run_in_the_inventory_is_refused(option: str) -> None:
    given: dict[str, Any] = {option: "1"}
    found = mistakes(inventory(**given))
    assert len(found) == 1 and f"as --data {option}=" in found[0], found


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"_sodu": True}, "_sudo"),
        ({"_doass": True}, "_doas"),
        ({"ssh_prot": 22}, "ssh_port"),
        ({"ssh_hotsname": "x"}, "ssh_hostname"),
        ({"cluster": "web"}, ""),
        ({"name": "web"}, ""),
    ],
)
def test_names_of_pyinfra_and_of_tandem_itself_are_looked_at_too(
    given: dict[str, Any], meant: str
) -> None:
    (found,) = mistakes(inventory(**given))
    assert "there is no such setting" in found
    assert f"did you mean {meant}?" in found or not meant


def test_a_name_of_the_inventorys_own_is_left_alone() -> None:
    assert settings.load(inventory(_domain="example.org"))


def group(**data: Any) -> Inventory:
    members = list(TWO.items())
    return Inventory((members, fakes.defaults()), web=(members, data))  # type: ignore[no-untyped-call]


def test_a_misspelt_vip_is_told_as_that_and_as_nothing_else() -> None:
    (found,) = mistakes(group(vipp="172.16.12.254/16"))
    assert "vipp = '172.16.12.254/16': there is no such setting; did you mean vip?" in found


def test_other_mistakes_come_with_a_machine_that_is_in_no_cluster() -> None:
    found = mistakes(group(http_port=0))
    assert len(found) == 2 and any("http_port = 0" in each for each in found), found
    assert any("exactly one group that sets `vip`" in each for each in found)


def test_data_of_a_group_in_which_no_machine_is_are_refused() -> None:
    members = list(TWO.items())
    machines = Inventory(  # type: ignore[no-untyped-call]
        (members, fakes.defaults()),
        web=(members, {"vip": "172.16.12.254/16"}),
        wbe=([], {"http_port": 81}),
    )
    (found,) = mistakes(machines)
    assert found.startswith("group_data/wbe.py") and "did you mean web?" in found


def test_data_of_another_inventorys_group_are_left_aside_and_named() -> None:
    members = list(TWO.items())
    machines = Inventory(  # type: ignore[no-untyped-call]
        (members, fakes.defaults()),
        web=(members, {"vip": "172.16.12.254/16"}),
        shop=([], {"http_port": 81}),
        empty=([], {}),
    )
    assert settings.load(machines), "nothing is refused"
    assert settings.unused_groups(machines) == ["shop"]


@pytest.mark.parametrize(
    "given",
    [
        {"vip": "172.16.12.254"},
        {"vip": 2886732030},
        {"vip6": "fd61:1::254", "address6": "fd61:1::61"},
        {"more_vips": {"172.16.12.253": "host2"}},
    ],
)
def test_an_address_without_a_prefix_is_no_vip(given: dict[str, Any]) -> None:
    found = mistakes(inventory(**given))
    assert any("with its prefix" in each or "each further VIP" in each for each in found), found
