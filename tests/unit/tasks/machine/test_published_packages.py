"""Ubuntu's packages as published (tests/support/published): the names that a deploy asks for are
there, and dpkg's answers are read right.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tasks.machine import install_record, packages
from tests.support.fakes import ROOT

RELEASES = ("ubuntu22", "ubuntu24")
# What an nginx with perl is linked with; dpkg itself names them when it is compiled there.
LIBRARIES = {
    "ubuntu22": ("libc6", "libcrypt1", "libpcre2-8-0", "libperl5.34", "libssl3", "zlib1g"),
    "ubuntu24": ("libc6", "libcrypt1", "libpcre2-8-0", "libperl5.38t64", "libssl3t64", "zlib1g"),
}
ASKED = sorted(
    {
        *packages.RUN["debian"],
        *packages.BUILD["debian"],
        *packages.BUILD_PERL["debian"],
        *packages.RUN_PERL["debian"],
        *packages.WITHOUT_SYSTEMD["debian"],
        packages.TLS,
        packages.NGINX_EXPORTER,
    }
)


class Published(NamedTuple):
    """A package as dpkg-query names it, its version ("-" for unknown), where it was found."""

    shown: str
    version: str
    source: str

    @property
    def name(self) -> str:
        return self.shown.partition(":")[0]


def published(release: str) -> list[Published]:
    lines = (ROOT / "tests" / "support" / "published" / f"{release}.txt").read_text().splitlines()
    return [Published(*line.split()) for line in lines if not line.startswith("#")]


def image(release: str) -> list[Published]:
    """What is installed in the image that was listed."""
    return [each for each in published(release) if each.source == "i"]


def asked(command: str, release: str, directory: Path, *, also: str = "") -> list[str]:
    """What a command prints where dpkg has the image's packages.

    + also: a further package and its state, "keepalived rc".
    """
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    shown = "".join(f"{each.shown} ii \n" for each in image(release)) + f"{also} \n" * bool(also)
    (directory / "installed").write_text(shown)
    answers = {
        "dpkg": "echo amd64",
        # With ${Package} only those that are asked for, and without their architecture.
        "dpkg-query": f"""case $3 in *binary:*) exec cat {directory}/installed ;; esac
shift 3
for name; do sed -nE "s/^$name(:amd64)? /$name /p" {directory}/installed; done""",
    }
    for name, text in answers.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command], env={"PATH": path}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ASKED)
def test_what_a_deploy_installs_is_published(name: str, release: str) -> None:
    assert name in {each.name for each in published(release)}


@pytest.mark.parametrize("release", RELEASES)
def test_what_nginx_is_linked_with_is_published(release: str) -> None:
    assert set(LIBRARIES[release]) <= {each.name for each in image(release)}


@pytest.mark.parametrize(
    ("release", "version"), [("ubuntu22", "1:2.2.4-"), ("ubuntu24", "1:2.2.8-")]
)
def test_keepalived_counts_missed_adverts(release: str, version: str) -> None:
    """Since 2.2.3: docs/platforms.md says which version each of them has."""
    (found,) = (each for each in published(release) if each.name == "keepalived")
    assert found.version.startswith(version)


@pytest.mark.parametrize("release", RELEASES)
def test_what_is_missing_in_the_image_is_found_whatever_its_architecture(
    release: str, tmp_path: Path
) -> None:
    wanted = [*ASKED, *LIBRARIES[release]]
    there = {each.name for each in image(release)}
    question = packages.MissingPackages().command("debian", " ".join(wanted))
    assert asked(question, release, tmp_path) == [name for name in wanted if name not in there]


@pytest.mark.parametrize("state", ["rc", "iU", "iF", "iH", "hn"])
def test_a_package_that_is_not_wholly_there_is_missing(state: str, tmp_path: Path) -> None:
    question = packages.MissingPackages().command("debian", "keepalived curl")
    also = f"keepalived {state}"
    assert asked(question, "ubuntu24", tmp_path, also=also) == ["keepalived"]
    listed = asked(install_record.INSTALLED["debian"], "ubuntu24", tmp_path, also=also)
    assert "keepalived" not in listed


@pytest.mark.parametrize("release", RELEASES)
def test_the_record_has_names_as_apt_takes_them(release: str, tmp_path: Path) -> None:
    listed = asked(install_record.INSTALLED["debian"], release, tmp_path)
    assert listed == sorted(each.name for each in image(release))
