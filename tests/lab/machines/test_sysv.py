"""The recipe on machines whose PID 1 is SysV's init: the pair, and every verb of nginx's script."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.controllers.other_controller import asked
from tests.support.lab.deployment import Done
from tests.support.lab.drill_runs import assert_sound, data_words
from tests.support.lab.logins import HARDENED, NOISY, QUIET
from tests.support.lab.own_lab import own_lab, pyinfra
from tests.support.lab.pair import changed_nothing, eventually, own_check_fails
from tests.support.lab.pair import on as out
from tests.support.lab.sysv_exits import (
    EXITS,
    MASTER,
    RED_HAT,
    RUNS_AFTER,
    SCRIPT,
    SITUATIONS,
    START,
    STOP,
    VERBS,
    every_verb,
)

INVENTORY = "tests/support/inventories/sysv_pair.py"
VIP = "172.16.12.254"
DRILLS = (
    "nginx-crash",
    "keepalived-stop",
    "keepalived-crash",
    "all-nginx-dead",
    "link-cut",
    "switchover",
)

# --- what each verb exits with -------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two machines without systemd, one of them hardened, deployed, and gone afterwards."""
    with own_lab(tmp_path_factory.mktemp("sysv") / "tandem", INVENTORY) as lab:
        out(lab, "host1", f"{HARDENED}; {NOISY}")
        first = deploy(lab)
        out(lab, "host1", QUIET)
        assert first.returncode == 0, first.stdout
        yield lab


def deploy(lab: Lab) -> Done:
    return pyinfra(lab, "-y", INVENTORY, "deploy.py")


def unchanged(deployed: subprocess.CompletedProcess[str]) -> None:
    assert deployed.returncode == 0, deployed.stdout
    assert changed_nothing(deployed.stdout)


def test_the_machines_have_no_systemd(pair: Lab) -> None:
    for machine in pair.machines:
        assert out(pair, machine.name, "cat /proc/1/comm; ls -d /run/systemd/system || true") == (
            "init"
        )


def test_a_second_deploy_changes_nothing(pair: Lab) -> None:
    unchanged(deploy(pair))


def test_of_two_deploys_at_once_one_is_refused(pair: Lab, tmp_path: Path) -> None:
    checkout = pair.state.root.parent
    with asked(pair, tmp_path, INVENTORY, "deploy.py", cwd=checkout):
        done = deploy(pair)
    assert done.returncode == 1 and " is locked: " in done.stdout, done.stdout
    unchanged(deploy(pair))


def test_the_verifier_finds_nothing_wrong(pair: Lab) -> None:
    done = pyinfra(pair, INVENTORY, "verify.py", "--data", "wait=20")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_verb_exits_as_lsb_has_it(pair: Lab, situation: str) -> None:
    """On the standby."""
    make, undo = SITUATIONS[situation]
    said = pair.ssh("host2", "sh", input=every_verb(make, undo)).stdout
    found = {
        verb: (int(code), runs == "True")
        for verb, code, runs in (
            line.split() for line in said.splitlines() if line.split()[0] in VERBS
        )
        if code.isdigit()
    }
    wanted = zip(EXITS[situation], RUNS_AFTER[situation], strict=True)
    assert found == dict(zip(VERBS, wanted, strict=True))


def test_an_unknown_verb_and_no_root_are_told_apart(pair: Lab) -> None:
    assert pair.ssh("host2", f"{SCRIPT} nonsense").returncode == 2
    assert pair.ssh("host2", SCRIPT).returncode == 2
    asked = f"setpriv --reuid nobody --clear-groups {SCRIPT}"
    assert pair.ssh("host2", f"{asked} stop").returncode == 4
    assert pair.ssh("host2", f"{asked} status").returncode == 0


@pytest.fixture
def red_hat(pair: Lab) -> Iterator[None]:
    """The standby with Red Hat's places, and without what keeps nginx alive."""
    place = "/etc/rc.d/init.d"
    made = pair.ssh(
        "host2",
        f"mkdir -p {place} /var/lock/subsys && cat >{place}/functions && pkill -STOP -f supervise$",
        input=RED_HAT,
    )
    assert made.returncode == 0, made.stderr
    yield
    out(pair, "host2", f"{STOP}; rm -r /etc/rc.d /var/lock/subsys; {START}")
    out(pair, "host2", "pkill -CONT -f supervise$")


@pytest.mark.usefixtures("red_hat")
def test_red_hats_function_library_and_lock_file(pair: Lab) -> None:
    lock = "/var/lock/subsys/nginx"
    assert out(pair, "host2", STOP) == "Stopping nginx: [  OK  ]"
    assert out(pair, "host2", f"{START} && ls {lock}") == f"Starting nginx: [  OK  ]\n{lock}"
    out(pair, "host2", "pkill -KILL -x nginx; rm /run/nginx/nginx.pid")
    assert pair.ssh("host2", f"{SCRIPT} status").returncode == 2
    assert out(pair, "host2", START) == "Starting nginx: [  OK  ]"
    assert pair.ssh("host2", f"touch /run/nginx/nginx.pid.oldbin; {SCRIPT} upgrade").stdout == (
        "Upgrading nginx: [FAILED]\n"
    )
    out(pair, "host2", f"rm /run/nginx/nginx.pid.oldbin; {STOP}")
    assert pair.ssh("host2", f"ls {lock}").returncode == 2
    assert pair.ssh("host2", f"{SCRIPT} status").returncode == 3


def test_directories_that_are_gone_are_made_as_the_recipe_does(pair: Lab) -> None:
    made = "/var/tmp/nginx/client /var/tmp/nginx/proxy /var/tmp/nginx/fcgi /var/tmp/nginx/uwsgi"
    out(pair, "host2", f"{STOP}; rm -r /var/tmp/nginx /run/nginx; {START}")
    owners = out(pair, "host2", f"stat -c '%U %a' {made} /var/tmp/nginx/scgi").splitlines()
    assert owners == ["nginx 700"] * 5


def test_an_upgrade_is_another_process_and_the_port_is_always_open(pair: Lab) -> None:
    ask = "curl -sf -o /dev/null http://127.0.0.1/ || echo lost"
    said = out(
        pair,
        "host2",
        f"before={MASTER}; (for i in $(seq 100); do {ask}; sleep 0.01; done) & "
        f"{SCRIPT} upgrade >/dev/null; wait; "
        f"[ $before != {MASTER} ] && [ ! -e /run/nginx/nginx.pid.oldbin ] && echo upgraded",
    )
    assert said == "upgraded"


def holds_it(lab: Lab, host: str) -> None:
    eventually(lab, host, f"ip -4 -o address show dev eth0 | grep -q ' {VIP}/'", 30)


def holder(lab: Lab) -> list[str]:
    asked = f"ip -4 -o address show dev eth0 | grep -q ' {VIP}/'"
    return [m.name for m in lab.machines if lab.ssh(m.name, asked).returncode == 0]


@pytest.mark.parametrize(
    "service, kill",
    [
        ("nginx", f"kill -9 {MASTER}"),
        ("keepalived", "pkill -9 -x keepalived"),
        ("tandem-watch", "kill -9 $(cat /run/tandem-watch.pid)"),
        ("tandem-handover", "kill -9 $(cat /run/tandem-handover.pid)"),
    ],
)
def test_what_dies_is_started_again(pair: Lab, service: str, kill: str) -> None:
    holds_it(pair, "host1")
    file = "/run/nginx/nginx.pid" if service == "nginx" else f"/run/{service}.pid"
    before = out(pair, "host1", f"cat {file}")
    out(pair, "host1", kill)
    eventually(pair, "host1", f"[ $(cat {file}) != {before} ] && {SCRIPT} status")
    eventually(pair, "host1", f"/usr/lib/tandem/service is-active {service}")
    holds_it(pair, "host1")
    assert holder(pair) == ["host1"]


@pytest.mark.alone
def test_it_survives_what_a_machine_with_systemd_survives(pair: Lab, tmp_path: Path) -> None:
    data = ("repeats=1", "moves=1", "timing=show", f"report={tmp_path}")
    options = data_words(f"drills={','.join(DRILLS)}", *data)
    print(pyinfra(pair, INVENTORY, "drill.py", *options).stdout)
    assert_sound(tmp_path, [("web", name) for name in DRILLS])


def test_a_keepalived_that_dies_leaves_no_address_behind(pair: Lab) -> None:
    has_it = f"ip -4 -o address show dev eth0 | grep -q ' {VIP}/'"
    # Before keepalived is there again, a second later.
    left = f"for try in $(seq 16); do {has_it} || exit 0; sleep 0.05; done; exit 1"
    assert pair.ssh("host1", f"pkill -9 -x keepalived; {left}").returncode == 0
    holds_it(pair, "host1")


def test_init_starts_what_keeps_services_alive_again(pair: Lab) -> None:
    before = out(pair, "host1", "pgrep -f '^[^ ]*python3 /usr/lib/tandem/supervise'")
    out(pair, "host1", f"kill -9 {before}")
    eventually(
        pair, "host1", f"pgrep -f '^[^ ]*python3 /usr/lib/tandem/supervise' | grep -vx {before}"
    )


def test_what_a_person_stops_stays_stopped(pair: Lab) -> None:
    out(pair, "host2", f"{STOP}; sleep 2.5")
    assert pair.ssh("host2", f"{SCRIPT} status").returncode == 3
    out(pair, "host2", START)


def test_hooks_run_and_a_check_of_one_s_own_decides(pair: Lab) -> None:
    holds_it(pair, "host1")
    out(pair, "host2", "rm -f /run/hooks-seen")
    with own_check_fails(pair, "host1"):
        holds_it(pair, "host2")
        said = f"master {VIP} from backup on host2"
        eventually(pair, "host2", f"grep -qx '{said}' /run/hooks-seen")
        found = pyinfra(pair, INVENTORY, "verify.py", "--data", "only=KA-23,KA-24")
        assert found.returncode == 1 and "FAIL KA-23 host1: " in found.stdout, found.stdout
        assert "exit 1: /usr/bin/test -e /etc/issue.net" in found.stdout
        assert re.search(r"KA-24 .* ok +ok\s*$", found.stdout, re.MULTILINE), found.stdout
    holds_it(pair, "host1")
    found = pyinfra(pair, INVENTORY, "verify.py", *data_words("only=KA-23,KA-24,KA-25", "wait=20"))
    assert found.returncode == 0, found.stdout
    # (Nothing keeps logs on these machines.)
    assert re.search(r"KA-25 .* skip +skip\s*$", found.stdout, re.MULTILINE), found.stdout


def test_the_vip_stays_where_it_is_if_that_is_asked_for(pair: Lab) -> None:
    stays = ("--data", "preempt=False")
    done = pyinfra(pair, "-y", INVENTORY, "deploy.py", *stays)
    assert done.returncode == 0, done.stdout
    try:
        holds_it(pair, "host1")
        out(pair, "host1", STOP)
        holds_it(pair, "host2")
        out(pair, "host1", f"{START}; sleep 5; /usr/lib/tandem/service restart keepalived; sleep 5")
        assert holder(pair) == ["host2"], "neither nginx nor keepalived brings it back"
        out(pair, "host2", "/usr/lib/tandem/service reload keepalived; sleep 4")
        assert holder(pair) == ["host2"]
        asked = (*stays, *data_words("wait=20", "skip=KA-11,KA-19"))
        found = pyinfra(pair, INVENTORY, "verify.py", *asked)
        assert found.returncode == 0, found.stdout
    finally:
        back = deploy(pair)
    assert back.returncode == 0, back.stdout
    holds_it(pair, "host1")


CONF_OF_KEEPALIVED = "sha256sum </etc/keepalived/keepalived.conf"


@pytest.mark.parametrize(
    "spoil, said",
    [
        # keepalived's own test accepts it, and with it this node is out of the election.
        ("s,/run/tandem/failed,/run/bad,", "after: reload, and has left the election (fault)"),
        # keepalived ends over it, and nothing would start it again.
        (
            "s/^vrrp_instance VI_1 {/&\\n track_interface {\\n lo9\\n }/",
            "tracked interface lo9 doesn't exist",
        ),
    ],
    ids=["fault", "ends"],
)
def test_a_configuration_that_keepalived_does_not_work_with_is_taken_back(
    pair: Lab, spoil: str, said: str
) -> None:
    staged = "/var/lib/tandem/keepalived/keepalived.conf"
    # It takes part: nginx has not failed so often of late that it is on a long trial.
    out(pair, "host2", "/usr/lib/tandem/service restart tandem-watch")
    eventually(pair, "host2", "[ $(cat /run/tandem/failed) = 0 ]")
    before = out(pair, "host2", CONF_OF_KEEPALIVED)
    out(pair, "host2", f"echo 1 >/run/bad; cp -p {staged} /root/kept; sed -i '{spoil}' {staged}")
    try:
        done = pair.ssh("host2", f"/usr/lib/tandem/apply-keepalived reload eth0 {VIP}")
    finally:
        out(pair, "host2", f"mv /root/kept {staged}; rm /run/bad")
    assert done.returncode == 1
    assert said in done.stderr
    assert "The old configuration is back, and keepalived works with it." in done.stderr
    assert out(pair, "host2", CONF_OF_KEEPALIVED) == before
    assert holder(pair) == ["host1"]


def test_a_bare_machine_in_its_place_is_brought_back_by_a_deploy(pair: Lab) -> None:
    pair.wipe("host1")
    began_s = time.monotonic()
    done = deploy(pair)
    assert done.returncode == 0, done.stdout
    print(f"replaced in {time.monotonic() - began_s:.1f} s")
    holds_it(pair, "host1")


def test_everything_is_there_after_a_power_cut(pair: Lab) -> None:
    pair.power_off("host1")
    pair.power_on("host1")
    holds_it(pair, "host1")
    done = pyinfra(pair, INVENTORY, "verify.py", "--data", "wait=20")
    assert done.returncode == 0, done.stdout
    unchanged(deploy(pair))
