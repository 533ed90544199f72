"""A release on the day it comes out: trusted by its signature once, by its checksum ever after."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Inventory

import settings
from controller import preflight, source
from settings import Node, release_lock, releases
from tests.support import fakes
from tests.unit.controller.signers import Signer

Signers = tuple[Path, Signer, Signer]
NEW = "9.9.9"


def make_tarball(path: Path, version: str, more: str = "") -> Path:
    header = f'#define nginx_version 9009009\n#define NGINX_VERSION      "{version}"\n{more}'
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo(f"nginx-{version}/src/core/nginx.h")
        member.size = len(header)
        tar.addfile(member, io.BytesIO(header.encode()))
    return path


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "releases.lock"
    monkeypatch.setattr(release_lock, "path", lambda: path)
    return path


@pytest.fixture
def new(tmp_path: Path, lock: Path, signers: Signers, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tarball of a release that nobody here knows, signed by a release manager."""
    keys, known, _ = signers
    tarball = make_tarball(tmp_path / f"nginx-{NEW}.tar.gz", NEW)
    known.sign(tarball)
    monkeypatch.setattr(releases, "SIGNERS", {known.fingerprint: "known.key"})
    monkeypatch.setattr(source, "KEYS", keys)
    return tarball


def inventory(tarball: Path, **more: Any) -> Inventory:
    return fakes.inventory(nginx_version=NEW, nginx_source=str(tarball), **more)


def node(tarball: Path) -> Node:
    return settings.load(inventory(tarball))[0].preferred


def refusal(tarball: Path) -> str:
    with pytest.raises(source.SourceError) as caught:
        preflight._pin_releases(inventory(tarball))
    return str(caught.value)


def test_a_new_release_is_accepted_with_a_word_and_pinned(
    new: Path, lock: Path, signers: Signers, capsys: pytest.CaptureFixture[str]
) -> None:
    preflight._pin_releases(inventory(new))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"nginx {NEW} is new here, and signed by {signers[1].fingerprint}" in said
    sha256 = hashlib.sha256(new.read_bytes()).hexdigest()
    assert lock.read_text() == f"{sha256}  nginx-{NEW}.tar.gz\n"
    assert node(new).sha256 == sha256 and source.fetch(node(new)) == new
    preflight._pin_releases(inventory(new))
    assert capsys.readouterr().err == "" and lock.read_text().count("\n") == 1


def test_a_later_difference_is_refused_though_it_is_signed(
    new: Path, lock: Path, signers: Signers
) -> None:
    preflight._pin_releases(inventory(new))
    signers[1].sign(make_tarball(new, NEW, "changed"))
    with pytest.raises(source.SourceError, match=r"is not nginx 9\.9\.9: its sha256 is"):
        source.fetch(node(new))
    with pytest.raises(settings.SettingsError, match="has pinned"):
        settings.load(inventory(new, nginx_sha256="0" * 64))


def test_a_strangers_signature_pins_nothing(new: Path, lock: Path, signers: Signers) -> None:
    signers[2].sign(new)
    assert "not a good signature" in refusal(new)
    assert not lock.exists()


def test_no_signature_pins_nothing(new: Path, lock: Path) -> None:
    Path(f"{new}.asc").unlink()
    assert "has no signature beside it" in refusal(new)
    assert not lock.exists()


def test_an_old_release_under_a_new_name_pins_nothing(
    new: Path, lock: Path, signers: Signers
) -> None:
    signers[1].sign(make_tarball(new, "1.4.0"))
    assert "it is not nginx 9.9.9: it is nginx 1.4.0" in refusal(new)
    new.write_bytes(b"no archive")
    signers[1].sign(new)
    assert "it is no source of nginx" in refusal(new)
    assert not lock.exists()


def test_nothing_is_built_of_a_release_that_is_not_pinned(new: Path) -> None:
    with pytest.raises(source.SourceError, match="no checksum is known"):
        source.fetch(node(new))


@pytest.mark.parametrize(
    "line",
    [
        "what is this",
        f"{'0' * 63}  nginx-{NEW}.tar.gz",
        f"{'0' * 64}  nginx-1.30.6.tar.gz",
        f"{'0' * 64}  nginx-{NEW}.tar.gz\n{'1' * 64}  nginx-{NEW}.tar.gz",
    ],
)
def test_a_lock_that_cannot_be_right_bars_deploys(new: Path, lock: Path, line: str) -> None:
    lock.write_text(f"# pinned\n{line}\n")
    with pytest.raises(settings.SettingsError, match=r"releases\.lock"):
        settings.load(inventory(new))
    assert settings.clusters(inventory(new))


def test_a_lock_that_cannot_be_read_bars_deploys_with_what_helps(new: Path, lock: Path) -> None:
    lock.mkdir()
    with pytest.raises(settings.SettingsError, match="let it be a file that you may read, or none"):
        settings.load(inventory(new))


def test_a_line_that_was_added_by_hand_without_its_end_stays_one(lock: Path) -> None:
    for version, digit in (("1.30.6", "0"), ("1.30.7", "1"), ("1.30.8", "2")):
        release_lock.pin(lock, version, digit * 64)
        lock.write_text(lock.read_text().rstrip("\n"))
    assert release_lock.read(lock).keys() == {"1.30.6", "1.30.7", "1.30.8"}
