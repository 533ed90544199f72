"""files/machine/package-manager with a pretended apt-get and dnf: others are waited for.

What they say was printed by apt 2.6 while each lock was held, and is written as in dnf 4.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import fakes

PROGRAM = (fakes.ROOT / "files" / "machine" / "package-manager").read_text()
SAID = {
    "lists": "E: Could not get lock /var/lib/apt/lists/lock. It is held by process {pid} "
    "(apt-get)\nE: Unable to lock directory /var/lib/apt/lists/",
    "frontend": "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process {pid} "
    "(unattended-upgr)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), "
    "is another process using it?",
    "dpkg": "E: Could not get lock /var/lib/dpkg/lock. It is held by process {pid} (dpkg)\n"
    "E: Unable to lock the administration directory (/var/lib/dpkg/), is another process using it?",
    "archives": "E: Could not get lock /var/cache/apt/archives/lock. It is held by process {pid} "
    "(apt-get)\nE: Unable to lock the download directory",
    "in between": "dpkg: error: dpkg frontend lock was locked by another process with pid {pid}\n"
    "E: Sub-process /usr/bin/dpkg returned an error code (2)",
    "rpm": "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily "
    "unavailable)",
    "dnf": "RPMDB already locked by {pid}\nThe application with PID {pid} is: dnf",
}


class Ran(NamedTuple):
    """How a run ended, what it printed, and what the package managers were asked."""

    code: int
    said: str
    asked: list[str]


def run(
    directory: Path,
    words: str,
    answers: dict[str, list[str]],
    *,
    installed: str = "",
    well: str = "",
    archives: str = "",
) -> Ran:
    """Run the program below `directory`.

    + answers: by a word of what a package manager is asked, what it says the first times that it
      is, each time failing; after them it succeeds.
    + installed: names of packages that are there once apt-get was asked to install.
    + well: what is said with exit code 0 to "update", each time.
    + archives: what apt-config says of them.
    """
    programs, state, log = directory / "bin", directory / "tandem", directory / "asked"
    programs.mkdir(exist_ok=True)
    log.touch()
    cases = ""
    for word, lines in answers.items():
        for place, line in enumerate(lines):
            (directory / f"{word}.{place}").write_text(line)
        cases += f'*" {word} "*) key={word} ;; '
    answer = f"""#!/bin/sh
echo "${{0##*/}} $*" >>{log}
case " $* " in *" update "*) printf '%s' '{well}' ;; esac
case " $* " in {cases}*) exit 0 ;; esac
count=$(cat {directory}/$key.count 2>/dev/null || echo 0)
echo $((count + 1)) >{directory}/$key.count
[ -e {directory}/$key.$count ] || exit 0
cat {directory}/$key.$count
exit 100
"""
    for name in ("apt-get", "apt-mark", "dnf", "dpkg", "rpm"):
        (programs / name).write_text(answer)
    (programs / "dpkg-query").write_text(
        f"#!/bin/sh\ngrep -q ' install ' {log} || exit 1\n"
        f"case ' {installed} ' in *\" $4 \"*) echo 'ii ' ;; *) exit 1 ;; esac\n"
    )
    (programs / "apt-config").write_text(f"#!/bin/sh\nprintf '%s' \"{archives}\"\n")
    (programs / "sleep").write_text("#!/bin/sh\nexec /bin/sleep 0.05\n")
    for path in programs.iterdir():
        path.chmod(0o755)
    text = PROGRAM.replace("/var/lib/tandem", str(state))
    for root in ("/var/lib/dpkg", "/var/cache/apt"):
        text = text.replace(root, f"{directory}{root}")
    done = subprocess.run(
        ["sh", "-c", text, "package-manager", *words.split()],
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout + done.stderr, log.read_text().splitlines())


def held(lock: str, pid: int | None = None) -> str:
    return SAID[lock].format(pid=pid or os.getpid())


@pytest.mark.parametrize(
    ("lock", "words", "step"),
    [
        ("lists", "apt-get install curl", "update"),
        ("frontend", "apt-get install curl", "install"),
        ("dpkg", "apt-get install curl", "install"),
        ("archives", "apt-get install curl", "install"),
        ("in between", "apt-get install curl", "install"),
        ("dnf", "dnf install curl", "install"),
        ("dnf", "dnf remove curl", "remove"),
    ],
)
def test_whoever_has_a_lock_is_named_and_waited_for(
    tmp_path: Path, lock: str, words: str, step: str
) -> None:
    ran = run(tmp_path, f"300 {words}", {step: [held(lock)] * 3})
    assert ran.code == 0
    assert sum(f" {step} " in f"{line} " for line in ran.asked if "rpm" not in line) == 4
    (line,) = (line for line in ran.said.splitlines() if line.startswith("waiting: "))
    assert "python" in line and f"(pid {os.getpid()}, since " in line


@pytest.mark.parametrize("lock", SAID.keys() - {"rpm"})
def test_who_does_not_end_is_named_and_what_to_do(tmp_path: Path, lock: str) -> None:
    manager = "dnf" if lock == "dnf" else "apt-get"
    ran = run(tmp_path, f"0 {manager} install curl", {"install": [held(lock)] * 9})
    assert ran.code == 75
    assert f"(pid {os.getpid()}, since " in ran.said and "package_lock_wait_s" in ran.said


def test_a_holder_that_is_stopped_is_said_to_be_on_one_line(tmp_path: Path) -> None:
    """As aptitude is after Ctrl-Z; a name may have ends of lines in it."""
    holder = subprocess.Popen(["sh", "-c", "kill -STOP $$\n: more"])
    try:
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        ran = run(tmp_path, "0 apt-get install curl", {"install": [held("frontend", holder.pid)]})
    finally:
        holder.kill()
        holder.wait()
    (line,) = (line for line in ran.said.splitlines() if f"(pid {holder.pid}, since " in line)
    assert line.count("kill -STOP $$ : more") == 1
    assert f"stopped: 'kill -CONT {holder.pid}'" in line


def test_a_process_that_has_ended_meanwhile_is_no_trouble(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    ran = run(tmp_path, "300 apt-get install curl", {"install": [held("frontend", gone.pid)]})
    assert ran.code == 0 and "waiting: for another process" in ran.said


def test_a_lock_whose_holder_nobody_names_is_waited_for(tmp_path: Path) -> None:
    ran = run(tmp_path, "300 dnf install curl", {"install": [SAID["rpm"]]})
    assert ran.code == 0 and "waiting: for another process, which has" in ran.said


@pytest.mark.parametrize(
    "error",
    [
        "E: Unable to locate package curl",
        "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)",
        "E: Could not get lock /var/lib/dpkg/lock - open (37: No locks available)",
    ],
)
def test_what_is_no_lock_fails_at_once_and_is_shown(tmp_path: Path, error: str) -> None:
    ran = run(tmp_path, "300 apt-get install curl", {"install": [error] * 2})
    assert ran.code == 1 and error in ran.said and "waiting" not in ran.said
    assert sum(" install " in line for line in ran.asked) == 1


def test_what_a_power_cut_has_left_half_way_is_finished_first(tmp_path: Path) -> None:
    updates = tmp_path / "var" / "lib" / "dpkg" / "updates"
    updates.mkdir(parents=True)
    (updates / "0001").touch()
    ran = run(tmp_path, "300 apt-get install curl", {})
    assert ran.code == 0
    assert ran.asked[0].startswith("dpkg ") and ran.asked[0].endswith("--configure -a")


def test_what_a_power_cut_has_left_of_a_log_goes_and_that_of_a_run_at_work_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / "tandem").mkdir()
    left, at_work = (
        tmp_path / "tandem" / f"packages.log.{pid}" for pid in (99_999_999, os.getpid())
    )
    left.touch()
    at_work.touch()
    assert run(tmp_path, "20 apt-get install nginx", {}).code == 0
    assert not left.exists() and at_work.exists()


def test_the_lists_are_fetched_once_for_packages_that_come_one_after_the_other(
    tmp_path: Path,
) -> None:
    first, second = (run(tmp_path, "300 apt-get install chrony", {}) for _ in range(2))
    assert (first.code, second.code) == (0, 0)
    # Of both: what was asked is in one file.
    assert len([line for line in second.asked if "update" in line]) == 1


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


def test_only_what_nothing_else_needs_is_removed(tmp_path: Path) -> None:
    plan = "Remv keepalived [1:2.2.7-1]\nRemv libnl-3-200 [3.7.0]"
    answers = {"autoremove": [plan]}
    ran = run(tmp_path, "300 apt-get remove keepalived curl", answers)
    assert ran.code == 0
    (purged,) = (line for line in ran.asked if " purge" in line)
    assert purged.endswith("purge keepalived")
