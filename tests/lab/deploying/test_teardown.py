"""teardown.py on a pair that was bare before: nothing is left but what docs/teardown.md says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.outcomes import RequestOutcome
from drills.records import Request
from lab.twin import Lab
from tests.lab.conftest import Checkout
from tests.support.clients.load import asking
from tests.support.lab import deployment
from tests.support.lab.deployment import PYINFRA, ROOT, Done, lend_artifacts
from tests.support.lab.pair import changed_nothing

SNAPSHOT = (Path(__file__).parents[2] / "support" / "lab" / "machine_snapshot.py").read_text()
HOSTS = ("host1", "host2")
# What docs/teardown.md says that differs afterwards, in the words of snapshot.py.
STAYS = re.compile(
    r"FILE /var/log/nginx/\S+ 6[04][04] 0:0 |DIR /var/log/nginx 755 0:0$|"
    # The package manager's own books, and the system's.
    r"\w+ /var/(cache|lib|log)/apt/|FILE /var/lib/dpkg/(\w+-old|available) |"
    r"FILE /var/log/(dpkg|alternatives)\.log |FILE /var/lib/ucf/|"
    r"\w+ /var/cache/(ldconfig/aux-cache|debconf/\S+) |"
    r"FILE /etc/(passwd|group|shadow|gshadow)- |"
    r"\w+ /var/lib/systemd/(timers|deb-systemd-helper-enabled)\b|"
    r"FILE /var/backups/(dpkg|apt|alternatives)\.\S+ |"
    r"\w+ /var/log/journal/|FILE /var/log/(wtmp|lastlog|btmp) "
)


@pytest.fixture(scope="module")
def lab(elsewhere: Checkout) -> Iterator[Lab]:
    """A lab of its own, since its machines have to be bare."""
    done = elsewhere.lab("up", str(ROOT / "inventory.py"))
    assert done.returncode == 0, done.stderr
    lab = Lab.load(elsewhere.directory)  # which `elsewhere` takes down
    lend_artifacts(lab)
    yield lab


def teardown(lab: Lab, *words: str) -> Done:
    done = deployment.pyinfra(lab, "-y", "inventory.py", "teardown.py", *words)
    assert "Traceback" not in done.stdout, done.stdout
    return done


def snapshot(lab: Lab, name: str) -> set[str]:
    # Until it is known that nobody else has an address of IPv6, it has no route.
    checked = "while ip -6 -o address show tentative | grep -q .; do sleep 0.1; done"
    done = lab.ssh(name, f"{checked}; python3 -", input=SNAPSHOT)
    assert done.returncode == 0, done.stderr
    # From outside, too: nftables' own command may have gone.
    inside = ["ip", "netns", "exec", lab.machine(name).netns, "nft", "list", "ruleset"]
    rules = subprocess.run(inside, capture_output=True, text=True, check=True).stdout
    return {*done.stdout.splitlines(), *(f"NFT {line}" for line in rules.splitlines())}


def unchanged(done: Done) -> None:
    assert done.returncode == 0, done.stdout
    assert changed_nothing(done.stdout)


@pytest.fixture(scope="module")
def before(lab: Lab) -> dict[str, set[str]]:
    return {name: snapshot(lab, name) for name in HOSTS}


@pytest.fixture(scope="module")
def deployed(lab: Lab, before: dict[str, set[str]]) -> None:
    done = deployment.deploy(lab)
    assert done.returncode == 0, done.stdout


def killed(lab: Lab, sign: str) -> None:
    """A teardown that is killed the moment it says `sign`."""
    with subprocess.Popen(
        lab.run_command([PYINFRA, "-y", "inventory.py", "teardown.py"]),
        cwd=ROOT,
        env=lab.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as running:
        assert running.stdout
        seen = any(sign in line for line in running.stdout)
        os.killpg(running.pid, signal.SIGKILL)
        assert seen, "it was over before it was killed"


def outage(requests: list[Request]) -> tuple[int, int]:
    """(so many were answered before the first that was not, so many were after it)."""
    answered = [request.outcome == RequestOutcome.OK for request in requests]
    first = answered.index(False)
    return first, sum(answered[first:])


def test_a_dry_run_on_bare_machines_finds_nothing(lab: Lab, before: dict[str, set[str]]) -> None:
    done = deployment.pyinfra(lab, "--dry", "inventory.py", "teardown.py")
    assert done.returncode == 0, done.stdout
    assert "web: nothing of Tandem is there" in done.stdout


def test_it_serves_until_the_last_goes_and_nothing_is_left(
    lab: Lab, before: dict[str, set[str]], deployed: None
) -> None:
    """Killed in the middle, and run again. What is somebody's own stays."""
    for name in HOSTS:
        lab.ssh(name, "echo mine >/usr/html/mine; echo mine >/etc/nginx/mine")
    with asking(lab) as seen:
        killed(lab, "Starting operation: host2: files of nginx")
        middle_s = time.monotonic()
        done = teardown(lab)
    assert done.returncode == 0, done.stdout
    assert "172.16.12.254 goes away with host1" in done.stdout
    answered, late = outage(seen.requests)
    # A client that was about to connect may have been answered beside one that was not any more.
    assert seen.began_s + seen.requests[answered].due_s > middle_s and late <= 5, (answered, late)
    for name in HOSTS:
        assert lab.ssh(name, "cat /usr/html/mine /etc/nginx/mine").stdout == "mine\nmine\n"
        lab.ssh(name, "rm -r /usr/html /etc/nginx")
        after = snapshot(lab, name)
        # Both ways: what is new, what has gone.
        assert {line for line in before[name] ^ after if not STAYS.match(line)} == set()
        assert any(line.startswith("FILE /var/log/nginx/access.log") for line in after)
    unchanged(teardown(lab))


def test_a_deploy_afterwards_is_as_the_first(lab: Lab, deployed: None) -> None:
    done = deployment.deploy(lab)
    assert done.returncode == 0, done.stdout
    done = deployment.verify(lab, "--data", "wait=30")
    assert done.returncode == 0, done.stdout


OWN_PACKAGE = """\
set -e
mkdir -p /root/mine/DEBIAN
printf 'Package: mine\\nVersion: 1\\nArchitecture: all\\nMaintainer: me <me@example.org>\\n'\\
'Depends: psmisc\\nDescription: mine\\n' >/root/mine/DEBIAN/control
dpkg-deb --build /root/mine /root/mine.deb && dpkg --install /root/mine.deb
"""


def test_one_machine_leaves_and_the_other_goes_on(lab: Lab, deployed: None) -> None:
    """The one that serves, and without a request lost; then the other is the last, and refused."""
    assert lab.ssh("host1", "sh", input=OWN_PACKAGE).returncode == 0
    with asking(lab) as seen:
        done = teardown(lab, "--limit", "host1")
    assert done.returncode == 0, done.stdout
    assert seen.lost == {}
    assert {request.node for request in seen.requests} == {"host1", "host2"}
    assert "Take host1 out of the inventory and deploy" in done.stdout
    assert "stay, because something else there needs them: psmisc" in done.stdout
    assert lab.ssh("host1", "killall -V; test -e /usr/sbin/keepalived").returncode == 1
    refused = teardown(lab, "--limit", "host2")
    assert refused.returncode == 1
    assert "web: nobody else would serve: host1 (172.16.12.61) does not answer" in refused.stdout
    assert lab.run(["curl", "-s", "-m", "3", "http://172.16.12.254/"]).stdout == (
        "slaves.wangej.com\n"
    )
    done = teardown(lab, "--limit", "host2", "--data", "interrupt=1")
    assert done.returncode == 0, done.stdout
    assert lab.ssh("host2", "ls /var/lib/tandem /usr/lib/tandem").stdout == ""
