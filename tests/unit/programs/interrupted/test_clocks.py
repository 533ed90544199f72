"""No decision on a machine depends on what its clock was set to, before or in between."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from controller.rendering import FILES
from settings.serving.site import SITES_ROOT
from tasks.machine import survey
from tasks.nginx import sites
from tasks.nginx.sites import SiteVersions, Versions
from tests.support.fakes import ROOT

# What reads the clock, or compares moments that were taken from it.
WALL_CLOCK = re.compile(
    r"time\.time|datetime\.now|date \+|-newer|-[acm](min|time) |st_[acm]time|getmtime| -[no]t "
    r"|short-unix|--since"
)
# Where that is no comparison with another moment: file, and what stands on the line.
ALLOWED = {
    ("files/common/machine_files.py", "st_mtime_ns, found.st_ctime_ns"),  # for equality
    ("files/nginx/build-nginx", "date +%s"),
    ("files/keepalived/notify/entries.py", "st_mtime"),  # told to people in a mail
    ("tasks/nginx/service.py", "datetime.now(UTC)"),  # the run's name
    (
        "tasks/change/deploy_record.py",
        "datetime.now(UTC)",
    ),  # told to people, and compared with none
    # It is the clock that is asked about.
    ("files/first_inventory/ask_network.py", "asked, began = time.time(), time.monotonic()"),
    ("tasks/nginx/sites.py", "time.time_ns() // 1000, *"),  # greater than all before
}
SOURCES = sorted(
    path
    for place in (FILES, ROOT / "templates", ROOT / "tasks")
    for path in place.rglob("*")
    if path.is_file() and path.suffix not in (".pyc", ".asc")
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_runs_on_a_machine_compares_its_clock_with_anything(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    for line in path.read_text(errors="replace").splitlines():
        known = any(name == file and words in line for file, words in ALLOWED)
        assert known or not WALL_CLOCK.search(line), line


# --- sites -----------------------------------------------------------------------------------


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """One version of the site "a", as an upload has left it."""
    found = tmp_path / "a" / "d.100"
    (found / "sub").mkdir(parents=True)
    (found / "sub" / "page").write_text("page")
    done = subprocess.run(
        ["sh", "-c", f'version={found}; {sites.SEEN} >"$version.whole"'], check=True
    )
    assert done.returncode == 0
    return found


def listed(version: Path) -> Versions:
    command = SiteVersions().command().replace(SITES_ROOT, str(version.parent.parent))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    return SiteVersions().process(done.stdout.splitlines())["a"]


@pytest.mark.parametrize("set_s", [-86400, -60, 60, 86400])
def test_a_site_that_nobody_has_changed_is_whole_whenever_it_was_uploaded(
    version: Path, set_s: int
) -> None:
    mark = version.parent / "d.100.whole"
    moment = mark.stat().st_mtime + set_s
    os.utime(mark, (moment, moment))
    assert listed(version).whole == ("d.100",)


@pytest.mark.parametrize("change", ["written", "emptied", "added", "removed", "unmarked"])
def test_a_site_that_was_changed_is_not_whole(version: Path, change: str) -> None:
    page, mark = version / "sub" / "page", version.parent / "d.100.whole"
    known = page.stat()
    if change == "written":
        page.write_text("gape")
        os.utime(page, ns=(known.st_atime_ns, known.st_mtime_ns))
    elif change == "emptied":
        page.write_text("")
    elif change == "added":
        (version / "more").write_text("more")
    elif change == "removed":
        page.unlink()
    else:
        mark.write_text("")  # what a power cut may leave
    assert listed(version) == Versions("", (), ("d.100",))


def test_a_new_version_is_the_newest_also_on_a_controller_whose_clock_is_behind() -> None:
    ahead = 10**17
    found = Versions("", (f"d.{ahead}",), (f"e.{ahead + 7}",))
    assert sites._next_time(found) == ahead + 8


# --- builds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "there"), [("", True), ("moved", True), ("written", False), ("unseen", True)]
)
def test_a_binary_that_was_changed_is_no_build(tmp_path: Path, change: str, there: bool) -> None:
    build = tmp_path / "1.26.3-0"
    build.mkdir()
    for name in ("nginx", "mime.types"):
        (build / name).write_text(name)
        (build / name).chmod(0o755)
    total = hashlib.sha256(b"nginx").hexdigest()
    (build / "MANIFEST.json").write_text(f'{{"sha256": {{"nginx": "{total}"}}}}')
    program = (FILES / "nginx" / "build-nginx").read_text()
    (remember,) = re.findall(r"^\(cd .*\.seen.*\)$", program, re.MULTILINE)
    words = f"home={tmp_path} build={build.name}; {remember}"
    subprocess.run(["sh", "-c", words], check=True)
    if change == "moved":
        (build / "nginx").rename(build / "kept")  # a ctime of today, and the same bytes
        (build / "kept").rename(build / "nginx")
    elif change == "written":
        (build / "nginx").write_text("xnign")
    elif change == "unseen":
        (build / ".seen").unlink()
    command = survey.LIST_BUILDS.replace(survey.BUILDS, str(tmp_path))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1.26.3-0 {") is there
