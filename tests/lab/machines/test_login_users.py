"""The users that an inventory logs in as are on the lab's machines, and become root there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.lab.conftest import Checkout, out
from tests.support.lab import own_lab
from tests.support.lab.deployment import ROOT

USERS = {"one": "ann", "two": "bea", "three": "operator"}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mine = tmp_path_factory.mktemp("login") / "machines.py"
    return Path(shutil.copy(ROOT / "tests/support/inventories/login_users.py", mine))


@pytest.fixture(scope="module")
def users(inventory: Path) -> Iterator[Lab]:
    with own_lab.own_lab(inventory.parent / "checkout", str(inventory)) as lab:
        yield lab


def everybody_is_root(lab: Lab, inventory: Path) -> None:
    told = own_lab.pyinfra(lab, str(inventory), "exec", "--", "echo uid=$(id -u)").stdout
    roots = re.findall(r"\[(\w+)\] +uid=0$", told, re.MULTILINE)
    assert sorted(roots) == sorted(USERS), told


def test_each_logs_in_as_its_own_user_and_is_root(users: Lab, inventory: Path) -> None:
    everybody_is_root(users, inventory)
    config = str(users.state.ssh / "config")
    for name, user in USERS.items():
        assert out(users.run(["ssh", "-F", config, name, "id -un"])) == user
        assert out(users.ssh(name, "id -un")) == "root"


def test_sudo_asks_where_the_inventory_has_a_password(users: Lab) -> None:
    assert out(users.ssh("one", "su ann -c 'sudo -n id -u'")) == "0"
    refused = users.ssh("two", "su bea -c 'sudo -n id -u'")
    assert refused.returncode and "a password is required" in refused.stderr
    right = users.ssh("two", "su bea -c 'sudo -S id -u'", input="not 'so' $secret\n")
    assert out(right) == "0"


def test_only_who_logs_in_with_a_password_may(users: Lab) -> None:
    command = "sshd -T -C user={},host=x,addr=x | grep -i ^passwordauth"
    assert out(users.ssh("two", command.format("bea"))) == "passwordauthentication no"
    assert out(users.ssh("three", command.format("operator"))) == "passwordauthentication yes"
    assert out(users.ssh("three", command.format("root"))) == "passwordauthentication no"


def test_a_wiped_machine_has_its_user_also_without_its_cable(users: Lab, inventory: Path) -> None:
    users.unplug("two")
    users.wipe("two")
    users.plug("two")
    everybody_is_root(users, inventory)


def test_the_passwords_are_roots_to_read(users: Lab) -> None:
    assert users.state.plan.stat().st_mode & 0o077 == 0


def test_another_user_needs_no_other_lab(users: Lab, inventory: Path) -> None:
    """Somebody changes the user in the inventory of a lab that is up."""
    boot = out(users.ssh("one", "cat /proc/sys/kernel/random/boot_id"))
    inventory.write_text(inventory.read_text().replace('"ann"', '"dora"'))
    done = Checkout(users.state.root.parent).lab("up", str(inventory))
    assert done.returncode == 0, done.stderr
    assert "dora (sudo)" in done.stdout
    everybody_is_root(users, inventory)
    assert out(users.ssh("one", "cat /proc/sys/kernel/random/boot_id")) == boot
