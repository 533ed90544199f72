"""Two bare machines as people have them: the umask of one keeps others out, and the other upgrades
itself while it is deployed. Both become the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.twin import Lab
from tests.support.lab.breaking import on
from tests.support.lab.deployment import Done, keep_artifacts
from tests.support.lab.logins import HARDENED
from tests.support.lab.own_lab import own_lab, pyinfra

INVENTORY = "tests/support/inventories/first_boot.py"
HOSTS = ("host1", "host2")
# As apt and dpkg lock: one after the other, and the last three at once. The first is held until
# the next deploy is about to want it.
UPGRADE = """
cat >/root/upgrade <<'END'
import fcntl, os, time
def held(*paths):
    files = [open(path, "a") for path in paths]
    for file in files:
        fcntl.lockf(file, fcntl.LOCK_EX)
    return files
kept = held("/var/lib/apt/lists/lock")
while not os.path.exists("/root/next"):
    time.sleep(0.1)
time.sleep(6)
more = held("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/cache/apt/archives/lock")
del kept
time.sleep(8)
END
setsid python3 /root/upgrade >/dev/null 2>&1 </dev/null &
sleep 0.5
"""
# With their modes and owners, all that a deploy has made or changed.
PLACED = """
find / -xdev -newer /run/before \\( -type f -o -type d \\) -printf '%m %u:%g %p\\n' | sort -k 3
"""
# What each machine writes by itself, and what is in names that differ.
OWN = re.compile(r"/(var/log/(?!nginx|tandem)|run|proc|tmp|root|etc/\.pwd|var/lib/(systemd|dhcp))")
VARIES = re.compile(r"\d{10,}|[\da-f]{12,}")


def deploy(lab: Lab, *words: str) -> Done:
    return pyinfra(lab, "-y", INVENTORY, "deploy.py", *words)


@pytest.fixture(scope="module")
def too_early(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Done]]:
    """A first deploy that hardly waits, and fails on the machine that upgrades itself."""
    with own_lab(tmp_path_factory.mktemp("boot") / "tandem", INVENTORY) as lab:
        on(lab, "host1", HARDENED)
        for host in HOSTS:
            on(lab, host, "touch /run/before; sleep 0.05")
        assert on(lab, "host1", "umask").strip() == "0077"
        on(lab, "host2", UPGRADE)
        yield lab, deploy(lab, "--data", "package_lock_wait_s=2")


@pytest.fixture(scope="module")
def lab(too_early: tuple[Lab, Done]) -> Lab:
    """After the next deploy, which waits."""
    lab, _ = too_early
    on(lab, "host2", "pgrep -f /root/upgrade && touch /root/next")
    done = deploy(lab)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "for python3 /root/upgrade" in done.stdout, done.stdout[-3000:]
    keep_artifacts(lab)
    return lab


def placed(lab: Lab, host: str) -> dict[str, str]:
    """Mode and owner of whatever a deploy has made or changed, by path."""
    found = {}
    for line in on(lab, host, PLACED).splitlines():
        mode, owner, path = line.split(" ", 2)
        if not OWN.match(path):
            found[VARIES.sub("N", path)] = f"{mode} {owner}"
    return found


def test_who_has_the_lock_is_named_when_it_takes_too_long(too_early: tuple[Lab, Done]) -> None:
    _, done = too_early
    assert done.returncode == 1
    assert re.search(r"host2: python3 /root/upgrade \(pid \d+, since \d\d:\d\d:\d\d\)", done.stdout)
    assert "deploy again (package_lock_wait_s sets the wait)" in done.stdout


def test_each_file_and_directory_has_the_same_mode_and_owner(lab: Lab) -> None:
    hardened, other = placed(lab, "host1"), placed(lab, "host2")
    both = hardened.keys() & other.keys()
    assert {"/usr/html", "/usr/html/index.html", "/etc/nginx/nginx.conf"} <= both
    assert len(both) > 300
    assert {path: (hardened[path], other[path]) for path in both} == {
        path: (other[path], other[path]) for path in both
    }


def test_what_is_served_can_be_read_there(lab: Lab) -> None:
    for name, page in (("172.16.12.61", "the page"), ("other.test", "another page")):
        asked = ["curl", "-sf", "--noproxy", "*", "-H", f"Host: {name}", "http://172.16.12.61/"]
        assert lab.run(asked).stdout.strip() == page


def test_what_came_with_it_is_written_down_on_both(lab: Lab) -> None:
    for host in HOSTS:
        assert "keepalived\n" in on(lab, host, "cat /var/lib/tandem/brought/packages")
        assert on(lab, host, "ls /var/lib/tandem/brought").split() == [
            *("account", "packages", "sysctls"),
        ]
        noted = on(lab, host, "cat /var/lib/tandem/brought/sysctls")
        assert noted == "net/ipv4/conf/eth0/promote_secondaries 0\n"


def test_what_an_earlier_deploy_has_left_closed_is_opened(lab: Lab) -> None:
    closed = "/usr/html /var/lib/tandem /var/lib/tandem/sites"
    on(lab, "host1", f"chmod 700 {closed}")
    done = deploy(lab)
    assert done.returncode == 0, done.stdout[-3000:]
    assert on(lab, "host1", f"stat -c %a {closed}").split() == ["755"] * 3
