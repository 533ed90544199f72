"""files/machine/package-manager beside lists, archives and packages that others have spoilt."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.programs.shell.pretended_packages import run

# --- lists, archives and packages of others ------------------------------------------------------

DEAD = [
    # A proxy that is down (apt-get exits with 0), and a repository that is gone (with 100).
    ("W: Failed to fetch http://deb.example.org/dists/bookworm/InRelease  Could not connect\n", 0),
    ("E: Failed to fetch http://x.example.org/dists/stable/Packages  404  Not Found\n", 100),
]


@pytest.mark.parametrize(("said", "code"), DEAD)
def test_a_repository_that_does_not_answer_stops_nothing(
    tmp_path: Path, said: str, code: int
) -> None:
    answers = {"update": [said]} if code else {}
    ran = run(tmp_path, "300 apt-get install curl", answers, well="" if code else said)
    assert ran.code == 0
    assert sum(" install " in line for line in ran.asked) == 1


@pytest.mark.parametrize(("said", "code"), DEAD)
def test_lists_that_did_not_come_are_fetched_again_and_told_of(
    tmp_path: Path, said: str, code: int
) -> None:
    """Or the next deploy would not find the packages either, although the proxy is back."""
    unknown = "E: Unable to locate package curl"
    answers = {"install": [unknown]} | ({"update": [said]} if code else {})
    first = run(tmp_path, "300 apt-get install curl", answers, well="" if code else said)
    assert first.code == 1
    assert unknown in first.said and said.strip() in first.said
    second = run(tmp_path, "300 apt-get install curl", {})
    assert second.code == 0
    assert sum(" update" in line for line in second.asked) == 2, "of both"


@pytest.mark.parametrize("verb", ["install", "remove"])
def test_dnf_passes_over_a_repository_that_does_not_answer(tmp_path: Path, verb: str) -> None:
    """As dnf 4.14 was seen to do: "Ignoring repositories: dead"."""
    ran = run(tmp_path, f"300 dnf {verb} curl", {})
    assert ran.code == 0
    (asked,) = (line for line in ran.asked if line.startswith("dnf "))
    assert " --setopt=*.skip_if_unavailable=True " in asked


def test_an_archive_without_its_content_is_fetched_anew(tmp_path: Path) -> None:
    """What a power cut may leave: apt compares the size alone."""
    archives = tmp_path / "var" / "cache" / "apt" / "archives"
    archives.mkdir(parents=True)
    for name in ("curl_1%3a7-1+b2_amd64.deb", "other_1_all.deb"):
        (archives / name).touch()
    said = (
        "dpkg-deb: error: '/tmp/apt-dpkg-install-x/10-curl_1%3a7-1+b2_amd64.deb' is not a Debian "
        "format archive\ndpkg: error processing archive "
        "/tmp/apt-dpkg-install-x/10-curl_1%3a7-1+b2_amd64.deb (--unpack):\n"
        " dpkg-deb --control subprocess returned error exit status 2\n"
    )
    ran = run(tmp_path, "300 apt-get install curl", {"install": [said]})
    assert ran.code == 0
    assert [path.name for path in archives.iterdir()] == ["other_1_all.deb"]
    ran = run(tmp_path, "300 apt-get install curl", {"install": [said] * 5})
    assert ran.code == 1 and "not a Debian format archive" in ran.said


def test_archives_are_where_the_machine_has_them(tmp_path: Path) -> None:
    """Dir::Cache::archives may be a disk of its own."""
    elsewhere = tmp_path / "spool" / "debs"
    elsewhere.mkdir(parents=True)
    for name in ("curl_7_amd64.deb", "curl-doc_7_all.deb"):
        (elsewhere / name).touch()
    plan = {"autoremove": ["Remv curl [7]"]}
    assert (
        run(tmp_path, "300 apt-get remove curl", plan, archives=f"archives='{elsewhere}/'\n").code
        == 0
    )
    assert [path.name for path in elsewhere.iterdir()] == ["curl-doc_7_all.deb"]


def test_a_mirror_that_has_changed_since_is_asked_for_its_lists_again(tmp_path: Path) -> None:
    gone = (
        "E: Failed to fetch http://deb.example.org/pool/c/curl_7_amd64.deb  404  Not Found\n"
        "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?\n"
    )
    ran = run(tmp_path, "300 apt-get install curl", {"install": [gone]})
    assert ran.code == 0
    asked = [line.split()[-1] for line in ran.asked if "update" in line or " install " in line]
    assert asked == ["update", "curl", "update", "curl"]
    ran = run(tmp_path, "300 apt-get install curl", {"install": [gone] * 9})
    assert ran.code == 1 and "404  Not Found" in ran.said, "and given up if that is no help"


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "E: Release file for http://deb.example.org/InRelease is not valid yet (invalid for "
            "another 3h 5min 2s). Updates for this repository will not be applied.",
            "set it (date --set '...'), and deploy again",
        ),
        (
            "E: You don't have enough free space in /var/cache/apt/archives/.",
            "Make room there (df -h, df -i), and deploy again",
        ),
    ],
)
@pytest.mark.parametrize("step", ["update", "install"])
def test_what_a_person_can_do_about_it_is_said(
    tmp_path: Path, step: str, said: str, remedy: str
) -> None:
    unknown = "E: Unable to locate package curl"
    answers = {"install": [unknown] * 9} | {step: [said] * 9}
    ran = run(tmp_path, "300 apt-get install curl", answers)
    assert ran.code == 1
    assert said in ran.said and remedy in ran.said


@pytest.mark.parametrize(("installed", "code"), [("curl psmisc", 0), ("curl", 1)])
def test_somebodys_own_package_that_cannot_be_configured_stops_nothing(
    tmp_path: Path, installed: str, code: int
) -> None:
    said = "Errors were encountered while processing:\n foreign\nE: Sub-process /usr/bin/dpkg"
    answers = {"install": [said] * 2}
    ran = run(tmp_path, "300 apt-get install curl psmisc", answers, installed=installed)
    assert ran.code == code
    assert "foreign" in ran.said


def test_what_is_on_hold_is_named_with_the_remedy(tmp_path: Path) -> None:
    said = "E: Held packages were changed and -y was used without --allow-change-held-packages."
    ran = run(tmp_path, "300 apt-get install curl", {"install": [said], "showhold": ["curl"]})
    assert ran.code == 1
    assert "On hold are: curl ('apt-mark unhold NAME'" in ran.said


def test_a_disk_that_cannot_be_written_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "tandem").write_text("in the way")
    ran = run(tmp_path, "300 apt-get install curl", {})
    assert ran.code == 1 and ran.asked == []
    assert "nothing can be written to" in ran.said and "deploy again" in ran.said


def test_who_waits_hears_that_it_goes_on_and_nothing_of_one_that_hangs(tmp_path: Path) -> None:
    """Or its silence would never end the run."""
    slow = "for n in 1 2 3; do echo line $n; /bin/sleep 0.7; done"
    ran = run(tmp_path, "300 apt-get install curl", {}, at_work=slow, report_s=0.5)
    assert ran.code == 0 and "progress: apt-get: line 2" in ran.said.splitlines()
    hangs = run(tmp_path, "300 apt-get install psmisc", {}, at_work="/bin/sleep 2", report_s=0.3)
    assert hangs.said.count("progress: ") <= 2, "at most once for each command"


def test_only_what_nothing_else_needs_is_removed(tmp_path: Path) -> None:
    plan = "Remv keepalived [1:2.2.7-1]\nRemv libnl-3-200 [3.7.0]"
    answers = {"autoremove": [plan]}
    ran = run(tmp_path, "300 apt-get remove keepalived curl", answers)
    assert ran.code == 0
    (purged,) = (line for line in ran.asked if " purge" in line)
    assert purged.endswith("purge keepalived")
