"""deploy.py on real machines: what it leaves, what it refuses, and what it survives."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA, Deployed, deploy

pytestmark = pytest.mark.lab

VIP = "172.16.12.254"
PAGES = {"host1": "master.wangej.com", "host2": "slaves.wangej.com"}
OTHER_FLAG = 'nginx_extra_flags=["--with-http_addition_module", "--with-cc-opt=-O0"]'
BUILDING = "pgrep -x make"


def page(lab: Lab) -> str:
    return lab.run(["curl", "-s", "-m", "3", f"http://{VIP}/"]).stdout.strip()


def holders(lab: Lab) -> list[str]:
    """Which hosts hold the VIP under its label."""
    shown = {name: lab.ssh(name, "ip address show dev eth0").stdout for name in PAGES}
    return [name for name, text in shown.items() if re.search(rf"inet {VIP}/16 .* eth0:0\n", text)]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def changes(output: str) -> int:
    """How many operations changed something, from pyinfra's own table."""
    total = re.search(r"Grand total\s+\d+\s+(\S+)\s+(\S+)\s+", output)
    assert total, output
    assert total[2] == "-", output
    return 0 if total[1] == "-" else int(total[1])


def test_a_dry_run_on_bare_machines_shows_the_plan_and_changes_nothing(deployed: Deployed) -> None:
    if deployed.dry is None:
        pytest.skip("the machines were not bare when this session began")
    assert deployed.dry.returncode == 0, deployed.dry.stdout
    assert "nginx 1.26.3 with the documented flags" in deployed.dry.stdout
    assert "keepalived.conf staged, and tested" in deployed.dry.stdout
    assert deployed.changed_by_dry == ""


def test_the_pair_serves_the_preferred_nodes_page_through_the_labelled_vip(
    lab: Lab, deployed: Deployed
) -> None:
    assert wait_until(lambda: holders(lab) == ["host1"], 10)
    assert page(lab) == PAGES["host1"]


def test_a_second_deploy_changes_nothing(lab: Lab, deployed: Deployed) -> None:
    deploy(lab)
    done = deploy(lab)
    assert done.returncode == 0, done.stdout
    assert changes(done.stdout) == 0


def test_everything_comes_back_at_boot(lab: Lab, deployed: Deployed) -> None:
    lab.power_off("host2")
    lab.power_on("host2")
    running = "systemctl is-active nginx keepalived"
    assert wait_until(lambda: lab.ssh("host2", running).stdout.split() == ["active"] * 2, 30)
    assert page(lab) == PAGES["host1"]


def test_a_file_hands_the_address_over_and_its_removal_brings_it_back_with_mails(
    lab: Lab, deployed: Deployed
) -> None:
    lab.clear_mail()
    lab.ssh("host1", "touch /etc/keepalived/down")
    try:
        assert wait_until(lambda: holders(lab) == ["host2"], 15)
        assert page(lab) == PAGES["host2"]
        # A deploy must not mistake the file for a change of configuration.
        assert changes(deploy(lab).stdout) == 0
    finally:
        lab.ssh("host1", "rm -f /etc/keepalived/down")
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    assert page(lab) == PAGES["host1"]

    def told() -> list[str]:
        return [f"{mail.subject}\n{mail.body}" for mail in lab.mail()]

    assert wait_until(lambda: len(told()) >= 4, 15), told()
    master = [text for text in told() if "host2 is now master" in text]
    assert master
    for line in (
        r"Host: +host2",
        rf"VIP: +{VIP}",
        r"Old state: backup",
        r"New state: master",
        r"Time: +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d",
    ):
        assert re.search(line, master[0]), master[0]


def test_a_setting_that_changes_the_configuration_reloads_and_does_not_restart(
    lab: Lab, deployed: Deployed
) -> None:
    def started() -> str:
        return lab.ssh("host1", "systemctl show nginx -p MainPID,ActiveEnterTimestamp").stdout

    before = started()
    try:
        done = deploy(lab, "--data", "workload=io")
        assert done.returncode == 0, done.stdout
        assert "nginx: reload, because its configuration has changed" in done.stdout
        workers = lab.ssh("host1", "pgrep -c -f 'nginx: worker process$'").stdout
        assert int(workers) == 2 * (os.cpu_count() or 1)
    finally:
        deploy(lab)
    assert started() == before


def test_a_missing_interface_is_found_before_anything_is_changed(
    lab: Lab, deployed: Deployed
) -> None:
    done = deploy(lab, "--data", "interface=eth7", "--data", "label=eth7:0")
    assert done.returncode == 1
    assert "this machine has no such interface; it has eth0" in done.stdout
    assert "Starting operation" not in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda tarball, _: tarball.open("ab").write(b"x"), "is not nginx 1.26.3"),
        (lambda _, signature: signature.write_text(WRONG_SIGNATURE), "not a good signature"),
        (lambda _, signature: signature.unlink(), "has no signature beside it"),
    ],
    ids=["tampered", "wrong-signature", "unsigned"],
)
def test_a_source_that_is_not_what_was_signed_stops_the_run(
    lab: Lab,
    deployed: Deployed,
    tmp_path: Path,
    spoil: Callable[[Path, Path], object],
    said: str,
) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tarball = tmp_path / "nginx-1.26.3.tar.gz"
    signature = tmp_path / "nginx-1.26.3.tar.gz.asc"
    for path in (tarball, signature):
        shutil.copy(cache / "tandem" / "sources" / path.name, path)
    spoil(tarball, signature)
    done = deploy(
        lab,
        *("--data", f"nginx_source={tarball}", "--data", "nginx_version=1.26.3"),
        *("--data", OTHER_FLAG),
    )
    assert done.returncode == 1
    assert said in done.stdout
    assert "Starting operation" not in done.stdout
    assert page(lab) == PAGES["host1"]


# A signature of other bytes, by nobody that is known: well formed, and worth nothing.
WRONG_SIGNATURE = """-----BEGIN PGP SIGNATURE-----

iHUEABYKAB0WIQTnotarealsignature0000000000000000000000000000000000
=0000
-----END PGP SIGNATURE-----
"""


@pytest.fixture
def small_disk(lab: Lab) -> Iterator[Callable[[int], None]]:
    """Puts the build of host1 on a disk of so many megabytes."""

    def mount(megabytes: int) -> None:
        lab.ssh(
            "host1",
            "mkdir -p /var/cache/tandem/build && "
            f"mount -t tmpfs -o size={megabytes}M none /var/cache/tandem/build",
        )

    yield mount
    lab.ssh("host1", "umount /var/cache/tandem/build")


def assert_stopped_while_building(lab: Lab, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert "Stopped: host1 failed" in done.stdout
    assert "Traceback" not in done.stdout
    assert page(lab) == PAGES["host1"]
    linked = lab.ssh("host1", "readlink -f /usr/sbin/nginx; readlink /proc/$(pgrep -o nginx)/exe")
    assert len(set(linked.stdout.split())) == 1, "nothing half-built may be in service"


def test_a_disk_too_small_for_the_build_is_said_before_it_begins(
    lab: Lab, deployed: Deployed, small_disk: Callable[[int], None]
) -> None:
    small_disk(20)
    done = deploy(lab, "--data", OTHER_FLAG)
    assert "has 20 MB left and the build needs 150 MB. Make room" in done.stdout
    assert_stopped_while_building(lab, done)


def test_a_disk_that_fills_up_during_the_build_is_said(
    lab: Lab, deployed: Deployed, small_disk: Callable[[int], None]
) -> None:
    small_disk(160)
    fill = f"until {BUILDING}; do sleep 0.1; done; cat /dev/zero > /var/cache/tandem/build/fill"
    lab.ssh("host1", f"setsid --fork sh -c '{fill}' >/dev/null 2>&1")
    done = deploy(lab, "--data", OTHER_FLAG)
    assert "The disk under /var/cache/tandem/build is full. Make room" in done.stdout
    assert_stopped_while_building(lab, done)


def start_deploy(lab: Lab, *words: str) -> subprocess.Popen[bytes]:
    command = lab.run_command([PYINFRA, "-y", "inventory.py", "deploy.py", *words])
    return subprocess.Popen(
        command,
        env=lab.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_when(lab: Lab, running: subprocess.Popen[bytes], sign: str) -> None:
    """Kill a deploy with -9 the moment `sign` succeeds on host1, which looks without a pause."""
    try:
        seen = lab.ssh("host1", f"timeout 60 sh -c 'until {sign}; do :; done'")
        assert seen.returncode == 0 and running.poll() is None, "it was over before it was killed"
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def test_a_deploy_killed_while_it_uploads_and_then_while_it_builds_is_finished_by_the_next(
    lab: Lab, deployed: Deployed
) -> None:
    upload = "/var/cache/tandem/nginx-1.26.3.tar.gz.new"
    lab.ssh("host1", f"rm -f {upload}")
    kill_when(lab, start_deploy(lab, "--data", OTHER_FLAG), f"test -e {upload}")
    assert page(lab) == PAGES["host1"]
    kill_when(lab, start_deploy(lab, "--data", OTHER_FLAG), f"{BUILDING} >/dev/null")
    assert page(lab) == PAGES["host1"]
    done = deploy(lab, "--data", OTHER_FLAG)
    assert done.returncode == 0, done.stdout
    for name in PAGES:
        assert "--with-http_addition_module" in lab.ssh(name, "nginx -V 2>&1").stdout
    # And back: that build is still there, so nothing is compiled.
    began_s = time.monotonic()
    assert deploy(lab).returncode == 0
    assert time.monotonic() - began_s < 30
    assert wait_until(lambda: holders(lab) == ["host1"], 15)


def test_an_unreachable_machine_stops_the_run_before_anything_is_changed(
    lab: Lab, deployed: Deployed
) -> None:
    lab.unplug("host2")
    try:
        done = deploy(lab, "--data", "workload=io")
        assert done.returncode == 1
        assert "host2 cannot be reached. No machine was changed." in done.stdout
        assert "Starting operation" not in done.stdout
        assert page(lab) == PAGES["host1"]
    finally:
        lab.plug("host2")
    done = deploy(lab)
    assert done.returncode == 0
    assert changes(done.stdout) == 0


def test_logs_are_rotated_and_nginx_writes_to_the_new_file(lab: Lab, deployed: Deployed) -> None:
    lab.ssh("host1", "logrotate --force /etc/logrotate.d/nginx")
    marker = hashlib.sha256(os.urandom(8)).hexdigest()[:12]

    def logged() -> bool:
        lab.run(["curl", "-s", "-m", "3", f"http://172.16.12.61/{marker}"])
        return lab.ssh("host1", f"grep -q {marker} /var/log/nginx/access.log").returncode == 0

    assert wait_until(logged, 5)
    assert lab.ssh("host1", "test -s /var/log/nginx/access.log.1").returncode == 0


def test_a_worker_that_dies_is_replaced_and_a_master_that_dies_comes_back(
    lab: Lab, deployed: Deployed
) -> None:
    count = "pgrep -c -f 'nginx: worker process$'"
    before = lab.ssh("host2", count).stdout
    lab.ssh("host2", "kill -9 $(pgrep -n -f 'nginx: worker process$')")
    assert wait_until(lambda: lab.ssh("host2", count).stdout == before, 5)
    lab.ssh("host2", "kill -9 $(cat /run/nginx/nginx.pid)")
    assert wait_until(
        lambda: lab.ssh("host2", "curl -fs http://127.0.0.1/").stdout.strip() == PAGES["host2"], 15
    )
