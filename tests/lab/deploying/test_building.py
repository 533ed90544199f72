"""Builds that cannot work or are interrupted: what is refused, and what the next run finishes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.lab.deployment import Deployed, deploy
from tests.support.lab.pair import (
    OTHER_FLAG,
    PAGES,
    changed_nothing,
    holders,
    kill_when,
    page,
    start_deploy,
    wait_until,
)

BUILDING = "pgrep -x make"
COMPILES_IT = "Starting operation: Build: nginx 1.26.3 "
# A standby does, so that the holder's answers stay quick.
COMPILES = "host2"


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
    """Puts the build on a disk of so many megabytes."""

    def mount(megabytes: int) -> None:
        lab.ssh(
            COMPILES,
            "mkdir -p /var/cache/tandem/build && "
            f"mount -t tmpfs -o size={megabytes}M none /var/cache/tandem/build",
        )

    yield mount
    lab.ssh(COMPILES, "umount /var/cache/tandem/build")


def assert_stopped_while_building(lab: Lab, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert f"Stopped: {COMPILES} failed" in done.stdout
    assert "Traceback" not in done.stdout
    assert page(lab) == PAGES["host1"]
    linked = lab.ssh(COMPILES, "readlink -f /usr/sbin/nginx; readlink /proc/$(pgrep -o nginx)/exe")
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
    zeros = "head -c 300M /dev/zero >/var/cache/tandem/build/fill"
    fill = f"until {BUILDING}; do sleep 0.1; done; {zeros}"
    lab.ssh(COMPILES, f"setsid --fork sh -c '{fill}' >/dev/null 2>&1")
    done = deploy(lab, "--data", OTHER_FLAG)
    assert "The disk under /var/cache/tandem/build is full. Make room" in done.stdout
    assert_stopped_while_building(lab, done)


def test_a_deploy_killed_while_it_uploads_and_then_while_it_builds_is_finished_by_the_next(
    lab: Lab, deployed: Deployed
) -> None:
    uploads = "/var/cache/tandem/*nginx-1.26.3.tar.gz*"  # the run's name is in it
    lab.ssh(COMPILES, f"rm -f {uploads}")
    kill_when(
        lab, start_deploy(lab, "--data", OTHER_FLAG), f"ls {uploads} >/dev/null 2>&1", on=COMPILES
    )
    assert page(lab) == PAGES["host1"]
    kill_when(lab, start_deploy(lab, "--data", OTHER_FLAG), f"{BUILDING} >/dev/null", on=COMPILES)
    assert page(lab) == PAGES["host1"]
    done = deploy(lab, "--data", OTHER_FLAG)
    assert done.returncode == 0, done.stdout
    assert COMPILES_IT in done.stdout, done.stdout
    for name in PAGES:
        assert "--with-http_addition_module" in lab.ssh(name, "nginx -V 2>&1").stdout
    # And back: that build is still there, so nothing is compiled.
    back = deploy(lab)
    assert back.returncode == 0 and COMPILES_IT not in back.stdout, back.stdout
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
    assert changed_nothing(done.stdout)
