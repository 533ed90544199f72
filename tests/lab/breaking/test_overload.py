"""An nginx that is full keeps the address; one that is frozen, or was killed, does not."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import pytest

from lab.plan import BRIDGE
from lab.twin import Lab
from tests.support.lab.breaking import VIP, holds_vip, on, until
from tests.support.lab.deployment import Deployed, deploy, verify
from tests.support.lab.pair import HOSTS, forget_failures, holders, wait_until

pytestmark = pytest.mark.timeout(400)
SMALL = ("--data", "worker_connections=64")
# nginx waits 10 s for the rest of a request: by then it has as many of them as it can have.
SECONDS, SLOW = 15, 300
CLIENTS = (sys.executable, "-m", "bench.machinery.overload_clients", VIP, "80")
ASK = '[ "$(curl -s -m 2 --unix-socket /run/nginx/health.sock http://tandem/)" = ok ]'
MASTER = "/run/nginx/nginx.pid"
# So few that one address cannot fill 128 places in those 10 s.
FEW = ("--data", 'client_limits={"new_connections_per_s": 4}')
CLASSIC = ("--data", "vrrp_version=2")
# Those that behave wait for longer than a busy machine takes; nginx turns nobody away so late.
PATIENT = ("--patience", "4")
SLOW_FROM = "172.16.12.240"
OTHERS = [f"172.16.12.{last}" for last in range(241, 249)]
LIMITED = "nft list table ip tandem_clients && nft list table ip6 tandem_clients"
# Two intervals and two timeouts, the move itself, and what asking by SSH takes on a busy machine.
FROZEN_MOVES_S = 10.0


def taken(lab: Lab) -> int:
    """How often a node has taken the address, all in all."""
    count = "journalctl -q -u keepalived -o cat | grep -c 'Entering MASTER STATE' || true"
    return sum(int(on(lab, host, count)) for host in HOSTS)


def test_a_frozen_nginx_loses_the_address_as_soon_as_ever(lab: Lab, plain: None) -> None:
    all_of_it = f"$(cat {MASTER}) $(pgrep -P $(cat {MASTER}))"
    try:
        began_s = time.monotonic()
        on(lab, "host1", f"kill -STOP {all_of_it}")
        holds_vip(lab, "host2")
        assert time.monotonic() - began_s < FROZEN_MOVES_S
    finally:
        on(lab, "host1", f"kill -CONT {all_of_it}")
    # Whatever has failed there in the last two minutes makes its trial longer.
    until(lab, "host1", f"ip -4 address show dev eth0 | grep -q ' {VIP}/'", 65)


def test_one_frozen_worker_beside_others_moves_nothing(lab: Lab, plain: None) -> None:
    before = taken(lab)
    one = f"$(pgrep -P $(cat {MASTER}) -f 'worker process$' | head -n 1)"
    try:
        on(lab, "host1", f"kill -STOP {one}")
        time.sleep(3)
        assert taken(lab) == before
    finally:
        on(lab, "host1", f"kill -CONT {one}")


def test_the_health_socket_is_there_after_whatever_nginx_goes_through(
    lab: Lab, plain: None
) -> None:
    """Killed, so that the socket's file stays; reloaded; upgraded, and back again."""
    on(lab, "host2", ASK)
    killed = "pkill -KILL -x nginx"
    other = f"old=$(cat {MASTER}); {killed}; until [ $(cat {MASTER} || echo $old) != $old ]"
    on(lab, "host2", f"timeout 20 sh -c '{other} 2>/dev/null; do sleep 0.1; done'")
    until(lab, "host2", ASK)
    on(lab, "host2", "systemctl reload nginx")
    on(lab, "host2", ASK)
    begin = (
        f"old=$(cat {MASTER}); kill -USR2 $old; "
        f"timeout 10 sh -c 'until [ -e {MASTER}.oldbin ] && [ -s {MASTER} ]; do :; done'; "
        f"new=$(cat {MASTER}); sleep 0.5; kill -WINCH $old; sleep 0.5; "
    )
    over = f"timeout 10 sh -c 'while [ -e {MASTER}.oldbin ]; do :; done'; sleep 0.5"
    on(lab, "host2", f"{begin} kill -QUIT $old; {over}; kill -0 $new && {ASK}")
    on(lab, "host2", f"{begin} kill -HUP $old; sleep 0.5; kill -QUIT $new; {over}; {ASK}")
    on(lab, "host2", f"{begin} kill -HUP $old; sleep 0.5; kill -KILL $new; {over}; {ASK}")
    on(lab, "host2", "systemctl restart nginx")
    until(lab, "host2", ASK)
    left = on(lab, "host2", "systemctl stop nginx; ls /run/nginx; systemctl start nginx")
    assert "health.sock" not in left
    until(lab, "host2", ASK)


# --- with few places for connections --------------------------------------------------------------


@pytest.fixture(scope="module")
def small(lab: Lab, deployed: Deployed) -> Iterator[None]:
    """The pair with few places for connections, and afterwards as the inventory has it."""
    forget_failures(lab)
    done = deploy(lab, *SMALL)
    assert done.returncode == 0, done.stdout
    yield
    forget_failures(lab)
    back = deploy(lab)
    assert back.returncode == 0, back.stdout
    settled = verify(lab, "--data", "wait=30")
    assert settled.returncode == 0, settled.stdout


def test_slow_clients_that_fill_nginx_do_not_move_the_address(lab: Lab, small: None) -> None:
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    before = taken(lab)
    done = lab.run([*CLIENTS, str(SECONDS), "--slow", str(SLOW)])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    said = on(lab, "host1", "journalctl -q -u tandem-watch -o cat -n 20")
    assert "nginx is full" in said, said
    assert found["served"] < found["asked"], "they have not filled it"
    assert taken(lab) == before
    assert holders(lab) == ["host1"]
    until(lab, "host1", "journalctl -q -u tandem-watch -o cat -n 5 | grep -q 'not full any more'")
    told = verify(lab, *SMALL, "--data", "only=NGX-24")
    assert told.returncode == 0 and "full for" in told.stdout, told.stdout


@pytest.fixture
def addresses(lab: Lab) -> Iterator[list[str]]:
    """Words for clients that come from several addresses, and slow ones from one of their own."""
    all_of_them = (SLOW_FROM, *OTHERS)
    for address in all_of_them:
        lab.run(["ip", "address", "replace", f"{address}/32", "dev", BRIDGE])
    yield ["--slow-from", SLOW_FROM, *(word for own in OTHERS for word in ("--own", own))]
    for address in all_of_them:
        lab.run(["ip", "address", "delete", f"{address}/32", "dev", BRIDGE])


@pytest.mark.parametrize("profile", [(), CLASSIC], ids=["default", "classic"])
def test_one_address_cannot_fill_an_nginx_that_limits_its_new_connections(
    lab: Lab, small: None, addresses: list[str], profile: tuple[str, ...]
) -> None:
    """The classic profile is the last one: the pair stays in it until the module has ended."""
    settings = (*SMALL, *profile)
    done = deploy(lab, *settings, *FEW)
    assert done.returncode == 0, done.stdout
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    before = taken(lab)
    done = lab.run([*CLIENTS, str(SECONDS), "--slow", str(SLOW), *PATIENT, *addresses])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["served"] == found["asked"] and taken(lab) == before
    judged = verify(lab, *settings, *FEW, "--data", "only=SYS-12")
    assert judged.returncode == 0, judged.stdout
    on(lab, "host1", "nft delete table ip tandem_clients")
    if profile:
        judged = verify(lab, *settings, *FEW, "--data", "only=SYS-12")
        assert "FAIL SYS-12 host1" in judged.stdout
        on(lab, "host1", "systemctl reload keepalived")
    until(lab, "host1", LIMITED)
    done = deploy(lab, *settings)
    assert done.returncode == 0, done.stdout
    for host in HOSTS:
        assert "tandem_clients" not in on(lab, host, "nft list tables")
