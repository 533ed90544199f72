"""A VIP that somebody else has is refused before anything is changed, with the MAC that answers."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import SettingsError
from tasks.machine.others import strangers
from tasks.machine.others.strangers import Question, Reply
from tests.support import fakes
from tests.unit.tasks.test_deploy import machines

VIP = "172.16.12.254"
STRANGER = "02:00:00:00:00:99"
PEER = "02:00:00:00:00:62"
OURS = "02:00:00:00:00:61"


def told(replies: list[Reply], macs: set[str], **given: Any) -> list[str]:
    (cluster,) = settings.load(fakes.inventory(**given))
    return [str(each) for each in strangers.found(cluster.nodes[0], replies, macs)]


def test_a_stranger_is_named_by_its_mac() -> None:
    (said,) = told([Reply("172.16.12.62", PEER), Reply(VIP, STRANGER)], {OURS})
    assert f"vip = {VIP}/16: somebody has it already, with the MAC {STRANGER}" in said


@pytest.mark.parametrize(
    ("replies", "macs"),
    [
        ([], {OURS}),
        # Another machine of the cluster has it, which was asked, too.
        ([Reply(VIP, PEER)], {OURS, PEER}),
        # One that was not (--limit): its own address has the same MAC.
        ([Reply("172.16.12.62", PEER), Reply(VIP, PEER)], {OURS}),
    ],
)
def test_the_clusters_own_machines_are_no_strangers(replies: list[Reply], macs: set[str]) -> None:
    assert told(replies, macs) == []


def test_of_two_that_answer_the_stranger_is_seen_and_of_every_vip() -> None:
    more = {"more_vips": {"172.16.12.253/16": "@fake/host2"}}
    replies = [Reply(VIP, PEER), Reply(VIP, STRANGER), Reply("172.16.12.253", STRANGER)]
    vips = [each.split(" = ")[0].split()[-1] for each in told(replies, {OURS, PEER}, **more)]
    assert sorted(vips) == ["more_vips", "vip"]


@pytest.mark.parametrize(
    ("conf", "asked"),
    [
        (None, [VIP, "fd61:1::254"]),
        ("        172.16.12.254/16 dev eth0\n", ["fd61:1::254"]),
        ("        172.16.12.254/32 dev eth0\n        fd61:1::254/128 dev eth0\n", None),
        (
            "        172.16.12.25/16 dev eth0\n        fd61:1::2540/64 dev eth0\n",
            [VIP, "fd61:1::254"],
        ),
    ],
)
def test_only_what_is_new_to_keepalived_is_asked(
    tmp_path: Path, conf: str | None, asked: list[str] | None
) -> None:
    configuration = tmp_path / "keepalived.conf"
    if conf is not None:
        configuration.write_text(conf)
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\nshift 2; echo "$@" >&3\necho "172.16.12.254 02:00:00:00:00:99"\n')
    python.chmod(0o755)
    question = Question("eth0", (VIP, "fd61:1::254"), ("172.16.12.62",))
    shell = strangers.shell([question], str(configuration))
    run = f"exec 3>{shlex.quote(str(tmp_path / 'asked'))}; {shell}"
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", run], env=path, text=True, capture_output=True, check=True)
    words = (tmp_path / "asked").read_text().split()
    assert words == (["who", "eth0", *asked, "172.16.12.62"] if asked else [])
    assert bool(strangers.answers(done.stdout)) is bool(asked)


def test_without_python_nothing_is_said(tmp_path: Path) -> None:
    shell = strangers.shell([Question("eth0", (VIP,), ())], str(tmp_path / "none"))
    (tmp_path / "grep").symlink_to("/usr/bin/grep")
    done = subprocess.run(["/bin/sh", "-c", shell], env={"PATH": str(tmp_path)}, check=True)
    assert done.returncode == 0


def test_the_program_runs_as_a_word_and_comes_to_its_end() -> None:
    shell = strangers.shell([Question("no-such-card", (VIP,), ())], "/nonexistent")
    done = subprocess.run(["sh", "-c", shell], text=True, capture_output=True, check=True)
    assert done.stdout == "end\n" and strangers.answers(done.stdout) == ()


def test_a_deploy_refuses_it_together_with_all_else(no_download: None) -> None:
    found = machines("debian12", "debian12", free_mb=3, replies=[f"{VIP} {STRANGER}"])
    with pytest.raises(SettingsError) as caught:
        fakes.run("deploy.py", found)
    lines = [str(each) for each in caught.value.mistakes]
    assert any("free_mb" in line for line in lines)
    assert any(STRANGER in line for line in lines)
