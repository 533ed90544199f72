"""The lab's own certificate authority, for trying TLS without a public one."""

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

from lab.paths import State

CA_DAYS = 365
# Certificates are valid from a little earlier, for machines whose clocks are behind.
EARLIER = timedelta(hours=1)


class Issued(NamedTuple):
    """PEM files: the CA to trust, the certificate followed by its issuer's, and its key."""

    ca: Path
    certificate: Path
    key: Path


def issue(
    state: State,
    names: Iterable[str],
    *,
    name: str = "web",
    days: float = 90,
    begins: datetime | None = None,
) -> Issued:
    """A new certificate for host names and addresses, written to the lab's directory.

    `name` is the base name of its files; the authority is created on first use.
    """
    folder = state.root / "ca"
    folder.mkdir(exist_ok=True)
    authority, authority_key = _authority(folder)
    begins = begins or datetime.now(UTC)
    names = list(names)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(names[0], key, authority.subject, begins - EARLIER, begins + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .sign(authority_key, hashes.SHA256())
    )
    issued = Issued(folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key")
    _write(issued.key, _pem(key), 0o600)
    _write(issued.certificate, _encoded(certificate) + _encoded(authority))
    return issued


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The authority's certificate and key, created on first use."""
    pem, key_pem = folder / "ca.pem", folder / "ca.key"
    if pem.exists() and key_pem.exists():
        key = serialization.load_pem_private_key(key_pem.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return x509.load_pem_x509_certificate(pem.read_bytes()), key
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tandem's lab")])
    now = datetime.now(UTC)
    certificate = (
        _builder("Tandem's lab", key, subject, now - EARLIER, now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    _write(key_pem, _pem(key), 0o600)
    _write(pem, _encoded(certificate))
    return certificate, key


def _builder(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _encoded(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write by rename, so that a renewal is atomic; a key is private from its first byte."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    new.replace(path)
