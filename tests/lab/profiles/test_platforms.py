"""Debian 13 alone and beside 12, three nodes, two clusters, both families of addresses."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.lab.conftest import Checkout
from tests.support.clients.load import BIG, asking
from tests.support.clients.staying import Clients
from tests.support.lab import deployment
from tests.support.lab.deployment import PYINFRA, ROOT, Done, lend_artifacts
from tests.support.lab.drill_runs import IMPATIENT, assert_sound, data_words
from tests.support.lab.pair import changed_nothing, eventually, own_check_fails, wait_until

INVENTORY = "tests/support/inventories/platforms.py"
PAGES = {f"mixed{place}.wangej.com": f"mixed{place}" for place in (1, 2, 3)}
# Longer than three moves take on a machine that is busy, too: clients end when they are told to.
LIVES_S = 120
# mixed2 is to hold it, so that two of the three work.
SECOND = "172.16.12.253"
VIPS = ("172.16.12.254", "fd61:1::254")
DRILLS = ("nginx-crash", "link-cut", "rogue", "switchover")
CLUSTERS = {"mixed": ("mixed1", "mixed2", "mixed3"), "newest": ("newest1", "newest2")}


@pytest.fixture(scope="module")
def lab(elsewhere: Checkout) -> Iterator[Lab]:
    """A lab of its own: a lab is one inventory's."""
    done = elsewhere.lab("up", str(ROOT / INVENTORY))
    assert done.returncode == 0, done.stderr
    lab = Lab.load(elsewhere.directory)  # which `elsewhere` takes down
    lend_artifacts(lab)
    yield lab


def pyinfra(lab: Lab, *words: str, program: Sequence[str] = (PYINFRA,)) -> Done:
    done = deployment.pyinfra(lab, *words, timeout=590, program=program)
    assert "Traceback" not in done.stdout, done.stdout
    return done


def verified(lab: Lab) -> str:
    done = pyinfra(lab, INVENTORY, "verify.py", "--data", "wait=30")
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


def holder(lab: Lab, address: str) -> list[str]:
    return [s.machine.name for s in lab.status() if any(address in a for a in s.addresses)]


def deploy(lab: Lab, *, mixed: int = 3) -> Done:
    """Deploy, with so many machines in the first cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIXED", str(mixed))
        return pyinfra(lab, "-y", INVENTORY, "deploy.py")


@pytest.fixture(scope="module")
def deployed(lab: Lab) -> None:
    """Two machines of each cluster at first; then the first is joined by another, under load."""
    done = deploy(lab, mixed=2)
    assert done.returncode == 0, done.stdout
    with asking(lab, pages=PAGES) as seen:
        done = deploy(lab)
    assert done.returncode == 0, done.stdout
    assert seen.lost == {}


def test_it_deploys_and_verifies_with_a_build_per_platform(lab: Lab, deployed: None) -> None:
    said = verified(lab)
    assert "mixed: 172.16.12.254/16" in said and "newest: fd61:1::253/64" in said
    artifacts = [path.name for path in (lab.state.root / "artifacts").iterdir()]
    platforms = {re.sub(r".*-(debian-\d+)-.*", r"\1", name) for name in artifacts}
    assert platforms == {"debian-12", "debian-13"}
    expected = {"172.16.12.254": ["mixed1"], "fd61:1::254": ["mixed1"], SECOND: ["mixed2"]}
    expected["fd61:1::253"] = ["newest1"]
    # (Where CPUs are short one that was late for a moment is trusted again some seconds later.)
    wait_until(lambda: {vip: holder(lab, vip) for vip in expected} == expected, 30)
    assert {vip: holder(lab, vip) for vip in expected} == expected


def test_a_second_deploy_changes_nothing(lab: Lab, deployed: None) -> None:
    done = deploy(lab)
    assert done.returncode == 0, done.stdout
    assert changed_nothing(done.stdout)


def test_the_page_comes_over_both_families(lab: Lab, deployed: None) -> None:
    for url in ("http://172.16.12.254/", "http://[fd61:1::254]/"):
        assert lab.run(["curl", "-fsg", "--max-time", "3", url]).stdout == "mixed1.wangej.com\n"


@pytest.mark.alone
def test_it_survives_a_crash_a_cut_link_and_a_stranger_and_is_moved(
    lab: Lab, deployed: None, tmp_path: Path
) -> None:
    data = ("repeats=1", "moves=1", "timing=show", f"report={tmp_path}")
    options = data_words(f"drills={','.join(DRILLS)}", *data)
    done = pyinfra(lab, INVENTORY, "drill.py", *options)
    print(done.stdout)
    assert_sound(tmp_path, [(cluster, name) for cluster in CLUSTERS for name in DRILLS])
    verified(lab)


def test_a_node_of_three_is_drained_and_the_next_in_line_has_it(lab: Lab, deployed: None) -> None:
    for option, expected, second in (
        ("drain=mixed1", ["mixed2"], ["mixed2"]),
        ("drain=mixed2", ["mixed3"], ["mixed3"]),
        ("undrain=mixed1", ["mixed1"], ["mixed1"]),
        ("undrain=mixed2", ["mixed1"], ["mixed2"]),
    ):
        done = pyinfra(lab, "-y", INVENTORY, "switchover.py", "--data", option)
        assert done.returncode == 0, done.stdout
        assert holder(lab, "172.16.12.254") == holder(lab, "fd61:1::254") == expected
        assert holder(lab, SECOND) == second
        assert holder(lab, "fd61:1::253") == ["newest1"]
    verified(lab)


def test_connections_go_on_wherever_they_began_while_the_address_goes_around_three_nodes(
    lab: Lab, deployed: None
) -> None:
    """A download and a connection with many requests, on each address, begun on each node."""
    content = os.urandom(32 << 20)
    checksum = hashlib.sha256(content).hexdigest()
    for name in CLUSTERS["mixed"]:
        lab.ssh(name, f"cat >{BIG}", input=content, text=False)
    began: list[Clients] = []
    try:
        with asking(lab, pages=PAGES) as seen:
            for target in ("mixed2", "mixed3", "mixed1"):
                began.append(Clients(lab, LIVES_S, checksum))
                done = pyinfra(lab, "-y", INVENTORY, "switchover.py", "--data", f"to={target}")
                assert done.returncode == 0, done.stdout
                assert holder(lab, VIPS[0]) == holder(lab, VIPS[1]) == [target]
            assert all(clients.run for clients in began), "they have not lasted until the end"
            assert [clients.problems() for clients in began] == [[], [], []]
        assert seen.lost == {}
        # Who stood back on the way is in line again, but for mixed2, whose own VIP mixed1 has, too.
        drained = [lab.ssh(n, "ls /etc/keepalived/down").returncode for n in CLUSTERS["mixed"]]
        assert drained == [2, 0, 2]
    finally:
        for clients in began:
            clients.end()
        for name in CLUSTERS["mixed"]:
            lab.ssh(name, f"rm -f {BIG} /etc/keepalived/down")
    verified(lab)


def test_hooks_a_check_and_a_vip_that_stays_on_debian_13(lab: Lab, deployed: None) -> None:
    """keepalived 2.3, the VIP of IPv6."""
    vip = "fd61:1::253"
    assert lab.ssh("newest2", "rm -f /run/hooks-seen").returncode == 0
    assert holder(lab, vip) == ["newest1"]
    with own_check_fails(lab, "newest1"):
        assert wait_until(lambda: holder(lab, vip) == ["newest2"], 20)
    eventually(lab, "newest2", f"grep -qx 'master {vip} from backup on newest2' /run/hooks-seen")
    time.sleep(6)
    assert holder(lab, vip) == ["newest2"], "it stays"
    verified(lab)
    # (Its hook of drain.d fails.)
    back = pyinfra(lab, "-y", INVENTORY, "switchover.py", "--data", "to=newest1")
    assert back.returncode == 0 and holder(lab, vip) == ["newest1"], back.stdout
    said = verified(lab)
    assert "drain.d/note: exit 3 after" in said and "KA-25" in said


LINKS = (
    "mkdir -p /opt/app; cp -a /usr/bin/true /opt/app/check; ln -sfn /opt/app /opt/now; "
    "ln -sf check /opt/app/beside; ln -sf /opt/app/check /usr/local/bin/elsewhere"
)


def taken(lab: Lab, name: str, command: str) -> bool:
    """Whether a machine's keepalived takes this command for a check."""
    own = "s,/usr/lib/tandem/failed-unseen,"
    test = f"sed '{own}{command},' /etc/keepalived/keepalived.conf >/root/tried.conf && grep -qF "
    test += f"'\"{command}\"' /root/tried.conf || exit 9; "
    done = lab.ssh(name, f"{test}keepalived --config-test --use-file /root/tried.conf")
    print(name, command, done.returncode, done.stderr)
    assert done.returncode != 9
    return done.returncode == 0


def test_a_command_that_its_keepalived_would_not_run_is_refused(lab: Lab, deployed: None) -> None:
    """As that of Debian 13 runs nothing in a directory that is a link, and that of 12 does."""
    for name in ("newest1", "mixed1"):
        assert lab.ssh(name, LINKS).returncode == 0
    found = {
        command: [taken(lab, name, command) for name in ("mixed1", "newest1")]
        for command in (
            *("/opt/app/check", "/opt/app/beside", "/opt/now/check", "/usr/local/bin/elsewhere"),
            "/bin/true",
        )
    }
    assert found == {
        "/opt/app/check": [True, True],
        "/opt/app/beside": [True, True],
        "/opt/now/check": [True, False],
        "/usr/local/bin/elsewhere": [True, True],
        "/bin/true": [True, False],
    }
    given = '{"app": {"command": "/opt/now/check", "weight": 1}}'
    limited = ("-y", "--limit", "newest", INVENTORY)
    done = pyinfra(lab, *limited, "deploy.py", "--data", f"checks={given}")
    assert done.returncode == 1
    assert "newest1: checks[app] = '/opt/now/check': /opt/now is a link, and" in done.stdout
    assert "newest2: checks[app] = '/opt/now/check': this machine has no such" in done.stdout


def test_the_rogues_drill_fails_where_nothing_turns_it_away(
    lab: Lab, deployed: None, tmp_path: Path
) -> None:
    """The drill can fail: the table is taken away the moment the rogue is about to speak.

    (Before that the drill would be refused: the verifier misses the table.)
    """
    table = "/etc/keepalived/vrrp.nft"
    begun = "ls /run/tandem-drill 2>/dev/null | grep -q rogue"
    away = f"mv {table} /root/ && nft delete table ip6 tandem_vrrp"
    script = f"for _ in $(seq 2400); do {begun} && break; sleep 0.05; done; {away}"
    words = ["--limit", "newest", INVENTORY, "drill.py", "--data", "drills=rogue"]
    words += ["--data", "repeats=1", "--data", f"report={tmp_path}"]
    with ThreadPoolExecutor() as pool:
        taken = [pool.submit(lab.ssh, name, script) for name in CLUSTERS["newest"]]
        try:
            done = pyinfra(lab, *words, program=IMPATIENT)
            assert [job.result().returncode for job in taken] == [0, 0]
        finally:
            for name in CLUSTERS["newest"]:
                lab.ssh(name, f"mv /root/vrrp.nft {table}; nft -f {table}")
    print(done.stdout)
    assert done.returncode == 1
    assert "SYS-04 newest1: no table tandem_vrrp" in done.stdout


def test_a_machine_that_leaves_is_refused_until_it_has_ended_and_loses_no_request(
    lab: Lab, deployed: None
) -> None:
    refused = deploy(lab, mixed=2)
    assert refused.returncode == 1, refused.stdout
    assert (
        "mixed: peer = '172.16.12.63': it was a machine of mixed and still takes part"
        in refused.stdout
    )
    with asking(lab, pages=PAGES) as seen:
        services = "keepalived nginx tandem-watch tandem-handover"
        assert lab.ssh("mixed3", f"systemctl disable --now {services}").returncode == 0
        done = deploy(lab, mixed=2)
    assert done.returncode == 0, done.stdout
    assert seen.lost == {}
    assert holder(lab, "172.16.12.254") == ["mixed1"]
