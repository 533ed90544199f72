"""A certificate and its key, read and judged on the controller before any machine is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtensionOID

KEY_BEGINS = b"PRIVATE KEY-----"


def mistakes(
    certificate: Path, key: Path, names: Iterable[str], now: datetime | None = None
) -> Iterator[tuple[str, str]]:
    """What is wrong with the two files: `tls_certificate` or `tls_key`, and what would be right."""
    now = now or datetime.now(UTC)
    chain: list[x509.Certificate] = []
    try:
        pem = certificate.read_bytes()
        chain = x509.load_pem_x509_certificates(pem)
    except OSError as error:
        yield "tls_certificate", f"cannot be read ({error.strerror}); give a PEM file"
    except ValueError:
        yield "tls_certificate", "holds no certificate in PEM; give the chain as nginx takes it"
    else:
        if KEY_BEGINS in pem:
            yield "tls_certificate", "holds a private key, too; give the chain alone"
        for remedy in chain_faults(chain, names, now):
            yield "tls_certificate", remedy
    public = None
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        public = loaded.public_key()
    except OSError as error:
        yield "tls_key", f"cannot be read ({error.strerror}); give a PEM file"
    except TypeError:
        yield "tls_key", "is encrypted, and nobody is there to type its password; give it without"
    except ValueError:
        yield "tls_key", "holds no private key in PEM"
    else:
        if chain and bits(public) != bits(chain[0].public_key()):
            yield "tls_key", f"is not the key of {certificate.name}; give the two that belong"


def chain_faults(
    chain: Sequence[x509.Certificate], names: Iterable[str], now: datetime
) -> tuple[str, ...]:
    """Why a server must not show `chain` to those who ask for `names`."""
    return (*_chain(chain), *_time(chain, now), *_names(chain[0], names))


def bits(public: PublicKeyTypes) -> bytes:
    """A public key in the one form that can be compared."""
    return public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or ", ".join(names_in(certificate))


def _chain(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    for place, (one, issuer) in enumerate(pairwise(chain), start=1):
        if not issued_by(one, issuer):
            yield (
                f"certificate {place} in it ({subject(one)}) was not issued by the one after it "
                f"({subject(issuer)}); give the server's first, then each issuer in turn"
            )
            return


def issued_by(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _time(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    for one in chain:
        if one.not_valid_after_utc <= now:
            ended = f"{one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
            yield f"{subject(one)} has expired on {ended}; renew it"
        if one.not_valid_before_utc > now:
            begins = f"{one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            yield f"{subject(one)} is not valid before {begins}; is the clock here right?"


def _names(certificate: x509.Certificate, names: Iterable[str]) -> Iterator[str]:
    missing = [name for name in names if not covers(certificate, name)]
    if missing:
        there = ", ".join(names_in(certificate)) or "no name"
        yield f"is for {there}, and not for {', '.join(missing)}"


def names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names and addresses it is for. What stands in its subject counts for nobody."""
    try:
        found = certificate.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        ).value
    except x509.ExtensionNotFound:
        return ()
    assert isinstance(found, x509.SubjectAlternativeName)
    return (
        *found.get_values_for_type(x509.DNSName),
        *map(str, found.get_values_for_type(x509.IPAddress)),
    )


def covers(certificate: x509.Certificate, name: str) -> bool:
    """Whether it is for `name`; its own *.x stands for one label, as RFC 6125 has it."""
    label, _, rest = name.partition(".")
    there = {found.lower() for found in names_in(certificate)}
    return name in there or (label != "*" and f"*.{rest}" in there)
