"""Reads handshakes of OpenSSL's client, and a machine's keys and sites. Pure; text in, values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Session:
    """One handshake. `version` is "" where there was none, `refusal` then says why."""

    version: str
    protocol: str
    chain: tuple[x509.Certificate, ...]
    refusal: str


def session(text: str) -> Session:
    """The output of `openssl s_client`. Raises ValueError for anything else."""
    from cryptography import x509  # only where there is TLS

    version = re.search(r"^New, (TLSv[\d.]+), Cipher is (?!\(NONE\))", text, re.MULTILINE)
    # OpenSSL's own name for the version that it has agreed on, where "New" names a cipher's.
    agreed = re.search(r"^\s*Protocol\s*: (TLSv[\d.]+)", text, re.MULTILINE)
    offered = re.search(r"^ALPN protocol: (\S+)", text, re.MULTILINE)
    refusal = re.search(r"alert [a-z ]+|connect:errno=\d+|Connection refused", text)
    if not version and not refusal and "CONNECTED" not in text:
        raise ValueError("no answer of openssl s_client")
    return Session(
        version=((agreed or version)[1] if version else ""),
        protocol=offered[1] if offered else "",
        chain=tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in _PEM.findall(text)),
        refusal=refusal[0].strip() if refusal else "",
    )


@dataclass(frozen=True)
class Key:
    """A key on a machine: who may read it, and whether it is its certificate's."""

    mode: int
    owner: str
    fits: bool
    path: str


def keys(text: str) -> tuple[Key, ...]:
    """Lines of mode, owner, `fits` or `differs`, and path."""
    lines = (line.split(" ", 3) for line in text.splitlines() if line)
    return tuple(
        Key(int(mode, 8), owner, fits == "fits", path) for mode, owner, fits, path in lines
    )


def sites(text: str) -> dict[str, tuple[str, str]]:
    """Version and sum of each site that is there."""
    lines = (line.split() for line in text.splitlines() if line)
    return {name: (version, total) for name, version, total in lines}


def chains(text: str) -> dict[str, tuple[x509.Certificate, ...]]:
    """The certificates of each file, in its order, below a line `file NAME`. Raises ValueError
    where there is none of a file."""
    from cryptography import x509  # only where there is TLS

    _, *parts = re.split(r"^file (\S+)$", text, flags=re.MULTILINE)
    if not parts:
        raise ValueError("no line 'file'")
    found = {}
    for name, content in zip(parts[::2], parts[1::2], strict=True):
        if left := _PEM.sub("", content).strip():
            raise ValueError(left.splitlines()[0])
        found[name] = tuple(
            x509.load_pem_x509_certificate(pem.encode()) for pem in _PEM.findall(content)
        )
    return found
