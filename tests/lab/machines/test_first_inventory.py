"""A first inventory, for real: written by what the machines say, deployed, and asked for again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab import own_lab
from tests.support.lab.deployment import Done

MACHINES = ("172.16.12.61", "172.16.12.62")
VIP = "172.16.12.254"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with own_lab.own_lab(tmp_path_factory.mktemp("first") / "checkout", "inventory.py") as lab:
        yield lab


def place(lab: Lab) -> Path:
    return lab.state.root.parent


def init(lab: Lab, *words: str) -> Done:
    """init.py, with nobody at the terminal."""
    return lab.run([sys.executable, "init.py", *words], cwd=place(lab), stdin=subprocess.DEVNULL)


def asked(lab: Lab, file: str, vip: str, *words: str) -> Done:
    return init(lab, file, "--hosts", ",".join(MACHINES), "--vip", vip, "--yes", *words)


def left_on(lab: Lab) -> str:
    """Every file that a machine has, with its size, but for logs and what is the kernel's."""
    places = "/etc /usr /var /root /home /tmp /run"
    find = f"find {places} -xdev -not -path '/run/systemd/*' -type f -printf '%p %s\\n'"
    done = lab.ssh("host1", f"{find} | grep -v -e /log/ -e /run/ -e /lib/systemd/ | sort")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_file_is_what_the_machines_have(bare: Lab) -> None:
    before = left_on(bare)
    done = asked(bare, "mine.py", VIP)
    assert done.returncode == 0, done.stderr
    assert "Next: .venv/bin/pyinfra mine.py deploy.py --dry" in done.stderr
    assert left_on(bare) == before
    text = (place(bare) / "mine.py").read_text()
    for line in (
        '"ssh_hostname": "172.16.12.61"',
        '"ssh_hostname": "172.16.12.62"',
        f'"vip": "{VIP}/16"',
        '"interface": "eth0"',
        '"virtual_router_id": 254',
        '"ntp_server": "172.16.0.1"',
        "# Nobody was heard.",
    ):
        assert line in text
    # As the machines call themselves, in the order in which they were given.
    assert text.index('"host1"') < text.index('"host2"')


def test_what_is_not_free_is_refused_with_what_is(bare: Lab) -> None:
    for vip, said in (
        ("172.16.12.62", "own address"),
        ("172.16.0.1", "is the gateway's"),
        ("172.16.12.9/24", "give 172.16.12.9/16"),
    ):
        done = asked(bare, "other.py", vip, "--listen", "0.5")
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr
        assert "Nobody answers for 172.16.12.254" in done.stderr
    assert not (place(bare) / "other.py").exists()


def test_an_address_that_somebody_has_is_found_by_asking(bare: Lab) -> None:
    words = bare.run(["ip", "-o", "route", "get", MACHINES[0]]).stdout.split()
    place_of_gateway = ("dev", words[words.index("dev") + 1])
    somebody = ("172.16.12.254/32", *place_of_gateway)
    assert bare.run(["ip", "address", "add", *somebody]).returncode == 0
    try:
        done = asked(bare, "other.py", VIP, "--listen", "0.5")
    finally:
        bare.run(["ip", "address", "del", *somebody])
    assert done.returncode == 1
    assert f"--vip: {VIP} is taken: " in done.stderr
    assert "Nobody answers for 172.16.12.253" in done.stderr


def test_machines_that_cannot_be_asked_are_named_all_at_once(bare: Lab) -> None:
    hosts = "172.16.12.61,172.16.12.63,172.16.12.64"
    done = init(bare, "other.py", "--hosts", hosts, "--vip", VIP, "--yes")
    assert done.returncode == 1
    assert "172.16.12.63: there is no route" in done.stderr
    assert "172.16.12.64: there is no route" in done.stderr
    assert "Nothing was written" in done.stderr


def test_it_is_deployed_as_it_was_written(bare: Lab) -> None:
    dry = own_lab.pyinfra(bare, "mine.py", "deploy.py", "--dry")
    assert dry.returncode == 0, dry.stdout
    done = own_lab.pyinfra(bare, "-y", "mine.py", "deploy.py")
    assert done.returncode == 0, done.stdout
    verified = own_lab.pyinfra(bare, "mine.py", "verify.py", "--data", "wait=30")
    assert verified.returncode == 0, verified.stdout


def test_a_number_that_is_in_use_on_that_network_is_not_proposed(bare: Lab) -> None:
    """Its last octet is the number that the pair uses, which was deployed before."""
    done = asked(bare, "second.py", "172.16.13.254")
    assert done.returncode == 0, done.stderr
    text = (place(bare) / "second.py").read_text()
    assert '"virtual_router_id": 255' in text
    assert "# Heard there: 254 (172.16.12.61)." in text
    assert "was set up here before" in done.stderr


def test_the_address_that_the_pair_has_is_no_other_pairs(bare: Lab) -> None:
    done = asked(bare, "third.py", VIP, "--listen", "0.5")
    assert done.returncode == 1
    assert f"{VIP} is on 172.16.12.6" in done.stderr
    assert "Nobody answers for 172.16.12.253" in done.stderr
