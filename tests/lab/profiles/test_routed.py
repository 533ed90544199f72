"""A routed pair: deployed, drained, restarted in turns under load, taken away; and the control."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.twin import Lab
from tests.lab.deploying.test_teardown import STAYS, snapshot
from tests.support.inventories.routed_pair import PAGES, PASSWORD, web
from tests.support.lab.deployment import Done
from tests.support.lab.own_lab import own_lab, pyinfra
from tests.support.lab.pair import changed_nothing, wait_until
from tests.support.lab.routed.routed_load import Served, bring_file, loaded

INVENTORY = "tests/support/inventories/routed_pair.py"
VIP, VIP6 = "198.51.100.80", "2001:db8::80"
WHOSE = {page: name for name, page in PAGES.items()}
# Each needs nginx to be started anew, and not only to read its configuration.
RESTARTING = ("worker_connections=1100", "worker_connections=1200")


OTHER_PROFILE, MOVING_VIP = "moving.py", "172.16.12.254"
ASKED = "asked.py"


def other_profile(checkout: Path) -> None:
    """The same machines in an inventory of the other profile."""
    hosts, group = web
    ranked = [(name, {**own, "priority": 110 - n}) for n, (name, own) in enumerate(hosts)]
    given = {"vip": f"{MOVING_VIP}/24", "ntp_server": group["ntp_server"]}
    (checkout / OTHER_PROFILE).write_text(f"web = ({ranked!r}, {given!r})\n")


# The lock of what has made the package's user, until the next boot; and a counter of the kernel.
STAYS_TOO = re.compile(rf"{STAYS.pattern}|FILE /run/adduser |SYSCTL fs\.quota\.syncs = ")


def asking_its_routers(lab: Lab) -> str:
    """An inventory that says how to ask the lab's routers as well, by its file's name."""
    inventory: Any = web
    hosts, group = inventory
    routers = []
    for router in group["routers"]:
        address = router["address"]
        (netns,) = (
            each.netns
            for each in lab.plan.routers
            if address in [own.partition("/")[0] for own in each.addresses]
        )
        family = "-6" if ":" in address else "-4"
        shows = f"ip {family} route show {{vip}} && echo asked"
        asks = ("ip", "netns", "exec", netns, "sh", "-c", shows)
        routers.append({**router, "view_command": asks})
    text = f"web = ({hosts!r}, {dict(group, routers=routers)!r})\n"
    (lab.state.root.parent / ASKED).write_text(text)
    return ASKED


class Pair:
    """The machines, and what is done to them as a person would."""

    def __init__(self, lab: Lab):
        self.lab = lab
        self.before = {machine.name: snapshot(lab, machine.name) for machine in lab.machines}

    def run(self, command: str, *data: str, inventory: str = INVENTORY) -> Done:
        words = [word for each in data for word in ("--data", each)]
        return pyinfra(self.lab, "-y", inventory, command, *words)

    def announcing(self) -> dict[str, list[str]]:
        """By which protocols each machine announces the VIP."""
        shown = {name: self.lab.ssh(name, "birdc show protocols").stdout for name in PAGES}
        found = r"^(vip_\w+) +Static +\S+ +up"
        return {name: re.findall(found, text, re.M) for name, text in shown.items()}

    @contextmanager
    def loaded(self, address: str = VIP) -> Iterator[Served]:
        with loaded(self.lab, address, WHOSE) as served:
            yield served
        print(served)


SERVES = ["vip_serves4", "vip_serves6"]
ALL_SERVE = dict.fromkeys(PAGES, SERVES)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("routed") / "tandem"
    with own_lab(directory, INVENTORY, prepare=other_profile) as lab:
        pair = Pair(lab)
        first = pair.run("deploy.py")
        assert first.returncode == 0, first.stdout
        assert "every machine: announces the VIP" in first.stdout
        assert PASSWORD not in first.stdout
        assert wait_until(lambda: pair.announcing() == ALL_SERVE, 10)
        bring_file(lab)
        yield pair


def test_a_second_deploy_changes_nothing(pair: Pair) -> None:
    second = pair.run("deploy.py")
    assert second.returncode == 0 and changed_nothing(second.stdout), second.stdout


def test_a_rolling_restart_loses_nothing(pair: Pair) -> None:
    dry = pyinfra(pair.lab, "--dry", INVENTORY, "deploy.py", "--data", RESTARTING[0])
    assert "restart nginx on 2, drain 2 machines in turn." in dry.stdout, dry.stdout
    with pair.loaded() as served:
        done = pair.run("deploy.py", RESTARTING[0])
    assert done.returncode == 0, done.stdout
    assert "restarted nginx on 2, drained 2 machines in turn." in done.stdout
    assert " VIP " not in re.sub("announces the VIP", "", done.stdout), done.stdout
    assert served.nothing_lost, str(served)
    assert {*served.shares} >= {*PAGES}
    assert pair.announcing() == ALL_SERVE


def test_a_drain_and_its_end_lose_nothing(pair: Pair) -> None:
    """And while one is drained, nothing may be done that would leave nobody."""
    with pair.loaded(VIP) as served, pair.loaded(VIP6) as served6:
        drained = pair.run("switchover.py", "drain=host1")
        assert drained.returncode == 0, drained.stdout
        assert pair.announcing() == {"host1": [], "host2": SERVES}
        assert "web: host2 serves" in drained.stdout
        refused = pair.run("switchover.py", "drain=host2")
        restart = pair.run("deploy.py", RESTARTING[1])
        assert pair.announcing()["host2"] == SERVES
        back = pair.run("switchover.py", "undrain=host1")
    for each in (served, served6):
        assert each.nothing_lost, str(each)
    assert refused.returncode == 1
    assert "host1: it is drained (/etc/keepalived/down is there)" in refused.stdout
    assert restart.returncode != 0
    assert "On host2 nginx has to be restarted, and no other machine of web" in restart.stdout
    assert back.returncode == 0 and "web: host1, host2 serves" in back.stdout, back.stdout
    assert pair.announcing() == ALL_SERVE
    assert pair.run("deploy.py", RESTARTING[1]).returncode == 0


def test_there_is_no_switch_over_to_one_machine(pair: Pair) -> None:
    refused = pair.run("switchover.py", "to=host1")
    assert refused.returncode != 0
    assert "every machine of web has the VIP" in refused.stdout
    assert "drain=host2" in refused.stdout


def test_the_routers_own_view_is_asked_for(pair: Pair) -> None:
    """Each names the machines that serve; one that misses one, or the table of one, is named."""
    inventory = asking_its_routers(pair.lab)

    def asked() -> Done:
        return pyinfra(pair.lab, "-y", inventory, "verify.py", "--data", "only=RT-19,RT-06,HOST-01")

    well = asked()
    assert well.returncode == 0, well.stdout
    assert re.search(r"RT-19 .* ok\b", well.stdout) and " 0 skipped" in well.stdout, well.stdout
    first = pair.lab.plan.routers[0]
    route = ["ip", "-n", first.netns, "route"]
    used = pair.lab.run([*route, "show", VIP]).stdout
    # (Until its BIRD looks at the kernel's routes again.)
    pair.lab.run([*route, "delete", VIP])
    pair.lab.run([*route, "add", VIP, "via", "172.16.12.61"])
    wrong = asked()
    shown = pair.lab.run([*route, "show", VIP]).stdout
    pair.lab.run([*route, "delete", VIP, "via", "172.16.12.61", "proto", "boot"])
    assert wrong.returncode != 0, (used, shown)
    assert re.search(r"RT-19.*172\.16\.12\.1 .*host2", wrong.stdout, re.S), wrong.stdout
    pair.lab.restart_router(first.name)
    assert wait_until(lambda: asked().returncode == 0, 30)


def test_a_bird_that_hangs_is_ended_and_another_one_announces(pair: Pair) -> None:
    main = "systemctl show --value --property MainPID bird"
    before = pair.lab.ssh("host1", main).stdout.strip()
    assert pair.lab.ssh("host1", f"kill -STOP {before}").returncode == 0
    assert wait_until(lambda: pair.lab.ssh("host1", main).stdout.strip() not in ("0", before), 20)
    assert wait_until(lambda: pair.announcing() == ALL_SERVE, 20)
    said = pair.lab.ssh("host1", "journalctl --boot --unit tandem-watch").stdout
    assert "BIRD has not answered for 5 s: killed" in said, said
    assert pair.run("verify.py", "only=RT").returncode == 0


def test_without_the_second_chance_connections_break(pair: Pair) -> None:
    """The control: what the tests above count is what they count."""
    # (Downloads that nobody answers any more are not waited for, nor by the deploy afterwards.)
    off = ("handover=False", "drain_timeout_s=5", "send_timeout_s=5")
    assert pair.run("deploy.py", *off, RESTARTING[1]).returncode == 0
    with pair.loaded() as served:
        assert pair.run("deploy.py", *off, RESTARTING[0]).returncode == 0
    assert served.counts.failed + served.counts.cut > 0, str(served)
    assert pair.run("deploy.py").returncode == 0


def test_the_other_profile_and_back_leave_nothing_of_each_other(pair: Pair) -> None:
    there = pair.run("deploy.py", inventory=OTHER_PROFILE)
    assert there.returncode == 0, there.stdout
    asked = pair.lab.run(["curl", "-s", "-m", "3", f"http://{MOVING_VIP}/"])
    assert asked.stdout.strip() in WHOSE
    gone = f"{VIP}/|{VIP6}|tandem:|bird.conf$|ip6 tandem"
    show = "ip address; nft list tables; ls /etc/bird /etc/keepalived"
    for name in PAGES:
        shown = pair.lab.ssh(name, show).stdout
        assert "tandem_vrrp" in shown and not re.search(gone, shown, re.M), shown
        assert pair.lab.ssh(name, "systemctl is-active bird").stdout.strip() == "inactive"
    back = pair.run("deploy.py")
    assert back.returncode == 0, back.stdout
    assert pair.announcing() == ALL_SERVE
    for name in PAGES:
        shown = pair.lab.ssh(name, show).stdout
        gone = f"{MOVING_VIP}|tandem_vrrp|keepalived.conf$|notify.sh"
        assert not re.search(gone, shown, re.M), shown
        assert pair.lab.ssh(name, "systemctl is-active keepalived").stdout.strip() == "inactive"


def test_teardown_leaves_nothing(pair: Pair, tmp_path: Path) -> None:
    for name in PAGES:
        pair.lab.ssh(name, "rm /usr/html/big")
    done = pair.run("teardown.py", "yes=1")
    assert done.returncode == 0, done.stdout
    for name, before in pair.before.items():
        differs = snapshot(pair.lab, name) ^ before
        left = sorted(each for each in differs if not STAYS_TOO.search(each))
        assert not left, f"{name}: {left}"
        shown = pair.lab.ssh(name, "ip -br address; nft list tables").stdout
        assert not re.search(rf"{VIP}|{VIP6}|^tandem|table", shown, re.M), shown
