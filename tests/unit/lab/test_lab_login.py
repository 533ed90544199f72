"""Who logs in to the lab's machines: read from an inventory, made by a script, refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import inventory_machines
from lab.errors import LabError
from lab.guests import login_user
from lab.inventory_machines import ReadInventory
from lab.plan import Login
from tests.support.fakes import ROOT

Read = Callable[[str, str], ReadInventory]
MACHINES = """
web = (
    [
        ("one", {"ssh_hostname": "10.20.0.11", "priority": 101, "page": "one"}),
        ("two", {"ssh_hostname": "10.20.0.12", "priority": 100, "page": "two", %s}),
    ],
    {"vip": "10.20.0.100/24", %s},
)
"""


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads an inventory with settings of its second machine, and of its group."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "group_data").symlink_to(ROOT / "group_data")

    def machines(second: str, group: str) -> ReadInventory:
        (tmp_path / "machines.py").write_text(MACHINES % (second, group))
        return inventory_machines.read("machines.py", ROOT)

    return machines


def logins(read: Read, second: str, group: str) -> list[Login]:
    return [machine.login for machine in read(second, group).machines]


def test_without_a_word_root_logs_in_and_nothing_is_made(read: Read) -> None:
    assert logins(read, "", "") == [Login(), Login()]
    assert Login().is_bare


def test_a_user_of_the_group_and_one_of_the_machine(read: Read) -> None:
    first, second = logins(
        read, '"ssh_user": "bea", "_sudo_password": "x"', '"ssh_user": "ann", "_sudo": True'
    )
    assert first == Login(user="ann", becomes="sudo")
    assert second == Login(user="bea", becomes="sudo", sudo_asks=True, password="x")
    assert not first.is_bare and first.packages == ("sudo",)


def test_users_of_group_data_and_of_config(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "group_data").unlink()
    (tmp_path / "group_data").mkdir()
    everything = (ROOT / "group_data/all.py").read_text()
    (tmp_path / "group_data/all.py").write_text(everything)
    (tmp_path / "group_data/web.py").write_text('ssh_user = "ann"\n')
    config = (ROOT / "config.py").read_text()
    (tmp_path / "config.py").write_text(
        f"from pyinfra import config\n{config}\nconfig.DOAS = True\n"
    )
    assert logins(read, "", "") == [Login(user="ann", becomes="doas")] * 2


def test_a_user_of_ssh_config(read: Read, tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text("Host 10.20.0.12\n    User operator\n")
    first, second = logins(read, "", f'"ssh_user": "", "ssh_config_file": {str(config)!r}')
    assert (first.user, second.user) == ("root", "operator")
    assert second.packages == ()


def test_a_password_for_ssh_is_none_for_sudo(read: Read) -> None:
    first, _ = logins(read, "", '"ssh_user": "ann", "ssh_password": "p", "_sudo": True')
    assert first == Login(user="ann", becomes="sudo", by_password=True, password="p")


def test_su_has_roots_password(read: Read) -> None:
    first, _ = logins(read, "", '"ssh_user": "ann", "_su_user": "root", "_su_password": "p"')
    assert first == Login(user="ann", becomes="su", root_password="p")


def test_files_of_ssh_need_not_be_here_and_that_is_said(read: Read) -> None:
    found = read('"ssh_key": "/nowhere/key", "ssh_known_hosts_file": "/nowhere/x"', "")
    assert found.machines[1].login.is_bare
    (note,) = found.notes
    assert "ssh_key, ssh_known_hosts_file" in note


def test_nothing_is_said_of_an_inventory_that_the_lab_takes_as_it_is(read: Read) -> None:
    assert read("", "").notes == []


def test_certificates_that_are_not_there_keep_no_lab_from_booting(read: Read) -> None:
    sites = [
        {"server_names": ["www.example.org"], "page": "x"},
        {
            "server_names": ["shop.example.org", "*.shop.example.org"],
            "page": "x",
            "tls_certificate": ".lab-ca/shop.pem",
            "tls_key": ".lab-ca/shop.key",
        },
    ]
    tls = '"tls_certificate": ".lab-ca/here-not.pem", "tls_key": ".lab-ca/here-not.key"'
    assert read("", f'{tls}, "sites": {sites}').notes == [
        "tls_certificate = '.lab-ca/here-not.pem' is not there yet. Before a deploy: "
        ".venv/bin/lab ca --name here-not 10.20.0.100 www.example.org",
        "sites[1].tls_certificate = '.lab-ca/shop.pem' is not there yet. Before a deploy: "
        ".venv/bin/lab ca --name shop shop.example.org '*.shop.example.org'",
    ]


def test_a_certificate_of_elsewhere_can_be_tried_with_one_of_the_labs(read: Read) -> None:
    tls = '"tls_certificate": "/nowhere/chain.pem", "tls_key": "/nowhere/key.pem"'
    (note,) = read("", tls).notes
    assert ".lab-ca/web.pem and .lab-ca/web.key: .venv/bin/lab ca 10.20.0.100" in note


def test_what_no_guest_can_be_is_refused_at_once(read: Read) -> None:
    second = '"_dzdo": True, "ssh_user": "EXAMPLE\\\\bea", "ssh_hostname": "10.20.0.11", '
    second += '"address": "10.20.0.12", "ssh_password": "one", "_sudo_password": "other"'
    with pytest.raises(LabError) as caught:
        read(second, "")
    told = str(caught.value)
    assert "nothing was booted" in told
    for part in (
        "two: _dzdo = True: ",
        "two: ssh_user = 'EXAMPLE\\\\bea': no guest has users of a domain",
        "two: _sudo_password = (5 characters): it is another one than ssh_password",
        "one, two: ssh_hostname = '10.20.0.11': several machines are reached there",
    ):
        assert part in told, told
    assert '"other"' not in told and "= 'other'" not in told


# --- the script ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "login",
    [
        Login(user="ann", becomes="sudo"),
        Login(user="ann", becomes="sudo", sudo_asks=True, password="p"),
        Login(user="ann.b-c", becomes="doas", by_password=True, password="p"),
        Login(becomes="sudo"),
        Login(user="ann", becomes="su", root_password="p"),
    ],
)
def test_the_script_is_shell_without_a_password_in_it(login: Login) -> None:
    text = login_user.script(login)
    assert subprocess.run(["sh", "-n", "-c", text], env=os.environ).returncode == 0
    assert "'p'" not in text and ":p" not in text
    assert login_user.passwords(login).count("\n") == bool(login.password or login.root_password)


def test_sudo_asks_only_who_has_a_password_for_it() -> None:
    ann = Login(user="ann", becomes="sudo")
    assert "ann ALL=(ALL:ALL) NOPASSWD: ALL" in login_user.script(ann)
    asked = Login(user="ann", becomes="sudo", sudo_asks=True, password="a 'b' $c")
    assert "ann ALL=(ALL:ALL) ALL" in login_user.script(asked)
    assert login_user.passwords(asked) == "ann:a 'b' $c\n"


def test_no_password_is_shown_where_a_login_is() -> None:
    assert "secret" not in repr(Login(password="secret", root_password="secret"))


# --- what else is not in the lab -----------------------------------------------------------------


def test_upstreams_are_not_there_and_that_is_said(read: Read) -> None:
    upstreams = {"app": {"servers": ["app.internal:8080", "10.20.0.11:9000"]}}
    found = read("", f'"upstreams": {upstreams}')
    (note,) = found.notes
    assert "nobody answers at app.internal:8080, and" in note
    assert found.machines[0].upstreams == ("app.internal:8080", "10.20.0.11:9000")


def test_an_interface_that_no_card_can_have_is_refused(read: Read) -> None:
    with pytest.raises(LabError, match="interface = 'lo': a guest's card"):
        read("", '"interface": "lo", "label": "lo:0"')
