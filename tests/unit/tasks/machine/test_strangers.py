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


def twice(replies: list[Reply], macs: set[str], **given: Any) -> list[str]:
    (cluster,) = settings.load(fakes.inventory(**given))
    return [str(each) for each in strangers.twice(cluster, replies, macs)]


ROUTED: dict[str, Any] = {
    **{"spread": "bgp", "asn": 65010, "vip": "192.0.2.80/32", "vip6": None},
    "routers": [{"address": "172.16.12.1", "asn": 64512}],
}


@pytest.mark.parametrize("profile", [{}, ROUTED])
def test_an_own_address_that_a_stranger_has_as_well_is_refused(profile: dict[str, Any]) -> None:
    own, ours = Reply("172.16.12.62", PEER), {OURS, PEER}
    (said,) = twice([own, Reply("172.16.12.62", STRANGER)], ours, **profile)
    assert "host2: address = 172.16.12.62: somebody else has it as well, with the MAC" in said
    assert STRANGER in said and PEER not in said
    for replies, macs in (
        ([own], ours),
        # It was not asked which card is its own.
        ([own, Reply("172.16.12.62", STRANGER)], {OURS}),
        # A fabric answers for all by a card of its own.
        ([Reply("172.16.12.62", STRANGER), Reply("172.16.12.61", STRANGER)], ours),
    ):
        assert twice(replies, macs, **profile) == []


def test_in_a_routed_cluster_the_other_machines_are_asked_for_alone() -> None:
    (cluster,) = settings.load(fakes.inventory(**ROUTED))
    (asked,) = strangers.questions(cluster.nodes[0], cluster)
    assert asked == Question("eth0", (), ("172.16.12.62",))


@pytest.mark.parametrize("deployed", [True, False])
def test_a_routed_machine_asks_until_it_has_been_deployed(
    tmp_path: Path, deployed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "bird.conf"
    # What the package brings has another form.
    conf.write_text("router id 172.16.12.61;\n" if deployed else "# router id 198.51.100.1;\n")
    monkeypatch.setattr(strangers, "BIRD_CONF", str(conf))
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\nshift 2; echo "$@"\n')
    python.chmod(0o755)
    shell = strangers.shell([Question("eth0", (), ("172.16.12.62",))], "/none")
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", shell], env=path, text=True, capture_output=True, check=True)
    assert done.stdout == ("" if deployed else "who eth0 172.16.12.62\n")


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


def test_a_deploy_refuses_an_address_that_two_have(no_download: None) -> None:
    both = [f"172.16.12.61 {OURS}", f"172.16.12.61 {STRANGER}"]
    with pytest.raises(SettingsError) as caught:
        fakes.run("deploy.py", machines("debian12", "debian12", mac=OURS, replies=both))
    (line,) = (str(each) for each in caught.value.mistakes)
    assert "host1: address = 172.16.12.61: somebody else has it as well" in line
