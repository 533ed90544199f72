"""A checkout's own certificate authority, for trying TLS without a public one.

It needs no lab, and outlives each: an inventory may name its files before the first `lab up`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.errors import LabError

CA_DAYS = 3650
# Certificates are valid from a little earlier, for machines whose clocks are behind.
EARLIER = timedelta(hours=1)

CertificateAndKey = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


class Issued(NamedTuple):
    """PEM files: the CA to trust, the certificate followed by its issuer's, and its key."""

    ca: Path
    certificate: Path
    key: Path


def issue(
    folder: Path,
    names: Iterable[str],
    *,
    name: str = "web",
    days: float = 90,
    begins: datetime | None = None,
) -> Issued:
    """A new certificate for host names and addresses, written to `folder`.

    `name` is the base name of its files; the authority is created on first use. What is written
    belongs to whoever owns the directory that `folder` is in. Raises `LabError` where it cannot be.
    """
    issued = Issued(folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key")
    try:
        if not folder.exists():
            folder.mkdir()
            _give(folder, folder.parent)
        _issue(issued, list(names), days, begins or datetime.now(UTC))
    except OSError as error:
        raise LabError(
            f"{error.filename}: {error.strerror}. Somebody else, root perhaps, has made it: "
            "run this as that user"
        ) from error
    return issued


def _issue(issued: Issued, names: list[str], days: float, begins: datetime) -> None:
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName([_general(one) for one in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
    ]
    authority = _authority(issued.ca)
    _make(issued.certificate, names[0], begins, days, extensions, authority)


def _authority(pem: Path) -> CertificateAndKey:
    """The authority's certificate and key, created on first use."""
    key_pem = pem.with_suffix(".key")
    if not (pem.exists() and key_pem.exists()):
        is_authority = (x509.BasicConstraints(ca=True, path_length=0), True)
        _make(pem, "Tandem's lab", datetime.now(UTC), CA_DAYS, [is_authority])
    key = serialization.load_pem_private_key(key_pem.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(pem.read_bytes()), key


def _make(
    pem: Path,
    name: str,
    begins: datetime,
    days: float,
    extensions: Iterable[tuple[x509.ExtensionType, bool]],
    issuer: CertificateAndKey | None = None,
) -> None:
    """Write a new key and its certificate, followed by its issuer's; without one it signs itself.

    Of each extension: whether it is critical.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - EARLIER)
        .not_valid_after(begins + timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    chain = [builder.sign(issuer[1] if issuer else key, hashes.SHA256())]
    chain += [issuer[0]] if issuer else []
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(encoding, form, serialization.NoEncryption())
    _write(pem.with_suffix(".key"), private, 0o600)
    _write(pem, b"".join(each.public_bytes(encoding) for each in chain))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write by rename, so that a renewal is atomic; a key is private from its first byte."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    _give(new, path.parent)
    new.replace(path)


def _give(path: Path, like: Path) -> None:
    """Make root's file that of whoever owns `like`: sudo is needed for the lab, not for this."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
