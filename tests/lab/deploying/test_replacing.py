"""A machine that died is replaced by a bare one: it is back without compiling, and nobody notices.

`lab wipe` is the dead machine and its replacement: power cut, an empty disk, the same address.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from lab.twin import Lab
from tests.support.clients.load import asking
from tests.support.lab.deployment import PYINFRA, ROOT, Deployed, deploy, verify


def the_artifact(lab: Lab) -> Path:
    """The one of the build that host2 has in service."""
    build = lab.ssh("host2", "basename $(dirname $(readlink /usr/sbin/nginx))").stdout.strip()
    (path,) = (lab.state.root / "artifacts").glob(f"{build}-*.tar.gz")
    return path


def assert_back_without_a_compiler(lab: Lab) -> None:
    settled = verify(lab, "--data", "wait=20")
    assert settled.returncode == 0, settled.stdout
    assert lab.ssh("host1", "command -v gcc || ls -d /usr/include/openssl").returncode != 0


def test_a_bare_machine_is_back_from_the_cache_while_the_other_serves(
    lab: Lab, deployed: Deployed
) -> None:
    assert the_artifact(lab).exists()
    lab.wipe("host1")
    with asking(lab, address="172.16.12.62", rate=50) as of_host2, asking(lab, rate=50) as of_vip:
        began_s = time.monotonic()
        done = deploy(lab)
        took_s = time.monotonic() - began_s
    print(f"replaced from the cache in {took_s:.1f} s")
    assert done.returncode == 0, done.stdout
    assert_back_without_a_compiler(lab)
    assert (of_host2.lost, of_vip.lost) == ({}, {})


def test_a_damaged_artifact_is_fetched_again_and_a_killed_deploy_is_finished_by_the_next(
    lab: Lab, deployed: Deployed
) -> None:
    path = the_artifact(lab)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    lab.wipe("host1")
    running = subprocess.Popen(
        lab.run_command([PYINFRA, "-y", "inventory.py", "deploy.py"]),
        cwd=ROOT,
        env=lab.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        # The moment at which the new machine unpacks what it was sent.
        sign = "test -e /usr/lib/tandem/nginx/.new"
        seen = lab.ssh("host1", f"timeout 200 sh -c 'until {sign}; do :; done'")
        assert seen.returncode == 0 and running.poll() is None, "it was over before it was killed"
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        said, _ = running.communicate()
    assert f"{path} is damaged" in said
    assert the_artifact(lab).stat().st_size > len(whole) - 1000, "fetched again, from host2"
    assert deploy(lab).returncode == 0
    assert_back_without_a_compiler(lab)
