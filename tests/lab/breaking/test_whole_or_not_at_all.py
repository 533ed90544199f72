"""A machine whose power goes, or whose disk is full, while a deploy changes it."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.deployment import deploy, pyinfra
from tests.support.lab.pair import (
    HOSTS,
    digests,
    eventually,
    holders,
    on,
    process,
    start_deploy,
    wait_until,
    with_snippets,
)

# A deploy or two, a boot, and the fixture's own deploy, on a machine that is busy.
pytestmark = pytest.mark.timeout(400)
ROUNDS = 4
LONGEST_S = 6.0  # a changing deploy's own time
# What a deploy places, wherever that is. The lock is a lock, and the log may be empty.
PLACED = (
    "find /etc/nginx /etc/keepalived /etc/tandem /etc/systemd/system/*.service "
    "/etc/tmpfiles.d/tandem* /etc/sysctl.d/*tandem* /usr/lib/tandem /var/lib/tandem "
    "-type f ! -name lock ! -name '*.lock'"
)
SERVED = (
    "until systemctl is-active --quiet nginx && curl -sf -m 1 localhost/tandem-health; do :; done"
)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_power_cut_leaves_no_half_file_and_the_next_deploy_finishes(
    lab: Lab, plain: None, snippets: Path, seed: int
) -> None:
    before = digests(lab)
    moment_s = random.Random(seed).uniform(0.3, LONGEST_S)
    running = start_deploy(lab, *with_snippets(snippets))
    try:
        time.sleep(moment_s)
        lab.power_off("host2")
    finally:
        with suppress(ProcessLookupError):  # it was quick
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        lab.power_on("host2")
    assert on(lab, "host2", f"{PLACED} ! -name '.*' -size 0") == "", moment_s
    # It begins with one whole configuration, whichever.
    eventually(lab, "host2", f"timeout 10 sh -c '{SERVED}'", 30)
    done = deploy(lab)
    assert done.returncode == 0, done.stdout
    assert digests(lab) == before
    assert on(lab, "host2", f"{PLACED} -name '.*.new'") == "", "nothing is left over"
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    assert process(lab, "host2")


# A place that a deploy writes to, made a disk of its own without any room.
FULL = (
    "cp -a {place} /run/kept-place && mount -t tmpfs -o size=256k,mode=755 tmpfs {place} && "
    "cp -a /run/kept-place/. {place}/ && dd if=/dev/zero of={place}/.filler bs=1k 2>/dev/null; "
    "sync; rm -rf /run/kept-place"
)
IN_SERVICE = (
    "find /etc/nginx /etc/keepalived/keepalived.conf -type f ! -name .filler "
    "-exec sha256sum {} + | sort"
)
EMPTIED = "umount -l {place}"
READ_ONLY = "mount --bind {place} {place} && mount -o remount,ro,bind {place}"


@pytest.mark.parametrize("place", ["/etc/nginx", "/etc/keepalived"])
@pytest.mark.parametrize("spoil", [FULL, READ_ONLY], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing_more_keeps_what_it_has(
    lab: Lab, plain: None, snippets: Path, place: str, spoil: str
) -> None:
    before = [on(lab, host, IN_SERVICE) for host in HOSTS]
    new = (*with_snippets(snippets), "--data", 'notification_email=["ops@example.org"]')
    on(lab, "host2", spoil.format(place=place))
    try:
        done = deploy(lab, *new)
        assert done.returncode == 1
        assert "host2" in done.stdout and "Traceback" not in done.stdout
        words = "No space left on device" if spoil == FULL else "Read-only file system"
        assert words in done.stdout, done.stdout
        assert [on(lab, host, IN_SERVICE) for host in HOSTS] == before
        assert set(holders(lab)) == {"host1"}
        process(lab, "host2")
    finally:
        on(lab, "host2", EMPTIED.format(place=place))
    for host in HOSTS:
        assert on(lab, host, "systemctl is-active nginx keepalived") == "active\nactive"


# As many files as there are, and none more.
NO_INODES = (
    "cp -a {place} /root/kept-place && mount -t tmpfs -o mode=755,"
    "nr_inodes=$(($(find {place} | wc -l) + 1)) tmpfs {place} && "
    "cp -a /root/kept-place/. {place}/ && rm -rf /root/kept-place"
)


def test_a_disk_without_inodes_stops_a_deploy_with_what_to_do(
    lab: Lab, plain: None, snippets: Path
) -> None:
    place = "/var/lib/tandem"
    on(lab, "host2", NO_INODES.format(place=place))
    try:
        done = deploy(lab, *with_snippets(snippets))
        assert done.returncode == 1
        assert "No space left on device" in done.stdout and "df -i" in done.stdout, done.stdout
        assert set(holders(lab)) == {"host1"}
    finally:
        on(lab, "host2", EMPTIED.format(place=place))
    assert deploy(lab).returncode == 0


@pytest.mark.parametrize("command", ["teardown.py", "rollback.py"])
def test_what_is_read_only_is_refused_before_anything_is_changed(
    lab: Lab, plain: None, snippets: Path, command: str
) -> None:
    assert deploy(lab, *with_snippets(snippets)).returncode == 0
    before = digests(lab)
    on(lab, "host2", READ_ONLY.format(place="/etc"))
    try:
        done = pyinfra(lab, "-y", "inventory.py", command)
        assert done.returncode == 1
        said = done.stdout.lower()
        assert "read-only file system" in said and "mount -o remount,rw" in said, done.stdout
        assert digests(lab) == before
        for host in HOSTS:
            assert on(lab, host, "systemctl is-active nginx keepalived") == "active\nactive"
    finally:
        on(lab, "host2", EMPTIED.format(place="/etc"))
    assert deploy(lab).returncode == 0
