"""nginx's source on the controller: fetched once, and trusted by checksum and signature alone.

Both must be right for every tarball of every origin, each time it is used. The signature is
upstream's, except for the releases in `releases.VOUCHED_BY_DEBIAN`. If one origin fails, no other
is tried. A release whose checksum nobody knows yet is trusted by its signature, once: `pin`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from gevent import subprocess
from gevent.lock import BoundedSemaphore
from pyinfra import logger

from controller import mirror
from controller.cache import cache_directory, unwritable
from report import live_line
from settings import Node, Refused, release_lock, releases
from settings.values import alike

ORIGIN = "https://nginx.org"
FILES = Path(__file__).resolve().parent.parent / "files" / "nginx"
KEYS, SIGNATURES = FILES / "keys", FILES / "signatures"
FETCH_TIMEOUT_S = 60
CHUNK_B = 1 << 16
# More than nginx.h and auto/options have.
_TEXT_B = 1 << 18
# apt takes nothing that Debian's key has not signed, and no lists but those just fetched, whatever
# this machine's own configuration of apt allows.
STRICT = (
    "APT::Update::Error-Mode=any",
    "APT::Get::AllowUnauthenticated=false",
    "Acquire::AllowInsecureRepositories=false",
    "Acquire::AllowWeakRepositories=false",
    "Acquire::AllowDowngradeToInsecureRepositories=false",
)

_one_at_a_time = BoundedSemaphore()


class SourceError(Refused):
    """The source cannot be had, or is not what was signed; no machine was touched."""


def fetch(node: Node) -> Path:
    """The verified tarball of `node`'s release, on this machine.

    Raises `SourceError`, with the remedy, if it cannot be had or is not what was signed.
    """
    if not node.sha256:
        raise SourceError(f"nginx {node.nginx_version}: no checksum is known for it, or pinned.")
    return _fetch_trusted(node)


def pin(node: Node, lock: Path) -> str:
    """Pin the sha256 of `node`'s release, which is new here, in `lock`; who has signed it.

    Raises `SourceError`, and pins nothing, unless it can be had, one of `releases.SIGNERS` has
    signed it, and it is the release that its name says: an old one is signed as well as a new one.
    """
    tarball = _fetch_trusted(node)
    if (inside := _version_inside(tarball)) != node.nginx_version:
        raise SourceError(
            f"{tarball} is signed, but it is not nginx {node.nginx_version}: it is "
            f"{f'nginx {inside}' if inside else 'no source of nginx'}. It was not used."
        )
    try:
        release_lock.pin(lock, node.nginx_version, _sha256(tarball))
    except OSError as error:
        raise SourceError(f"{lock} cannot be written ({error.strerror}).") from error
    return _check_signature(tarball, node)


def _version_inside(tarball: Path) -> str:
    """What the source itself says that it is, "" where it says nothing."""
    found = re.search(r'NGINX_VERSION\s+"([0-9.]+)"', _text_inside(tarball, "src/core/nginx.h"))
    return found[1] if found else ""


def unknown_flags(tarball: Path, flags: Iterable[str]) -> dict[str, str]:
    """Flags that the source's configure refuses, each with the one that may be meant, or "". None
    where its options cannot be read."""
    options = re.findall(
        r"^ +(--[\w-]+(?:=[\w*]*)?)\)", _text_inside(tarball, "auto/options"), re.MULTILINE
    )
    names = [option.rstrip("*") for option in options]
    valued = tuple(option.rstrip("*") for option in options if option.endswith("*"))
    return {
        flag: alike(flag, names)
        for flag in flags
        if options and flag not in names and not flag.startswith(valued)
    }


def _text_inside(tarball: Path, path: str) -> str:
    """The beginning of a file of the source, "" where it has none."""
    try:
        with tarfile.open(tarball, "r:gz") as tar:
            for member in tar:
                if member.name.partition("/")[2] == path and (file := tar.extractfile(member)):
                    return file.read(_TEXT_B).decode(errors="replace")
    except (OSError, EOFError, tarfile.TarError, zlib.error):
        pass
    return ""


def _fetch_trusted(node: Node) -> Path:
    with _one_at_a_time:
        if "/" in node.nginx_source:
            tarball = Path(node.nginx_source).expanduser()
            _check(tarball, node)
            return tarball
        tarball = cache_directory("sources") / f"nginx-{node.nginx_version}.tar.gz"
        if tarball.exists():
            try:
                _check(tarball, node)
                return tarball
            except SourceError as error:
                logger.warning(f"{error} Fetching it again.")
        try:
            with tempfile.TemporaryDirectory(dir=tarball.parent) as beside:
                logger.info(f"--> Fetching nginx {node.nginx_version} from {node.nginx_source}")
                fresh = _fetch(node, Path(beside))
                _check(fresh, node)
                if _signature(fresh).exists():
                    os.replace(_signature(fresh), _signature(tarball))
                os.replace(fresh, tarball)
        except OSError as error:
            raise SourceError(unwritable(tarball, error)) from error
        return tarball


def _signature(tarball: Path) -> Path:
    return tarball.with_name(tarball.name + ".asc")


def _fetch(node: Node, directory: Path) -> Path:
    if node.nginx_source == "debian":
        return _fetch_from_debian(node.nginx_version, directory)
    tarball = directory / f"nginx-{node.nginx_version}.tar.gz"
    for path in (tarball, _signature(tarball)):
        path.write_bytes(_get(f"{ORIGIN}/download/{path.name}"))
    return tarball


def _get(url: str) -> bytes:
    import requests  # here, because a deploy that fetches nothing need not wait for it

    try:
        with requests.get(url, timeout=FETCH_TIMEOUT_S, stream=True) as answer:
            answer.raise_for_status()
            size = answer.headers.get("Content-Length", "")
            whole = f" of {int(size) // 1024}" if size.isdigit() else ""
            content = bytearray()
            for chunk in answer.iter_content(CHUNK_B):
                content += chunk
                live_line.part(f"{url}: {len(content) // 1024}{whole} kB")
            live_line.part("")
    except requests.RequestException as error:
        raise SourceError(
            f"{url} could not be fetched ({error}). No machine was touched. Where this controller "
            "cannot reach nginx.org, copy the tarball and its .asc here and set nginx_source to "
            "the tarball's path."
        ) from error
    return bytes(content)


def _fetch_from_debian(version: str, directory: Path) -> Path:
    """Upstream's tarball out of Debian's source package, with upstream's signature if there is one.

    apt fetches it, and refuses what Debian's archive key has not signed; it has lists and caches in
    `directory`, so that this machine's own stay as they are. Only the tarball is fetched: Debian's
    part of the package changes with each update, and a mirror may lack it for a day. Upstream's
    signature is not in every update, so it is kept in `SIGNATURES`.
    """
    if not shutil.which("apt-get"):
        raise SourceError(
            'nginx_source = "debian" needs apt-get on the controller. Use "nginx.org", or a path.'
        )
    for needed in ("lists/partial", "cache/archives/partial"):
        (directory / needed).mkdir(parents=True)
    try:
        archive = mirror.debian()
    except LookupError as error:
        raise SourceError(f"{error}.") from error
    suite = releases.IN_DEBIAN[version]
    (directory / "sources.list").write_text(
        f"deb-src [signed-by={mirror.KEYRING}] {archive} {suite} main\n"
    )
    apt = ["apt-get", "--quiet"]
    for option in (
        f"Dir::Etc::SourceList={directory}/sources.list",
        "Dir::Etc::SourceParts=-",
        f"Dir::State::Lists={directory}/lists",
        f"Dir::Cache={directory}/cache",
        "APT::Sandbox::User=root",
        *STRICT,
    ):
        apt += ["-o", option]
    for words in (["update"], ["source", "--download-only", "--tar-only", "nginx"]):
        live_line.part(f"apt-get {words[0]}, of {suite}")
        done = subprocess.run(apt + words, cwd=directory, capture_output=True, text=True)
        if done.returncode:
            raise SourceError(f"apt-get {words[0]} failed: {done.stderr.strip()[-600:]}")
    live_line.part("")
    original = directory / f"nginx_{version}.orig.tar.gz"
    if not original.exists():
        raise SourceError(f"Debian's source package in {suite} is not of nginx {version}.")
    signature = SIGNATURES / f"nginx-{version}.tar.gz.asc"
    if signature.exists():
        shutil.copy(signature, _signature(original))
    return original


def _check(tarball: Path, node: Node) -> None:
    """Raise `SourceError` unless the checksum, where one is known, and the signature are right.

    The signature may be missing for `releases.VOUCHED_BY_DEBIAN`, where Debian's replaces it.
    """
    if not tarball.is_file():
        raise SourceError(f"nginx_source = {tarball}: there is no such file.")
    if node.sha256 and (digest := _sha256(tarball)) != node.sha256:
        raise SourceError(
            f"{tarball} is not nginx {node.nginx_version}: its sha256 is {digest}, and must be "
            f"{node.sha256}. It was not used."
        )
    vouched = node.nginx_source == "debian" and node.nginx_version in releases.VOUCHED_BY_DEBIAN
    if vouched and not _signature(tarball).is_file():
        return
    _check_signature(tarball, node)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_signature(tarball: Path, node: Node) -> str:
    """Whose key has signed it. Raises `SourceError` if it is none of `releases.SIGNERS`."""
    signature = _signature(tarball)
    if not signature.is_file():
        raise SourceError(f"{tarball} has no signature beside it ({signature.name} is missing).")
    signer = _signer(tarball, signature, online=node.nginx_source == "nginx.org")
    if signer not in releases.SIGNERS:
        raise SourceError(
            f"{signature} is not a good signature of {tarball.name} by one of nginx's release "
            f"managers ({signer}). It was not used."
        )
    return signer


def _signer(tarball: Path, signature: Path, *, online: bool) -> str:
    """The primary key's fingerprint if the signature is good; otherwise what gpg says is wrong.

    The keyring may hold any key: the caller looks for the fingerprint in `SIGNERS`. `online`: fetch
    the signers' keys from nginx.org if none of those in `KEYS` made the signature.
    """
    if not shutil.which("gpg"):
        raise SourceError("gpg is missing on the controller: apt-get install gnupg")
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--no-tty", "--status-fd", "1"]
        keys = sorted(str(path) for path in KEYS.glob("*.asc"))
        subprocess.run([*gpg, "--import", *keys], capture_output=True, check=True)
        verify = [*gpg, "--verify", str(signature), str(tarball)]
        done = subprocess.run(verify, capture_output=True, text=True)
        if online and "NO_PUBKEY" in done.stdout:
            for name in releases.SIGNERS.values():
                key = Path(home, name)
                key.write_bytes(_get(f"{ORIGIN}/keys/{name}"))
                subprocess.run([*gpg, "--import", str(key)], capture_output=True)
            done = subprocess.run(verify, capture_output=True, text=True)
    valid = re.search(r"^\[GNUPG:\] VALIDSIG .* ([0-9A-F]{40})$", done.stdout, re.MULTILINE)
    if done.returncode == 0 and valid:
        return str(valid[1])
    missing = re.search(r"NO_PUBKEY (\w+)", done.stdout)
    if missing:
        return (
            f"signed with key {missing[1]}, which is not in {KEYS}; "
            f"save the signer's key from {ORIGIN}/keys/ there as a file ending in .asc"
        )
    return "gpg: " + (done.stderr.strip().splitlines() or ["no signature"])[-1]
