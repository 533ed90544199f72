"""preempt = False on a real pair: where the VIP is, it stays, and what moves it loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import on
from tests.support.lab.deployment import Deployed, Done, deploy, pyinfra, verify
from tests.support.lab.drill_runs import data_words
from tests.support.lab.pair import (
    HOSTS,
    VIP,
    changed_nothing,
    forget_failures,
    holders,
    wait_until,
)

STAYS = ("--data", "preempt=False")
# New connections, one after the other; those that were not answered within a second.
ASK = (
    "n=0 lost=0; while [ ! -e {stop} ]; do n=$((n + 1)); curl -qs --noproxy '*' -o /dev/null "
    "-m 3 http://{vip}/ || lost=$((lost + 1)); done; echo $n $lost"
)


@pytest.fixture(scope="module")
def staying(lab: Lab, deployed: Deployed) -> Iterator[Lab]:
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    done = deploy(lab, *STAYS)
    assert done.returncode == 0, done.stdout
    if holders(lab) != ["host1"]:
        switch(lab, "to=host1")
    yield lab
    gone = deploy(lab)
    assert gone.returncode == 0, gone.stdout
    assert wait_until(lambda: holders(lab) == ["host1"], 15), "it comes back"


def switch(lab: Lab, what: str) -> Done:
    done = pyinfra(lab, "-y", "inventory.py", "switchover.py", "--data", what, *STAYS)
    assert done.returncode == 0, done.stdout
    return done


def well(lab: Lab, holder: str) -> None:
    assert wait_until(lambda: holders(lab) == [holder], 15), holders(lab)
    # On top of what drains and failures are told by: their counters are of before.
    found = verify(lab, "--data", "wait=20", "--data", "skip=KA-11,KA-19", *STAYS)
    assert found.returncode == 0, found.stdout


@pytest.fixture
def asked(staying: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Asks the VIP all the time; nothing may be lost."""
    stop = tmp_path_factory.mktemp("asked") / "stop"
    with ThreadPoolExecutor() as pool:
        command = ["sh", "-c", ASK.format(stop=stop, vip=VIP)]
        running = pool.submit(lambda: staying.run(command))
        yield
        stop.touch()
        number, lost = map(int, running.result().stdout.split())
    assert number > 50 and lost == 0, f"{lost} of {number} lost"


def test_it_stays_where_a_failure_has_brought_it(staying: Lab) -> None:
    on(staying, "host1", "systemctl stop nginx")
    assert wait_until(lambda: holders(staying) == ["host2"], 15)
    on(staying, "host1", "systemctl start nginx")
    time.sleep(6)
    well(staying, "host2")
    for host in HOSTS:  # nor does it matter who of them begins anew
        if host == "host1":
            on(staying, host, "systemctl restart keepalived")
        else:
            on(staying, host, "systemctl reload keepalived")
        time.sleep(2)
        assert holders(staying) == ["host2"], host
    on(staying, "host1", "kill -9 $(pgrep -P $(cat /run/keepalived.pid) keepalived)")
    time.sleep(6)
    well(staying, "host2")


def test_switch_overs_and_drains_lose_nothing(staying: Lab, asked: None) -> None:
    switch(staying, "to=host1")
    well(staying, "host1")
    assert on(staying, "host2", "ls /etc/keepalived").count("down") == 0
    switch(staying, "drain=host1")
    assert holders(staying) == ["host2"]
    switch(staying, "undrain=host1")
    time.sleep(3)
    well(staying, "host2")


def test_a_deploy_says_and_does_what_moves_it_and_loses_nothing(staying: Lab, asked: None) -> None:
    """nginx's unit changes: each machine is restarted in its turn."""
    switch(staying, "to=host1")
    forget_failures(staying)
    done = deploy(staying, *STAYS, "--data", "worker_connections=4100")
    assert done.returncode == 0, done.stdout
    assert "moved the VIP 1 time" in done.stdout, done.stdout
    well_there = verify(staying, "--data", "only=X", *STAYS, "--data", "worker_connections=4100")
    assert holders(staying) == ["host2"] and well_there.returncode == 0, well_there.stdout
    forget_failures(staying)
    back = deploy(staying, *STAYS)
    assert back.returncode == 0, back.stdout
    again = deploy(staying, *STAYS)
    assert changed_nothing(again.stdout), again.stdout


def test_a_drill_ends_as_it_has_begun(staying: Lab) -> None:
    """Twice, so that it is brought home between two repeats, too."""
    if holders(staying) != ["host1"]:
        switch(staying, "to=host1")
    forget_failures(staying)
    words = data_words("drills=nginx-crash", "repeats=2", "timing=show")
    done = pyinfra(staying, "-y", "inventory.py", "drill.py", *words, *STAYS)
    assert done.returncode == 0, done.stdout
    assert holders(staying) == ["host1"]
    for host in HOSTS:
        assert on(staying, host, "ls /run/tandem/drain 2>/dev/null || true") == ""
