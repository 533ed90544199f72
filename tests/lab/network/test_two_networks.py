"""Two networks with a VIP in each, and VRRP in either of them: what is cut moves, and nothing else.

The first VIP is on eth0 and host1 is to hold it, the second on eth1 and host2 is.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.drill_runs import assert_drill_sound, drilled
from tests.support.lab.own_lab import own_lab, pyinfra
from tests.support.lab.pair import HOSTS, changed_nothing, on, wait_until

INVENTORY = "tests/support/inventories/two_networks.py"
FIRST, SECOND = "172.16.12.254", "10.20.0.254"
PAGES = {"host1": "one.example", "host2": "two.example"}
AS_WANTED = {FIRST: ["host1"], SECOND: ["host2"]}
VRRP_ON_ETH1 = ("--data", "vrrp_interface=eth1")
CLASSIC = (*VRRP_ON_ETH1, "--data", "vrrp_version=2")
# The watch looks once a second, and keepalived has to follow.
MOVES_S = 15
STEADY_S = 3.0
# New connections, one after the other; those that were not answered within three seconds.
ASK = (
    "n=0 lost=0; while [ ! -e {stop} ]; do n=$((n + 1)); curl -qs --noproxy '*' -o /dev/null "
    "-m 3 http://{vip}/ || lost=$((lost + 1)); done; echo $n $lost"
)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with own_lab(tmp_path_factory.mktemp("networks") / "tandem", INVENTORY) as lab:
        deploy(lab)
        yield lab


def deploy(lab: Lab, *words: str) -> str:
    done = pyinfra(lab, "-y", INVENTORY, "deploy.py", *words)
    assert done.returncode == 0, done.stdout
    return done.stdout


def well(lab: Lab, *words: str) -> None:
    """Each VIP is where it is to be, on its interface, and the verifier agrees."""
    assert wait_until(lambda: holders(lab) == AS_WANTED, MOVES_S), holders(lab)
    # KA-11 and KA-19: what was logged while something was broken.
    skipped = ("--data", "wait=30", "--data", "skip=KA-11,KA-19")
    found = pyinfra(lab, INVENTORY, "verify.py", *skipped, *words)
    assert found.returncode == 0, found.stdout


def holders(lab: Lab) -> dict[str, list[str]]:
    """Who holds each VIP, on the interface that is in its network."""
    shown = {host: lab_side(lab, host, "ip -o -4 address show") for host in HOSTS}
    return {
        vip: [host for host, text in shown.items() if re.search(f": {card} +inet {vip}/", text)]
        for vip, card in ((FIRST, "eth0"), (SECOND, "eth1"))
    }


def lab_side(lab: Lab, host: str, command: str) -> str:
    """Run in the machine's network from outside: it is reached whatever is cut."""
    inside = ["nsenter", f"--net=/run/netns/{lab.machine(host).netns}", "--"]
    done = lab.run([*inside, *shlex.split(command)])
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def asked(lab: Lab, *vips: str) -> Iterator[None]:
    """Asks the VIPs all the time; nothing may be lost."""
    stop = lab.state.root / "stop"
    with ThreadPoolExecutor() as pool:
        running = {
            vip: pool.submit(
                lab.run, ["sh", "-c", ASK.format(stop=shlex.quote(str(stop)), vip=vip)]
            )
            for vip in vips
        }
        try:
            yield
        finally:
            stop.touch()
        counts = {vip: tuple(map(int, job.result().stdout.split())) for vip, job in running.items()}
    stop.unlink()
    assert all(number > 20 and lost == 0 for number, lost in counts.values()), counts


@contextmanager
def unplugged(lab: Lab, host: str, interface: str) -> Iterator[None]:
    lab.unplug(host, interface)
    try:
        yield
    finally:
        lab.plug(host, interface)


def one_each(lab: Lab, expected: dict[str, list[str]]) -> None:
    """It comes to that, and stays so."""
    assert wait_until(lambda: holders(lab) == expected, MOVES_S), holders(lab)
    end = time.monotonic() + STEADY_S
    while time.monotonic() < end:
        assert holders(lab) == expected
        time.sleep(0.1)


def serves(lab: Lab, vip: str, host: str) -> None:
    answer = lab.run(["curl", "-s", "-m", "3", f"http://{vip}/"]).stdout.strip()
    assert answer == PAGES[host], f"{vip}: {answer}"


def test_each_vip_is_on_its_own_interface_and_serves_there(networks: Lab) -> None:
    well(networks)
    serves(networks, FIRST, "host1")
    serves(networks, SECOND, "host2")
    assert changed_nothing(deploy(networks))


def test_a_drain_moves_what_it_has_and_loses_nothing(networks: Lab) -> None:
    with asked(networks, FIRST, SECOND):
        for what, there in (("drain", "host1"), ("undrain", "host2")):
            words = ("-y", INVENTORY, "switchover.py", "--data", f"{what}=host2")
            done = pyinfra(networks, *words)
            assert done.returncode == 0, done.stdout
            one_each(networks, AS_WANTED | {SECOND: [there]})


def test_the_second_networks_cable_takes_its_vip_along_and_nothing_else(networks: Lab) -> None:
    with unplugged(networks, "host2", "eth1"):
        one_each(networks, {FIRST: ["host1"], SECOND: ["host1"]})
        serves(networks, SECOND, "host1")
        serves(networks, FIRST, "host1")
    well(networks)


def test_a_machine_without_its_address_there_leaves_until_it_is_back(networks: Lab) -> None:
    """Who cannot hold the second VIP leaves the election for both."""
    own = "10.20.0.61/24"
    on(networks, "host1", f"ip address delete {own} dev eth1")
    try:
        one_each(networks, {FIRST: ["host2"], SECOND: ["host2"]})
    finally:
        on(networks, "host1", f"ip address add {own} brd + dev eth1")
    well(networks)


@pytest.fixture(scope="module")
def apart(networks: Lab) -> Lab:
    """VRRP for both VIPs is spoken on eth1."""
    deploy(networks, *VRRP_ON_ETH1)
    return networks


def test_vrrp_moves_to_another_network_and_both_vips_stay_served(apart: Lab) -> None:
    well(apart, *VRRP_ON_ETH1)
    for host in HOSTS:
        text = on(apart, host, "cat /etc/keepalived/keepalived.conf")
        assert re.findall(r"^    interface +(\S+)", text, re.MULTILINE) == ["eth1", "eth1"]
    assert changed_nothing(deploy(apart, *VRRP_ON_ETH1))


@pytest.mark.parametrize("interface", ["eth0", "eth1"])
def test_a_holder_without_either_cable_gives_its_vip_away(apart: Lab, interface: str) -> None:
    """Without the VIP's nobody reaches it, without VRRP's it hears nobody."""
    with unplugged(apart, "host1", interface):
        one_each(apart, {FIRST: ["host2"], SECOND: ["host2"]})
        serves(apart, FIRST, "host2")
    well(apart, *VRRP_ON_ETH1)


def test_what_pulling_vrrps_cable_costs(apart: Lab, tmp_path: Path) -> None:
    name = "vrrp-link-cut"
    found = drilled(apart, INVENTORY, tmp_path, "vrrp_interface=eth1", f"drills={name}")
    assert_drill_sound(found[name])
    well(apart, *VRRP_ON_ETH1)


def test_the_same_in_the_classic_profile(apart: Lab) -> None:
    deploy(apart, *CLASSIC)
    well(apart, *CLASSIC)
    with unplugged(apart, "host1", "eth0"):
        one_each(apart, {FIRST: ["host2"], SECOND: ["host2"]})
    well(apart, *CLASSIC)
