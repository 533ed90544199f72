"""What makes a certificate chain good or bad for those who ask a server for certain names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtensionOID


def chain_faults(
    chain: Sequence[x509.Certificate], names: Iterable[str], now: datetime
) -> tuple[str, ...]:
    """Why a server must not show `chain` to those who ask for `names`; empty if nothing is wrong.

    `chain` has the server's certificate first, then each issuer in turn.
    """
    return (*lasting_faults(chain, names), *validity_faults(chain, now))


def lasting_faults(chain: Sequence[x509.Certificate], names: Iterable[str]) -> tuple[str, ...]:
    """Those of `chain_faults` that no passing of time brings about."""
    return (*_order(chain), *_names(chain[0], names))


def bits(public: PublicKeyTypes) -> bytes:
    """A public key in the one form that can be compared."""
    return public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def subject(certificate: x509.Certificate) -> str:
    """Its subject, or the names it is for if it has none."""
    return certificate.subject.rfc4514_string() or ", ".join(names_in(certificate))


def _order(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    for number, (one, issuer) in enumerate(pairwise(chain), start=1):
        if not issued_by(one, issuer):
            yield (
                f"certificate {number} in it ({subject(one)}) was not issued by the one after it "
                f"({subject(issuer)}); give the server's first, then each issuer in turn"
            )
            return


def issued_by(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `one`."""
    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def validity_faults(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    """Those of `chain_faults` that come and go with time."""
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
    """The host names and addresses it is for; its subject counts for no client of today."""
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
