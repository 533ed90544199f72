"""What the lab reads from this machine, and its messages when something is missing."""

from __future__ import annotations

import mailbox
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from lab import inventory_machines, lifecycle, twin
from lab.errors import LabError
from lab.gateway import mail
from lab.guests import base
from lab.host import bridge, cgroup, requirements
from lab.host.process import run
from tests.support.fakes import ROOT
from tests.unit.lab.test_lab_plan import HOST1

HYBRID = """\
31 1 0:27 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755
32 31 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 31 0:29 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw,nsdelegate
"""
PURE = "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("mountinfo", "place"),
    [(HYBRID, "/sys/fs/cgroup/unified"), (PURE, "/sys/fs/cgroup"), ("", None)],
)
def test_cgroup2_is_found_alone_and_beside_the_old_hierarchies(
    mountinfo: str, place: str | None
) -> None:
    assert cgroup.mount_point(mountinfo) == (Path(place) if place else None)


def test_listening_sockets_of_both_families() -> None:
    output = """\
udp   UNCONN 0      0            0.0.0.0:123       0.0.0.0:*
tcp   LISTEN 0      128             [::]:22           [::]:*
"""
    assert bridge.parse_listening(output) == {("udp", 123), ("tcp", 22)}


def test_missing_tools_are_named_by_their_debian_packages() -> None:
    there = {"ip", "nft", "ss", "ssh", "ssh-keygen", "nsenter", "unshare", "apt-get", "mmdebstrap"}
    assert requirements.missing_packages(lambda tool: tool if tool in there else None) == [
        "socat",
        "systemd-container",
        "tinyproxy-bin",
    ]


def test_missing_root_is_reported_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="as root"):
        requirements.require()


def test_missing_tools_come_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "missing_packages", lambda: ["socat", "tinyproxy"])
    with pytest.raises(LabError, match=r"apt-get install .* socat tinyproxy"):
        requirements.require()


@pytest.mark.parametrize(
    ("release", "expected"),
    [("6.1.0-37-amd64", (6, 1)), ("5.14-rc1", (5, 14)), ("6.12+deb13-amd64", (6, 12))],
)
def test_kernel_releases(release: str, expected: tuple[int, int]) -> None:
    assert requirements.kernel(release) == expected


def test_an_inventory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"no inventory missing\.py"):
        inventory_machines.read("missing.py", tmp_path)


def test_an_inventory_that_is_no_python_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "machines.py"
    path.write_text('web = [\n  ("a", {})\n  ("b", {}),\n]\n')
    with pytest.raises(LabError, match=r"machines\.py, line 2: TypeError: .* a comma") as caught:
        inventory_machines.read(str(path), ROOT)
    assert "Traceback" not in str(caught.value) and "Warning" not in str(caught.value)


def test_an_unknown_base_names_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no base sid; there are bookworm, trixie"):
        base.recipe_of(replace(HOST1, base="sid"))


def test_without_a_lab_the_error_names_the_command_that_boots_one(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="lab up"):
        twin.Lab.load(tmp_path)


def test_a_lab_is_not_changed_from_within(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_LAB", "/somewhere/.lab")
    with pytest.raises(LabError, match="leave `lab run` first"):
        lifecycle.down()


def test_the_error_of_a_failing_command_has_its_output() -> None:
    with pytest.raises(LabError, match="no good"):
        run(["sh", "-c", "echo no good >&2; exit 3"])


def test_mail_is_read_in_the_order_of_its_arrival(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "mail")
    for subject in ("first", "zweitens ä"):
        message = EmailMessage()
        message["Subject"] = subject
        message["X-MailFrom"] = "root@host1"
        message["X-RcptTo"] = "a@example.org, b@example.org"
        message["X-Peer"] = "('172.16.12.61', 43548)"
        message.set_content("body ä\n")
        box.add(message)
    first, second = mail.read(tmp_path / "mail")
    assert (first.subject, second.subject) == ("first", "zweitens ä")
    assert first.recipients == ("a@example.org", "b@example.org")
    assert (first.sender, first.peer, first.body) == ("root@host1", "172.16.12.61", "body ä\n")
    mail.clear(tmp_path / "mail")
    assert mail.read(tmp_path / "mail") == []


def test_a_cgroup_stands_still_and_goes_on(tmp_path: Path) -> None:
    """The kernel's files are the test's own: what is asked for is what has come of it."""
    (tmp_path / "cgroup.freeze").write_text("0")
    events = tmp_path / "cgroup.events"
    for frozen in (True, False):
        events.write_text(f"populated 1\nfrozen {int(frozen)}\n")
        cgroup.freeze(tmp_path, frozen)
        assert (tmp_path / "cgroup.freeze").read_text() == str(int(frozen))
        assert cgroup.is_frozen(tmp_path) is frozen


def test_what_does_not_stand_still_in_time_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "DEATH_TIMEOUT_S", 0.05)
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    with pytest.raises(LabError, match="do not stand still"):
        cgroup.freeze(tmp_path, True)
    with pytest.raises(LabError, match="the machine is off"):
        cgroup.freeze(tmp_path / "none", True)
