"""What runs that were killed leave beside files: each name is known, found, and removed."""

from __future__ import annotations

import fcntl
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import settings
from tasks.change import removal
from tasks.machine import RECORD
from tasks.machine.footprint import LeftPaths, PlacedPaths
from tasks.nginx.sites import SiteVersions
from tests.support import fakes

# What ends the name of something that is there only for a while, and where such names are made.
# Who adds one says here who removes it after a kill.
ENDINGS = re.compile(
    r"[/\w}\"'*)](?<!self)\.(new|old|now|all|tmp|temp|bak|part|partial|trial|tandem|orig|upload|view)\b"
    r"(?![(\w\[,]| [<=>]|\))"
)
MADE_IN = {
    # `beside`, of every file and link of a footprint
    "files/common/machine_files.py": {"new", "old"},
    "tasks/machine/one_file.py": {"new"},
    "tasks/machine/footprint.py": {"new", "old"},
    # apply-nginx, by its `left_overs`
    "files/nginx/apply_nginx/generations.py": {"new"},
    # deploy-record, by its `remove_left_overs`
    "files/machine/deploy_record/machine_generations.py": {"trial"},
    # apply-keepalived: `open_change`
    "tasks/keepalived/configuration.py": {"new"},
    # apply-bird: `open_change`
    "files/bird/apply_bird/bird_change.py": {"now"},
    "tasks/bird/bird_configuration.py": {"new", "now"},
    # the next deploy: `passing`
    "files/nginx/build-nginx": {"new"},
    "tasks/nginx/source_build.py": {"new"},
    "tasks/machine/install_record.py": {"new", "now", "all"},
    "tasks/machine/limits.py": {"new"},
    "tasks/handover/handover_service.py": {"new"},
    "tasks/sysv/supervision.py": {"tandem"},
    # the record's footprint
    "tasks/machine/__init__.py": {"new", "tandem"},
    "tasks/machine/replaced.py": {"tandem"},
    # the removal of sites
    "tasks/nginx/sites.py": {"new", "upload"},
    # `programs_passing`
    "tasks/nginx/service.py": {"new"},
    # In /run, which no boot keeps, and the next start or reload replaces it.
    "files/machine/running-state": {"new"},
}
NODE = settings.load(fakes.inventory())[0].nodes[0]
EVERY = (*removal.footprints(NODE), RECORD)


def texts() -> Iterator[tuple[str, str]]:
    for room in ("files", "tasks", "templates"):
        for path in sorted((fakes.ROOT / room).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".asc":
                yield str(path.relative_to(fakes.ROOT)), path.read_text()


def test_it_is_known_who_removes_every_name_that_is_made_for_a_while() -> None:
    found = {name: set(ENDINGS.findall(text)) for name, text in texts()}
    assert {name: endings for name, endings in found.items() if endings} == MADE_IN


# --- the paths of footprints, on a disk ----------------------------------------------------------


def shown(command: str, root: Path) -> list[str]:
    """What a fact's command prints of the disk at `root`, without that."""
    moved = re.sub(r"(?<![\w.])/(etc|var|usr|run|srv)\b", rf"{root}/\1", command)
    done = subprocess.run(["sh", "-c", moved], capture_output=True, text=True, check=True)
    return [line.removeprefix(str(root)) for line in done.stdout.splitlines()]


def one(pattern: str) -> str:
    return pattern.replace("*", "7f")


def uploads() -> Iterator[str]:
    for footprint in EVERY:
        for path in (*footprint.all_files, *footprint.marked):
            directory, _, name = one(path).rpartition("/")
            yield f"{directory}/.{name}.0a1b2c3d.new"
    yield "/var/lib/tandem/keepalived/.keepalived.conf.0a1b2c3d.new"
    yield "/usr/lib/tandem/.any.0a1b2c3d.new"


PASSING = [one(pattern) for footprint in EVERY for pattern in footprint.passing]
PROGRAMS = [one(pattern) for footprint in EVERY for pattern in footprint.programs_passing]
BESIDE = [one(pattern) for footprint in EVERY for pattern in footprint.beside]
OF_KEYS = [f"/etc/nginx/tls/.mine.key.{ending}" for ending in ("new", "old")]
MINE = (
    *("/etc/nginx/nginx.conf.new", "/etc/nginx/tls/.other.old", "/etc/nginx/tls/other.key"),
    *("/etc/default/.mine.0a1b2c3d.new", "/usr/html/.mine.old", "/etc/sysctl.d/mine.new"),
)


def put(root: Path, *paths: str) -> None:
    for path in (*paths, *MINE, "/var/lib/tandem/deploys.jsonl"):
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    manifest = root / "var/lib/tandem/nginx/manifest"
    manifest.parent.mkdir(exist_ok=True)
    manifest.write_text("nginx.conf\ntls/mine.key\n")


def test_the_next_deploy_removes_what_its_commands_have_left(tmp_path: Path) -> None:
    """And nothing else: what a program has left, it may still need."""
    put(tmp_path, *PASSING, *uploads(), *PROGRAMS, *BESIDE)
    found = shown(LeftPaths().command(EVERY), tmp_path)
    assert set(found) == {*PASSING, *uploads()}


def test_teardown_removes_all_of_it(tmp_path: Path) -> None:
    every = {*PASSING, *uploads(), *PROGRAMS, *BESIDE, *OF_KEYS}
    put(tmp_path, *every)
    for footprint in EVERY:
        for found in shown(PlacedPaths().command(footprint), tmp_path):
            if found not in footprint.directories:
                assert not [mine for mine in MINE if mine.startswith(found)], found
                every -= {path for path in every if path == found or path.startswith(f"{found}/")}
    assert not every


def test_a_dangling_link_that_was_left_is_found(tmp_path: Path) -> None:
    put(tmp_path, "/usr/sbin/other")
    (tmp_path / "usr/sbin/.nginx.old").symlink_to("/usr/lib/tandem/nginx/gone/nginx")
    nginx = next(footprint for footprint in EVERY if footprint.concern == "nginx")
    assert "/usr/sbin/.nginx.old" in shown(PlacedPaths().command(nginx), tmp_path)


def test_a_build_that_has_outlived_its_deploy_keeps_what_it_works_with(tmp_path: Path) -> None:
    put(tmp_path, "/var/cache/tandem/build.lock", "/var/cache/tandem/0a.nginx.tar.gz")
    lock = tmp_path / "var/cache/tandem/build.lock"
    asked = LeftPaths().command(EVERY)
    assert shown(asked, tmp_path) == ["/var/cache/tandem/0a.nginx.tar.gz"]
    with lock.open() as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        assert shown(asked, tmp_path) == []


def test_what_an_upload_of_a_site_has_left_goes_with_old_versions(tmp_path: Path) -> None:
    put(
        tmp_path,
        *(f"/var/lib/tandem/sites/a.org/{name}" for name in (".upload.1.tar", "d.7.whole")),
    )
    (tmp_path / "var/lib/tandem/sites/a.org/.current.new").symlink_to("gone")
    (tmp_path / "var/lib/tandem/sites/a.org/d.8").mkdir()
    lines = shown(SiteVersions().command(), tmp_path)
    found = SiteVersions().process(lines)["a.org"]
    assert sorted(found.left) == [".current.new", ".upload.1.tar", "d.7.whole"]
    assert found.others == ("d.8",)
