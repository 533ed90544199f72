"""A tarball is used only if its checksum is the known one and a known person signed it."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

import settings
from controller import mirror, source
from settings import Node, releases
from tests.support import fakes
from tests.unit.controller.signers import Signer, gpg, make_signer


@pytest.fixture
def release(
    tmp_path: Path, signers: tuple[Path, Signer, Signer], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A tarball with its known checksum and a good signature."""
    keys, known, _ = signers
    tarball = tmp_path / "nginx-9.9.9.tar.gz"
    tarball.write_bytes(b"the source")
    known.sign(tarball)
    monkeypatch.setitem(releases.SHA256, "9.9.9", hashlib.sha256(b"the source").hexdigest())
    monkeypatch.setattr(releases, "SIGNERS", {known.fingerprint: "known.key"})
    monkeypatch.setattr(source, "KEYS", keys)
    return tarball


def node(tarball: Path) -> Node:
    machines = fakes.inventory(nginx_version="9.9.9", nginx_source=str(tarball))
    return settings.load(machines)[0].preferred


def refusal(tarball: Path) -> str:
    with pytest.raises(source.SourceError) as caught:
        source.fetch(node(tarball))
    return str(caught.value)


def test_a_signed_tarball_with_the_known_checksum_is_used(release: Path) -> None:
    assert source.fetch(node(release)) == release


def test_a_tampered_tarball_is_refused(release: Path) -> None:
    release.write_bytes(b"the sourcE")
    assert "is not nginx 9.9.9: its sha256 is" in refusal(release)


def test_a_tampered_tarball_is_refused_even_if_its_checksum_is_said_to_be_right(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.write_bytes(b"the sourcE")
    monkeypatch.setitem(releases.SHA256, "9.9.9", hashlib.sha256(b"the sourcE").hexdigest())
    assert "not a good signature" in refusal(release)
    assert "BAD signature" in refusal(release)


def test_a_good_signature_of_a_stranger_is_refused(
    release: Path, signers: tuple[Path, Signer, Signer]
) -> None:
    signers[2].sign(release)
    assert "not a good signature" in refusal(release)


def test_a_signature_by_a_key_nobody_has_is_refused_with_the_way_to_get_it(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    make_signer("somebody", keys)
    monkeypatch.setattr(source, "KEYS", keys)
    assert "which is not in" in refusal(release)


def test_a_missing_signature_is_refused(release: Path) -> None:
    Path(f"{release}.asc").unlink()
    assert "has no signature beside it" in refusal(release)


def test_a_missing_tarball_is_refused(release: Path) -> None:
    release.unlink()
    assert "there is no such file" in refusal(release)


# --- a release that Debian carries without upstream's signature -----------------------------------


@pytest.fixture
def vouched(release: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """9.9.9 as Debian's apt would bring it: without a signature beside it."""
    Path(f"{release}.asc").unlink()
    monkeypatch.setitem(releases.IN_DEBIAN, "9.9.9", "bookworm")
    monkeypatch.setattr(releases, "VOUCHED_BY_DEBIAN", frozenset({"9.9.9"}))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def fetch(version: str, directory: Path) -> Path:
        for path in (release, Path(f"{release}.asc")):
            if path.exists():
                shutil.copy(path, directory)
        return directory / release.name

    monkeypatch.setattr(source, "_fetch_from_debian", fetch)
    monkeypatch.setattr(source, "_get", lambda url: release.read_bytes())
    return release


def node_of(origin: str) -> Node:
    machines = fakes.inventory(nginx_version="9.9.9", nginx_source=origin)
    return settings.load(machines)[0].preferred


def test_what_debian_vouches_for_is_used_with_the_pinned_checksum(vouched: Path) -> None:
    kept = source.fetch(node_of("debian"))
    assert kept.read_bytes() == b"the source"
    assert source.fetch(node_of("debian")) == kept, "and again, out of the cache"


def test_what_debian_vouches_for_is_refused_with_another_checksum(vouched: Path) -> None:
    vouched.write_bytes(b"the sourcE")
    with pytest.raises(source.SourceError, match="its sha256 is"):
        source.fetch(node_of("debian"))


def test_from_any_other_origin_it_needs_a_signature(vouched: Path) -> None:
    source.fetch(node_of("debian"))
    with pytest.raises(source.SourceError, match="not a good signature"):
        source.fetch(node_of("nginx.org"))  # whose signature is what `_get` gave: nonsense
    assert "has no signature beside it" in refusal(vouched)


def test_a_signature_that_is_there_has_to_be_good(
    vouched: Path, signers: tuple[Path, Signer, Signer]
) -> None:
    signers[2].sign(vouched)
    with pytest.raises(source.SourceError, match="not a good signature"):
        source.fetch(node_of("debian"))


def test_debian_vouches_for_nothing_else(vouched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "VOUCHED_BY_DEBIAN", frozenset())
    with pytest.raises(source.SourceError, match="has no signature beside it"):
        source.fetch(node_of("debian"))


# --- Debian's archive ---------------------------------------------------------------------------


def make_archive(root: Path, suite: str, sources: str, signer: Signer) -> None:
    """A Debian archive with one list of source packages, signed."""
    place = root / "dists" / suite
    packed = place / "main" / "source" / "Sources"
    packed.parent.mkdir(parents=True)
    packed.write_text(sources)
    digest = hashlib.sha256(sources.encode()).hexdigest()
    (place / "Release").write_text(
        f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nComponents: main\n"
        "Date: Sun, 01 Nov 2026 00:00:00 UTC\n"
        f"SHA256:\n {digest} {len(sources)} main/source/Sources\n"
    )
    signer.sign(place / "Release")
    (place / "Release.asc").rename(place / "Release.gpg")


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to fetch into, from the archive at `tmp_path`/archive."""
    monkeypatch.setattr(mirror, "debian", lambda: f"file:{tmp_path}/archive")
    directory = tmp_path / "beside"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("trusting", [False, True])
def test_an_archive_that_debian_has_not_signed_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    signers: tuple[Path, Signer, Signer],
    beside: Path,
    trusting: bool,
) -> None:
    """Also where this machine's apt is set to take anything."""
    make_archive(tmp_path / "archive", "bookworm", "", signers[2])
    if trusting:
        (tmp_path / "apt.conf").write_text(
            'APT::Get::AllowUnauthenticated "true"; Acquire::AllowInsecureRepositories "true";'
        )
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    with pytest.raises(source.SourceError, match=r"NO_PUBKEY|not signed|No Hash"):
        source._fetch_from_debian("1.22.1", beside)


def test_a_mirror_needs_to_have_the_tarball_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    signers: tuple[Path, Signer, Signer],
    beside: Path,
) -> None:
    """Debian's own part may be late by a day, and its updates leave out upstream's signature."""
    _, known, _ = signers
    tarball = tmp_path / "archive" / "pool" / "nginx_1.26.3.orig.tar.gz"
    tarball.parent.mkdir(parents=True)
    tarball.write_bytes(b"the source")
    files = "".join(
        f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n"
        for name, content in (
            ("nginx_1.26.3-3+deb13u10.dsc", b"is not there"),
            (tarball.name, tarball.read_bytes()),
            ("nginx_1.26.3-3+deb13u10.debian.tar.xz", b"is not there either"),
        )
    )
    listed = (
        "Package: nginx\nBinary: nginx\nVersion: 1.26.3-3+deb13u10\nFormat: 3.0 (quilt)\n"
        f"Directory: pool\nChecksums-Sha256:\n{files}\n"
    )
    make_archive(tmp_path / "archive", "trixie", listed, known)
    keyring = tmp_path / "keyring.asc"
    keyring.write_text(gpg(known.home, "--armor", "--export"))
    monkeypatch.setattr(mirror, "KEYRING", str(keyring))
    fetched = source._fetch_from_debian("1.26.3", beside)
    assert fetched.read_bytes() == b"the source"
    assert Path(f"{fetched}.asc").read_bytes() == (
        (source.SIGNATURES / "nginx-1.26.3.tar.gz.asc").read_bytes()
    )


def test_the_shipped_keys_are_those_of_known_signers() -> None:
    with tempfile.TemporaryDirectory() as home:
        gpg(home, "--import", *map(str, source.KEYS.glob("*.asc")))
        listed = gpg(home, "--with-colons", "--list-keys")
    assert "D6786CE303D9A9022998DC6CC8464D549AF75C0A" in listed
    assert "D6786CE303D9A9022998DC6CC8464D549AF75C0A" in releases.SIGNERS


OPTIONS = """\
    case "$option" in
        --prefix=)                       NGX_PREFIX="!"             ;;
        --prefix=*)                      NGX_PREFIX="$value"        ;;
        --with-cc-opt=*)                 NGX_CC_OPT="$value"        ;;
        --with-http_v2_module)           HTTP_V2=YES                ;;
        --with-mail)                     MAIL=YES                   ;;
        --with-mail=dynamic)             MAIL=DYNAMIC               ;;
        *)
cat << END
  --with-http_v9_module              no pattern of the case
"""


@pytest.mark.parametrize(
    ("flag", "near"),
    [
        ("--with-http_v2_module", None),
        ("--with-cc-opt=-O2", None),
        ("--with-mail", None),
        ("--with-mail=dynamic", None),
        ("--with-htttp_v2_module", "--with-http_v2_module"),
        ("--with-mail=static", "--with-mail=dynamic"),
        ("--with-http_v2_module=yes", "--with-http_v2_module"),
        ("--unheard-of", ""),
    ],
)
def test_a_flag_that_the_source_does_not_know_is_found(
    flag: str, near: str | None, tmp_path: Path
) -> None:
    tarball = tmp_path / "nginx.tar.gz"
    with tarfile.open(tarball, "w:gz") as tar:
        member = tarfile.TarInfo("nginx-1.30.6/auto/options")
        member.size = len(OPTIONS)
        tar.addfile(member, io.BytesIO(OPTIONS.encode()))
    found = source.unknown_flags(tarball, [flag])
    assert found == ({} if near is None else {flag: near})


def test_where_the_options_cannot_be_read_no_flag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"source")
    assert source.unknown_flags(tmp_path / "x", ["--unheard-of"]) == {}
